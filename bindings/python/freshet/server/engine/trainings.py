"""Trains the models that streams wait for, beside the scoring."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import structlog

from freshet import Training
from freshet.server.engine.endings import Abandonment, Publication
from freshet.server.engine.measures import Measures
from freshet.server.engine.operations import Operation
from freshet.server.engine.store import Store
from freshet.server.engine.streams import Detectors, Stream

__all__ = ["Trainings"]

_log = structlog.get_logger(__name__)

#: For how long another replica is trusted to train before one that waits does it.
_LEASE_SECONDS: Final = 60.0
_NICENESS: Final = 19


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
        self._running: set[Training] = set()
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
            self._threads.submit(self._train, stream, stream.incarnation, training)
        except RuntimeError:  # closed meanwhile: it begins again when the stream is loaded
            stream.is_training = False

    def close(self) -> None:
        """Begin no more trainings, tell those that run to stop, and wait for them."""
        self._is_open = False
        for training in list(self._running):
            training.cancel()
        self._threads.shutdown(wait=True, cancel_futures=True)

    @property
    def n_waiting(self) -> int:
        """Trainings that no thread has begun yet."""
        return self._threads._work_queue.qsize()

    def _train(self, stream: Stream, incarnation: str, training: Training) -> None:
        began = time.perf_counter()
        try:
            lease = self._store.lease_training(stream.stream_id, training.version, _LEASE_SECONDS)
            if not lease:
                # Somebody else trains. Should he die, it is somebody's turn after the lease.
                stream.lease_until = time.monotonic() + _LEASE_SECONDS
                stream.is_training = False
                return
            ending: Operation
            self._running.add(training)
            try:
                model = training.run(only_when_idle=True)
                stored = self._detectors.models.add(model)
                self._store.expect(stored)
                ending = Publication(stream.stream_id, incarnation, training, model, stored)
            except Exception as error:
                _log.warning(
                    "training_failed",
                    stream_id=stream.stream_id,
                    model_version=training.version,
                    reason=str(error),
                )
                ending = Abandonment(
                    stream.stream_id, incarnation, training, str(error) or "no reason given"
                )
            finally:
                self._running.discard(training)
            if not self._is_open and isinstance(ending, Abandonment):
                return  # It begins again when the stream is loaded.
            took = time.perf_counter() - began
            self._measures.training_ended(took, isinstance(ending, Publication))
            self._submit(ending)
        except Exception:
            stream.is_training = False
            _log.exception("training_lost", stream_id=stream.stream_id)


def _yield_processor() -> None:
    # On Linux a thread has a priority of its own.
    with contextlib.suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
