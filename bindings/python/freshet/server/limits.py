"""How large what a request brings may be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from freshet.server.problems import Problem

if TYPE_CHECKING:
    from freshet.server.settings import ServerSettings

__all__ = ["require_columns", "require_size"]


def require_size(settings: ServerSettings, rows: list[Any], field: str = "data") -> None:
    """Raise a problem (413) unless there are few enough rows and columns.

    The first row is taken for all: what reads them wants them to be as wide. `field` is what the
    request calls them.
    """
    if len(rows) > settings.max_batch_rows:
        raise Problem(
            413,
            f"The request has {len(rows)} rows",
            id="too_many_rows",
            field=field,
            expected=f"at most {settings.max_batch_rows} rows",
        )
    if rows and isinstance(rows[0], (dict, list)):
        require_columns(len(rows[0]), settings.max_columns, field)


def require_columns(n_columns: int, most: int, field: str = "data") -> None:
    """Raise a problem (413) unless there are few enough columns."""
    if n_columns > most:
        raise Problem(
            413,
            f"The rows have {n_columns} columns",
            id="too_many_columns",
            field=field,
            expected=f"at most {most} columns",
        )
