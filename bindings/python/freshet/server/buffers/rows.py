"""Rows of a buffer: columns of numbers, and columns of anything else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from freshet import _core
from freshet._windows import default_names
from freshet.errors import DataError

__all__ = ["Block", "Cell", "Layout", "read_block"]

Floats: TypeAlias = npt.NDArray[np.float64]
#: What stands in a column that is none of numbers.
Cell: TypeAlias = str | bool | int | float | None

#: Characters of a text. Longer ones belong elsewhere, and would fill the memory.
_LONGEST_TEXT: Final = 4096
_EXPECTED: Final = f"a text of at most {_LONGEST_TEXT} characters, a number, a flag or null"


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of rows, in order.

    Attributes
    ----------
    columns : tuple of str
    is_numeric : tuple of bool
        Of which columns every cell is a number.
    """

    columns: tuple[str, ...]
    is_numeric: tuple[bool, ...]

    @property
    def numeric(self) -> list[str]:
        """The columns of numbers."""
        return [name for name, is_ in zip(self.columns, self.is_numeric, strict=True) if is_]

    @property
    def others(self) -> list[str]:
        """The other columns."""
        return [name for name, is_ in zip(self.columns, self.is_numeric, strict=True) if not is_]


@dataclass(frozen=True, slots=True)
class Block:
    """Some rows.

    Attributes
    ----------
    layout : Layout
    numbers : ndarray of float64, shape (rows, numeric columns)
    others : list of list
        The cells of each other column.
    """

    layout: Layout
    numbers: Floats
    others: list[list[Cell]]

    def __len__(self) -> int:
        return len(self.numbers)

    def last(self, n_rows: int) -> Block:
        """Return the last rows, at most so many."""
        start = max(0, len(self) - n_rows)
        return Block(self.layout, self.numbers[start:], [column[start:] for column in self.others])


def read_block(rows: Sequence[Any], layout: Layout | None) -> Block:
    """Read rows as a request has them.

    Parameters
    ----------
    rows : list
        Objects from column to cell, or lists, whose columns are called f0, f1, …
    layout : Layout, optional
        What the rows have to be like; the first row's own if not given.

    Raises
    ------
    DataError
        For rows that differ from the layout, and numbers that are not finite or larger than 1e100;
        names row and column.
    """
    if not rows:
        raise DataError(
            "there are no rows", id="batch_empty", field="data", expected="at least one row"
        )
    first = rows[0]
    if layout is None and isinstance(first, dict) and not all(map(_is_number, first.values())):
        layout = Layout(tuple(first), tuple(map(_is_number, first.values())))
    if layout is None or all(layout.is_numeric):
        return _read_numbers(list(rows), layout)
    return _read_mixed(rows, layout)


def _read_numbers(rows: list[Any], layout: Layout | None) -> Block:
    try:
        values, names = _core.read_rows(rows)
    except DataError as error:
        if layout is not None and error.field in layout.columns:
            error.column = layout.columns.index(error.field)  # Not the place in that object.
        raise
    columns = names or default_names(values.shape[1])
    if layout is not None:
        if names is None:
            columns = list(layout.columns)
        elif columns != list(layout.columns):
            arranged = np.empty_like(values)
            arranged[:, _core.column_order(list(layout.columns), columns)] = values
            values, columns = arranged, list(layout.columns)
    _require_acceptable(values, columns)
    return Block(Layout(tuple(columns), (True,) * len(columns)), values, [])


def _read_mixed(rows: Sequence[Any], layout: Layout) -> Block:
    numeric, others = layout.numeric, layout.others
    numbers: list[list[Any]] = []
    columns: list[list[Cell]] = [[] for _ in others]
    known = frozenset(layout.columns)
    for index, row in enumerate(rows):
        if not isinstance(row, dict):
            raise DataError(
                f"row {index} is of type {type(row).__name__}: expected an object",
                id="width_mismatch",
                field="data",
                expected="an object, for some columns are none of numbers",
                row=index,
            )
        if row.keys() != known:
            raise _other_columns(row, layout, index)
        numbers.append([row[name] for name in numeric])
        for name, column in zip(others, columns, strict=True):
            cell = row[name]
            _require_cell(cell, index, name, layout)
            column.append(cell)
    if not numeric:
        return Block(layout, np.empty((len(rows), 0)), columns)
    try:
        values, _ = _core.read_rows(numbers)
        _require_acceptable(values, numeric)
    except DataError as error:
        raise _placed(error, numeric, layout) from None
    return Block(layout, values, columns)


def _is_number(cell: Any) -> bool:
    return isinstance(cell, (int, float)) and not isinstance(cell, bool)


def _require_acceptable(values: Floats, names: list[str]) -> None:
    """Raise what the library raises for values that it does not take."""
    # Features without any windows check their rows and do nothing else.
    _core.Features({"n_columns": max(1, len(names))}).process_many(values, names)


def _require_cell(cell: Any, row: int, name: str, layout: Layout) -> None:
    if isinstance(cell, str):
        if len(cell) <= _LONGEST_TEXT:
            return
        what = f"a text of {len(cell)} characters"
    elif cell is None or isinstance(cell, (bool, int, float)):
        return
    else:
        what = "an object" if isinstance(cell, dict) else "a list"
    raise DataError(
        f"row {row}, column {name}: {what}, expected {_EXPECTED}",
        id="value_out_of_range",
        field=name,
        expected=_EXPECTED,
        row=row,
        column=layout.columns.index(name),
    )


def _other_columns(row: dict[str, Any], layout: Layout, index: int) -> DataError:
    names = ", ".join(layout.columns)
    unknown = next((name for name in row if name not in layout.columns), None)
    if unknown is not None:
        return DataError(
            f'row {index}: unknown column "{unknown}": expected one of {names}',
            id="column_unknown",
            field=unknown,
            expected=f"one of {names}",
            row=index,
        )
    missing = next(name for name in layout.columns if name not in row)
    return DataError(
        f'row {index}: column "{missing}" is missing: expected {names}',
        id="column_missing",
        field=missing,
        expected=names,
        row=index,
    )


def _placed(error: DataError, numeric: list[str], layout: Layout) -> DataError:
    """An error about columns of numbers, with the places that these have among all columns."""
    if error.column is None:
        return error
    name = numeric[error.column]
    return DataError(
        f"row {error.row}, column {name}: expected {error.expected}",
        id=error.id,
        field=name,
        expected=error.expected,
        row=error.row,
        column=layout.columns.index(name),
    )
