"""Where the rows of buffers survive: a file of SQLite."""

from __future__ import annotations

import contextlib
import itertools
import queue
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

import numpy as np
import orjson

from freshet.server.buffers.buffer import Buffer
from freshet.server.buffers.rows import Block, Layout
from freshet.server.engine.changes import StoreError
from freshet.server.engine.sqlite_file import SqliteFile

__all__ = ["BufferStore", "SqliteBufferStore"]

_Statement: TypeAlias = tuple[str, tuple[Any, ...]]

_FORMAT: Final = 1
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS buffers (
  buffer_id TEXT PRIMARY KEY, window_size INTEGER NOT NULL, total INTEGER NOT NULL,
  append_count INTEGER NOT NULL, append_seconds REAL NOT NULL, columns TEXT, is_numeric TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS blocks (
  buffer_id TEXT NOT NULL, first_row INTEGER NOT NULL, end_row INTEGER NOT NULL,
  numbers BLOB NOT NULL, others BLOB NOT NULL, PRIMARY KEY (buffer_id, first_row)
) WITHOUT ROWID;
"""
_FLOAT: Final = np.dtype("<f8")
#: Writes in one transaction at most.
_MOST_AT_ONCE: Final = 1_000


class BufferStore(Protocol):
    """Where the rows of buffers survive. Any thread may call it.

    What a method has stored is there when it returns. Every method raises `StoreError` if it cannot
    be; then nothing is changed.
    """

    def create(self, buffer: Buffer) -> None:
        """Store a buffer without rows."""

    def append(self, buffer: Buffer, block: Block) -> None:
        """Store rows that the buffer is about to get, and let go of those that they replace."""

    def clear(self, buffer: Buffer) -> None:
        """Delete the rows of a buffer."""

    def delete(self, buffer: Buffer) -> None:
        """Delete a buffer."""

    def load(self) -> Iterator[Buffer]:
        """Every buffer that is stored, with its rows."""

    def close(self) -> None:
        """Let go of the store."""


@dataclass(frozen=True, slots=True)
class _Write:
    """Statements that belong together, and who waits for them."""

    statements: Sequence[_Statement]
    done: Future[None]


class SqliteBufferStore:
    """A file of SQLite, which a thread writes to: all that waits in one transaction.

    Parameters
    ----------
    path : Path
        Made with its directory if there is none.
    is_durable : bool
        Whether what is stored survives a failure of the machine, rather than only of the process.

    Raises
    ------
    StoreError
        If the file cannot be opened, or is none of this version.
    """

    def __init__(self, path: Path, *, is_durable: bool = True) -> None:
        self._file = SqliteFile(path, _SCHEMA, is_durable=is_durable, format=_FORMAT)
        self._queue: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="freshet-buffers", daemon=True)
        self._thread.start()

    def create(self, buffer: Buffer) -> None:
        """Store a buffer without rows."""
        self._write(
            (
                "INSERT OR REPLACE INTO buffers VALUES (?, ?, 0, 0, 0.0, NULL, NULL)",
                (buffer.buffer_id, buffer.window_size),
            )
        )

    def append(self, buffer: Buffer, block: Block) -> None:
        """Store rows that the buffer is about to get, and let go of those that they replace."""
        total = buffer.total + len(block)
        first = max(buffer.total, total - buffer.window_size)
        kept = block.last(buffer.window_size)
        self._write(
            (
                "UPDATE buffers SET total = ?, append_count = ?, append_seconds = ?, columns = ?,"
                " is_numeric = ? WHERE buffer_id = ?",
                (
                    total,
                    buffer.append_count + 1,
                    buffer.append_seconds,
                    orjson.dumps(block.layout.columns),
                    orjson.dumps(block.layout.is_numeric),
                    buffer.buffer_id,
                ),
            ),
            (
                "INSERT INTO blocks VALUES (?, ?, ?, ?, ?)",
                (
                    buffer.buffer_id,
                    first,
                    total,
                    kept.numbers.astype(_FLOAT, copy=False).tobytes(),
                    orjson.dumps(kept.others),
                ),
            ),
            (
                # Blocks come in order, so that only those at the beginning are looked at.
                "DELETE FROM blocks WHERE buffer_id = ?1 AND first_row < ?2 AND end_row <= ?2",
                (buffer.buffer_id, total - buffer.window_size),
            ),
        )

    def clear(self, buffer: Buffer) -> None:
        """Delete the rows of a buffer."""
        self._write(
            (
                "UPDATE buffers SET total = 0, append_count = 0, append_seconds = 0.0,"
                " columns = NULL, is_numeric = NULL WHERE buffer_id = ?",
                (buffer.buffer_id,),
            ),
            ("DELETE FROM blocks WHERE buffer_id = ?", (buffer.buffer_id,)),
        )

    def delete(self, buffer: Buffer) -> None:
        """Delete a buffer."""
        self._write(
            ("DELETE FROM blocks WHERE buffer_id = ?", (buffer.buffer_id,)),
            ("DELETE FROM buffers WHERE buffer_id = ?", (buffer.buffer_id,)),
        )

    def load(self) -> Iterator[Buffer]:
        """Every buffer that is stored, with its rows; before anything is written."""
        for row in self._file.query("SELECT * FROM buffers"):
            buffer_id, window_size, total, append_count, append_seconds, *layout = row
            buffer = Buffer(buffer_id, window_size)
            if total:
                try:
                    columns, is_numeric = (tuple(orjson.loads(one)) for one in layout)
                    self._load_rows(buffer, Layout(columns, is_numeric))
                except ValueError as error:
                    raise StoreError(
                        f'the rows of the buffer "{buffer_id}" cannot be read: {error}',
                        id="store_unavailable",
                    ) from error
            buffer.total = total
            buffer.append_count = append_count
            buffer.append_seconds = append_seconds
            yield buffer

    def _load_rows(self, buffer: Buffer, layout: Layout) -> None:
        blocks = self._file.query(
            "SELECT end_row - first_row, numbers, others FROM blocks WHERE buffer_id = ?"
            " ORDER BY first_row",
            buffer.buffer_id,
        )
        for n_rows, numbers, others in blocks:
            values = np.frombuffer(numbers, _FLOAT).reshape(n_rows, len(layout.numeric))
            buffer.append(Block(layout, values, orjson.loads(others)))

    def close(self) -> None:
        """Write what waits, and close the file."""
        self._queue.put(None)
        self._thread.join()
        self._file.close()

    # ---- the thread ----

    def _write(self, *statements: _Statement) -> None:
        write = _Write(statements, Future())
        self._queue.put(write)
        write.done.result()

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            writes = [first]
            is_open = True
            with contextlib.suppress(queue.Empty):
                while is_open and len(writes) < _MOST_AT_ONCE:
                    further = self._queue.get_nowait()
                    if further is None:
                        is_open = False
                    else:
                        writes.append(further)
            self._commit(writes)
            if not is_open:
                return

    def _commit(self, writes: list[_Write]) -> None:
        try:
            with self._file.transaction() as connection:
                for statement in itertools.chain.from_iterable(w.statements for w in writes):
                    connection.execute(*statement)
        except StoreError as error:
            for write in writes:
                write.done.set_exception(error)
        else:
            for write in writes:
                write.done.set_result(None)
