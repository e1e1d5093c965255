"""Writes what has happened, for many streams at once, and then tells those who wait."""

from __future__ import annotations

import asyncio
import itertools
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from freshet.server.engine.changes import Change, StoreError
from freshet.server.engine.journal import Journal
from freshet.server.engine.measures import Measures
from freshet.server.engine.operations import Operation
from freshet.server.engine.streams import Stream

__all__ = ["Done", "Writer"]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Done:
    """What was done to a stream while it was held.

    Attributes
    ----------
    stream : Stream
    epoch : int
        The stream's when it was done; see `Stream.epoch`.
    changes : sequence of Change
    operations : sequence of Operation
    """

    stream: Stream
    epoch: int
    changes: Sequence[Change]
    operations: Sequence[Operation]


class Writer:
    """A thread that writes to the journal: all that has come since the last transaction in one.

    Parameters
    ----------
    journal, measures
    is_durable : bool
        Whether those who wait are told after the writing, rather than before.
    wrote : callable
        Called after every transaction.
    """

    def __init__(
        self, journal: Journal, measures: Measures, *, is_durable: bool, wrote: Callable[[], None]
    ) -> None:
        self._journal = journal
        self._is_durable = is_durable
        self._measures = measures
        self._wrote = wrote
        self._queue: queue.SimpleQueue[list[Done] | None] = queue.SimpleQueue()
        self._written = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="freshet-writer", daemon=True)
        self._thread.start()

    def put(self, done: list[Done]) -> None:
        """Have something written; by the thread that holds the streams."""
        for one in done:
            one.stream.handed += 1
        self._queue.put(done)

    def wait_for(self, stream: Stream) -> None:
        """Block until all that was handed over of a stream is written, or has failed."""
        with self._written:
            self._written.wait_for(lambda: stream.written == stream.handed)

    @property
    def n_waiting(self) -> int:
        """What was handed over and is not being written yet."""
        return self._queue.qsize()

    def close(self) -> None:
        """Write all that was handed over, then end."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        is_open = True
        while is_open:
            batch = [self._queue.get()]
            while True:
                try:
                    batch.append(self._queue.get_nowait())
                except queue.Empty:
                    break
            is_open = None not in batch
            self._write([one for done in batch if done is not None for one in done])

    def _write(self, done: list[Done]) -> None:
        # Decided once: a stream may fail while this is written, by what comes after it.
        good: list[Done] = []
        lost: list[Done] = []
        for one in done:
            (lost if one.stream.failed_epoch == one.epoch else good).append(one)
        _refuse(lost, StoreError("the journal could not be written", id="store_unavailable"))
        if not self._is_durable:
            self._tell(done)
        changes = [change for one in good for change in one.changes]
        if changes:
            began = time.perf_counter()
            try:
                self._journal.write(changes)
            except StoreError as error:
                self._fail(good, error)
            except Exception as error:
                _log.exception("store_write_failed")
                self._fail(good, StoreError(str(error), id="store_unavailable"))
            else:
                self._measures.written(time.perf_counter() - began, changes)
                self._wrote()
        with self._written:
            for one in done:
                one.stream.written += 1
            self._written.notify_all()
        if self._is_durable:
            self._tell(done)

    def _fail(self, done: list[Done], error: StoreError) -> None:
        self._measures.write_failed()
        _log.error("store_write_failed", error=str(error), streams=len(done))
        for one in done:
            if one.changes:
                one.stream.failed_epoch = one.epoch
        _refuse([one for one in done if one.stream.failed_epoch == one.epoch], error)

    def _tell(self, done: list[Done]) -> None:
        loops: dict[asyncio.AbstractEventLoop, list[Operation]] = {}
        for operation in itertools.chain.from_iterable(one.operations for one in done):
            if operation.future is not None:
                loops.setdefault(operation.future.get_loop(), []).append(operation)
        for loop, waiting in loops.items():
            try:
                loop.call_soon_threadsafe(_resolve, waiting)
            except RuntimeError:  # The loop is closed: nobody waits any more.
                continue


def _refuse(done: Sequence[Done], error: StoreError) -> None:
    """Tell those who wait for what will not be written, unless they are told of another error."""
    for operation in itertools.chain.from_iterable(one.operations for one in done):
        operation.error = operation.error or error


def _resolve(operations: list[Operation]) -> None:
    for operation in operations:
        operation.resolve()
