"""The file that forgets nothing: events, snapshots and predictions in SQLite, models beside it.

One table holds a row for every event and for every batch of predictions. It is the recovery log of
the streams, the prediction log that can be queried, and the spool from which other sinks are fed.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Final

import orjson

from freshet import __version__
from freshet.server.engine.changes import (
    Change,
    Cursor,
    Entry,
    ModelBytes,
    Removal,
    SnapshotBytes,
    StoreError,
    StreamInfo,
)
from freshet.server.engine.events import Event, decode
from freshet.server.engine.model_file import ModelFile
from freshet.server.engine.recovery import Recovery, StoredSnapshot, digest_of
from freshet.server.engine.schema import IS_CHANGE, SCHEMA
from freshet.server.engine.sqlite_file import SqliteFile

__all__ = ["Journal"]

#: What is written of an entry: all but `n_scored`, its last value, which the metrics alone want.
_COLUMNS: Final = Entry._fields[:-1]
_INSERT: Final = f"INSERT INTO journal ({', '.join(_COLUMNS)}) VALUES "
_ROW: Final = f"({', '.join('?' * len(_COLUMNS))})"
#: Rows of one statement. A thread gives Python's lock away for every statement, and gets it back
#: when the others are done, which takes longer than most statements.
_MAX_ROWS: Final = 64
#: Snapshots kept of a stream: should the last be damaged, the one before and the events after it
#: give the same state.
_SNAPSHOTS_KEPT: Final = 2


class Journal(SqliteFile):
    """The journal of a data directory; of one process at a time.

    Any thread may call any method; writes wait for each other. `write` is for one thread, so that
    no model is forgotten that an event on its way refers to.

    Parameters
    ----------
    path : Path
        The file; made with its directory if there is none.
    is_durable : bool
        Whether what `write` has written also survives a failure of the machine, rather than only
        of the process.

    Attributes
    ----------
    models : ModelFile
        What events refer to. A model may be put there before its event, by whoever has the time.

    Raises
    ------
    StoreError
        If another process has the journal open, or it cannot be opened.
    """

    def __init__(self, path: Path, *, is_durable: bool = True) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock_file = _lock(path.with_suffix(".lock"))
        super().__init__(path, SCHEMA, is_durable=is_durable)
        self.models = ModelFile(path.with_name("models.sqlite"), is_durable=is_durable)
        self.models.forget([one for one in self.models.digests() if not self._refers_to(one)])
        self.models.sweep()

    def close(self) -> None:
        """Close the file; nothing may be called after it."""
        super().close()
        self.models.close()
        self._lock_file.close()

    # ---- writing ----

    def write(self, changes: Sequence[Change]) -> None:
        """Write changes in order, all or none of them.

        Raises
        ------
        StoreError
            If they cannot be written; then nothing is changed.
        """
        if 0 < len(changes) <= _MAX_ROWS and all(isinstance(change, Entry) for change in changes):
            with self.writing():
                self._write(changes, set())
            return
        dropped: set[str] = set()
        with self.transaction():
            self._write(changes, dropped)
        # Only now is it sure that no event needs them. What is left goes at the next start.
        with contextlib.suppress(StoreError):
            self.models.forget([one for one in dropped if not self._refers_to(one)])

    def _write(self, changes: Sequence[Change], dropped: set[str]) -> None:
        """Write changes; `dropped` gets the models of events that are no longer kept."""
        entries: list[Entry] = []
        for change in changes:
            if isinstance(change, Entry):
                entries.append(change)
                continue
            if entries:
                self._insert(entries)
                entries = []
            self._apply(change, dropped)
        if entries:
            self._insert(entries)

    def _insert(self, entries: Sequence[Entry]) -> None:
        for begin in range(0, len(entries), _MAX_ROWS):
            some = entries[begin : begin + _MAX_ROWS]
            query = _INSERT + ", ".join([_ROW] * len(some))
            values = itertools.chain.from_iterable(entry[:-1] for entry in some)
            self._writer.execute(query, list(values))

    def _apply(self, change: Change, dropped: set[str]) -> None:
        execute = self._writer.execute
        if isinstance(change, StreamInfo):
            execute(
                "INSERT OR REPLACE INTO streams VALUES (?, ?, ?, ?)",
                (change.stream_id, change.incarnation, change.sequence, orjson.dumps(change.info)),
            )
        elif isinstance(change, SnapshotBytes):
            dropped |= self._keep_snapshot(change)
        elif isinstance(change, ModelBytes):
            self.models.put(change)
        elif isinstance(change, Cursor):
            execute("INSERT OR REPLACE INTO cursors VALUES (?, ?)", (change.name, change.id))
        elif isinstance(change, Removal):
            key = (change.stream_id, change.incarnation)
            execute("DELETE FROM streams WHERE stream_id = ? AND incarnation = ?", key)
            execute("DELETE FROM snapshots WHERE stream_id = ? AND incarnation = ?", key)
            dropped |= self._drop_events(*key, before=None)

    def _keep_snapshot(self, one: SnapshotBytes) -> set[str]:
        info = orjson.dumps(one.info)
        self._writer.execute(
            "INSERT OR REPLACE INTO snapshots VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *_key(one),
                one.sequence,
                time.time(),
                __version__,
                info,
                one.data,
                digest_of(one.data, info),
            ),
        )
        kept = self._writer.execute(
            "SELECT sequence FROM snapshots WHERE stream_id = ? AND incarnation = ?"
            " ORDER BY sequence DESC LIMIT ?",
            (*_key(one), _SNAPSHOTS_KEPT),
        ).fetchall()
        if len(kept) < _SNAPSHOTS_KEPT:
            return set()
        oldest = kept[-1][0]
        self._writer.execute(
            "DELETE FROM snapshots WHERE stream_id = ? AND incarnation = ? AND sequence < ?",
            (*_key(one), oldest),
        )
        return self._drop_events(*_key(one), before=oldest)

    def _drop_events(self, stream_id: str, incarnation: str, before: int | None) -> set[str]:
        """Forget events that are no predictions and that no snapshot needs; return their models."""
        old = f"stream_id = ? AND incarnation = ? AND {IS_CHANGE}"
        values: tuple[Any, ...] = (stream_id, incarnation)
        if before is not None:
            old += " AND sequence <= ?"
            values += (before,)
        models = self._writer.execute(
            f"SELECT DISTINCT model FROM journal WHERE model IS NOT NULL AND {old}", values
        ).fetchall()
        self._writer.execute(f"DELETE FROM journal WHERE {old}", values)
        return {digest for (digest,) in models}

    def _refers_to(self, digest: str) -> bool:
        """Whether an event needs a model."""
        return bool(self.query("SELECT 1 FROM journal WHERE model = ? LIMIT 1", digest))

    def delete(self, ids: Sequence[int]) -> None:
        """Forget entries, of predictions that no recovery needs.

        Raises
        ------
        StoreError
        """
        with self.transaction() as connection:
            connection.executemany("DELETE FROM journal WHERE id = ?", [(one,) for one in ids])

    # ---- reading ----

    def streams(self) -> list[StreamInfo]:
        """How every stream that there is was last seen."""
        rows = self.query(
            "SELECT stream_id, incarnation, COALESCE((SELECT MAX(j.sequence) FROM journal j"
            " WHERE j.stream_id = s.stream_id AND j.incarnation = s.incarnation), sequence), info"
            " FROM streams s"
        )
        return [
            StreamInfo(stream_id, incarnation, sequence, orjson.loads(info))
            for stream_id, incarnation, sequence, info in rows
        ]

    def recovery(self, stream_id: str) -> Recovery | None:
        """What a stream's state is made again from; None if there is no such stream."""
        found = self.query("SELECT incarnation, info FROM streams WHERE stream_id = ?", stream_id)
        if not found:
            return None
        incarnation, info = found[0][0], orjson.loads(found[0][1])
        snapshots = self.query(
            "SELECT sequence, data, info, digest FROM snapshots"
            " WHERE stream_id = ? AND incarnation = ? ORDER BY sequence DESC",
            stream_id,
            incarnation,
        )
        return Recovery(incarnation, info, [StoredSnapshot.found(*row) for row in snapshots])

    def events(self, stream_id: str, incarnation: str, after: int) -> Iterator[tuple[int, Event]]:
        """The events of a stream that follow the one at position `after`, with their positions."""
        rows = self.query(
            "SELECT sequence, event FROM journal WHERE stream_id = ? AND incarnation = ?"
            " AND sequence > ? ORDER BY sequence",
            stream_id,
            incarnation,
            after,
        )
        for sequence, event in rows:
            yield sequence, decode(event)

    def check(self) -> None:
        """Raise StoreError unless the file can be read and written."""
        self.query("SELECT 1 FROM streams LIMIT 1")
        self.write([])

    def cursor(self, name: str) -> int:
        """Up to which `id` of the journal a sink has been fed; 0 in the beginning."""
        found = self.query("SELECT id FROM cursors WHERE name = ?", name)
        return found[0][0] if found else 0

    def quarantine(self, stream_id: str, incarnation: str, sequence: int, reason: str) -> None:
        """Put a snapshot that is damaged aside, where nothing but people reads it."""
        key = (stream_id, incarnation, sequence)
        with self.transaction() as connection:
            connection.execute(
                "INSERT INTO quarantine (stream_id, incarnation, sequence, quarantined_at, reason,"
                " data) SELECT stream_id, incarnation, sequence, ?, ?, data FROM snapshots"
                " WHERE stream_id = ? AND incarnation = ? AND sequence = ?",
                (time.time(), reason, *key),
            )
            connection.execute(
                "DELETE FROM snapshots WHERE stream_id = ? AND incarnation = ? AND sequence = ?",
                key,
            )


def _key(one: SnapshotBytes) -> tuple[str, str]:
    return one.stream_id, one.incarnation


def _lock(path: Path) -> IO[str]:
    """Open a file that no other process has open through this function."""
    file = path.open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise StoreError(
            f"{path.parent} is in use by another process",
            id="store_in_use",
            field="data_dir",
            expected="a directory of its own for every process",
        ) from error
    return file
