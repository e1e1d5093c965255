"""What a service does for itself: looks at its queues, frees memory, and chores of others."""

from __future__ import annotations

import os
import resource
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from freshet.errors import Error
from freshet.server.engine.changes import StoreError
from freshet.server.engine.measures import Measures
from freshet.server.engine.operations import Eviction, Operation
from freshet.server.engine.pipeline import Pipeline
from freshet.server.engine.sizes import stream_bytes

if TYPE_CHECKING:
    from freshet.server.settings import ServerSettings

__all__ = ["Housekeeping", "LimitError"]

_log = structlog.get_logger(__name__)

_PERIOD_SECONDS: Final = 1.0
#: Streams that leave the memory at once when it is short.
_EVICTED_AT_ONCE: Final = 100


class LimitError(Error):
    """The service holds as much as it may."""


class Housekeeping:
    """A thread that looks after the service once a second.

    Parameters
    ----------
    settings, measures, pipeline
    queues : callable
        Returns how much waits where.
    chores : sequence of callable
        What else is to be done.
    """

    def __init__(
        self,
        settings: ServerSettings,
        measures: Measures,
        pipeline: Pipeline,
        queues: Callable[[], dict[str, int]],
        *,
        chores: Sequence[Callable[[], None]],
    ) -> None:
        self._settings = settings
        self._measures = measures
        self._queues = queues
        self._chores = chores
        self._pipeline = pipeline
        self._memory_bytes = 0
        self._ends = threading.Event()
        self._look()
        self._thread = threading.Thread(target=self._run, name="freshet-housekeeping", daemon=True)
        self._thread.start()

    def require_room(self, operation: Operation) -> None:
        """Raise LimitError if there is no such stream yet, and it may not be made."""
        if self._pipeline.knows(operation.stream_id):
            return
        self._require_size(operation)
        if self._pipeline.n_streams >= self._settings.max_streams:
            self._pipeline.sweep()
        if self._pipeline.n_streams >= self._settings.max_streams:
            raise LimitError(
                f"there are {self._pipeline.n_streams} streams, as many as there may be",
                id="too_many_streams",
                field="max_streams",
                expected=f"at most {self._settings.max_streams} streams",
            )
        limit = self._settings.max_memory_bytes
        if limit and self._memory_bytes > limit:
            raise LimitError(
                "the service uses as much memory as it may; new streams have to wait",
                id="out_of_memory",
                field="max_memory_bytes",
                expected=f"at most {limit} bytes in use",
            )

    def _require_size(self, operation: Operation) -> None:
        # Its memory is there from the first row on, which may be more than the machine has.
        parts = stream_bytes(operation.settings, operation.n_columns)
        n_bytes, limit = sum(parts.values()), self._settings.max_stream_bytes
        if limit and n_bytes > limit:
            raise LimitError(
                f"the window and the features of the stream would take {n_bytes} bytes",
                id="stream_too_large",
                field=max(parts, key=parts.__getitem__),
                expected=f"at most {limit} bytes",
            )

    def close(self) -> None:
        """End the thread."""
        self._ends.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ends.wait(_PERIOD_SECONDS):
            for chore in (self._pipeline.sweep, self._look, self._evict, *self._chores):
                try:
                    chore()
                except StoreError as error:
                    _log.warning("housekeeping_failed", reason=str(error))
                except Exception:
                    _log.exception("housekeeping_failed")

    def _look(self) -> None:
        self._memory_bytes = _resident_bytes()
        self._measures.looked(self._pipeline.streams(), self._queues())

    def _evict(self) -> None:
        """Free the memory of streams without rows for long, or of the longest if it is short."""
        now = time.monotonic()
        idle = self._settings.idle_eviction_seconds
        if idle > 0:
            for stream in self._pipeline.streams():
                if stream.is_loaded and stream.last_used < now - idle:
                    self._pipeline.submit(Eviction(stream.stream_id, None, now - idle))
        limit = self._settings.max_memory_bytes
        if limit and self._memory_bytes > limit:
            loaded = [stream for stream in self._pipeline.streams() if stream.is_loaded]
            loaded.sort(key=lambda stream: stream.last_used)
            for stream in loaded[:_EVICTED_AT_ONCE]:
                if stream.last_used < now - _PERIOD_SECONDS:
                    self._pipeline.submit(Eviction(stream.stream_id, None, stream.last_used))


def _resident_bytes() -> int:
    """Memory of the process that is in use now; where that is not told, the most it ever was."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return pages * os.sysconf("SC_PAGE_SIZE")
