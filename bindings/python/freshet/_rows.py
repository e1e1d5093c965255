"""From what users have to what the compiled module reads: rows, matrices and times."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, SupportsFloat, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from freshet.errors import ConfigurationError, DataError

#: A value of a row: a number, or with a schema also a flag or a text.
Value: TypeAlias = SupportsFloat | str
#: A row: a mapping from column to value, or values in the order of the columns.
Row: TypeAlias = Mapping[str, Value] | Sequence[Value] | npt.NDArray[Any]
#: Seconds since any epoch, or a date (one without a time zone is in UTC).
Timestamp: TypeAlias = float | datetime | np.datetime64
#: Rows: a two-dimensional array, a pandas or Polars DataFrame, or a sequence of rows.
Rows: TypeAlias = npt.ArrayLike | Sequence[Row] | Any
Floats: TypeAlias = npt.NDArray[np.float64]

#: Types of rows that the compiled module reads by itself.
NATIVE_ROWS = frozenset({dict, list, tuple, np.ndarray})


def native_row(row: Any, index: int = 0) -> Any:
    """`row` as one of `NATIVE_ROWS`."""
    if isinstance(row, (dict, list, tuple, np.ndarray)):
        return row
    if hasattr(row, "keys"):  # a mapping or a pandas Series
        names = list(row.keys())
        if isinstance(row, Mapping):
            return {name: row[name] for name in names}
        if not names or not all(isinstance(name, str) for name in names):
            return np.asarray(row)
        values = list(row)
        if len(set(names)) < len(names):
            name = next(name for name in names if names.count(name) > 1)
            raise DataError(
                f'row {index}: column "{name}" comes twice',
                id="column_duplicate",
                field=name,
                expected="every column once",
                row=index,
            )
        return dict(zip(names, values, strict=True))
    if hasattr(row, "__array__") or (hasattr(row, "__len__") and hasattr(row, "__getitem__")):
        return row if isinstance(row, (str, bytes)) else np.asarray(row)
    return row


def column_names(table: Any) -> list[str] | None:
    """The names of a DataFrame's columns; None for anything without names."""
    columns = getattr(table, "columns", None)
    if columns is None:
        return None
    names = list(columns)
    n_strings = sum(isinstance(name, str) for name in names)
    if n_strings == 0:
        return None
    if n_strings < len(names):
        raise DataError(
            "only some column names are strings",
            id="column_unknown",
            field="columns",
            expected="strings as the names of all columns, or of none",
        )
    return names


def as_matrix(rows: Any, names: list[str] | None = None) -> Floats:
    """`rows` as an array of doubles; the same memory if it is one already.

    `names` are what errors call the columns.

    Raises
    ------
    DataError
        If a value is no number; names its row and column.
    """
    array = np.asarray(rows)
    if array.dtype.kind in "fiub":
        return array.astype(np.float64, copy=False)
    if array.dtype.kind != "O":
        raise DataError(
            f"the rows are of type {array.dtype}: expected numbers",
            id="value_non_finite",
            field="rows",
            expected="numbers",
        )
    numbers = np.empty(array.shape)
    for place, value in np.ndenumerate(array):
        try:
            if isinstance(value, (str, bytes)):
                raise TypeError
            numbers[place] = float(value)
        except (TypeError, ValueError, OverflowError):
            raise _bad_value(value, place, names) from None
    return numbers


def _bad_value(value: Any, place: tuple[int, ...], names: list[str] | None) -> DataError:
    row, column = place if len(place) == 2 else (None, None)
    name = "rows" if column is None else names[column] if names else str(column)
    where = "" if row is None else f"row {row}, column {name}: "
    return DataError(
        f"{where}{type(value).__name__}, expected a finite number",
        id="value_non_finite",
        field=name,
        expected="a finite number",
        row=row,
        column=column,
    )


def _array_batch(
    rows: Any, names: list[str] | None, numeric: str = "fiub"
) -> tuple[Any, list[str] | None]:
    """An array or a table: as doubles if its kind is one of `numeric`, else as lists of cells."""
    array = np.asarray(rows)
    if array.ndim == 2 and array.dtype.kind not in numeric and array.dtype.kind in "OUiub":
        return array.tolist(), names
    return as_matrix(array, names), names


def cell_batch(rows: Any) -> tuple[Any, list[str] | None]:
    """As `native_batch`, but flags and integers stay what they are."""
    if isinstance(rows, np.ndarray) or column_names(rows) is not None:
        return _array_batch(rows, column_names(rows), "f")
    return native_batch(rows)


def native_batch(rows: Any, columns: Iterable[str] | None = None) -> tuple[Any, list[str] | None]:
    """`rows` as an array of doubles or a list of native rows, and the names of its columns.

    `columns` are the names of an array's columns.
    """
    if isinstance(rows, np.ndarray):
        names = None if columns is None else list(columns)
        # Of a few rows the usual case first: what follows takes longer than scoring them.
        is_ready = type(rows) is np.ndarray and rows.dtype == np.float64
        return (rows, names) if is_ready else _array_batch(rows, names)
    if columns is not None:
        raise ConfigurationError(
            f"columns must be left out for rows of type {type(rows).__name__}",
            id="parameter_out_of_range",
            field="columns",
            expected="left out, unless the rows are an array",
        )
    if isinstance(rows, (list, tuple)) or (
        isinstance(rows, Iterable) and not hasattr(rows, "__array__") and not hasattr(rows, "keys")
    ):
        return [
            row if type(row) in NATIVE_ROWS else native_row(row, i) for i, row in enumerate(rows)
        ], None
    return _array_batch(rows, column_names(rows))


def as_seconds(timestamp: Any) -> float:
    """`timestamp` in seconds; of a date since 1970 in UTC.

    Raises
    ------
    DataError
        If it is neither a number nor a date.
    """
    if isinstance(timestamp, datetime):
        if timestamp.tzinfo is None:
            timestamp = timestamp.replace(tzinfo=timezone.utc)
        return float(timestamp.timestamp())
    if isinstance(timestamp, np.datetime64):
        return float(as_seconds_array(np.asarray([timestamp]))[0])
    try:
        if not isinstance(timestamp, (str, bytes)):
            return float(timestamp)
    except OverflowError:
        raise DataError(
            "the timestamp is too large: expected a finite number or a date",
            id="timestamp_invalid",
            field="timestamp",
            expected="seconds, datetime or numpy.datetime64",
        ) from None
    except (TypeError, ValueError):
        pass
    raise DataError(
        f"the timestamp is of type {type(timestamp).__name__}: expected a number or a date",
        id="timestamp_invalid",
        field="timestamp",
        expected="seconds, datetime or numpy.datetime64",
    )


def as_seconds_array(timestamps: Any) -> Floats:
    """An array or sequence of timestamps in seconds."""
    array = np.asarray(timestamps)
    if array.dtype.kind == "M":
        seconds = array.astype("datetime64[ns]").astype(np.int64) / 1e9
        return np.where(np.isnat(array), np.nan, seconds)
    if array.dtype.kind in "fiu":
        return array.astype(np.float64)
    return np.array([as_seconds(one) for one in cast("Iterable[Any]", timestamps)], dtype=float)
