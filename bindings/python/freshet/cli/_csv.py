"""Columns of numbers from CSV files."""

from __future__ import annotations

import csv
import math
from array import array
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final

import numpy as np

from freshet.cli._input import STANDARD_INPUT, opened
from freshet.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import numpy.typing as npt

__all__ = ["AUTOMATIC", "TIMESTAMP_NAMES", "Series", "read_series"]

#: What columns of timestamps are called, in any case.
TIMESTAMP_NAMES: Final = frozenset({"timestamp", "time", "date", "datetime"})


class Automatic(Enum):
    """The type of `AUTOMATIC`."""

    AUTOMATIC = "automatic"


#: Find the column of timestamps by its name or its values.
AUTOMATIC: Final = Automatic.AUTOMATIC


@dataclass(frozen=True, eq=False)
class Series:
    """Rows of numbers.

    Attributes
    ----------
    columns : list of str
        Their names.
    values : ndarray of float64, shape (n, d)
        A row for each line, a column for each name; all finite.
    timestamps : list of str or None
        What stands in the column of timestamps, as it stands there; None if there is none.
    texts : dict of str to list of str
        The columns that were to be read as texts.
    """

    columns: list[str]
    values: npt.NDArray[np.float64]
    timestamps: list[str] | None
    texts: dict[str, list[str]] = field(default_factory=dict)


def read_series(
    path: str | Path,
    columns: list[str] | None = None,
    timestamp_column: str | Automatic | None = AUTOMATIC,
    texts: Iterable[str] = (),
) -> Series:
    """Read a CSV file with a line of names, then a line for each row.

    Parameters
    ----------
    path : str or Path
        The file, in UTF-8 with commas; ``"-"`` is standard input.
    columns : list of str, optional
        What to read, in this order. By default every column that holds a number, except the
        timestamps; columns without any number are left out.
    timestamp_column : str or None
        The column of timestamps, None for no such column. By default one of `columns` never is it;
        otherwise it is the first one called timestamp, time, date or datetime, else the file's
        first column if its first value is not a number.
    texts : iterable of str
        Columns that are read as they stand there, beside or among `columns`.

    Raises
    ------
    DataError
        If the content is not such a table, with file, line and column in the message; ``row`` and
        ``column`` count from 0, lines from 1, as editors show them.
    OSError
        If the file cannot be read.
    """
    name = "standard input" if str(path) == STANDARD_INPUT else str(path)
    with opened(path) as file:
        records = _records(file, name)
        names = _names(records, name)
        table = _Table(name, names, columns, timestamp_column, list(texts))
        for row, (line, record) in enumerate(records):
            table.add(row, line, record)
    return table.series()


@dataclass
class _Column:
    """A column while it is read: numbers so far, or the first text if there were none."""

    name: str
    index: int
    is_chosen: bool
    values: array[float] = field(default_factory=lambda: array("d"))
    text: DataError | None = None


class _Table:
    """The columns to read, filled row by row."""

    def __init__(
        self,
        file: str,
        names: list[str],
        chosen: list[str] | None,
        timestamps: str | Automatic | None,
        texts: list[str],
    ) -> None:
        self._file = file
        self._names = names
        self._n_rows = 0
        self._stamps: list[str] = []
        self._stamp_index: int | None = None
        self._may_be_first = False
        self._texts: dict[int, list[str]] = {self._require(name): [] for name in texts}
        for name in chosen or []:
            self._require(name)
            if chosen is not None and chosen.count(name) > 1:
                raise _duplicate(f'column "{name}" is asked for twice', name)
        if isinstance(timestamps, str):
            self._stamp_index = self._require(timestamps)
        elif timestamps is AUTOMATIC:
            free = [name for name in names if name not in (*(chosen or []), *texts)]
            called_so = [name for name in free if name.lower() in TIMESTAMP_NAMES]
            if called_so:
                self._stamp_index = names.index(called_so[0])
            else:
                self._may_be_first = names[0] in free
        self._columns = [
            _Column(name, names.index(name), chosen is not None)
            for name in (names if chosen is None else chosen)
            if name not in texts and (chosen is not None or names.index(name) != self._stamp_index)
        ]

    def add(self, row: int, line: int, record: list[str]) -> None:
        """Take a row; what the columns do not hold is not looked at."""
        if len(record) != len(self._names):
            raise DataError(
                f"{self._file}, line {line}: {len(record)} fields, expected {len(self._names)} "
                f"({', '.join(self._names)})",
                id="width_mismatch",
                expected=f"{len(self._names)} fields",
                row=row,
            )
        if row == 0 and self._may_be_first and _number(record[0]) is None:
            self._stamp_index = 0
        if self._stamp_index is not None:
            self._stamps.append(record[self._stamp_index])
        for column in self._columns:
            self._add(column, record[column.index], row, line)
        for index, cells in self._texts.items():
            cells.append(record[index])
        self._n_rows += 1

    def _add(self, column: _Column, text: str, row: int, line: int) -> None:
        number = _number(text)
        if number is not None and math.isfinite(number):
            if column.text is not None:
                raise column.text
            column.values.append(number)
            return
        where = f'{self._file}, line {line}, column "{column.name}"'
        error = DataError(
            f"{where}: {text!r} is no finite number"
            + ("; if the column is not to be read, name those that are" * (not column.is_chosen)),
            id="value_not_numeric" if number is None else "value_non_finite",
            field=column.name,
            expected="a finite number",
            row=row,
            column=column.index,
        )
        if column.is_chosen or column.values or number is not None:
            raise column.text or error
        column.text = column.text or error

    def series(self) -> Series:
        """Return what has been read."""
        if self._n_rows == 0:
            raise DataError(
                f"{self._file} has names of columns but no rows",
                id="batch_empty",
                expected="a line for each row",
            )
        columns = [column for column in self._columns if column.text is None]
        texts = {self._names[index]: cells for index, cells in self._texts.items()}
        if not (columns or texts):
            raise DataError(
                f"{self._file} has no column of numbers, only {', '.join(self._names)}",
                id="column_missing",
                expected="numbers between commas",
            )
        for column in columns:
            if not column.name:
                raise DataError(
                    f"{self._file}, line 1: column {column.index + 1} has no name",
                    id="column_missing",
                    expected="a name, or a choice of columns without it",
                    column=column.index,
                )
        values = np.empty((self._n_rows, len(columns)))
        for i, column in enumerate(columns):
            values[:, i] = np.frombuffer(column.values)
        timestamps = None if self._stamp_index is None else self._stamps
        return Series([column.name for column in columns], values, timestamps, texts)

    def _require(self, name: str) -> int:
        if name not in self._names:
            raise DataError(
                f'{self._file} has no column "{name}", only {", ".join(self._names)}',
                id="column_missing",
                field=name,
                expected=f"one of {', '.join(self._names)}",
            )
        return self._names.index(name)


def _number(text: str) -> float | None:
    """Return the number that `text` is, NaN and infinity too; None if it is none."""
    try:
        # Python would read 2014_07_01 as a number.
        return None if "_" in text else float(text)
    except ValueError:
        return None


def _records(file: Iterable[bytes], name: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each record with the line on which it begins; empty lines at the end are left out."""
    reader = csv.reader(_decoded(file, name), strict=True)
    n_lines = 0
    empty: list[tuple[int, list[str]]] = []
    while True:
        line = n_lines + 1
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise _unreadable(name, line, str(error), "comma-separated values") from error
        n_lines = reader.line_num
        if record:
            yield from empty
            empty.clear()
            yield line, record
        else:
            empty.append((line, record))


def _decoded(file: Iterable[bytes], name: str) -> Iterator[str]:
    for line, content in enumerate(file, start=1):
        try:
            # A byte order mark is what spreadsheets put in front.
            yield content.decode("utf-8-sig" if line == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise _unreadable(name, line, "not UTF-8", "a text file in UTF-8") from error


def _names(records: Iterator[tuple[int, list[str]]], file: str) -> list[str]:
    line, record = next(records, (0, []))
    names = [name.strip() for name in record]
    if not any(names):
        where = f"{file}, line {line}," if line else file
        expected = "a line with the names of the columns"
        raise DataError(
            f"{where} is empty, expected {expected}", id="batch_empty", expected=expected
        )
    for column, name in enumerate(names):
        if name and name in names[:column]:
            raise _duplicate(f'{file}, line {line}: column "{name}" comes twice', name, column)
    # Data frames without names of their own count their columns.
    is_counted = names == [str(column) for column in range(len(names))]
    if not is_counted and all(_number(name) is not None for name in names):
        found = f"numbers ({', '.join(names)}) instead of names"
        raise _unreadable(file, line, found, "the names of the columns")
    return names


def _duplicate(message: str, name: str, column: int | None = None) -> DataError:
    return DataError(
        message, id="column_duplicate", field=name, expected="every column once", column=column
    )


def _unreadable(file: str, line: int, found: str, expected: str) -> DataError:
    return DataError(
        f"{file}, line {line}: {found}, expected {expected}", id="file_corrupt", expected=expected
    )
