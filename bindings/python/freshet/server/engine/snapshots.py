"""When the state of a stream is kept as a whole, so that fewer events have to happen again."""

from __future__ import annotations

import time
from collections.abc import Iterable

import structlog

from freshet.server.engine.changes import Change, SnapshotBytes
from freshet.server.engine.measures import Measures
from freshet.server.engine.store import Store
from freshet.server.engine.streams import Detectors, Stream

__all__ = ["Snapshots"]

_log = structlog.get_logger(__name__)


class Snapshots:
    """Takes snapshots of streams: after so many rows, but not within so many seconds.

    Parameters
    ----------
    detectors, store, measures
    rows : int
    seconds : float
    """

    def __init__(
        self, detectors: Detectors, store: Store, measures: Measures, *, rows: int, seconds: float
    ) -> None:
        self._detectors = detectors
        self._store = store
        self._measures = measures
        self._rows = rows
        self._seconds = seconds

    def is_due(self, stream: Stream, now: float) -> bool:
        """Whether it is time for one of a stream, by the monotonic clock."""
        return (
            stream.rows_since_snapshot >= self._rows and now - stream.snapshot_at >= self._seconds
        )

    def take(self, stream: Stream) -> Iterable[Change]:
        """Take one of a stream that the caller holds; return what is to be written for it."""
        assert stream.incarnation is not None
        began = time.perf_counter()
        changes: Iterable[Change] = ()
        try:
            data = self._detectors.pool.snapshot(stream.stream_id)
            info = self._detectors.info(stream)
            kept = SnapshotBytes(stream.stream_id, stream.incarnation, stream.sequence, data, info)
            changes = list(self._store.keep(kept))
            self._measures.took("snapshot", time.perf_counter() - began)
        except Exception as error:  # The events are there all the same.
            self._measures.failed("snapshot")
            _log.warning("snapshot_failed", stream_id=stream.stream_id, reason=str(error))
        stream.rows_since_snapshot = 0
        stream.snapshot_at = time.monotonic()
        return changes
