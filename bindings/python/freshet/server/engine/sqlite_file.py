"""What the files of the engine have in common."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from freshet.server.engine.changes import StoreError

__all__ = ["SqliteFile", "SqliteReader"]


class SqliteReader:
    """A file of SQLite, for reading, by the process that writes it or by another one.

    Any thread may call any method.

    Parameters
    ----------
    path : Path
        Has to be there when it is first read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._readers = threading.local()
        self._all: list[sqlite3.Connection] = []

    def query(self, query: str, *values: Any) -> list[Any]:
        """The rows that a query finds; StoreError if that fails."""
        with self.errors("read"):
            return self.reader().execute(query, values).fetchall()

    def reader(self) -> sqlite3.Connection:
        """A connection of the calling thread for reading."""
        connection: sqlite3.Connection | None = getattr(self._readers, "connection", None)
        if connection is None:
            connection = self._readers.connection = self._connect("ro")
        return connection

    def close(self) -> None:
        """Close the file; nothing may be called after it."""
        for connection in self._all:
            connection.close()

    @contextlib.contextmanager
    def errors(self, what: str) -> Iterator[None]:
        """Raise StoreError where SQLite fails; `what` cannot be done then."""
        try:
            yield
        except StoreError:
            raise
        # A text that is none (UnicodeError) cannot be stored either.
        except (sqlite3.Error, OSError, UnicodeError) as error:
            raise StoreError(
                f"{self.path.name} cannot be {what}: {error}", id="store_unavailable"
            ) from error

    def _connect(self, mode: Literal["ro", "rwc"]) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode={mode}",
            timeout=30.0,
            isolation_level=None,
            check_same_thread=False,
            uri=True,
        )
        self._all.append(connection)
        return connection


class SqliteFile(SqliteReader):
    """A file of SQLite that threads read while another one writes.

    Parameters
    ----------
    path : Path
        Made with its directory if there is none.
    schema : str
        Statements that make what is missing.
    is_durable : bool
        Whether what was written also survives a failure of the machine, rather than only of the
        process.
    pragmas : mapping of str to str or int, optional
        Settings of SQLite for a file that is made and its connection that writes, in this order.
        Unless they say otherwise there is a write-ahead log.
    format : int, optional
        Of the tables; a file that is made has it, and one that has another is left alone.

    Raises
    ------
    StoreError
        If it cannot be opened, or is of another format.
    """

    def __init__(
        self,
        path: Path,
        schema: str,
        *,
        is_durable: bool,
        pragmas: Mapping[str, str | int] = MappingProxyType({}),
        format: int = 0,  # noqa: A002
    ) -> None:
        super().__init__(path)
        self._write_lock = threading.Lock()
        with self.errors("opened"):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = self._connect("rwc")
            (found,) = self._writer.execute("PRAGMA user_version").fetchone()
            if found not in (0, format):
                raise StoreError(
                    f"{path.name} is of format {found}",
                    id="store_unavailable",
                    field="data_dir",
                    expected=f"format {format}",
                )
            settings: dict[str, str | int] = {
                **pragmas,
                "synchronous": "FULL" if is_durable else "NORMAL",
                # Some builds of SQLite write zeros over all that is deleted.
                "secure_delete": "FAST",
            }
            settings.setdefault("journal_mode", "WAL")
            for name, value in settings.items():
                self._writer.execute(f"PRAGMA {name} = {value}")
            self._writer.executescript(schema)
            self._writer.execute(f"PRAGMA user_version = {format}")

    def close(self) -> None:
        """Close the file; nothing may be called after it."""
        with self._write_lock:
            super().close()

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """The connection that writes, for statements that are transactions by themselves."""
        with self._write_lock, self.errors("written"):
            yield self._writer

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """The connection that writes, for a transaction that is undone if anything is raised."""
        with self.writing() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                # SQLite itself has undone it where the disk is full.
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
