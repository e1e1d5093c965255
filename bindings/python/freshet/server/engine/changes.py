"""What is written to the journal, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from freshet.errors import Error

__all__ = [
    "Change",
    "Cursor",
    "Entry",
    "ModelBytes",
    "Removal",
    "SnapshotBytes",
    "StoreError",
    "StreamInfo",
]


class StoreError(Error, OSError):
    """The store of the streams cannot be read or written now."""


class Entry(NamedTuple):
    """An event, or predictions that belong to no stream's log, with what was answered.

    Attributes
    ----------
    stream_id, incarnation : str
        Which stream, and which of those that had this name one after another.
    sequence : int or None
        The event's position in its stream's log, from 1; None outside of any.
    kind, event : str, bytes
        See `events`.
    mode : {"stream", "batch"}
        Where predictions come from.
    received_at : float
        Seconds since 1970.
    first_index, n_rows : int
        The rows' positions in the stream.
    results : bytes or None
        Of ``ResultBatch.records``; None where there are none.
    threshold, max_score : float or None
    n_anomalies, n_scored : int
    model : str or None
        The digest of the model that the event needs.
    bundle : str or None
        The version of the model that predicted, where it is of no stream's own.
    """

    stream_id: str
    incarnation: str
    sequence: int | None
    kind: str
    event: bytes
    mode: str = "stream"
    received_at: float = 0.0
    first_index: int = 0
    n_rows: int = 0
    results: bytes | None = None
    threshold: float | None = None
    n_anomalies: int = 0
    max_score: float | None = None
    model: str | None = None
    bundle: str | None = None
    n_scored: int = 0


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """That there is a stream, and how it was last seen; see `Stream.info`."""

    stream_id: str
    incarnation: str
    sequence: int
    info: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SnapshotBytes:
    """The state of a stream after one of its events, and how it is seen then."""

    stream_id: str
    incarnation: str
    sequence: int
    data: bytes
    info: dict[str, Any]


@dataclass(frozen=True, eq=False)
class ModelBytes:
    """A trained model; equal to nothing but itself."""

    digest: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Removal:
    """A stream is deleted. What was predicted stays in the log."""

    stream_id: str
    incarnation: str


@dataclass(frozen=True, slots=True)
class Cursor:
    """Up to where a sink has been fed."""

    name: str
    id: int


Change: TypeAlias = Entry | StreamInfo | SnapshotBytes | ModelBytes | Removal | Cursor
