"""What can go wrong, as exception types.

Every error has a stable ``id``, names the ``field`` it is about and says what was ``expected``.
"""

from __future__ import annotations

from typing import Any, TypeVar

__all__ = [
    "ConfigurationError",
    "DataError",
    "Error",
    "FitError",
    "ModelFileError",
    "NotReadyError",
    "SnapshotError",
    "UnknownStreamError",
    "about",
]


class Error(Exception):
    """The base of everything freshet raises on purpose.

    Attributes
    ----------
    id : str or None
        The stable kind of error, for example ``"value_non_finite"``.
    field : str or None
        The parameter or column that is wrong.
    expected : str or None
        What would have been right, in words.
    row : int or None
        The zero-based row of the batch.
    column : int or None
        The zero-based column.
    """

    def __init__(
        self,
        message: str = "",
        *,
        id: str | None = None,  # noqa: A002
        field: str | None = None,
        expected: str | None = None,
        row: int | None = None,
        column: int | None = None,
    ) -> None:
        super().__init__(message)
        self.id = id
        self.field = field
        self.expected = expected
        self.row = row
        self.column = column

    def __str__(self) -> str:
        # KeyError, a base of UnknownStreamError, would show the repr of the message.
        return str(self.args[0])

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self.args, self.__dict__


class ConfigurationError(Error, ValueError):
    """A parameter is unknown, of the wrong type or out of range."""


class DataError(Error, ValueError):
    """A row or batch cannot be accepted; whatever refused it is unchanged."""


class NotReadyError(Error, RuntimeError):
    """A score or an explanation was asked for before there is a model."""


class FitError(Error, RuntimeError):
    """No model could be trained on the rows given."""


class SnapshotError(Error, ValueError):
    """Bytes that are no snapshot, or not one that this version can read."""


class ModelFileError(Error, ValueError):
    """A model's file or bundle cannot be read or written: missing, damaged or not a model."""


class UnknownStreamError(Error, KeyError):
    """A pool has no stream of that name."""


_E = TypeVar("_E", bound=Error)


def about(where: str, error: _E) -> _E:
    """Return the same error with a message that begins with what it is about, such as a file."""
    told = type(error)(f"{where}: {error}")
    told.__dict__.update(error.__dict__)
    return told
