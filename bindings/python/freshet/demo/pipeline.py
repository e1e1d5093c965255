"""From the series to verdicts, one point at a time."""

from __future__ import annotations

import math
import statistics
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from freshet.streaming import StreamingDetector

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from freshet.datasets import Dataset

ROWS_PER_DAY: Final = 48
ROWS_PER_WEEK: Final = 7 * ROWS_PER_DAY
WEEKS_OF_MEMORY: Final = 4
COLUMN: Final = "vs_usual"

MIN_SAMPLES: Final = 3 * ROWS_PER_WEEK
RETRAIN_INTERVAL: Final = ROWS_PER_WEEK
WINDOW_SIZE: Final = 8 * ROWS_PER_WEEK
CONTAMINATION: Final = 0.01
ROLLING_WINDOWS: Final = (ROWS_PER_DAY // 4, ROWS_PER_DAY)


class UsualWeek:
    """What is usual at this time of the week: the median of the last weeks' same half hours.

    A host's own feature, as any has that knows its data: backends that look at each column alone
    cannot see that 20,000 rides are few on a Saturday evening and many on a Monday night.
    """

    def __init__(self) -> None:
        self._past: deque[float] = deque(maxlen=WEEKS_OF_MEMORY * ROWS_PER_WEEK)

    def compare(self, value: float) -> float | None:
        """Return log((1 + value) / (1 + usual)), None in the first week, and remember `value`."""
        earlier = [self._past[-k] for k in range(ROWS_PER_WEEK, len(self._past) + 1, ROWS_PER_WEEK)]
        self._past.append(value)
        if not earlier:
            return None
        return math.log1p(value) - math.log1p(statistics.median(earlier))


@dataclass(frozen=True)
class Run:
    """What the detector said to every point.

    The arrays have one entry per point of the series; points of the first week, with which there is
    nothing to compare yet, count as cold start.
    """

    comparisons: npt.NDArray[np.float64] | None
    """What :class:`UsualWeek` made of each point, NaN in the first week; None if nothing did."""
    scores: npt.NDArray[np.float64]
    is_anomaly: npt.NDArray[np.bool_]
    model_versions: npt.NDArray[np.int64]
    latencies_us: npt.NDArray[np.float64]
    """Of each call of ``process``, in µs; as many as there were calls."""
    threshold: float
    n_features: int
    method: str = ""
    """What looked at what, for people."""
    models: str = ""
    """How the models came about, for people."""
    bundle: str | None = None
    """Where the model was saved, if it was."""


def make_detector(backend: str, seed: int) -> StreamingDetector:
    """Return the demo's detector; `docs/demo.md` says why it is set up so."""
    return StreamingDetector(
        backend=backend,
        columns=[COLUMN],
        min_samples=MIN_SAMPLES,
        retrain_interval=RETRAIN_INTERVAL,
        window_size=WINDOW_SIZE,
        contamination=CONTAMINATION,
        rolling_windows=list(ROLLING_WINDOWS),
        # Trained between two rows, so that every run gives the same verdicts.
        retrain="inline",
        seed=seed,
    )


def run(dataset: Dataset, backend: str, seed: int, advance: Callable[[], None]) -> Run:
    """Stream `dataset` through a detector; `advance` is called after each point."""
    detector = make_detector(backend, seed)
    usual_week = UsualWeek()
    n = len(dataset)
    comparisons = np.full(n, np.nan)
    scores = np.full(n, np.nan)
    is_anomaly = np.zeros(n, dtype=np.bool_)
    model_versions = np.zeros(n, dtype=np.int64)
    latencies: list[int] = []
    for i, value in enumerate(dataset.values.tolist()):
        comparison = usual_week.compare(value)
        if comparison is not None:
            began = time.perf_counter_ns()
            result = detector.process([comparison])
            latencies.append(time.perf_counter_ns() - began)
            comparisons[i] = comparison
            if result.score is not None:
                scores[i] = result.score
                is_anomaly[i] = result.is_anomaly
                model_versions[i] = result.model_version
        advance()
    return Run(
        comparisons=comparisons,
        scores=scores,
        is_anomaly=is_anomaly,
        model_versions=model_versions,
        latencies_us=np.array(latencies) / 1e3,
        threshold=detector.stats().threshold or math.nan,
        n_features=len(detector.feature_names or ()),
        method=(
            f"{backend} on {len(detector.feature_names or ())} features of the rides against the "
            f"same half hour of the last {WEEKS_OF_MEMORY} weeks"
        ),
        models="one a week, trained inline",
    )
