"""Features of a row that depend on the rows before it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from freshet import _core
from freshet._rows import Floats, Rows, as_matrix, column_names

__all__ = ["RollingFeatures"]


class RollingFeatures:
    """Rolling statistics and lags, incrementally: what `StreamingDetector` feeds its model with.

    For every column and window the mean, the sample standard deviation (divisor n - 1, 0.0 of a
    single value), the minimum and the maximum of the last values including the newest, with
    however many there are at the start; for every column and lag the value so many rows ago, 0.0
    while there is none. The same numbers as Polars' ``rolling_*`` with ``min_samples=1`` and nulls
    as 0.0. Nothing leaves a window by subtraction, so that errors do not add up however long the
    stream and however large the values (van Herk 1992; Gil and Werman 1993).

    Parameters
    ----------
    columns : int or sequence of str
        How many columns the rows have, or their names.
    rolling_windows : sequence of int, optional
        Widths in rows, each from 1 to 2**24, no two equal.
    lag_periods : sequence of int, optional
        Distances in rows, each from 1 to 2**24, no two equal.

    Raises
    ------
    ConfigurationError
        If a parameter is out of range; ``field`` names it.

    Examples
    --------
    >>> features = RollingFeatures(["rides"], rolling_windows=[5])
    >>> features.names
    ['rides', 'rides_rolling_mean_5', 'rides_rolling_std_5', 'rides_rolling_min_5', \
'rides_rolling_max_5']
    >>> features.process_many([[100.0], [150.0], [120.0]])[:, 1].round(2).tolist()
    [100.0, 125.0, 123.33]
    """

    __slots__ = ("_columns", "_core")

    def __init__(
        self,
        columns: int | Sequence[str],
        rolling_windows: Iterable[int] | None = None,
        lag_periods: Iterable[int] | None = None,
    ) -> None:
        self._columns = [] if isinstance(columns, int) else list(columns)
        self._core = _core.Features(
            {
                "n_columns": columns if isinstance(columns, int) else len(self._columns),
                "rolling_windows": rolling_windows,
                "lag_periods": lag_periods,
            }
        )

    @property
    def names(self) -> list[str]:
        """The features' names: the columns, then column by column the rolling features, then lags.

        For example ``load_rolling_mean_5`` and ``load_lag_1``.
        """
        return self._core.names(self._columns)

    def process_many(self, rows: Rows) -> Floats:
        """The features of each row, given all rows before it, also those of earlier calls.

        Parameters
        ----------
        rows : array or DataFrame of shape (n_rows, n_columns)
            Finite values of magnitude 1e100 at most. A DataFrame's columns are matched by name.

        Returns
        -------
        ndarray of float64, shape (n_rows, n_features)
            In the order of `names`. O(1) per feature, whatever the windows.

        Raises
        ------
        DataError
            For values that are not acceptable; names row and column. Nothing has changed then.
        """
        names = column_names(rows)
        matrix = as_matrix(rows, names)
        if names is not None and self._columns and names != self._columns:
            order = _core.column_order(self._columns, names)
            arranged = matrix.copy()
            arranged[:, order] = matrix
            matrix = arranged
        return self._core.process_many(matrix, self._columns)

    def reset(self) -> None:
        """Forget every row; what was configured stays."""
        self._core.reset()
