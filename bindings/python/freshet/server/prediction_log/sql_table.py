"""The table of predictions, in any SQL database."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import mssql, mysql, oracle, postgresql

__all__ = ["KEY", "METADATA", "TABLE"]


class _Time(sa.types.TypeDecorator[datetime]):
    """A moment to the microsecond; without a zone, in UTC, where the database has none."""

    impl = sa.DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        kinds: dict[str, sa.types.TypeEngine[Any]] = {
            "postgresql": postgresql.TIMESTAMP(timezone=True, precision=6),
            "mysql": mysql.DATETIME(fsp=6),
            "mariadb": mysql.DATETIME(fsp=6),
            "mssql": mssql.DATETIME2(6),  # type: ignore[no-untyped-call]
            "oracle": oracle.TIMESTAMP(),
        }
        return dialect.type_descriptor(kinds.get(dialect.name, sa.DateTime()))

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None or dialect.name == "postgresql":
            return value
        return value.astimezone(timezone.utc).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None or value.tzinfo is not None:
            return value and value.astimezone(timezone.utc)
        return value.replace(tzinfo=timezone.utc)


def _text(length: int) -> sa.types.TypeEngine[Any]:
    """Text that is compared byte by byte, so that every database lists in the same order."""
    return (
        sa.Text()
        .with_variant(postgresql.TEXT(collation="C"), "postgresql")
        .with_variant(mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin"), "mysql")
        .with_variant(mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin"), "mariadb")
        .with_variant(mssql.NVARCHAR(length, collation="Latin1_General_BIN2"), "mssql")
        .with_variant(sa.String(length), "oracle")
    )


METADATA: Final = sa.MetaData()
TABLE: Final = sa.Table(
    "predictions",
    METADATA,
    sa.Column("timestamp", _Time(), primary_key=True),
    sa.Column("incarnation", _text(64), primary_key=True),
    sa.Column("index", sa.BigInteger(), primary_key=True, autoincrement=False),
    sa.Column("stream_id", _text(256), primary_key=True),
    sa.Column("mode", sa.String(8), nullable=False),
    sa.Column("label", sa.String(8), nullable=False),
    sa.Column("score", sa.Double()),
    sa.Column("raw_score", sa.Double()),
    sa.Column("threshold", sa.Double()),
    sa.Column("model_version", sa.BigInteger(), nullable=False),
    sa.Column("bundle", _text(256)),
    sa.Column("row_timestamp", sa.Double()),
    sa.Column("values", sa.JSON(), nullable=False),
)
#: In the order of `records.Key`.
KEY: Final = tuple(TABLE.primary_key.columns)
sa.Index("predictions_by_stream", TABLE.c.stream_id, *KEY[:3])
