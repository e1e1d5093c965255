"""Trained models in a file of their own.

They are a thousand times as large as a point. Whoever has trained one writes it here, while the
points of all streams go on into the journal; the event that publishes it is small then.
"""

from __future__ import annotations

import sqlite3
import weakref
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from freshet.server.engine.changes import ModelBytes
from freshet.server.engine.sqlite_file import SqliteFile

__all__ = ["ModelFile"]

_SCHEMA: Final = "CREATE TABLE IF NOT EXISTS models (digest TEXT PRIMARY KEY, data BLOB NOT NULL);"

#: Large pages for models that fill many; not larger, since the smallest model changes two. And
#: little is copied from the log at once (0.75 MiB), so that the journal's next write need not wait
#: for much.
_PRAGMAS: Final = {"page_size": 16384, "wal_autocheckpoint": 48}


class ModelFile:
    """Models by their digests. Any thread may call any method.

    Parameters
    ----------
    path, is_durable
        See `SqliteFile`.
    """

    def __init__(self, path: Path, *, is_durable: bool) -> None:
        self._file = SqliteFile(path, _SCHEMA, is_durable=is_durable, pragmas=_PRAGMAS)
        self.close = self._file.close
        # Whoever is to publish one holds it until that is written, or will never be.
        self._expected: weakref.WeakSet[ModelBytes] = weakref.WeakSet()

    def put(self, model: ModelBytes) -> None:
        """Write a model unless it is there; StoreError if that fails."""
        if self._file.query("SELECT 1 FROM models WHERE digest = ?", model.digest):
            return
        with self._file.writing() as connection:
            _insert(connection, model)

    def expect(self, model: ModelBytes) -> None:
        """Write a model that is new, and do not forget it as long as anybody holds `model`.

        Raises
        ------
        StoreError
            If it cannot be written.
        """
        with self._file.writing() as connection:
            _insert(connection, model)
            self._expected.add(model)

    def is_expected(self, model: ModelBytes) -> bool:
        """Whether `expect` has written a model."""
        return model in self._expected

    def get(self, digest: str) -> bytes | None:
        """The bytes of a model; None if there is none."""
        found = self._file.query("SELECT data FROM models WHERE digest = ?", digest)
        return found[0][0] if found else None

    def digests(self) -> list[str]:
        """Which models there are."""
        return [digest for (digest,) in self._file.query("SELECT digest FROM models")]

    def forget(self, digests: Iterable[str]) -> None:
        """Delete models that are not expected; StoreError if that fails."""
        unused = list(digests)
        if unused:
            with self._file.transaction() as connection:
                expected = {model.digest for model in self._expected}
                values = [(digest,) for digest in unused if digest not in expected]
                connection.executemany("DELETE FROM models WHERE digest = ?", values)


def _insert(connection: sqlite3.Connection, model: ModelBytes) -> None:
    values = (model.digest, model.data)
    connection.execute("INSERT OR IGNORE INTO models VALUES (?, ?)", values)
