"""From events that have happened to entries of the journal."""

from __future__ import annotations

import time

from freshet.server.engine.changes import Entry
from freshet.server.engine.events import Create, Event, Publish, Rows
from freshet.server.engine.streams import Answer

__all__ = ["entry_of"]


def entry_of(
    stream_id: str,
    incarnation: str,
    sequence: int | None,
    event: Event,
    encoded: bytes,
    answer: Answer | None,
) -> Entry:
    """Return what the journal keeps of an event, and of what was answered if it is of rows."""
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
    # By position, in half of the time.
    return Entry(
        stream_id,
        incarnation,
        sequence,
        event.kind,
        encoded,
        "stream",
        event.received_at,
        answer.position + 1 - answer.n_rows,
        answer.n_rows,
        answer.records,
        answer.stream.threshold,
        answer.n_anomalies,
        answer.max_score,
        None,
        answer.stream.bundle,
        answer.n_scored,
    )
