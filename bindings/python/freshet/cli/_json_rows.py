"""Rows from lines of JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from freshet.cli._csv import TIMESTAMP_NAMES

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

__all__ = ["BadLineError", "JsonRows", "Row"]


class BadLineError(Exception):
    """A line that is no row; says why."""


@dataclass(frozen=True)
class Row:
    """What a line says.

    Attributes
    ----------
    fields : dict
        All of an object's fields, or ``{"values": [...]}`` of an array.
    cells : dict or list
        What a detector takes: by name from an object, by position from an array.
    timestamp : float, datetime or None
        If a field of timestamps was named.
    """

    fields: dict[str, Any]
    cells: dict[str, Any] | list[Any]
    timestamp: float | datetime | None = None


class JsonRows:
    """Makes rows of lines, the first of which decide what the columns are.

    Parameters
    ----------
    columns : sequence of str, optional
        The fields of objects that are columns, in this order; others are passed on. By default
        those that are numbers in the first object that has any, without its timestamp.
    categories : collection of str
        Fields that are columns too, whatever they hold.
    timestamp_field : str, optional
        The field of timestamps: seconds, or a date in ISO 8601.
    """

    def __init__(
        self,
        columns: Sequence[str] | None = None,
        categories: Collection[str] = (),
        timestamp_field: str | None = None,
    ) -> None:
        self._columns = None if columns is None else list(columns)
        self._categories = categories
        self._timestamp_field = timestamp_field

    def _columns_of(self, fields: dict[str, Any]) -> list[str]:
        """Return which of an object's fields are columns."""
        if self._columns is not None:
            return self._columns
        stamps = (
            TIMESTAMP_NAMES if self._timestamp_field is None else frozenset({self._timestamp_field})
        )
        return [
            name
            for name, value in fields.items()
            if name in self._categories or (_is_number(value) and name.lower() not in stamps)
        ]

    def row(self, line: bytes) -> Row:
        """Return the row of a line.

        Raises
        ------
        BadLineError
            If it has none.
        """
        content = _parsed(line)
        if isinstance(content, list):
            if self._timestamp_field is not None:
                name = self._timestamp_field
                raise BadLineError(f"an array, expected an object with the field {name!r}")
            for i, value in enumerate(content):
                if not (self._categories or _is_number(value)):
                    raise BadLineError(f"element {i} is {_shown(value)}, expected a number")
            return Row({"values": content}, content)
        if not isinstance(content, dict):
            raise BadLineError(f"{_shown(content)}, expected an object or an array")
        columns = self._columns_of(content)
        if not columns:
            raise BadLineError("no field is a number")
        missing = [name for name in columns if name not in content]
        if missing:
            raise BadLineError(f"no field {missing[0]!r}, only {_short(', '.join(content))}")
        for name in columns:
            if not (name in self._categories or _is_number(content[name])):
                raise BadLineError(f"{name!r} is {_shown(content[name])}, expected a number")
        timestamp = None
        if self._timestamp_field is not None:
            timestamp = _moment(content, self._timestamp_field)
        return Row(content, {name: content[name] for name in columns}, timestamp)

    def keep(self, row: Row) -> None:
        """Make the columns of an object that was accepted those of all lines to come."""
        if self._columns is None and isinstance(row.cells, dict):
            self._columns = list(row.cells)


def _parsed(line: bytes) -> Any:
    try:
        return _DECODER.decode(line.decode("utf-8-sig").strip())
    except UnicodeDecodeError:
        raise BadLineError("not UTF-8") from None
    except json.JSONDecodeError as error:
        raise BadLineError(f"no JSON: {error.msg} at character {error.pos + 1}") from None
    except RecursionError:
        raise BadLineError("no JSON that can be read: nested too deeply") from None
    except ValueError as error:  # Integers of thousands of digits.
        raise BadLineError(f"no JSON that can be read: {error}") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise BadLineError(f"the field {twice!r} comes twice")
    return fields


def _no_number(text: str) -> Any:
    raise BadLineError(f"{text}, which is no JSON and no finite number")


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_number)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _moment(fields: dict[str, Any], name: str) -> float | datetime:
    if name not in fields:
        raise BadLineError(f"no field {name!r}, expected a timestamp")
    value = fields[name]
    if _is_number(value):
        try:
            return float(value)
        except OverflowError:
            raise BadLineError(f"{name!r} is {_shown(value)}, too large a number") from None
    try:
        # Python 3.10 does not know Z.
        return datetime.fromisoformat(value.strip().replace("Z", "+00:00"))
    except (AttributeError, ValueError):
        raise BadLineError(
            f"{name!r} is {_shown(value)}, expected seconds or a date in ISO 8601"
        ) from None


def _shown(value: Any) -> str:
    return _short(json.dumps(value, ensure_ascii=False))


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."
