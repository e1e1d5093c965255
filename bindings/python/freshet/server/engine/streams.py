"""A stream as one process holds it: what its events have made of it so far."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from freshet import DetectorPool
from freshet._core import records_json
from freshet.server.engine.events import Abandon, Create, Event, Publish, Reset, Rows
from freshet.server.engine.models import Models

if TYPE_CHECKING:
    from freshet.server.engine.operations import Operation

__all__ = ["Answer", "Detectors", "Run", "Stream"]

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
    agreed : mapping or None
        What the last request that did not contradict them gave.
    bundle : str or None
        The version of the bundle that scores it.
    columns : sequence of str or None
        The names of its columns, once known.
    status, is_ready, model_version, threshold
        Of the detector.
    is_training : bool
        Whether this process trains its next model.
    training_seconds : float
        How long it took to train the last one; infinity before the first.
    info : dict
        How it was last seen by `Detectors.info`.
    """

    __slots__ = (
        "agreed",
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
        "training_seconds",
        "waiting",
        "written",
    )

    def __init__(self, stream_id: str) -> None:
        self.stream_id = stream_id
        self.incarnation: str | None = None
        self.sequence = 0
        self.is_loaded = False
        self.is_ready = False
        self.settings: Mapping[str, Any] = {}
        self.agreed: Mapping[str, Any] | None = None
        self.bundle: str | None = None
        self.columns: Sequence[str] | None = None
        self.is_training = False
        self.training_seconds = math.inf
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
        self.agreed = self.bundle = self.columns = None
        self.lease_until = 0.0
        self.training_seconds = math.inf
        self.rows_since_snapshot = 0
        self.info = {}


class Answer(NamedTuple):
    """The verdicts on rows.

    Attributes
    ----------
    records : bytes
        Of ``ResultBatch.records``.
    n_rows, n_scored, n_anomalies : int
    max_score : float or None
        None if no row was scored.
    scored, is_anomaly, status, raw_score, samples_until_ready, position
        Of the last record; `position` is its index, which tuples have a method for.
    stream : Stream
        As it is after them; read by whoever holds it only.
    json : bytes
        `results_json`, if it was written already.
    """

    records: bytes
    n_rows: int
    n_scored: int
    n_anomalies: int
    max_score: float | None
    scored: bool
    is_anomaly: bool
    status: int
    raw_score: float
    samples_until_ready: int
    position: int
    stream: Stream
    json: bytes = b""

    @property
    def results_json(self) -> bytes:
        """The records as the streaming API has them."""
        return self.json or records_json(self.records)

    @property
    def stream_status(self) -> str:
        """Of the stream, after the last row."""
        return _STATUSES[self.status]

    @property
    def samples_collected(self) -> int:
        """Rows in the window."""
        return min(self.position + 1, int(self.stream.settings["window_size"]))


class Run(NamedTuple):
    """Rows of a stream that came one by one, and have happened as one event.

    Attributes
    ----------
    rows : Rows
        The last that came.
    encoded : bytes
        The event.
    answer : Answer
        The verdicts on all of them, for `Detectors.take_in`.
    answers : list of tuple of int and Answer
        Of each, with its place among what was asked.
    """

    rows: Rows
    encoded: bytes
    answer: Answer
    answers: list[tuple[int, Answer]]


@dataclass(frozen=True, slots=True)
class Detectors:
    """The detectors of all streams, and what events do to them.

    Attributes
    ----------
    pool : DetectorPool
    models : Models
    decide_alone : bool
        Whether rows that they refuse have not happened; where a store is shared, what it has taken
        has.
    """

    pool: DetectorPool
    models: Models
    decide_alone: bool

    def apply(self, stream: Stream, event: Event) -> Answer | None:
        """Let an event happen that has been checked; return the verdicts if it is of rows."""
        if isinstance(event, Rows):
            return self._process(stream, event)
        if isinstance(event, Create):
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
        return None

    def _look(self, stream: Stream) -> None:
        stream.lease_until = 0.0  # Whatever another replica trains, it is not the next that is due.
        stats = self.pool.stats(stream.stream_id)
        stream.status, stream.is_ready = stats.status, stats.is_ready
        stream.model_version, stream.threshold = stats.model_version, stats.threshold

    def _process(self, stream: Stream, event: Rows) -> Answer:
        # Its rows are of the kinds that the core itself reads.
        verdicts = self.pool._core.verdicts(
            stream.stream_id, event.values, event.columns, event.timestamps
        )
        answer = Answer(*verdicts, stream)
        self.take_in(answer)  # before anything can fail: until then rows count as refused
        if stream.columns is None:
            stream.columns = self.pool.columns(stream.stream_id)
        if not stream.is_ready and stream.status != "collecting":
            self._look(stream)  # rows change the model once, and events do later
        return answer

    def answer(self, points: Sequence[tuple[Stream, Rows]]) -> list[Run]:
        """Let rows happen to streams that are ready, while other threads go on.

        Nothing is checked before; see `decide_alone`. Rows that are refused are in no run.
        """
        found = self.pool._core.answer(
            [
                (stream.stream_id, rows.values, rows.columns, rows.received_at)
                for stream, rows in points
            ]
        )
        runs = []
        for encoded, verdicts, each in found:
            stream, rows = points[each[-1][0]]
            answers = [(index, Answer(*one, stream, json)) for index, one, json in each]
            runs.append(Run(rows, encoded, Answer(*verdicts, stream), answers))
        return runs

    def take_in(self, answer: Answer) -> None:
        """Have a stream be as it was after a row; in the order of its rows."""
        stream = answer.stream
        stream.sequence += 1
        stream.status = answer.stream_status
        stream.rows_since_snapshot += answer.n_rows

    def _create(self, stream: Stream, event: Create) -> None:
        if stream.stream_id in self.pool:
            self.pool.remove(stream.stream_id)
        model = None if event.model is None else self.models.get(stream.stream_id, event.model)
        self.pool.add(stream.stream_id, event.settings, model=model)
        stream.settings = self.pool.settings(stream.stream_id)
        stream.agreed = None
        stream.bundle = event.bundle
        stream.columns = self.pool.columns(stream.stream_id)
        stream.is_loaded = True
        self._look(stream)

    def restore(self, stream: Stream, data: bytes, info: dict[str, Any], sequence: int) -> None:
        """Put the state of a snapshot in place; SnapshotError if it is none."""
        self.pool.restore(stream.stream_id, data)
        stream.sequence = sequence
        stream.settings = dict(info["settings"])
        stream.agreed = None
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
