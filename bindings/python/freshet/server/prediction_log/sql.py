"""Predictions in an SQL database, through SQLAlchemy."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import orjson
import sqlalchemy as sa
from sqlalchemy import exc

from freshet.server.prediction_log.finding import Page, Search
from freshet.server.prediction_log.records import (
    Key,
    Prediction,
    from_microseconds,
    to_microseconds,
)
from freshet.server.prediction_log.sinks import LogRefusedError, LogUnavailableError, hidden, parts
from freshet.server.prediction_log.sql_insert import INSERTS, insert_missing
from freshet.server.prediction_log.sql_table import KEY, METADATA, TABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from freshet.server.prediction_log.records import PredictionBlock

__all__ = ["SqlSink"]

#: Rows that are deleted at once.
_CHUNK: Final = 5_000
#: So that a server that has vanished is noticed within a minute.
_POSTGRES_OPTIONS: Final = {
    "connect_timeout": 5,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}


class SqlSink:
    """The table ``predictions`` of a database; it is made when there is none.

    Parameters
    ----------
    url : str
        As SQLAlchemy takes it.
    may_make : bool
        False to leave a database without the table as it is.
    """

    def __init__(self, url: str, *, may_make: bool = True) -> None:
        self._url = url
        parsed = sa.make_url(url)
        where = sa.URL.create(
            parsed.get_backend_name(), host=parsed.host, port=parsed.port, database=parsed.database
        )
        self.name = where.render_as_string()
        is_psycopg = parsed.get_driver_name() in ("psycopg", "psycopg2")
        options = _POSTGRES_OPTIONS if is_psycopg else {}
        self._engine = sa.create_engine(
            url,
            connect_args={key: value for key, value in options.items() if key not in parsed.query},
            pool_pre_ping=True,
            json_serializer=lambda value: orjson.dumps(value).decode(),
            json_deserializer=orjson.loads,
        )
        self._insert = INSERTS.get(self._engine.dialect.name, insert_missing)
        self._may_make = may_make
        self._has_table = False
        self._making = threading.Lock()

    def write(self, blocks: Sequence[PredictionBlock]) -> None:
        """Add predictions in one transaction; see `Sink`."""
        with self._transaction() as connection:
            for part in parts(blocks):
                self._insert(connection, part)

    def find(self, search: Search, after: Key | None, limit: int, *, is_descending: bool) -> Page:
        """Return predictions; see `Log`."""
        conditions = list(_conditions(search))
        if after is not None:
            conditions.append(_follows(after, is_descending))
        order = [column.desc() if is_descending else column.asc() for column in KEY]
        query = sa.select(TABLE).where(*conditions).order_by(*order).limit(limit + 1)
        with self._transaction() as connection:
            found = [Prediction(**row) for row in connection.execute(query).mappings()]
        has_more = len(found) > limit
        return Page(found[:limit], found[limit - 1].key if has_more else None)

    def streams(self) -> list[str]:
        """Return what has predictions; see `Finder`."""
        name = TABLE.c.stream_id
        query = sa.select(name).distinct().order_by(name)
        with self._transaction() as connection:
            return list(connection.scalars(query))

    def oldest_of_newest(self, n_rows: int) -> int | None:
        """Return the time of a prediction; see `Log`."""
        with self._transaction() as connection:
            count = connection.execute(sa.select(sa.func.count()).select_from(TABLE)).scalar_one()
            if count <= n_rows:
                return None
            # From the old end, where few are too many.
            query = sa.select(TABLE.c.timestamp).order_by(*KEY).offset(count - n_rows).limit(1)
            found = connection.execute(query).scalar_one_or_none()
        return None if found is None else to_microseconds(found)

    def delete_before(self, microseconds: int) -> Iterator[int]:
        """Delete what is older, in parts; see `Log`."""
        is_older = TABLE.c.timestamp < from_microseconds(microseconds)
        last_of_part = (
            sa.select(TABLE.c.timestamp)
            .where(is_older)
            .order_by(TABLE.c.timestamp)
            .offset(_CHUNK - 1)
            .limit(1)
        )
        while True:
            with self._transaction() as connection:
                last = connection.execute(last_of_part).scalar_one_or_none()
                part = is_older if last is None else TABLE.c.timestamp <= last
                count = connection.execute(sa.delete(TABLE).where(part)).rowcount
            if count > 0:
                yield count
            if last is None:
                return

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        try:
            with self._making:
                if self._may_make and not self._has_table:
                    METADATA.create_all(self._engine)
                    self._has_table = True
            with self._engine.begin() as connection:
                yield connection
        except (exc.DataError, exc.IntegrityError) as error:
            if self._has_table:
                raise LogRefusedError(self._told(error), id="log_refused") from None
            raise self._unavailable(error) from None  # Another process made the table first.
        except exc.DBAPIError as error:
            if not error.connection_invalidated:
                self._has_table = False  # Somebody may have dropped it.
            raise self._unavailable(error) from None
        except exc.StatementError as error:
            raise LogRefusedError(self._told(error), id="log_refused") from None
        except exc.SQLAlchemyError as error:
            raise self._unavailable(error) from None

    def _unavailable(self, error: exc.SQLAlchemyError) -> LogUnavailableError:
        return LogUnavailableError(
            f"the log {self.name} does not work: {self._told(error)}", id="log_unavailable"
        )

    def _told(self, error: exc.SQLAlchemyError) -> str:
        # SQLAlchemy's own message holds the rows.
        return hidden(getattr(error, "orig", None) or error, self._url)


def _conditions(search: Search) -> Iterator[sa.ColumnElement[bool]]:
    columns = TABLE.c
    for name in ("stream_id", "label", "mode", "model_version", "bundle"):
        value = getattr(search, name)
        if value is not None:
            yield columns[name] == value
    if search.prefixes is not None:
        # Not LIKE, which takes capitals for small letters in some databases.
        yield sa.or_(
            sa.false(),
            *(sa.func.substr(columns.stream_id, 1, len(one)) == one for one in search.prefixes),
        )
    if search.since is not None:
        yield columns.timestamp >= from_microseconds(search.since)
    if search.until is not None:
        yield columns.timestamp < from_microseconds(search.until)
    if search.min_score is not None:
        yield columns.score >= search.min_score


def _follows(key: Key, is_descending: bool) -> sa.ColumnElement[bool]:
    """Return whether a row comes after a key."""
    values = (from_microseconds(key.microseconds), *key[1:])
    # As row values, (a, b) > (x, y), the same would be shorter, but not every database has them.
    alternatives = []
    for n in range(len(KEY)):
        column, value = KEY[n], values[n]
        same = [one == other for one, other in zip(KEY[:n], values[:n], strict=True)]
        alternatives.append(sa.and_(*same, column < value if is_descending else column > value))
    bound = KEY[0] <= values[0] if is_descending else KEY[0] >= values[0]
    # What the alternatives imply, said in a way that every database has an index for.
    return sa.and_(bound, sa.or_(*alternatives))
