"""Streams of the service as tests drive them, and what they must be equal to."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from freshet import StreamingDetector
from freshet._core import record_dtype
from freshet.server import ServerSettings
from freshet.server.engine import Engine
from freshet.server.metrics import Metrics

#: Small enough that everything happens within a few hundred rows.
SETTINGS: dict[str, Any] = {
    "backend": "ecod",
    "min_samples": 20,
    "retrain_interval": 25,
    "window_size": 60,
    "rolling_windows": [5],
    "threshold": 0.5,
    "retrain": "hosted",
}


#: The same for all requests, as it is for those that say the same of a detector.
NOTHING_GIVEN: dict[str, Any] = {}


def engine_at(data_dir: Path, **settings: Any) -> Engine:
    """An engine that has not been started."""
    given = {"snapshot_interval_rows": 30, "snapshot_interval_seconds": 1e-6} | settings
    return Engine(ServerSettings(data_dir=data_dir, **given), Metrics())


async def score(
    engine: Engine,
    stream_id: str,
    rows: Any,
    *,
    columns: Sequence[str] | None = None,
    settings: dict[str, Any] | None = None,
    given: dict[str, Any] | None = None,
) -> Any:
    """Score rows; return the records of the verdicts."""
    values = rows if isinstance(rows, list) else np.asarray(rows, dtype=float)
    if columns is None and isinstance(values, np.ndarray) and values.ndim == 2:
        columns = [f"f{i}" for i in range(values.shape[1])]  # as JSON's objects have names
    return await engine.score(
        stream_id,
        settings=SETTINGS if settings is None else settings,
        given=NOTHING_GIVEN if given is None else given,
        values=values,
        columns=columns,
        render=lambda answer: np.frombuffer(answer.records, record_dtype),
    )


async def settle(engine: Engine, *stream_ids: str) -> None:
    """Wait until no training of streams is due."""
    for stream_id in stream_ids:
        while (await engine.info(stream_id))["stats"]["status"] == "retraining":
            await asyncio.sleep(0.002)


def crash(data_dir: Path, to: Path) -> Path:
    """Copy what a process that is killed now would leave behind."""
    shutil.copytree(data_dir, to)
    return to


def uninterrupted(
    rows: Iterable[Sequence[float]], model_versions: Iterable[int], **settings: Any
) -> np.ndarray:
    """The verdicts of one detector that is never interrupted.

    Its models become active where they did in the run that it is compared with: a row that another
    model scored than the one before, as `model_versions` tells, comes after a publication.
    """
    detector = StreamingDetector(**(SETTINGS | settings))
    records = []
    for row, version in zip(rows, model_versions, strict=True):
        training = detector.training()
        if training is not None and training.version == version:
            detector.publish(training.run())
        records.append(detector.process_many(np.array([row], dtype=float)).records[0])
    return np.array(records)


def assert_same_verdicts(found: np.ndarray, expected: np.ndarray) -> None:
    """Every verdict is the same, to the bit."""
    for name in ("scored", "score", "raw_score", "is_anomaly", "model_version", "index"):
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
