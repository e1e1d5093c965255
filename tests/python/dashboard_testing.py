"""Points and files to show."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import numpy as np
from freshet.dashboard.points import Points
from prediction_testing import entry

if TYPE_CHECKING:
    from pathlib import Path

    from freshet.server.engine.changes import Entry

SECOND = np.timedelta64(1, "s")
NEW_YEAR = np.datetime64("2024-01-01T00:00:00", "us")


def points(scores: Any, threshold: float = 0.5, **given: Any) -> Points:
    """Points with these scores, NaN in cold start, a second apart, with the columns x and y."""
    scores = np.asarray(scores, np.float64)
    n = len(scores)
    is_scored = ~np.isnan(scores)
    arrays: dict[str, Any] = {
        "columns": ("x", "y"),
        "ids": np.arange(n),
        "rows": np.arange(n),
        "values": np.stack([np.sin(np.arange(n)), np.arange(n)], axis=1).astype(float),
        "scores": scores,
        "raw_scores": 10 * scores,
        "thresholds": np.full(n, threshold),
        "is_anomaly": scores > threshold,
        "model_versions": is_scored.astype(np.int64),
        "times": NEW_YEAR + np.arange(n) * SECOND,
    }
    return Points(**arrays | given)


def write_spikes(path: Path, n: int = 600, at: tuple[int, ...] = (250, 400)) -> Path:
    """Write a CSV file of two noisy columns, which have a spike at some rows."""
    random = np.random.default_rng(0)
    values = random.normal(size=(n, 2))
    values[list(at)] = 12.0
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["timestamp", "heat", "load"])
        for i, row in enumerate(values.tolist()):
            writer.writerow([str(NEW_YEAR + 60 * i * SECOND)[:19], *row])
    return path


def entries(
    n: int, stream_id: str = "sensor", *, first: int = 0, anomalies: tuple[int, ...] = ()
) -> list[Entry]:
    """Blocks of ten rows, a second apart; the first 50 rows are cold, every 100 is a new model."""
    found = []
    for begin in range(first, first + n, 10):
        rows = np.arange(begin, begin + 10)
        scores = np.where(rows < 50, np.nan, 0.2 + 0.01 * (rows % 7))
        scores[np.isin(rows, anomalies)] = 0.9
        values = np.stack([np.sin(rows / 9), rows % 10], axis=1)
        values[np.isin(rows, anomalies), 0] = 9.0
        found.append(
            entry(
                scores,
                stream_id,
                at=begin / 10,
                first_index=begin,
                version=1 + begin // 100,
                columns=["heat", "load"],
                values=values,
                timestamps=1.7e9 + rows.astype(float),
            )
        )
    return found
