"""The other side of the comparison: PyOD's detectors, and a streaming pipeline of Polars and PyOD.

The pipeline does what a known service does for every point: it recomputes the rolling features of
the whole window with Polars, scores the newest row with PyOD, and trains anew every so many points.
"""

from __future__ import annotations

import statistics
import time
import warnings
from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from pyod.models.cblof import CBLOF
from pyod.models.copod import COPOD
from pyod.models.ecod import ECOD
from pyod.models.hbos import HBOS
from pyod.models.iforest import IForest
from pyod.models.knn import KNN
from pyod.models.loda import LODA
from pyod.models.lof import LOF
from pyod.models.mcd import MCD
from pyod.models.ocsvm import OCSVM

if TYPE_CHECKING:
    from collections.abc import Callable

Detector = Any

DETECTORS: dict[str, Callable[[], Detector]] = {
    "ecod": ECOD,
    "copod": COPOD,
    "hbos": HBOS,
    "loda": lambda: LODA(n_random_cuts=100),
    "isolation_forest": IForest,
    "knn": KNN,
    "local_outlier_factor": LOF,
    # With its own alpha it refuses rows without any small clusters, as these are.
    "cblof": lambda: CBLOF(alpha=0.8, random_state=0),
    "mcd": MCD,
    "one_class_svm": OCSVM,
}


def one_row_ns(name: str, rows: np.ndarray, n_training_rows: int, n_calls: int) -> float:
    """Return the median time of ``decision_function`` of a single row, in ns."""
    model = DETECTORS[name]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(rows[:n_training_rows])
        singles = [rows[i : i + 1] for i in range(n_training_rows, n_training_rows + n_calls + 3)]
        for row in singles[:3]:  # compiles, where a detector does
            model.decision_function(row)
        took = []
        for row in singles[3:]:
            began = time.perf_counter_ns()
            model.decision_function(row)
            took.append(time.perf_counter_ns() - began)
    return float(statistics.median(took))


def fit_ns(name: str, rows: np.ndarray, n_rounds: int) -> float:
    """Return the median time of ``fit``, in ns."""
    took = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(n_rounds):
            model = DETECTORS[name]()
            began = time.perf_counter_ns()
            model.fit(rows)
            took.append(time.perf_counter_ns() - began)
    return float(statistics.median(took))


class Pipeline:
    """Rolling features by Polars, scores by PyOD, recomputed for every point."""

    def __init__(
        self,
        backend: str,
        n_columns: int,
        *,
        window_size: int,
        retrain_interval: int,
        rolling_windows: list[int],
        lag_periods: list[int],
    ) -> None:
        self._make = DETECTORS[backend]
        self._columns = [f"f{j}" for j in range(n_columns)]
        self._window: deque[np.ndarray] = deque(maxlen=window_size)
        self._retrain_interval = retrain_interval
        self._since_fit = 0
        self._model: Detector | None = None
        rolling = [
            getattr(pl.col(column), f"rolling_{statistic}")(window, min_samples=1)
            .fill_null(0.0)
            .alias(f"{column}_rolling_{statistic}_{window}")
            for column in self._columns
            for window in rolling_windows
            for statistic in ("mean", "std", "min", "max")
        ]
        lags = [
            pl.col(column).shift(period).fill_null(0.0).alias(f"{column}_lag_{period}")
            for column in self._columns
            for period in lag_periods
        ]
        self._expressions = rolling + lags

    def _features(self) -> np.ndarray:
        frame = pl.DataFrame(np.array(self._window), schema=self._columns, orient="row")
        return frame.with_columns(self._expressions).to_numpy()

    def fill(self, rows: np.ndarray) -> None:
        """Take rows in without scoring them, then train."""
        self._window.extend(rows)
        self._train(self._features())

    def _train(self, features: np.ndarray) -> None:
        self._model = self._make()
        self._model.fit(features)
        # The score's normalization, as the service has it.
        scores = self._model.decision_scores_
        self._mean, self._std = float(scores.mean()), float(scores.std()) or 1.0
        self._since_fit = 0

    def process(self, row: np.ndarray) -> float:
        """Score a row after taking it in."""
        self._window.append(row)
        features = self._features()
        raw = float(self._model.decision_function(features[-1:])[0])
        score = 1.0 / (1.0 + np.exp(-(raw - self._mean) / self._std))
        self._since_fit += 1
        if self._since_fit >= self._retrain_interval:
            self._train(features)
        return float(score)


def pipeline_rows_per_second(rows: np.ndarray, n_rows: int, **settings: Any) -> float:
    """Return the throughput with a full window, trainings included.

    `n_rows` should be a multiple of the retrain interval, so that as many trainings are in it as
    belong to it.
    """
    pipeline = Pipeline("ecod", rows.shape[1], **settings)
    window_size = settings["window_size"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipeline.fill(rows[:window_size])
        began = time.perf_counter()
        for row in rows[window_size : window_size + n_rows]:
            pipeline.process(row)
        return n_rows / (time.perf_counter() - began)
