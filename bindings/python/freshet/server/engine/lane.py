"""From operations that are wanted to events that have happened, for the streams that are held."""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import structlog

from freshet.errors import Error, SnapshotError
from freshet.server.engine import changes as change
from freshet.server.engine.changes import Change, Entry, SnapshotBytes
from freshet.server.engine.events import Create, Event, Publish, Rows, encode
from freshet.server.engine.loading import Loader
from freshet.server.engine.measures import Measures
from freshet.server.engine.operations import Eviction, Operation, Removal, StaleError
from freshet.server.engine.store import Missed, Proposal, Store
from freshet.server.engine.streams import Answer, Detectors, Stream
from freshet.server.engine.writer import Done, Writer

__all__ = ["Lane", "SnapshotPolicy"]

_log = structlog.get_logger(__name__)

#: Rounds for which streams are held at most, so that the writer gets something to do.
_ROUNDS = 64


@dataclass(frozen=True, slots=True)
class SnapshotPolicy:
    """When a stream's snapshot is taken: after so many rows, but not within so many seconds.

    Attributes
    ----------
    rows : int
    seconds : float
    """

    rows: int = 1000
    seconds: float = 30.0

    def is_due(self, stream: Stream, now: float) -> bool:
        """Whether it is time for one."""
        return stream.rows_since_snapshot >= self.rows and now - stream.snapshot_at >= self.seconds


@dataclass(slots=True)
class _Held:
    """What is done to a stream while it is held."""

    stream: Stream
    changes: list[Change] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)


class Lane:
    """Has operations checked, gets their places in the streams' order, and lets them happen.

    Parameters
    ----------
    detectors, store, writer, loader
    snapshots : SnapshotPolicy
    train : callable
        Called with a stream, held, whose next model is to be trained.
    measures : Measures
    """

    def __init__(
        self,
        detectors: Detectors,
        store: Store,
        writer: Writer,
        loader: Loader,
        *,
        snapshots: SnapshotPolicy,
        train: Callable[[Stream], None],
        measures: Measures,
    ) -> None:
        self._detectors = detectors
        self._store = store
        self._writer = writer
        self._loader = loader
        self._snapshots = snapshots
        self._train = train
        self._measures = measures

    def work(self, streams: list[Stream]) -> None:
        """Do what waits for streams that the calling thread holds, and have it written."""
        held = [_Held(stream) for stream in streams]
        active = held
        for _ in range(_ROUNDS):
            if not active:
                break
            self._round(active)
            active = [one for one in active if one.stream.waiting and not _is_spoilt(one)]
        now = time.monotonic()
        for one in held:
            one.stream.last_used = now if one.changes else one.stream.last_used
            if one.stream.is_loaded and self._snapshots.is_due(one.stream, now):
                self._keep(one)
        done = [
            Done(one.stream, one.stream.epoch, one.changes, one.operations)
            for one in held
            if one.changes or one.operations
        ]
        if done:
            self._writer.put(done)

    def _round(self, active: list[_Held]) -> None:
        """Do the next operation of each stream; the store is asked for all of them at once."""
        prepared: list[tuple[_Held, Operation, Proposal]] = []
        for one in active:
            if _is_spoilt(one):
                continue
            operation = one.stream.waiting.popleft()
            try:
                proposal = self._propose(one.stream, operation)
            except Exception as error:
                self._end(one, operation, error)
            else:
                prepared.append((one, operation, proposal))
        try:
            outcomes = self._store.append([proposal for _, _, proposal in prepared])
        except Exception as error:
            for one, operation, _ in prepared:
                self._end(one, operation, error)
            return
        for (one, operation, proposal), missed in zip(prepared, outcomes, strict=True):
            try:
                if missed is None:
                    self._happen(one, operation, proposal)
                else:
                    self._catch_up(one.stream, missed)
                    one.stream.waiting.appendleft(operation)
                    continue
            except Exception as error:
                # The store has it, the detector may have half of it.
                one.stream.failed_epoch = one.stream.epoch
                operation.error = error
            self._end(one, operation, operation.error)

    def _propose(self, stream: Stream, operation: Operation) -> Proposal:
        self._make_ready(stream)
        events = operation.prepare(stream, self._detectors)
        return Proposal(
            stream.stream_id,
            stream.incarnation,
            stream.sequence,
            events,
            [encode(event) for event in events],
            operation.models,
            uuid.uuid4().hex if stream.incarnation is None else "",
        )

    def _make_ready(self, stream: Stream) -> None:
        """Load the stream if it is not in memory, or is not what the store has."""
        if stream.failed_epoch == stream.epoch:
            self._writer.wait_for(stream)
            stream.epoch += 1
            stream.is_loaded = False
        if stream.is_loaded:
            return
        if stream.incarnation is None and not self._store.is_shared and stream.epoch == 0:
            return
        self._writer.wait_for(stream)
        self._loader.load(stream)
        self._check_training(stream)

    def _catch_up(self, stream: Stream, missed: Missed) -> None:
        try:
            is_caught_up = missed.events is not None
            for event in missed.events or ():
                self._detectors.apply(stream, event)
        except SnapshotError:
            # The model of an event has been forgotten since, with a snapshot that has seen it.
            is_caught_up = False
        if not is_caught_up:
            self._loader.load(stream)
        self._check_training(stream)

    def _happen(self, one: _Held, operation: Operation, proposal: Proposal) -> None:
        stream = one.stream
        if isinstance(operation, Removal):
            self._remove(one)
            return
        if isinstance(operation, Eviction):
            self._evict(one, operation)
            return
        if stream.incarnation is None:
            stream.incarnation = proposal.created
        answers = []
        for event, encoded in zip(proposal.events, proposal.encoded, strict=True):
            answer = self._detectors.apply(stream, event)
            answers.append(answer)
            one.changes.append(self._entry(stream, event, encoded, answer))
        if proposal.events:
            one.changes.extend(self._store.changes(proposal, self._described(stream, proposal)))
        operation.happened(stream, self._detectors, answers)
        if answers and answers[-1] is not None and stream.status == "retraining":
            self._check_training(stream)

    def _described(self, stream: Stream, proposal: Proposal) -> dict[str, object]:
        return self._detectors.info(stream) if proposal.created else stream.info

    def _end(self, one: _Held, operation: Operation, error: BaseException | None) -> None:
        if error is not None and not isinstance(error, Error):
            _log.error("operation_failed", stream_id=one.stream.stream_id, exc_info=error)
        if isinstance(error, StaleError):
            _log.debug("training_stale", stream_id=one.stream.stream_id)
        operation.error = error
        one.operations.append(operation)

    def _check_training(self, stream: Stream) -> None:
        if stream.is_loaded and not stream.is_training and time.monotonic() >= stream.lease_until:
            self._train(stream)

    def _keep(self, one: _Held) -> None:
        """Take a snapshot."""
        stream = one.stream
        assert stream.incarnation is not None
        try:
            data = self._detectors.pool.snapshot(stream.stream_id)
            info = self._detectors.info(stream)
            one.changes.extend(
                self._store.keep(
                    SnapshotBytes(stream.stream_id, stream.incarnation, stream.sequence, data, info)
                )
            )
        except Exception as error:  # The events are there all the same.
            _log.warning("snapshot_failed", stream_id=stream.stream_id, reason=str(error))
        stream.rows_since_snapshot = 0
        stream.snapshot_at = time.monotonic()

    def _evict(self, one: _Held, operation: Eviction) -> None:
        stream = one.stream
        if not stream.is_loaded or stream.last_used > operation.unused_since or stream.is_training:
            operation.value = False
            return
        self._keep(one)
        self._detectors.unload(stream)
        self._measures.evicted()
        operation.value = True

    def _remove(self, one: _Held) -> None:
        stream = one.stream
        assert stream.incarnation is not None
        self._store.remove(stream.stream_id, stream.incarnation)
        one.changes.append(change.Removal(stream.stream_id, stream.incarnation))
        self._detectors.unload(stream)
        stream.forget()

    def _entry(self, stream: Stream, event: Event, encoded: bytes, answer: Answer | None) -> Entry:
        assert stream.incarnation is not None
        return _entry(
            stream.stream_id,
            stream.incarnation,
            # A store that others share keeps the order itself.
            None if self._store.is_shared else stream.sequence,
            event,
            encoded,
            answer,
        )


def _is_spoilt(one: _Held) -> bool:
    """Whether what was done is lost: the stream must be let go, and be loaded before more is."""
    is_failed = one.stream.failed_epoch == one.stream.epoch
    return is_failed and bool(one.changes or one.operations)


def _entry(
    stream_id: str,
    incarnation: str,
    sequence: int | None,
    event: Event,
    encoded: bytes,
    answer: Answer | None,
) -> Entry:
    if answer is None or not isinstance(event, Rows):
        return Entry(
            stream_id,
            incarnation,
            sequence,
            event.kind,
            encoded,
            received_at=time.time(),
            model=event.model if isinstance(event, (Create, Publish)) else None,
        )
    records, last = answer.records, answer.last
    if len(records) == 1:
        n_scored, n_anomalies, max_score = int(last.scored), int(last.is_anomaly), last.score
    else:
        scores = records["score"][records["scored"]]
        n_scored, n_anomalies = len(scores), int(np.count_nonzero(records["is_anomaly"]))
        max_score = float(scores.max(initial=-math.inf))
    return Entry(
        stream_id,
        incarnation,
        sequence,
        event.kind,
        encoded,
        received_at=event.received_at,
        first_index=last.position + 1 - len(records),
        n_rows=len(records),
        results=records.tobytes(),
        threshold=answer.stream.threshold,
        n_anomalies=n_anomalies,
        max_score=max_score if n_scored else None,
        bundle=answer.stream.bundle,
        n_scored=n_scored,
    )
