"""Whose turn it is: brings operations to lanes, so that each stream is in one lane at a time."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import structlog

from freshet.server.engine.changes import StreamInfo
from freshet.server.engine.lane import Lane
from freshet.server.engine.operations import Operation
from freshet.server.engine.streams import Stream

__all__ = ["Pipeline"]

_log = structlog.get_logger(__name__)

#: How long what nobody waits for, like the end of a training, may wait for what comes next, and be
#: done after it: a turn of its own would take the processor from those that are answered.
_PATIENCE_SECONDS: Final = 0.005


class Pipeline:
    """One lane for what takes microseconds, for many streams at once, and some for the rest.

    Operations of a stream are done one after another in the order in which they come; those of
    different streams never wait for each other, but for the time that the fast lane takes for what
    has come together.

    Parameters
    ----------
    lane : Lane
    is_shared : bool
        Whether there may be streams that only the store knows.
    is_slow : callable
        Called with a stream and the number of rows that wait for it: whether they may take long.
    n_slow_lanes : int
    """

    def __init__(
        self,
        lane: Lane,
        *,
        is_shared: bool,
        is_slow: Callable[[Stream, int], bool],
        n_slow_lanes: int = 2,
    ) -> None:
        self._lane = lane
        self._is_shared = is_shared
        self._is_slow = is_slow
        self._streams: dict[str, Stream] = {}
        self._turns = threading.Lock()
        self._incoming: queue.SimpleQueue[Operation | Stream | None] = queue.SimpleQueue()
        self._slow = ThreadPoolExecutor(n_slow_lanes, thread_name_prefix="freshet-lane")
        self._thread = threading.Thread(target=self._run, name="freshet-lane", daemon=True)
        self._thread.start()

    def know(self, infos: Iterable[StreamInfo]) -> None:
        """Know the streams that the store has, and no others that are not in memory."""
        with self._turns:
            rest = dict(self._streams)
            for info in infos:
                stream = rest.pop(info.stream_id, None) or Stream(info.stream_id)
                self._streams[info.stream_id] = stream
                if stream.is_idle and not stream.is_loaded:
                    stream.incarnation, stream.sequence = info.incarnation, info.sequence
                    stream.info = info.info
            for stream_id, stream in rest.items():
                if stream.is_idle and not stream.is_loaded:
                    del self._streams[stream_id]

    def streams(self) -> list[Stream]:
        """The streams that this process knows."""
        with self._turns:
            return list(self._streams.values())

    @property
    def n_streams(self) -> int:
        """How many streams this process knows."""
        return len(self._streams)

    def knows(self, stream_id: str) -> bool:
        """Whether this process knows a stream of that name."""
        return stream_id in self._streams

    def sweep(self) -> None:
        """Know no longer the names of which there is no stream."""
        with self._turns:
            for stream in list(self._streams.values()):
                # Until it is written that a stream is gone, it may have to come back.
                if stream.incarnation is None and stream.is_idle:
                    del self._streams[stream.stream_id]

    def submit(self, operation: Operation) -> None:
        """Have an operation done; its future is told. Any thread."""
        self._incoming.put(operation)

    @property
    def n_incoming(self) -> int:
        """Operations that no lane has seen yet."""
        return self._incoming.qsize()

    def close(self) -> None:
        """Do all that was submitted, then end."""
        self._incoming.put(None)
        self._thread.join()
        self._slow.shutdown(wait=True)
        # What came for streams while a slow lane held them.
        while rest := self._take(self._drain()):
            self._work(rest)

    def _run(self) -> None:
        is_open = True
        while is_open:
            batch = [self._incoming.get(), *self._drain()]
            if all(map(_may_wait, batch)):
                with contextlib.suppress(queue.Empty):
                    batch += [self._incoming.get(timeout=_PATIENCE_SECONDS), *self._drain()]
            if any(map(_may_wait, batch)):
                batch.sort(key=_may_wait)
            is_open = None not in batch
            fast = []
            for stream in self._take(batch):
                if self._takes_long(stream):
                    self._slow.submit(self._work, [stream])
                else:
                    fast.append(stream)
            self._work(fast)

    def _drain(self) -> list[Operation | Stream | None]:
        drained = []
        while True:
            try:
                drained.append(self._incoming.get_nowait())
            except queue.Empty:
                return drained

    def _take(self, batch: Iterable[Operation | Stream | None]) -> list[Stream]:
        """Hold the streams that something has come for and that nobody holds."""
        taken = []
        with self._turns:
            for one in batch:
                if one is None:
                    continue
                if isinstance(one, Operation):
                    found = self._streams.get(one.stream_id)
                    if found is None:
                        found = self._streams[one.stream_id] = Stream(one.stream_id)
                    stream = found
                    stream.waiting.append(one)
                else:
                    stream = one
                if not stream.is_held and stream.waiting:
                    stream.is_held = True
                    taken.append(stream)
        return taken

    def _takes_long(self, stream: Stream) -> bool:
        if stream.has_failed:
            return True
        if not stream.is_loaded and (stream.incarnation is not None or self._is_shared):
            return True
        return self._is_slow(stream, sum(one.n_rows for one in list(stream.waiting)))

    def _work(self, streams: list[Stream]) -> None:
        try:
            self._lane.work(streams)
        except Exception:  # A mistake of ours must not end the thread that serves all streams.
            _log.exception("lane_failed")
        with self._turns:
            for stream in streams:
                stream.is_held = False
                if stream.waiting:
                    self._incoming.put(stream)


def _may_wait(one: Operation | Stream | None) -> bool:
    return isinstance(one, Operation) and one.future is None
