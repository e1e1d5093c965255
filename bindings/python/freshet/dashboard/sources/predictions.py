"""Predictions of a log, page by page, as points."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np

from freshet.dashboard.points import Points

__all__ = ["Found", "FoundPage", "PredictionFeed", "ReadPage", "to_points"]

_PER_PAGE: Final = 10_000
#: A prediction may be written a little later than others that came after it. What is as new as this
#: is read again, if it is not too much.
_OVERLAP: Final = timedelta(seconds=5)
_MOST_OVERLAPPING: Final = 1000
#: Beyond it, what is called a time in seconds is none that a calendar has.
_LAST_SECOND: Final = 2e11


class Found(NamedTuple):
    """A prediction, as far as it is shown."""

    received: datetime
    row: int
    incarnation: str
    score: float | None
    raw_score: float | None
    threshold: float | None
    label: str
    model_version: int
    row_timestamp: float | None
    values: dict[str, Any]

    @property
    def key(self) -> tuple[Any, ...]:
        """What tells it from others of its stream, in the order of logs."""
        return self.received, self.incarnation, self.row


class FoundPage(NamedTuple):
    """Some predictions, and how to ask for the next ones; None at the end."""

    predictions: Sequence[Found]
    next: Any


#: Reads a page: (since when or None, is_descending, what `FoundPage.next` was, limit).
ReadPage: TypeAlias = "Callable[[datetime | None, bool, Any, int], FoundPage]"


class PredictionFeed:
    """The newest predictions of a stream, and those that come.

    Parameters
    ----------
    read : callable
        Reads a page of the stream's predictions.
    limit : int
        How many to hold at most.
    """

    def __init__(self, read: ReadPage, limit: int) -> None:
        self._read = read
        self._limit = limit
        self._tail: list[Found] = []
        self.points = Points.none()
        self._load()

    def refresh(self) -> None:
        """Add what has come. Rows keep their ids, unless an earlier one came late."""
        if not self._tail:
            self._load()
            return
        horizon = self._tail[-1].received - _OVERLAP
        first = next(i for i, one in enumerate(self._tail) if one.received >= horizon)
        last_read = self._tail[first:]
        known = {one.key for one in last_read}
        fresh = [
            one
            for one in _pages(self._read, last_read[0].received)
            if one.key not in known and one.key > last_read[0].key
        ]
        if not fresh:
            return
        merged = sorted([*last_read, *fresh], key=lambda one: one.key)
        before = self.points.take(slice(0, len(self.points) - len(last_read)))
        first_id = int(self.points.ids[-len(last_read)])
        joined = Points.joined([before, to_points(merged, first_id)])
        self.points = joined.take(slice(-self._limit, None))
        self._tail = merged[-_MOST_OVERLAPPING:]

    def _load(self) -> None:
        # Page by page, so that all of them are in memory as arrays only.
        parts: list[Points] = []
        tail: list[Found] = []
        n_left = self._limit
        cursor = None
        while n_left > 0:
            page = self._read(None, True, cursor, min(_PER_PAGE, n_left))
            older = list(page.predictions)[::-1]
            tail = [*older, *tail][-_MOST_OVERLAPPING:]
            parts.append(to_points(older, 0))
            n_left -= len(older)
            cursor = page.next
            if cursor is None:
                break
        self.points = Points.joined(parts[::-1])
        self._tail = tail


def _pages(read: ReadPage, since: datetime) -> Iterator[Found]:
    cursor = None
    while True:
        page = read(since, False, cursor, _PER_PAGE)
        yield from page.predictions
        cursor = page.next
        if cursor is None:
            return


def to_points(found: Sequence[Found], first_id: int) -> Points:
    """Return predictions as points, whose ids begin with one."""
    if not found:
        return Points.none()
    received, rows, _, scores, raw, thresholds, labels, versions, stamps, values = zip(
        *found, strict=True
    )
    columns, texts, matrix = _values(values)
    times = None
    if None not in stamps and max(map(abs, stamps)) < _LAST_SECOND:
        times = (np.array(stamps, np.float64) * 1e6).round().astype("datetime64[us]")
    return Points(
        columns=columns,
        ids=np.arange(first_id, first_id + len(found), dtype=np.int64),
        rows=np.array(rows, np.int64),
        values=matrix,
        scores=_numbers(scores),
        raw_scores=_numbers(raw),
        thresholds=_numbers(thresholds),
        is_anomaly=np.array([one == "anomaly" for one in labels], np.bool_),
        model_versions=np.array(versions, np.int64),
        received=_moments(received),
        times=times,
        texts=texts,
    )


def _numbers(values: Iterable[float | None]) -> Any:
    # NumPy makes NaN of None.
    return np.array(values, np.float64)


def _moments(values: Sequence[datetime]) -> Any:
    return np.array([one.replace(tzinfo=None) for one in values], "datetime64[us]")


def _values(rows: Sequence[dict[str, Any]]) -> tuple[tuple[str, ...], tuple[str, ...], Any]:
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns, texts, arrays = [], [], []
    for name in names:
        given = [row.get(name) for row in rows]
        if any(isinstance(cell, str) for cell in given):
            texts.append(name)  # A category of digits is no number.
            continue
        try:
            cells = np.array(given, np.float64)
        except (TypeError, ValueError):
            texts.append(name)
            continue
        if np.isnan(cells).all():
            texts.append(name)
            continue
        columns.append(name)
        arrays.append(cells)
    matrix = np.column_stack(arrays) if arrays else np.zeros((len(rows), 0))
    return tuple(columns), tuple(texts), matrix
