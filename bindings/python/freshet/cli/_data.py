"""Series to train on and to score, from a CSV file or from NAB."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import numpy as np

from freshet.cli._csv import AUTOMATIC, Automatic, read_series
from freshet.datasets import load_nab
from freshet.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    import numpy.typing as npt

__all__ = ["Data", "load_dataset", "read_file"]

_VALUE = "value"
_TIMESTAMP = "timestamp"


@dataclass(frozen=True, eq=False)
class Data:
    """A series with names, which estimators take as they take a data frame.

    Attributes
    ----------
    source : str
        What messages call it: the file or the dataset.
    columns : list of str
        The columns' names.
    values : ndarray of float64, shape (n, d)
        The rows.
    timestamps : list of str or None
        As they stand in the file; None if there are none.
    windows : tuple of (datetime64, datetime64)
        Labelled anomalies; empty where nothing is labelled.
    texts : mapping of str to list of str
        Columns of categories, as they stand in the file.
    """

    source: str
    columns: list[str]
    values: npt.NDArray[np.float64]
    timestamps: list[str] | None
    windows: tuple[tuple[np.datetime64, np.datetime64], ...] = ()
    texts: Mapping[str, list[str]] = field(default_factory=dict)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """Return the rows; together with `columns`, this is what makes a data frame."""
        return np.array(self.values, dtype=dtype, copy=bool(copy)) if copy else self.values

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.values)

    def times(self) -> npt.NDArray[Any]:
        """Return the timestamps as dates in UTC or as numbers, for the axis of a plot.

        Rows are counted instead where a timestamp is neither, or earlier than the one before.
        """
        rows = np.arange(len(self))
        moments = self.moments()
        return rows if moments is None or np.any(moments[1:] < moments[:-1]) else moments

    def moments(self) -> npt.NDArray[Any] | None:
        """Return the timestamps as dates in UTC or as numbers; None where one is neither."""
        for parse in (_numbers, _dates):
            try:
                return None if self.timestamps is None else parse(self.timestamps)
            except (ValueError, OverflowError):
                continue
        return None


def read_file(
    path: str | Path,
    columns: list[str] | None = None,
    timestamp_column: str | Automatic | None = AUTOMATIC,
    texts: Iterable[str] = (),
) -> Data:
    """Read a CSV file; parameters and errors are those of `read_series`."""
    series = read_series(path, columns, timestamp_column, texts)
    name = "standard input" if str(path) == "-" else str(path)
    return Data(name, series.columns, series.values, series.timestamps, texts=series.texts)


def load_dataset(
    name: str,
    columns: list[str] | None = None,
    timestamp_column: str | Automatic | None = AUTOMATIC,
) -> Data:
    """Load a series of NAB as if it were read from its file.

    Raises
    ------
    DatasetError
        If it cannot be had.
    DataError
        If it has other columns than those asked for.
    """
    for column in columns or []:
        _require(name, column, _VALUE)
    if isinstance(timestamp_column, str):
        _require(name, timestamp_column, _TIMESTAMP)
    dataset = load_nab(name)
    timestamps = None
    if timestamp_column is not None:
        # With a space, as the files have them.
        stamps = np.datetime_as_string(dataset.timestamps)
        timestamps = [stamp.replace("T", " ") for stamp in stamps.tolist()]
    return Data(name, [_VALUE], dataset.values[:, np.newaxis], timestamps, dataset.windows)


def _require(dataset: str, column: str, expected: str) -> None:
    if column != expected:
        what = "timestamps" if expected == _TIMESTAMP else "numbers"
        raise DataError(
            f'the dataset {dataset} has no {what} in a column "{column}": it has {_TIMESTAMP} '
            f"(of timestamps) and {_VALUE} (of numbers)",
            id="column_missing",
            field=column,
            expected=expected,
        )


def _numbers(timestamps: list[str]) -> npt.NDArray[Any]:
    numbers = np.array([float(text) for text in timestamps])
    if not np.isfinite(numbers).all():
        raise ValueError("no numbers for an axis")
    return numbers


def _dates(timestamps: list[str]) -> npt.NDArray[Any]:
    return np.array([_date(text) for text in timestamps], dtype="datetime64[us]")


def _date(text: str) -> datetime:
    # Python 3.10 does not know Z.
    date = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    return date if date.tzinfo is None else date.astimezone(timezone.utc).replace(tzinfo=None)
