"""Adding predictions to an SQL database that may have some of them."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite

from freshet.server.prediction_log.records import Prediction
from freshet.server.prediction_log.sql_table import KEY, TABLE

__all__ = ["INSERTS", "Insert", "insert_missing"]

Insert: TypeAlias = Callable[[sa.Connection, Sequence[Prediction]], None]


def _insert_json(connection: sa.Connection, predictions: Sequence[Prediction]) -> None:
    # A row at a time, as others get them, takes five times as long.
    rows = [
        row | {"values": orjson.dumps(row["values"]).decode()} for row in map(_row, predictions)
    ]
    connection.execute(_INSERT_JSON, {"rows": orjson.dumps(rows).decode()})


def _insert_or_skip(connection: sa.Connection, predictions: Sequence[Prediction]) -> None:
    connection.execute(sqlite.insert(TABLE).on_conflict_do_nothing(), list(map(_row, predictions)))


def _insert_or_keep(connection: sa.Connection, predictions: Sequence[Prediction]) -> None:
    # Not INSERT IGNORE, which would also cut short what does not fit.
    insert = mysql.insert(TABLE)
    connection.execute(
        insert.on_duplicate_key_update(index=insert.inserted["index"]),
        list(map(_row, predictions)),
    )


def insert_missing(connection: sa.Connection, predictions: Sequence[Prediction]) -> None:
    """Insert the rows whose keys are not in the table, in a database without a word for that."""
    times = [one.timestamp for one in predictions]
    query = sa.select(*KEY).where(TABLE.c.timestamp.between(min(times), max(times)))
    there = {tuple(row) for row in connection.execute(query)}
    rows = [
        row
        for row in map(_row, predictions)
        if tuple(row[column.name] for column in KEY) not in there
    ]
    if rows:
        connection.execute(sa.insert(TABLE), rows)


def _row(prediction: Prediction) -> dict[str, Any]:
    return dict(zip(Prediction.__slots__, _CELLS(prediction), strict=True))


_CELLS: Final = operator.attrgetter(*Prediction.__slots__)


def _insert_of_json() -> str:
    # What a row holds is a text in the JSON of rows: as a part of it, not every text is allowed.
    names, found, kinds = [], [], []
    for column in TABLE.columns:
        kind = column.type.compile(postgresql.dialect())  # type: ignore[no-untyped-call]
        name = f'"{column.name}"'
        is_values = column.name == "values"
        names.append(name)
        found.append(f"CAST({name} AS {kind})" if is_values else name)
        kinds.append(f"{name} {'TEXT' if is_values else kind}")
    return (
        f"INSERT INTO {TABLE.name} ({', '.join(names)}) SELECT {', '.join(found)}"
        f" FROM json_to_recordset(CAST(:rows AS json)) AS rows ({', '.join(kinds)})"
        " ON CONFLICT DO NOTHING"
    )


_INSERT_JSON: Final = sa.text(_insert_of_json())
#: By the name of SQLAlchemy's dialect; `insert_missing` is for all others.
INSERTS: Final[dict[str, Insert]] = {
    "postgresql": _insert_json,
    "sqlite": _insert_or_skip,
    "mysql": _insert_or_keep,
    "mariadb": _insert_or_keep,
}
