"""Trained models in a file of their own.

They are a thousand times as large as a point. Whoever has trained one writes it here, while the
points of all streams go on into the journal; the event that publishes it is small then.
"""

from __future__ import annotations

import itertools
import threading
import weakref
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from freshet.server.engine.changes import ModelBytes
from freshet.server.engine.sqlite_file import SqliteFile

__all__ = ["ModelFile"]

_SCHEMA: Final = "CREATE TABLE IF NOT EXISTS models (digest TEXT PRIMARY KEY, data BLOB NOT NULL);"

#: Large pages, since models fill many; not larger, since the smallest one changes two. And no log
#: that all that is new is written to first, and copied from: half as much for the disk to do.
_PRAGMAS: Final[dict[str, str | int]] = {"page_size": 16384, "journal_mode": "PERSIST"}
#: Models that are deleted at once, while others wait to be written, and how often in a sweep.
_SWEPT_AT_ONCE: Final = 16
_PARTS_OF_SWEEP: Final = 64


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
        self._lock = threading.Lock()
        # Whoever is to publish one holds it until that is written, or will never be.
        self._expected: weakref.WeakSet[ModelBytes] = weakref.WeakSet()
        self._unwanted: dict[str, None] = {}

    def put(self, model: ModelBytes) -> None:
        """Write a model unless it is there; StoreError if that fails."""
        self._write([model], are_expected=False)

    def expect(self, models: Sequence[ModelBytes]) -> None:
        """Write models that are not there, and keep each as long as anybody holds the object.

        Raises
        ------
        StoreError
            If they cannot be written; then none is.
        """
        self._write(models, are_expected=True)

    def is_expected(self, model: ModelBytes) -> bool:
        """Whether a model was given to `expect`."""
        return model in self._expected

    def get(self, digest: str) -> bytes | None:
        """The bytes of a model; None if there is none."""
        found = self._file.query("SELECT data FROM models WHERE digest = ?", digest)
        return found[0][0] if found else None

    def digests(self) -> list[str]:
        """Which models there are."""
        return [digest for (digest,) in self._file.query("SELECT digest FROM models")]

    def forget(self, digests: Iterable[str]) -> None:
        """Have `sweep` delete models, but for those that are expected, or written again."""
        with self._lock:
            expected = {model.digest for model in self._expected}
            self._unwanted.update((one, None) for one in digests if one not in expected)

    def sweep(self) -> None:
        """Delete what was forgotten, or a good part of it.

        Raises
        ------
        StoreError
            If that fails; then it is left to the next sweep.
        """
        for _ in range(_PARTS_OF_SWEEP):
            if not self._unwanted:
                return
            with self._file.transaction() as connection:
                with self._lock:
                    some = list(itertools.islice(self._unwanted, _SWEPT_AT_ONCE))
                connection.executemany(
                    "DELETE FROM models WHERE digest = ?", [(digest,) for digest in some]
                )
            with self._lock:
                for digest in some:
                    self._unwanted.pop(digest, None)

    def _write(self, models: Sequence[ModelBytes], *, are_expected: bool) -> None:
        # One statement, for which a thread has to wait once for Python's lock.
        query = "INSERT OR IGNORE INTO models VALUES " + ", ".join(["(?, ?)"] * len(models))
        values = [value for model in models for value in (model.digest, model.data)]
        with self._file.writing() as connection:
            connection.execute(query, values)
            with self._lock:
                for model in models:
                    self._unwanted.pop(model.digest, None)
                if are_expected:
                    self._expected.update(models)
