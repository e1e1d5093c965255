"""From operations that are wanted to events that have happened, for the streams that are held."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import structlog

from freshet.errors import Error, SnapshotError
from freshet.server.engine import changes as change
from freshet.server.engine.changes import Change, Entry
from freshet.server.engine.endings import StaleError
from freshet.server.engine.entries import entry_of
from freshet.server.engine.events import Create, Event, Rows, encode
from freshet.server.engine.loading import Loader
from freshet.server.engine.measures import Measures
from freshet.server.engine.operations import Eviction, Operation, Removal
from freshet.server.engine.snapshots import Snapshots
from freshet.server.engine.store import Missed, Proposal, Store
from freshet.server.engine.streams import Answer, Detectors, Stream
from freshet.server.engine.writer import Done, Writer

__all__ = ["Lane"]

_log = structlog.get_logger(__name__)

#: Rounds for which streams are held at most, so that the writer gets something to do.
_ROUNDS = 64


@dataclass(slots=True)
class _Held:
    """What is done to a stream while it is held.

    Attributes
    ----------
    stream : Stream
    changes, operations
        What has happened, and what was wanted and has ended.
    has_refused : bool
        Whether a point was not taken with others, and all that follow it are done one by one.
    is_handed : bool
        Whether changes were handed over already.
    """

    stream: Stream
    changes: list[Change] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)
    has_refused: bool = False
    is_handed: bool = False

    def is_spoilt(self, has_failed: bool | None = None) -> bool:
        """Whether the stream must be let go, and be loaded before more is done to it.

        So it is when what was done is lost, and when it is not in memory any more: before it can be
        loaded, what was done has to be written.
        """
        if self.stream.has_failed if has_failed is None else has_failed:
            return self.is_handed or bool(self.changes or self.operations)
        return (self.is_handed or bool(self.changes)) and not self.stream.is_loaded


class _Prepared(NamedTuple):
    """What is asked of the store; with a refusal only whether there is something to catch up."""

    held: _Held
    operation: Operation
    proposal: Proposal
    refusal: Error | None


class _SpoiltError(Exception):
    """Nothing can be done to a stream before what was done is written, or known to be lost."""


class Lane:
    """Has operations checked, gets their places in the streams' order, and lets them happen.

    Parameters
    ----------
    detectors, store, writer, loader
    snapshots : Snapshots
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
        snapshots: Snapshots,
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
        held = active = [_Held(stream) for stream in streams]
        for _ in range(_ROUNDS):
            if self._detectors.decide_alone:
                self._answer_points(active)
            active = [one for one in active if one.stream.waiting and not one.is_spoilt()]
            if not active:
                break
            self._round(active)
        now = time.monotonic()
        for one in held:
            if one.is_handed or one.changes:
                one.stream.last_used = now
            is_whole = one.stream.is_loaded and not one.stream.has_failed
            if is_whole and self._snapshots.is_due(one.stream, now):
                one.changes.extend(self._snapshots.take(one.stream))
        self._hand_over(held)

    def _hand_over(self, held: list[_Held]) -> None:
        """Have written what was done, and those told who wait for that."""
        done = []
        for one in held:
            if one.changes or one.operations:
                done.append(Done(one.stream, one.stream.epoch, one.changes, one.operations))
                one.changes, one.operations, one.is_handed = [], [], True
        if done:
            self._writer.put(done)

    def _answer_points(self, held: list[_Held]) -> None:
        """Do what is wanted most, a verdict on a row, for all streams at once.

        What is refused waits again, to be refused with a reason, and what comes with or after a
        failure for the stream to be loaded anew.
        """
        wanted: list[tuple[_Held, Operation]] = []
        points: list[tuple[Stream, Rows]] = []
        for one in held:
            stream = one.stream
            if not (stream.is_loaded and stream.is_ready) or stream.has_failed or one.has_refused:
                continue
            while stream.waiting and (rows := stream.waiting[0].point_of(stream)) is not None:
                wanted.append((one, stream.waiting.popleft()))
                points.append((stream, rows))
        if not points:
            return
        try:
            runs = self._detectors.answer(points)
        except Exception as error:
            for one, operation in wanted:
                one.stream.failed_epoch = one.stream.epoch
                self._end(one, operation, error)
            return
        again: list[tuple[_Held, Operation] | None] = list(wanted)
        for run in runs:
            stream = run.answer.stream
            if stream.has_failed:
                continue
            index = run.answers[0][0]
            one = wanted[index][0]
            try:
                self._detectors.take_in(run.answer)
                entry = self._entry(stream, run.rows, run.encoded, run.answer)
                for index, answer in run.answers:
                    stream.status = answer.stream_status
                    wanted[index][1].answered(answer)
            except Exception as error:
                stream.failed_epoch = stream.epoch
                again[index] = None
                self._end(*wanted[index], error)
                continue
            one.changes.append(entry)
            for index, _ in run.answers:
                again[index] = None
                one.operations.append(wanted[index][1])
        for left in reversed(again):
            if left is not None:
                left[0].stream.waiting.appendleft(left[1])
                left[0].has_refused = True
        # What is left to do would keep them waiting.
        self._hand_over([one for one in held if one.changes])
        for one in held:
            if one.stream.status == "retraining":
                self._check_training(one.stream)

    def _round(self, active: list[_Held]) -> None:
        """Do the next operation of each stream; the store is asked for all of them at once."""
        prepared: list[_Prepared] = []
        for one in active:
            operation = one.stream.waiting.popleft()
            try:
                self._make_ready(one)
                prepared.append(self._prepare(one, operation))
            except _SpoiltError:
                one.stream.waiting.appendleft(operation)
            except Exception as error:
                self._end(one, operation, error)
        try:
            outcomes = self._append([one.proposal for one in prepared])
        except Exception as error:
            for wanted in prepared:
                self._end(wanted.held, wanted.operation, error)
            return
        for wanted, missed in zip(prepared, outcomes, strict=True):
            one, operation = wanted.held, wanted.operation
            problem: Exception | None = wanted.refusal
            try:
                if missed is not None:
                    self._catch_up(one.stream, missed)
                    one.stream.waiting.appendleft(operation)
                    continue
                if problem is None:
                    self._happen(one, operation, wanted.proposal)
            except Exception as error:
                if not self._is_refusal(error, one.stream, wanted.proposal):
                    # The store has it, the detector may have half of it.
                    one.stream.failed_epoch = one.stream.epoch
                problem = error
            self._end(one, operation, problem)

    def _is_refusal(self, error: Exception, stream: Stream, proposal: Proposal) -> bool:
        """Whether the detector has refused rows, all of them, that no store has taken."""
        return (
            isinstance(error, Error)
            and not self._store.is_shared
            and stream.sequence == proposal.sequence
            and any(isinstance(event, Rows) for event in proposal.events[:1])
        )

    def _append(self, proposals: list[Proposal]) -> list[Missed | None]:
        if not self._store.is_shared:  # The writer does what takes time.
            return self._store.append(proposals)
        began = time.perf_counter()
        try:
            outcomes = self._store.append(proposals)
        except Exception:
            self._measures.failed("append")
            raise
        self._measures.took("append", time.perf_counter() - began)
        return outcomes

    def _prepare(self, one: _Held, operation: Operation) -> _Prepared:
        stream, refusal = one.stream, None
        events: Sequence[Event] = ()
        try:
            events = operation.prepare(stream, self._detectors)
        except Error as error:
            if not (self._store.is_shared and stream.is_loaded):
                raise
            # Others may have changed what it was held against: ask before it is refused.
            refusal = error
        proposal = Proposal(
            stream.stream_id,
            stream.incarnation,
            stream.sequence,
            events,
            [encode(event) for event in events],
            operation.models if events else (),
            uuid.uuid4().hex if stream.incarnation is None else "",
        )
        return _Prepared(one, operation, proposal, refusal)

    def _make_ready(self, one: _Held) -> None:
        """Load the stream if it is not in memory, or is not what the store has."""
        stream = one.stream
        has_failed = stream.has_failed  # once: the writer may find it out at any time
        if stream.is_loaded and not has_failed:
            return
        if one.is_spoilt(has_failed):
            raise _SpoiltError
        if has_failed:
            self._writer.wait_for(stream)
            stream.epoch += 1
            stream.is_loaded = False
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
        if proposal.models or len(proposal.events) > 1:
            one.changes.extend(self._store.changes(proposal, self._described(stream, proposal)))
        operation.happened(stream, self._detectors, answers)
        if stream.status == "retraining":
            self._check_training(stream)

    def _described(self, stream: Stream, proposal: Proposal) -> dict[str, object]:
        is_new = any(isinstance(event, Create) for event in proposal.events)
        return self._detectors.info(stream) if is_new else stream.info

    def _end(self, one: _Held, operation: Operation, error: BaseException | None) -> None:
        one.operations.append(operation)
        if error is None:
            return
        operation.error = error
        if not isinstance(error, Error):
            _log.error("operation_failed", stream_id=one.stream.stream_id, exc_info=error)
        if isinstance(error, StaleError):
            _log.debug("training_stale", stream_id=one.stream.stream_id)
            # Another one may be due, and have waited for this one.
            self._check_training(one.stream)

    def _check_training(self, stream: Stream) -> None:
        if stream.is_loaded and not stream.is_training and time.monotonic() >= stream.lease_until:
            try:
                self._train(stream)
            except Exception:  # No reason to fail what was asked for; the next row tries again.
                _log.exception("training_not_begun", stream_id=stream.stream_id)

    def _evict(self, one: _Held, operation: Eviction) -> None:
        stream = one.stream
        is_used = one.is_handed or bool(one.changes) or stream.last_used > operation.unused_since
        if not stream.is_loaded or is_used or stream.is_training:
            operation.value = False
            return
        one.changes.extend(self._snapshots.take(stream))
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
        return entry_of(
            stream.stream_id,
            stream.incarnation,
            # A store that others share keeps the order itself.
            None if self._store.is_shared else stream.sequence,
            event,
            encoded,
            answer,
        )
