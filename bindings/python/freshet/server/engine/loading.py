"""From the store back into memory."""

from __future__ import annotations

import time

import structlog

from freshet.errors import Error, SnapshotError
from freshet.server.engine.changes import StoreError
from freshet.server.engine.events import Create
from freshet.server.engine.measures import Measures
from freshet.server.engine.recovery import Recovery, StoredSnapshot
from freshet.server.engine.store import Store
from freshet.server.engine.streams import Detectors, Stream

__all__ = ["Loader"]

_log = structlog.get_logger(__name__)


class Loader:
    """Makes the state of a stream again: its last good snapshot, then the events after it.

    Parameters
    ----------
    store, detectors, measures
    """

    def __init__(self, store: Store, detectors: Detectors, measures: Measures) -> None:
        self._store = store
        self._detectors = detectors
        self._measures = measures

    def load(self, stream: Stream) -> None:
        """Bring a stream to where the store has it; or to nothing, if the store has none.

        Raises
        ------
        StoreError
            If the store cannot be read; then the stream is not loaded.
        """
        try:
            self._load(stream)
        except StoreError:
            self._measures.failed("load")
            raise

    def _load(self, stream: Stream) -> None:
        while True:
            began = time.perf_counter()
            self._detectors.unload(stream)
            recovery = self._store.recovery(stream.stream_id)
            stream.forget()
            if recovery is None:
                return
            stream.incarnation = recovery.incarnation
            stream.info = recovery.info
            try:
                snapshot = self._restore(stream, recovery)
                n_events = self._replay(stream, recovery)
            except _OutdatedError:
                continue
            except BaseException:
                # Half of a state must not be taken for one.
                self._detectors.unload(stream)
                raise
            break
        self._measures.loaded(time.perf_counter() - began)
        _log.info(
            "stream_loaded",
            stream_id=stream.stream_id,
            snapshot=None if snapshot is None else snapshot.sequence,
            sequence=stream.sequence,
            events=n_events,
            seconds=round(time.perf_counter() - began, 6),
        )

    def _restore(self, stream: Stream, recovery: Recovery) -> StoredSnapshot | None:
        for snapshot in recovery.snapshots:
            why = "its checksum does not match"
            if snapshot.is_intact:
                try:
                    self._detectors.restore(stream, snapshot.data, snapshot.info, snapshot.sequence)
                    return snapshot
                except SnapshotError as error:
                    _require_known_format(stream, error)
                    why = str(error)
            self._put_aside(stream, snapshot, why)
        return None

    def _put_aside(self, stream: Stream, snapshot: StoredSnapshot, why: str) -> None:
        assert stream.incarnation is not None
        _log.error(
            "snapshot_quarantined",
            stream_id=stream.stream_id,
            sequence=snapshot.sequence,
            reason=why,
        )
        self._store.quarantine(stream.stream_id, stream.incarnation, snapshot.sequence, why)
        self._measures.snapshot_quarantined()

    def _replay(self, stream: Stream, recovery: Recovery) -> int:
        n_events = 0
        events = self._store.events(stream.stream_id, recovery.incarnation, stream.sequence)
        for sequence, event in events:
            if sequence != stream.sequence + 1:
                self._require_newest(stream, recovery)
                _log.error(
                    "events_missing",
                    stream_id=stream.stream_id,
                    after=stream.sequence,
                    before=sequence,
                )
            if not stream.is_loaded and not isinstance(event, Create):
                # No snapshot is left, and the first events are gone: what is kept has to do.
                _log.error("stream_rebuilt", stream_id=stream.stream_id, first_event=sequence)
                # Of a bundle's stream the next request brings the bundle's model again.
                bundle = None if recovery.info["bundle"] is None else ""
                self._detectors.apply(stream, Create(recovery.info["settings"], bundle=bundle))
            stream.sequence = sequence - 1
            try:
                self._detectors.apply(stream, event)
            except StoreError:
                raise
            except Error as error:
                self._require_newest(stream, recovery)
                _require_known_format(stream, error)
                # Only where events before it are missing; the others all did happen once.
                _log.error(
                    "event_left_out",
                    stream_id=stream.stream_id,
                    sequence=sequence,
                    reason=str(error),
                )
                stream.sequence = sequence
            n_events += 1
        if not stream.is_loaded:
            self._require_newest(stream, recovery)
            raise StoreError(
                f'neither a snapshot nor an event of stream "{stream.stream_id}" is left',
                id="store_unavailable",
            )
        return n_events

    def _require_newest(self, stream: Stream, recovery: Recovery) -> None:
        """Raise unless what is missing is lost, rather than forgotten after a newer snapshot."""
        now = self._store.recovery(stream.stream_id)
        if now is None or _origin(now) != _origin(recovery):
            raise _OutdatedError


class _OutdatedError(Exception):
    """Another replica has taken snapshots, and forgotten what they hold, during the loading."""


def _require_known_format(stream: Stream, error: Error) -> None:
    """Raise StoreError for what only another version of the library can read: it is no damage."""
    if error.id == "snapshot_version":
        raise StoreError(
            f'stream "{stream.stream_id}" was written by another version: {error}',
            id="store_unavailable",
        ) from error


def _origin(recovery: Recovery) -> tuple[str, int]:
    """Where a replay begins."""
    newest = max((one.sequence for one in recovery.snapshots if one.is_intact), default=0)
    return recovery.incarnation, newest
