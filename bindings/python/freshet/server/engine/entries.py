"""From events that have happened to entries of the journal."""

from __future__ import annotations

import math
import time

import numpy as np

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
