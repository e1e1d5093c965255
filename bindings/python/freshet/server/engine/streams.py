"""A stream as one process holds it: what its events have made of it so far."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy.typing as npt

from freshet import DetectorPool
from freshet._core import record_dtype
from freshet.server.engine.events import Abandon, Create, Event, Publish, Reset, Rows
from freshet.server.engine.models import Models

if TYPE_CHECKING:
    from freshet.server.engine.operations import Operation

__all__ = ["Answer", "Detectors", "Record", "Stream"]

_STATUSES: Final = ("collecting", "ready", "retraining")


class Stream:
    """A stream's place in its log, and its operations that wait.

    What changes with its events is read and written by whoever holds it only; see `Pipeline`.

    Attributes
    ----------
    stream_id : str
    incarnation : str or None
        Tells it from others that had the name before; None while there is no such stream.
    sequence : int
        The last event that the detector has seen.
    is_loaded : bool
        Whether the detector is in memory.
    settings : dict
        As `DetectorPool.add` takes them; what a request must not contradict.
    bundle : str or None
        The version of the bundle that scores it.
    columns : sequence of str or None
        The names of its columns, once known.
    status, is_ready, model_version, threshold
        Of the detector.
    is_training : bool
        Whether this process trains its next model.
    info : dict
        How it was last seen by `Detectors.info`.
    """

    __slots__ = (
        "bundle",
        "columns",
        "epoch",
        "failed_epoch",
        "handed",
        "incarnation",
        "info",
        "is_held",
        "is_loaded",
        "is_ready",
        "is_training",
        "last_used",
        "lease_until",
        "model_version",
        "rows_since_snapshot",
        "sequence",
        "settings",
        "snapshot_at",
        "status",
        "stream_id",
        "threshold",
        "waiting",
        "written",
    )

    def __init__(self, stream_id: str) -> None:
        self.stream_id = stream_id
        self.incarnation: str | None = None
        self.sequence = 0
        self.is_loaded = False
        self.is_ready = False
        self.settings: dict[str, Any] = {}
        self.bundle: str | None = None
        self.columns: Sequence[str] | None = None
        self.is_training = False
        self.status = "collecting"
        self.model_version = 0
        self.threshold: float | None = None
        self.lease_until = 0.0
        self.info: dict[str, Any] = {}
        self.rows_since_snapshot = 0
        self.snapshot_at = 0.0
        self.last_used = 0.0
        # Whose turn it is, and what of it is on its way to the journal.
        self.waiting: deque[Operation] = deque()
        self.is_held = False
        self.handed = 0
        self.written = 0
        self.epoch = 0
        self.failed_epoch = -1

    @property
    def has_failed(self) -> bool:
        """Whether it holds what the store has not; any thread may find that out at any time."""
        return self.failed_epoch == self.epoch

    @property
    def is_idle(self) -> bool:
        """Whether nothing of it is wanted, done or on its way; for whoever decides on turns."""
        return (
            not self.is_held
            and not self.waiting
            and self.written == self.handed
            and not self.has_failed
        )

    def forget(self) -> None:
        """Be as if no event had been seen."""
        self.incarnation = None
        self.sequence = 0
        self.is_loaded = self.is_ready = self.is_training = False
        self.settings = {}
        self.bundle = self.columns = None
        self.lease_until = 0.0
        self.rows_since_snapshot = 0
        self.info = {}


class Record(NamedTuple):
    """A row of `ResultBatch.records`; `position` is its index, which tuples have a method for."""

    scored: bool
    is_anomaly: bool
    alarm: bool
    status: int
    score: float
    raw_score: float
    samples_until_ready: int
    model_version: int
    position: int


assert record_dtype.names == (*Record._fields[:-1], "index")


@dataclass(frozen=True, slots=True)
class Answer:
    """The verdicts on rows.

    Attributes
    ----------
    records : structured ndarray
        As of `ResultBatch`.
    last : Record
        The last of them.
    stream : Stream
        As it is after them; read by whoever holds it only.
    """

    records: npt.NDArray[Any]
    last: Record
    stream: Stream

    @property
    def samples_collected(self) -> int:
        """Rows in the window."""
        return min(self.last.position + 1, int(self.stream.settings["window_size"]))


@dataclass(frozen=True, slots=True)
class Detectors:
    """The detectors of all streams, and what events do to them."""

    pool: DetectorPool
    models: Models

    def apply(self, stream: Stream, event: Event) -> Answer | None:
        """Let an event happen that has been checked; return the verdicts if it is of rows."""
        answer = None
        if isinstance(event, Rows):
            answer = self._process(stream, event)
        elif isinstance(event, Create):
            self._create(stream, event)
        elif isinstance(event, Publish):
            model = self.models.get(stream.stream_id, event.model).with_version(event.version)
            self.pool.publish(stream.stream_id, model)
            stream.bundle = event.bundle or stream.bundle
            self._look(stream)
        elif isinstance(event, Abandon):
            self.pool.abandon_training(stream.stream_id, event.why, event.version)
            self._look(stream)
        elif isinstance(event, Reset):
            self.pool.reset(stream.stream_id)
            self._look(stream)
        stream.sequence += 1
        return answer

    def _look(self, stream: Stream) -> None:
        stats = self.pool.stats(stream.stream_id)
        stream.status, stream.is_ready = stats.status, stats.is_ready
        stream.model_version, stream.threshold = stats.model_version, stats.threshold

    def _process(self, stream: Stream, event: Rows) -> Answer:
        records = self.pool.process_many(
            stream.stream_id, event.values, event.timestamps, columns=event.columns
        ).records
        if stream.columns is None:
            stream.columns = self.pool.columns(stream.stream_id)
        last = Record._make(records[-1].item())
        stream.status = _STATUSES[last.status]
        if not stream.is_ready and stream.status != "collecting":
            self._look(stream)  # rows change the model once, and events do later
        stream.rows_since_snapshot += len(records)
        return Answer(records, last, stream)

    def _create(self, stream: Stream, event: Create) -> None:
        if stream.stream_id in self.pool:
            self.pool.remove(stream.stream_id)
        model = None if event.model is None else self.models.get(stream.stream_id, event.model)
        self.pool.add(stream.stream_id, event.settings, model=model)
        stream.settings = self.pool.settings(stream.stream_id)
        stream.bundle = event.bundle
        stream.columns = self.pool.columns(stream.stream_id)
        stream.is_loaded = True
        self._look(stream)

    def restore(self, stream: Stream, data: bytes, info: dict[str, Any], sequence: int) -> None:
        """Put the state of a snapshot in place; SnapshotError if it is none."""
        self.pool.restore(stream.stream_id, data)
        stream.sequence = sequence
        stream.settings = dict(info["settings"])
        stream.bundle = info["bundle"]
        stream.columns = self.pool.columns(stream.stream_id)
        stream.is_loaded = True
        self._look(stream)

    def unload(self, stream: Stream) -> None:
        """Free the memory of a stream whose state is in the store."""
        if stream.stream_id in self.pool:
            self.pool.remove(stream.stream_id)
        stream.is_loaded = False

    def info(self, stream: Stream) -> dict[str, Any]:
        """What is told about a stream; kept for while it is not in memory."""
        stream.info = {
            "sequence": stream.sequence,
            "settings": stream.settings,
            "bundle": stream.bundle,
            "stats": self.pool.stats(stream.stream_id).to_dict(),
        }
        return stream.info
