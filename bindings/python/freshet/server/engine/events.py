"""What happens to a stream, as values that can be stored and happen again.

A stream is an ordered log of events. Its state is a function of them, so that a process that
restarts, or another replica, gets to the same state by applying the same events in the same order.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import orjson

from freshet._core import encode_rows

__all__ = [
    "OF_NO_STREAM",
    "Abandon",
    "Create",
    "Event",
    "Publish",
    "Reset",
    "Rows",
    "decode",
    "encode",
]

#: The kind of rows that were predicted but are of no stream.
OF_NO_STREAM: Final = "predictions"

_LENGTH = struct.Struct("<I")
_FLOAT = np.dtype("<f8")


@dataclass(frozen=True, slots=True)
class Create:
    """The stream begins.

    Attributes
    ----------
    settings : mapping
        As `DetectorPool.add` takes them.
    model : str or None
        The digest of the trained model that it begins with.
    bundle : str or None
        The name of the bundle that the model is of.
    """

    kind: ClassVar[str] = "create"
    settings: Mapping[str, Any]
    model: str | None = None
    bundle: str | None = None


@dataclass(slots=True)  # not frozen: there are many, and to make one would take twice as long
class Rows:
    """Rows come.

    Attributes
    ----------
    values : ndarray of float64, shape (rows, columns), or list of rows
        A list, of mappings or sequences, as they came, or where a cell is no number.
    columns : sequence of str or None
        The names of an array's columns; None if they come in the stream's order.
    timestamps : ndarray of float64, shape (rows,), or None
        Seconds since 1970.
    received_at : float
        Seconds since 1970.
    """

    kind: ClassVar[str] = "rows"
    values: npt.NDArray[np.float64] | list[Any]
    columns: Sequence[str] | None = None
    timestamps: npt.NDArray[np.float64] | None = None
    received_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Publish:
    """A trained model becomes the active one.

    Attributes
    ----------
    version : int
        Of the model within the stream.
    model : str
        The digest of its bytes.
    bundle : str or None
        The version of the bundle that it is of, if it was not trained on the stream.
    """

    kind: ClassVar[str] = "publish"
    version: int
    model: str
    bundle: str | None = None


@dataclass(frozen=True, slots=True)
class Abandon:
    """A training that was due has failed."""

    kind: ClassVar[str] = "abandon"
    version: int
    why: str


@dataclass(frozen=True, slots=True)
class Reset:
    """The stream goes back to cold start."""

    kind: ClassVar[str] = "reset"


Event: TypeAlias = Create | Rows | Publish | Abandon | Reset


def encode(event: Event) -> bytes:
    """Return an event as bytes: a JSON header with its length before it, then the numbers."""
    if isinstance(event, Rows):
        return _encode_rows(event)
    header: dict[str, Any]
    if isinstance(event, Create):
        header = {"settings": event.settings, "model": event.model, "bundle": event.bundle}
    elif isinstance(event, Publish):
        header = {"version": event.version, "model": event.model, "bundle": event.bundle}
    elif isinstance(event, Abandon):
        header = {"version": event.version, "why": event.why}
    else:
        header = {}
    return _frame(header | {"kind": event.kind})


def decode(data: bytes) -> Event:
    """Return the event that `encode` made bytes of.

    Raises
    ------
    ValueError
        If they are no event.
    """
    try:
        (size,) = _LENGTH.unpack_from(data)
        end = _LENGTH.size + size
        header = orjson.loads(data[_LENGTH.size : end])
        kind = header.pop("kind")
        if kind == Rows.kind:
            return _decode_rows(header, memoryview(data)[end:])
        event: Event = _KINDS[kind](**header)
        return event
    except (KeyError, TypeError, struct.error) as error:
        raise ValueError(f"these bytes are no event: {error}") from error


_KINDS: dict[str, Any] = {one.kind: one for one in (Create, Publish, Abandon, Reset)}


def _frame(header: dict[str, Any], *parts: bytes) -> bytes:
    text = orjson.dumps(header)
    return b"".join((_LENGTH.pack(len(text)), text, *parts))


def _encode_rows(event: Rows) -> bytes:
    if not isinstance(event.values, list):
        return encode_rows(event.values, event.columns, event.timestamps, event.received_at)
    header: dict[str, Any] = {
        "kind": Rows.kind,
        "columns": event.columns,
        "received_at": event.received_at,
        "rows": event.values,
    }
    parts = []
    if event.timestamps is not None:
        header["n_timestamps"] = len(event.timestamps)
        parts.append(event.timestamps.astype(_FLOAT, copy=False).tobytes())
    return _frame(header, *parts)


def _decode_rows(header: dict[str, Any], numbers: memoryview) -> Rows:
    flat = np.frombuffer(numbers, _FLOAT)
    n_rows, n_columns = header.get("shape", (0, 0))
    n_values = n_rows * n_columns
    if len(flat) != n_values + header.get("n_timestamps", 0):
        raise ValueError("these bytes are no event: they hold another number of values")
    values = header.get("rows")
    return Rows(
        values=flat[:n_values].reshape(n_rows, n_columns) if values is None else values,
        columns=header["columns"],
        timestamps=flat[n_values:] if "n_timestamps" in header else None,
        received_at=header["received_at"],
    )
