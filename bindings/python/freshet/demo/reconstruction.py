"""The same series through an LSTM autoencoder: train, save, load, stream."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Final

import numpy as np

from freshet.demo.pipeline import Run
from freshet.lstm import LSTMAutoencoder
from freshet.streaming import StreamingDetector

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from freshet.datasets import Dataset
    from freshet.lstm import TrainingProgress

COLUMN: Final = "value"  # as in NAB's file
PERCENTILE: Final = 95.0
"""Of the training windows' errors; `docs/demo.md` says what others give."""


def train(
    dataset: Dataset, seed: int, bundle: Path, on_progress: Callable[[TrainingProgress], object]
) -> float:
    """Train on the whole series, without its labels, and save the bundle; return the seconds."""
    began = time.perf_counter()
    model = LSTMAutoencoder(seed=seed)
    model.fit(dataset.values[:, np.newaxis], on_progress=on_progress, column_names=[COLUMN])
    model.set_percentile(PERCENTILE)
    model.save(bundle)
    return time.perf_counter() - began


def run(dataset: Dataset, bundle: Path, seconds: float, advance: Callable[[], None]) -> Run:
    """Stream `dataset` through the bundle's model; `advance` is called after each point."""
    detector = StreamingDetector.from_bundle(bundle)
    n = len(dataset)
    scores = np.full(n, np.nan)
    is_anomaly = np.zeros(n, dtype=np.bool_)
    latencies = np.zeros(n)
    for i, value in enumerate(dataset.values.tolist()):
        began = time.perf_counter_ns()
        result = detector.process([value])
        latencies[i] = (time.perf_counter_ns() - began) / 1e3
        if result.raw_score is not None:
            scores[i] = result.raw_score
            is_anomaly[i] = result.is_anomaly
        advance()
    return Run(
        comparisons=None,
        scores=scores,
        is_anomaly=is_anomaly,
        model_versions=np.isfinite(scores).astype(np.int64),
        latencies_us=latencies,
        threshold=detector.stats().threshold or math.nan,
        n_features=1,
        method=(
            "LSTM autoencoder on windows of a day; threshold at the "
            f"{PERCENTILE:g}th percentile of the training windows' errors"
        ),
        models=f"trained on the whole series in {seconds:.1f} s",
        bundle=str(bundle),
    )
