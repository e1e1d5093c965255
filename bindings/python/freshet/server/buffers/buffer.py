"""A buffer: the last rows of a series."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from freshet.server.buffers.features import FeatureSelection
from freshet.server.buffers.rows import Block, Cell, Layout

__all__ = ["Buffer", "Table"]

Floats: TypeAlias = npt.NDArray[np.float64]

_FIRST_CAPACITY = 64


@dataclass(frozen=True, slots=True)
class Table:
    """Rows with names for their columns.

    Attributes
    ----------
    columns : list of str
    rows : list of dict
        From column to cell.
    """

    columns: list[str]
    rows: list[dict[str, Any]]


class Buffer:
    """The last rows of a series.

    What changes is read and written by whoever holds `lock` only. A row costs O(columns),
    amortised, however many there are: old ones are overwritten in blocks.

    Parameters
    ----------
    buffer_id : str
    window_size : int
        Rows that are kept.

    Attributes
    ----------
    lock : Lock
    is_deleted : bool
        Whether nobody is to use it any more.
    layout : Layout or None
        The columns; None before the first row.
    total : int
        Rows since the beginning, also those that are no longer kept.
    append_count : int
        How often rows were appended.
    append_seconds : float
        The time that took.
    """

    def __init__(self, buffer_id: str, window_size: int) -> None:
        self.buffer_id = buffer_id
        self.window_size = window_size
        self.lock = threading.Lock()
        self.is_deleted = False
        self.clear()

    def clear(self) -> None:
        """Be as if there had been no rows."""
        self.layout: Layout | None = None
        self.total = 0
        self.append_count = 0
        self.append_seconds = 0.0
        # The rows kept are the last before `_end`; others wait for being overwritten.
        self._numbers: Floats = np.empty((0, 0))
        self._others: list[list[Cell]] = []
        self._end = 0
        self._text_bytes = 0

    @property
    def size(self) -> int:
        """Rows that are kept."""
        return min(self.total, self.window_size)

    @property
    def memory_bytes(self) -> int:
        """Memory that the rows take, with the room for further ones."""
        return self._numbers.nbytes + self._text_bytes

    def append(self, block: Block) -> None:
        """Add rows of the buffer's layout."""
        if self.layout is None:
            self.layout = block.layout
            self._others = [[] for _ in block.others]
        self.total += len(block)
        block = block.last(self.window_size)
        self.make_room(block)
        self._numbers[self._end : self._end + len(block)] = block.numbers
        for kept, new in zip(self._others, block.others, strict=True):
            kept += new
            self._text_bytes += sum(map(_bytes_of, new))
        self._end += len(block)

    def growth(self, block: Block) -> int:
        """Return how many bytes more `append` takes."""
        block = block.last(self.window_size)
        room = self._room(len(block)) - len(self._numbers)
        texts = sum(_bytes_of(cell) for column in block.others for cell in column)
        n_bytes: int = room * block.numbers.shape[1] * block.numbers.itemsize
        return n_bytes + texts

    def _room(self, n_new: int) -> int:
        """Return for how many rows there has to be room when so many come."""
        n_needed = min(self._end, self.window_size - n_new) + n_new
        if self._end + n_new <= len(self._numbers):
            return len(self._numbers)
        # With room for as many again as are kept, each row is moved once on average.
        wanted = min(max(_FIRST_CAPACITY, 2 * n_needed), 2 * self.window_size)
        return max(wanted, len(self._numbers))

    def make_room(self, block: Block) -> None:
        """Take the memory that `append` needs, so that it cannot fail."""
        n_new = min(len(block), self.window_size)
        if self._end + n_new <= len(self._numbers):
            return
        n_kept = min(self._end, self.window_size - n_new)
        n_old = self._end - n_kept
        room = self._room(n_new)
        numbers = self._numbers
        if room > len(numbers):
            numbers = np.empty((room, block.numbers.shape[1]))
        if n_kept:
            numbers[:n_kept] = self._numbers[n_old : self._end]
        for column in self._others:
            self._text_bytes -= sum(map(_bytes_of, column[:n_old]))
            del column[:n_old]
        self._numbers = numbers
        self._end = n_kept

    def tail(self, n_rows: int | None, features: FeatureSelection | None = None) -> Tail:
        """Take a copy of the last rows, with as many before them as their features need."""
        size = self.size
        n_last = size if n_rows is None else min(n_rows, size)
        reach = 0 if features is None else features.reach
        start = self._end - min(size, n_last + reach)
        return Tail(
            self.layout or Layout((), ()),
            self._numbers[start : self._end].copy(),
            [column[self._end - n_last :] for column in self._others],
            n_last,
            features,
        )

    def stats(self) -> dict[str, Any]:
        """Return what there is to know."""
        layout = self.layout or Layout((), ())
        return {
            "buffer_id": self.buffer_id,
            "size": self.size,
            "window_size": self.window_size,
            "columns": list(layout.columns),
            "numeric_columns": layout.numeric,
            "memory_bytes": self.memory_bytes,
            "append_count": self.append_count,
            "avg_append_ms": self.avg_append_ms,
        }

    @property
    def avg_append_ms(self) -> float:
        """The mean time that appending took, with storing the rows."""
        return 1e3 * self.append_seconds / self.append_count if self.append_count else 0.0


@dataclass(frozen=True, slots=True)
class Tail:
    """A copy of the last rows of a buffer.

    Attributes
    ----------
    layout : Layout
    numbers : ndarray of float64, shape (rows, numeric columns)
        With the rows before the last ones that features need.
    others : list of list
        The cells of each other column.
    n_last : int
    features : FeatureSelection or None
    """

    layout: Layout
    numbers: Floats
    others: list[list[Cell]]
    n_last: int
    features: FeatureSelection | None

    @property
    def n_cells(self) -> int:
        """How many cells `table` has."""
        n_features = 0 if self.features is None else len(self.features.names(self.layout.numeric))
        return self.n_last * (len(self.layout.columns) + n_features)

    @property
    def n_state_cells(self) -> int:
        """How many numbers the features' computation remembers."""
        return 0 if self.features is None else self.features.n_state_cells(*self.numbers.shape)

    def table(self) -> Table:
        """Compute the features, and put rows together."""
        numeric, others = self.layout.numeric, self.layout.others
        numbers = self.numbers[len(self.numbers) - self.n_last :]
        by_name: dict[str, list[Any]] = dict(zip(numeric, numbers.T.tolist(), strict=True))
        by_name.update(zip(others, self.others, strict=True))
        columns = list(self.layout.columns)
        if self.features is not None:
            computed = self.features.compute(self.numbers, self.n_last).T.tolist()
            # A column that has the name of a feature gives way to it, as in data frames.
            by_name.update(zip(self.features.names(numeric), computed, strict=False))
            columns = list(dict.fromkeys(columns + self.features.names(numeric)))
        cells = [by_name.get(name, []) for name in columns]
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*cells, strict=True)]
        return Table(columns, rows)


def _bytes_of(cell: Cell) -> int:
    """About what a cell takes, with the reference to it."""
    return 64 + len(cell) if isinstance(cell, str) else 32
