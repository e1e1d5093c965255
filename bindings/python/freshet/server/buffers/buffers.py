"""All buffers of a service."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from freshet.server.buffers.buffer import Buffer, Table
from freshet.server.buffers.features import FeatureSelection
from freshet.server.buffers.rows import read_block
from freshet.server.limits import require_columns
from freshet.server.problems import Problem

if TYPE_CHECKING:
    from freshet.server.buffers.store import BufferStore

__all__ = ["Buffers"]

#: Numbers that an answer has, or that are needed for its features.
_MOST_CELLS: Final = 4_000_000


class Buffers:
    """Buffers by name, each of which survives in a store. Any thread may call any method.

    What is appended is in the store before it is in the buffer, and before anybody hears of it.
    Threads that use different buffers never wait for each other.

    Parameters
    ----------
    store : BufferStore
        Closed by `close`.
    max_buffers, max_columns, max_bytes : int
        How many there may be, how wide their rows may be, and how much memory all may take.
    """

    def __init__(
        self, store: BufferStore, *, max_buffers: int, max_columns: int, max_bytes: int
    ) -> None:
        self._store = store
        self._max_buffers = max_buffers
        self._max_columns = max_columns
        self._max_bytes = max_bytes
        self._lock = threading.Lock()  # Of what follows, and held for moments only.
        self._buffers = {buffer.buffer_id: buffer for buffer in store.load()}
        self._n_bytes = sum(buffer.memory_bytes for buffer in self._buffers.values())

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    def create(self, buffer_id: str, window_size: int) -> None:
        """Make a buffer; a problem if there is one of the name (409), or too many (429)."""
        buffer = Buffer(buffer_id, window_size)
        with buffer.lock:
            with self._lock:
                self._require_place(buffer_id)
                self._buffers[buffer_id] = buffer
            try:
                self._store.create(buffer)
            except BaseException:
                self._forget(buffer)
                raise

    def delete(self, buffer_id: str) -> None:
        """Delete a buffer; a problem (404) if there is none."""
        with self._using(buffer_id) as buffer:
            self._store.delete(buffer)
            self._forget(buffer)

    def clear(self, buffer_id: str) -> None:
        """Delete the rows of a buffer; a problem (404) if there is none."""
        with self._using(buffer_id) as buffer, self._reserving(buffer, 0):
            self._store.clear(buffer)
            buffer.clear()

    def append(self, buffer_id: str, rows: list[Any]) -> dict[str, Any]:
        """Add rows to a buffer, and return its `Buffer.stats`.

        Raises
        ------
        Problem
            404 if there is no such buffer, 413 if the rows are too wide, 429 if there is no memory.
        DataError
            If a row cannot be accepted; names row and column. Nothing is added then.
        StoreError
            If the rows cannot be stored; nothing is added.
        """
        began = time.perf_counter()
        with self._using(buffer_id) as buffer:
            block = read_block(rows, buffer.layout)
            require_columns(len(block.layout.columns), self._max_columns)
            with self._reserving(buffer, buffer.growth(block)):
                buffer.make_room(block)
                self._store.append(buffer, block)
                buffer.append(block)
            buffer.append_count += 1
            buffer.append_seconds += time.perf_counter() - began
            return buffer.stats()

    def stats(self, buffer_id: str) -> dict[str, Any]:
        """Return the `Buffer.stats` of a buffer; a problem (404) if there is none."""
        with self._using(buffer_id) as buffer:
            return buffer.stats()

    def all_stats(self) -> list[dict[str, Any]]:
        """Return the `Buffer.stats` of all buffers, in alphabetical order."""
        with self._lock:
            buffers = sorted(self._buffers.items())
        stats = []
        for _, buffer in buffers:
            with buffer.lock:
                if not buffer.is_deleted:
                    stats.append(buffer.stats())
        return stats

    def table(
        self, buffer_id: str, n_rows: int | None, features: FeatureSelection | None = None
    ) -> Table:
        """Return the last rows of a buffer, with features if wanted.

        Raises
        ------
        Problem
            404 if there is no such buffer, 413 if that would be too much.
        """
        with self._using(buffer_id) as buffer:
            tail = buffer.tail(n_rows, features)
        for n_cells, field, way_out in (
            (tail.n_cells, "tail", "ask for fewer rows with tail"),
            (tail.n_state_cells, "rolling_windows", "ask for narrower windows"),
        ):
            if n_cells > _MOST_CELLS:
                raise Problem(
                    413,
                    f"The answer would need {n_cells} numbers; {way_out}",
                    id="answer_too_large",
                    title="The answer would be too large",
                    field=field,
                    expected=f"at most {_MOST_CELLS} numbers",
                )
        return tail.table()

    # ---- mechanics ----

    @contextmanager
    def _using(self, buffer_id: str) -> Iterator[Buffer]:
        """Hold a buffer; a problem (404) if there is none."""
        with self._lock:
            buffer = self._buffers.get(buffer_id)
        if buffer is not None:
            with buffer.lock:
                if not buffer.is_deleted:
                    yield buffer
                    return
        raise Problem(
            404,
            f"There is no buffer {buffer_id}",
            id="buffer_unknown",
            title="There is no such buffer",
            field="buffer_id",
            expected="a buffer that was created",
        )

    def _require_place(self, buffer_id: str) -> None:
        if buffer_id in self._buffers:
            raise Problem(
                409,
                f"There is a buffer {buffer_id} already; delete it first",
                id="buffer_exists",
                title="The buffer exists",
                field="buffer_id",
                expected="another name",
            )
        if len(self._buffers) >= self._max_buffers:
            raise Problem(
                429,
                f"There are {len(self._buffers)} buffers, as many as there may be",
                id="too_many_buffers",
                title="There are too many buffers",
                field="max_buffers",
                expected=f"at most {self._max_buffers} buffers",
            )

    def _forget(self, buffer: Buffer) -> None:
        """Let nobody find a buffer any more; whoever waits for it sees that it is deleted."""
        buffer.is_deleted = True
        with self._lock:
            del self._buffers[buffer.buffer_id]
            self._n_bytes -= buffer.memory_bytes

    @contextmanager
    def _reserving(self, buffer: Buffer, growth: int) -> Iterator[None]:
        """Set memory aside for what happens to a buffer; a problem (429) if there is none."""
        before = buffer.memory_bytes
        with self._lock:
            if growth > 0 and self._n_bytes + growth > self._max_bytes:
                raise Problem(
                    429,
                    "The buffers take as much memory as they may; delete some",
                    id="buffers_full",
                    title="There is no memory for more rows",
                    field="max_buffer_bytes",
                    expected=f"at most {self._max_bytes} bytes",
                )
            self._n_bytes += growth
        try:
            yield
        finally:
            with self._lock:
                self._n_bytes += buffer.memory_bytes - before - growth
