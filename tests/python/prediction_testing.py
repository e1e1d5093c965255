"""Journals of predictions to test with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from freshet._core import record_dtype
from freshet.server.engine.changes import Entry
from freshet.server.engine.events import Rows, encode
from freshet.server.prediction_log.finding import Page, Search
from freshet.server.prediction_log.records import Key, Prediction, to_microseconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from freshet.server.engine.journal import Journal
    from freshet.server.prediction_log.sinks import Log

#: A time to count from, in seconds since 1970.
BEGINNING = 1_700_000_000.0


def entry(
    scores: Iterable[float],
    stream_id: str = "a",
    *,
    at: float = 0.0,
    incarnation: str = "1",
    first_index: int = 0,
    sequence: int | None = None,
    mode: str = "stream",
    version: int = 1,
    threshold: float = 0.5,
    columns: list[str] | None = None,
    values: Any = None,
    timestamps: Any = None,
    bundle: str | None = None,
) -> Entry:
    """A block of predictions with these scores, NaN in warm-up, as the engine writes it."""
    given = np.array(list(scores))
    if values is None:
        values = np.stack([given, np.arange(len(given))], axis=1)
        values[np.isnan(values)] = -1.0
        columns = columns or ["x", "y"]
    received_at = round(BEGINNING + at, 6)
    records = np.zeros(len(given), record_dtype)
    records["score"], records["raw_score"] = given, 10 * given
    records["scored"] = ~np.isnan(given)
    records["is_anomaly"] = given > threshold
    records["model_version"] = np.where(records["scored"], version, 0)
    records["index"] = first_index + np.arange(len(given))
    scored = given[records["scored"]]
    return Entry(
        stream_id,
        incarnation,
        sequence,
        Rows.kind,
        encode(Rows(values, columns, timestamps, received_at)),
        mode=mode,
        received_at=received_at,
        first_index=first_index,
        n_rows=len(given),
        results=records.tobytes(),
        threshold=threshold,
        n_anomalies=int(records["is_anomaly"].sum()),
        n_scored=len(scored),
        max_score=float(scored.max()) if len(scored) else None,
        bundle=bundle,
    )


def mixed_entries() -> list[Entry]:
    """Blocks that differ in everything that can be asked for, not in the order of their times."""
    nan = float("nan")
    return [
        entry([nan, nan, 0.1], "a", at=0),
        entry([0.2], "a", at=1.5, first_index=3, bundle="2024-05"),
        entry([0.9, 0.1, 0.6, 0.4], "a/b", at=1.5, incarnation="2", version=3),
        entry([0.7, nan, 0.3], "A", at=1.0, mode="batch", incarnation="3"),
        # After a reset: the same indices again.
        entry([nan, 0.8], "a", at=2.000001, version=2),
        entry([0.55] * 30, "big", at=3, incarnation="4"),
        entry([0.95], "a", at=0.000001, incarnation="0", timestamps=np.array([123.25])),
        entry([0.5], "ä", at=2.0, incarnation="5", values=[{"kind": "blue", "n": 3}]),
    ]


def found(
    log: Log, search: Search | None = None, *, limit: int = 1_000, is_descending: bool = False
) -> list[Prediction]:
    """All predictions asked for, page by page."""
    return [
        one
        for page in pages(log, search or Search(), limit=limit, is_descending=is_descending)
        for one in page.predictions
    ]


def pages(log: Log, search: Search, *, limit: int, is_descending: bool = False) -> Iterator[Page]:
    """All pages of an answer."""
    after: Key | None = None
    while True:
        page = log.find(search, after, limit, is_descending=is_descending)
        assert len(page.predictions) <= limit
        yield page
        if page.next is None:
            return
        after = page.next


def expected(all_of_them: Iterable[Prediction], search: Search) -> list[Prediction]:
    """The predictions asked for, by looking at each of them."""

    def is_asked_for(one: Prediction) -> bool:
        moment = to_microseconds(one.timestamp)
        names = ("stream_id", "label", "mode", "model_version", "bundle")
        return (
            all(getattr(search, name) in (None, getattr(one, name)) for name in names)
            and (search.prefixes is None or one.stream_id.startswith(search.prefixes))
            and (search.since is None or moment >= search.since)
            and (search.until is None or moment < search.until)
            and (
                search.min_score is None
                or (one.score is not None and one.score >= search.min_score)
            )
        )

    return sorted(filter(is_asked_for, all_of_them), key=lambda one: one.key)


def write(journal: Journal, entries: Iterable[Entry]) -> None:
    """Write blocks, as the engine does."""
    journal.write(list(entries))
