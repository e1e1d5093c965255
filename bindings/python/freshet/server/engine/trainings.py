"""Trains the models that streams wait for, beside the scoring."""

from __future__ import annotations

import contextlib
import math
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple

import structlog

from freshet import Training
from freshet.server.engine.changes import ModelBytes
from freshet.server.engine.endings import Abandonment, Publication
from freshet.server.engine.measures import Measures
from freshet.server.engine.operations import Operation
from freshet.server.engine.store import Store
from freshet.server.engine.streams import Detectors, Stream

__all__ = ["Trainings"]

_log = structlog.get_logger(__name__)

#: For how long a replica that is not heard of is trusted to train before another one does it; and
#: one that says that it trains: it may be too busy, or train what nobody wants any more.
_LEASE_SECONDS: Final = 10.0
_RENEWED_SECONDS: Final = 60.0
_NICENESS: Final = 19
#: Models that are trained one right after another are stored together, for to store a small one
#: takes longer than to train it: as many as fill so much, and none while a training runs that may
#: take long, or after others that took long together.
_STORED_AT_ONCE_BYTES: Final = 2**18
_QUICK_SECONDS: Final = 0.01
_KEPT_SECONDS: Final = 0.05


class _Trained(NamedTuple):
    """A model that is to be stored.

    Attributes
    ----------
    stream : Stream
    ending : Publication
    at : float
        When it was trained, by the performance counter.
    seconds : float
        How long that took.
    """

    stream: Stream
    ending: Publication
    at: float
    seconds: float

    @property
    def model(self) -> ModelBytes:
        """What is to be stored."""
        return self.ending.models[0]


class _Running(NamedTuple):
    """Of which stream a training is that a thread is at, and when it began."""

    stream: Stream
    since: float


class Trainings:
    """Threads that train, with less claim to the processor than those that score.

    Parameters
    ----------
    detectors, store
    n_threads : int
    submit : callable
        Takes the operation that ends a training.
    measures : Measures
    """

    def __init__(
        self,
        detectors: Detectors,
        store: Store,
        *,
        n_threads: int,
        submit: Callable[[Operation], None],
        measures: Measures,
    ) -> None:
        self._detectors = detectors
        self._store = store
        self._submit = submit
        self._measures = measures
        self._is_open = True
        self._running: dict[Training, _Running] = {}
        self._trained: list[_Trained] = []
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(
            n_threads, thread_name_prefix="freshet-training", initializer=_yield_processor
        )

    def begin(self, stream: Stream) -> None:
        """Train the next model of a stream, which the caller holds, if it waits for one."""
        training = self._detectors.pool.training(stream.stream_id)
        if training is None or stream.incarnation is None or not self._is_open:
            return
        stream.is_training = True
        try:
            self._threads.submit(self._work, stream, stream.incarnation, training)
        except RuntimeError:  # closed meanwhile: it begins again when the stream is loaded
            stream.is_training = False

    def close(self) -> None:
        """Begin no more trainings, tell those that run to stop, and wait for them."""
        self._is_open = False
        for training in list(self._running):
            training.cancel()
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._store_trained()

    def renew_leases(self) -> None:
        """Have other replicas know that what runs here goes on."""
        now = time.perf_counter()
        for training, running in self._running.copy().items():
            # Longer if its last one took longer: what others would begin would end even later.
            known = running.stream.training_seconds
            trusted = max(_RENEWED_SECONDS, 2 * known if math.isfinite(known) else 0.0)
            if training in self._running and now - running.since < trusted:
                self._lease(running.stream, training)

    @property
    def n_waiting(self) -> int:
        """Trainings that no thread has begun yet."""
        return self._threads._work_queue.qsize()

    def _work(self, stream: Stream, incarnation: str, training: Training) -> None:
        if stream.training_seconds > _QUICK_SECONDS or self._has_enough():
            self._store_trained()
        try:
            self._train(stream, incarnation, training)
        except Exception:
            _lose(stream)
        if not self.n_waiting or self._has_enough():
            self._store_trained()

    def _train(self, stream: Stream, incarnation: str, training: Training) -> None:
        began = time.perf_counter()
        if not self._lease(stream, training):
            # Somebody else trains. Should he die, it is somebody's turn after the lease.
            stream.lease_until = time.monotonic() + _LEASE_SECONDS
            stream.is_training = False
            return
        self._running[training] = _Running(stream, began)
        try:
            model = training.run(only_when_idle=True)
            stored = self._detectors.models.add(model)
        except Exception as error:
            ending = Abandonment(stream.stream_id, incarnation, training, _why(error))
            self._end(stream, ending, time.perf_counter() - began)
            return
        finally:
            del self._running[training]
        publication = Publication(stream.stream_id, incarnation, training, model, stored)
        now = time.perf_counter()
        stream.training_seconds = now - began
        with self._lock:
            self._trained.append(_Trained(stream, publication, now, now - began))

    def _lease(self, stream: Stream, training: Training) -> bool:
        return self._store.lease_training(stream.stream_id, training.version, _LEASE_SECONDS)

    def store_overdue(self) -> None:
        """Store what has waited for long, as it does while a training finds no processor idle."""
        if self._has_enough():
            self._store_trained()

    def _has_enough(self) -> bool:
        """Whether there is so much to store that it should not wait for more."""
        with self._lock:
            if not self._trained:
                return False
            n_bytes = sum(len(one.model.data) for one in self._trained)
            waited = time.perf_counter() - self._trained[0].at
        return n_bytes >= _STORED_AT_ONCE_BYTES or waited >= _KEPT_SECONDS

    def _store_trained(self) -> None:
        """Store what was trained, and have it published."""
        with self._lock:
            trained, self._trained = self._trained, []
        if not trained:
            return
        began = time.perf_counter()
        why = None
        try:
            self._store.expect([one.model for one in trained])
        except Exception as error:
            why = _why(error)
        share = (time.perf_counter() - began) / len(trained)
        for one in trained:
            ending = one.ending if why is None else one.ending.given_up(why)
            self._end(one.stream, ending, one.seconds + share)

    def _end(self, stream: Stream, ending: Publication | Abandonment, seconds: float) -> None:
        try:
            if isinstance(ending, Abandonment):
                _log.warning(
                    "training_failed",
                    stream_id=stream.stream_id,
                    model_version=ending.version,
                    reason=ending.why,
                )
                if not self._is_open:
                    return  # It begins again when the stream is loaded.
            self._measures.training_ended(seconds, isinstance(ending, Publication))
            self._submit(ending)
        except Exception:
            _lose(stream)


def _why(error: Exception) -> str:
    return str(error) or "no reason given"


def _lose(stream: Stream) -> None:
    """Let another training begin in place of one that has not ended as it should."""
    stream.is_training = False
    _log.exception("training_lost", stream_id=stream.stream_id)


def _yield_processor() -> None:
    # On Linux a thread has a priority of its own.
    with contextlib.suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
