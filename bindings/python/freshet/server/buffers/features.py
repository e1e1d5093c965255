"""Rolling features of the rows of a buffer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from freshet import _core

__all__ = ["STATISTICS", "FeatureSelection", "Statistic"]

Floats: TypeAlias = npt.NDArray[np.float64]
Statistic: TypeAlias = Literal["mean", "std", "min", "max"]

#: In the order of the features.
STATISTICS: Final[tuple[Statistic, ...]] = ("mean", "std", "min", "max")

_CELLS_AT_ONCE: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class FeatureSelection:
    """Which features rows are to have beside their own columns.

    Attributes
    ----------
    windows : sequence of int
        Widths of rolling statistics, in rows, no two equal.
    statistics : sequence of str
        Those of `STATISTICS` that are wanted.
    lags : sequence of int
        Distances of earlier values, in rows, no two equal.
    """

    windows: Sequence[int] = (5, 10, 20)
    statistics: Sequence[Statistic] = STATISTICS
    lags: Sequence[int] = (1, 2, 3)

    @property
    def reach(self) -> int:
        """How many rows before a row its features depend on."""
        return max([0, *(window - 1 for window in self._windows), *self.lags])

    def n_state_cells(self, n_rows: int, n_columns: int) -> int:
        """How many numbers `compute` remembers of so many rows."""
        widths = {min(window, n_rows) for window in self._windows}
        distances = {min(lag, n_rows) for lag in self.lags}
        return n_columns * (len(STATISTICS) * sum(widths) + sum(distances))

    def names(self, columns: Sequence[str]) -> list[str]:
        """The features' names: column by column the rolling statistics, then the lags."""
        rolling = [
            f"{column}_rolling_{statistic}_{window}"
            for column in columns
            for window in self._windows
            for statistic in STATISTICS
            if statistic in self.statistics
        ]
        return rolling + [f"{column}_lag_{lag}" for column in columns for lag in self.lags]

    def compute(self, numbers: Floats, n_last: int) -> Floats:
        """The features of the last rows, in the order of `names`.

        Parameters
        ----------
        numbers : ndarray of float64, shape (rows, columns)
            Where the last rows have `reach` rows before them, or all that there are.
        n_last : int
            Rows wanted.

        Returns
        -------
        ndarray of float64, shape (n_last, features)
            As Polars' ``rolling_*`` with ``min_samples=1`` and nulls as 0.0. O(rows · features),
            whatever the windows.
        """
        n_rows, n_columns = numbers.shape
        if not n_columns or not n_rows:
            return np.empty((n_last, 0))
        # Wider windows see as much as one of all rows, and need as much memory as are asked for.
        widths = sorted({min(window, n_rows) for window in self._windows})
        distances = sorted({min(lag, n_rows) for lag in self.lags})
        n_computed = n_columns * (1 + len(STATISTICS) * len(widths) + len(distances))
        core = _core.Features(
            {"n_columns": n_columns, "rolling_windows": widths, "lag_periods": distances}
        )
        n_before = n_rows - n_last
        step = max(1, _CELLS_AT_ONCE // n_computed)
        for start in range(0, n_before, step):  # What comes of these is not needed.
            core.process_many(numbers[start : min(start + step, n_before)], [])
        computed = core.process_many(numbers[n_before:], [])
        n_statistics = len(STATISTICS)
        first_lag = n_columns * (1 + n_statistics * len(widths))
        places = [
            n_columns
            + (column * len(widths) + widths.index(min(window, n_rows))) * n_statistics
            + STATISTICS.index(statistic)
            for column in range(n_columns)
            for window in self._windows
            for statistic in STATISTICS
            if statistic in self.statistics
        ]
        places += [
            first_lag + column * len(distances) + distances.index(min(lag, n_rows))
            for column in range(n_columns)
            for lag in self.lags
        ]
        return computed[:, places]

    @property
    def _windows(self) -> Sequence[int]:
        return self.windows if self.statistics else ()
