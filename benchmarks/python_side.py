"""What a row costs through the Python module."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import freshet

if TYPE_CHECKING:
    import numpy as np

# As in streaming.cpp.
N_WARM_UP_ROWS = 2000
N_BATCH_ROWS = 10_000
NEVER = 1_000_000_000
BARE: dict[str, Any] = {"min_samples": 1000, "window_size": 1000, "retrain": "inline"}
FEATURES: dict[str, Any] = {**BARE, "rolling_windows": [5, 10, 20], "lag_periods": [1, 2, 3]}


def _warm(settings: dict[str, Any], rows: np.ndarray) -> freshet.StreamingDetector:
    detector = freshet.StreamingDetector(backend="ecod", **settings)
    detector.process_many(rows[:N_WARM_UP_ROWS])
    return detector


def process_ns(settings: dict[str, Any], rows: np.ndarray, *, as_lists: bool) -> float:
    """Return the mean cost of ``process(row)`` per row, in ns."""
    tail = rows[N_WARM_UP_ROWS:]
    # Made before, as a host has its rows at hand.
    prepared = tail.tolist() if as_lists else list(tail)
    process = _warm({**settings, "retrain_interval": NEVER}, rows).process
    began = time.perf_counter_ns()
    for row in prepared:
        process(row)
    return (time.perf_counter_ns() - began) / len(prepared)


def process_many_ns(settings: dict[str, Any], rows: np.ndarray) -> float:
    """Return the mean cost of ``process_many`` per row, in ns."""
    tail = rows[N_WARM_UP_ROWS:]
    detector = _warm({**settings, "retrain_interval": NEVER}, rows)
    began = time.perf_counter_ns()
    for first in range(0, len(tail), N_BATCH_ROWS):
        detector.process_many(tail[first : first + N_BATCH_ROWS])
    return (time.perf_counter_ns() - began) / len(tail)


def inline_rows_per_second(rows: np.ndarray) -> float:
    """Return the throughput of ``process(row)`` with features and a training every 100 rows."""
    detector = _warm({**FEATURES, "retrain_interval": 100}, rows)
    prepared = rows[N_WARM_UP_ROWS:].tolist()
    process = detector.process
    began = time.perf_counter()
    for row in prepared:
        process(row)
    return len(prepared) / (time.perf_counter() - began)
