"""The log as the journal has it anyway, for those who need no other database."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

from freshet.server.prediction_log.finding import Page, Search
from freshet.server.prediction_log.spool import (
    BLOCK_COLUMNS,
    IS_PREDICTION,
    block_of,
    delete_received_before,
    each,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from freshet.server.engine.journal import Journal
    from freshet.server.engine.sqlite_file import SqliteReader
    from freshet.server.prediction_log.records import Key, Prediction, PredictionBlock

__all__ = ["JournalFinder", "JournalLog"]

#: What is looked at for a page; then it ends, even if it is short.
_MOST_BLOCKS: Final = 20_000
_MOST_ROWS: Final = 1_000_000


class JournalFinder:
    """Predictions found in a journal, whoever writes it.

    Parameters
    ----------
    journal : SqliteReader
        Closed by whoever opened it.
    """

    def __init__(self, journal: SqliteReader) -> None:
        self._journal = journal

    def find(self, search: Search, after: Key | None, limit: int, *, is_descending: bool) -> Page:
        """Return predictions; see `Finder`."""
        with contextlib.closing(
            each(self._journal, *_query(search, after, is_descending))
        ) as entries:
            return _page(map(block_of, entries), search, after, limit, is_descending)

    def streams(self) -> list[str]:
        """Return what has predictions; see `Finder`."""
        found = self._journal.query(
            f"SELECT DISTINCT stream_id FROM journal WHERE {IS_PREDICTION} ORDER BY stream_id"
        )
        return [stream_id for (stream_id,) in found]


class JournalLog(JournalFinder):
    """The predictions of the service's own journal.

    Parameters
    ----------
    journal : Journal
        Closed by whoever opened it.
    """

    _journal: Journal

    def __init__(self, journal: Journal) -> None:
        super().__init__(journal)

    def oldest_of_newest(self, n_rows: int) -> int | None:
        """Return the time of a prediction; see `Log`."""
        ((total,),) = self._journal.query(
            "SELECT COALESCE(SUM(n_rows), 0) FROM journal INDEXED BY journal_by_time"
            f" WHERE {IS_PREDICTION}"
        )
        surplus = total - n_rows
        if surplus <= 0:
            return None
        # From the old end, where few are too many.
        query = (
            f"SELECT received_at, n_rows FROM journal WHERE {IS_PREDICTION} ORDER BY received_at"
        )
        with contextlib.closing(each(self._journal, query)) as entries:
            for received_at, size in entries:
                if surplus < size:
                    seconds: float = received_at
                    return round(seconds * 1e6)
                surplus -= size
        return None

    def delete_before(self, microseconds: int) -> Iterator[int]:
        """Delete what is older and no recovery needs, in parts; see `Log`."""
        return delete_received_before(self._journal, microseconds / 1e6)

    def close(self) -> None:
        """Left to whoever opened the journal."""


def _page(
    blocks: Iterable[PredictionBlock],
    search: Search,
    after: Key | None,
    limit: int,
    is_descending: bool,
) -> Page:
    found: list[Prediction] = []
    n_blocks = n_rows = 0
    for block in blocks:
        last = block.key(0 if is_descending else len(block) - 1)
        if after is not None and not _follows(last, after, is_descending):
            continue  # Of the same time as `after`, but before it.
        rows = search.rows_of(block).tolist()
        if is_descending:
            rows.reverse()
        if after is not None:
            rows = [i for i in rows if _follows(block.key(i), after, is_descending)]
        room = limit - len(found)
        found.extend(block.predictions(rows[:room]))
        if len(rows) > room:
            return Page(found, found[-1].key)
        n_blocks += 1
        n_rows += len(block)
        if n_blocks >= _MOST_BLOCKS or n_rows >= _MOST_ROWS:
            return Page(found, last)
    return Page(found)


def _follows(key: Key, after: Key, is_descending: bool) -> bool:
    return key < after if is_descending else key > after


def _query(search: Search, after: Key | None, is_descending: bool) -> tuple[Any, ...]:
    """Return the query for the blocks that may hold what is asked for, and its values."""
    conditions = [IS_PREDICTION]
    values: list[Any] = []

    def require(condition: str, *given: Any) -> None:
        conditions.append(condition)
        values.extend(given)

    for name in ("stream_id", "mode", "bundle"):
        if getattr(search, name) is not None:
            require(f"{name} = ?", getattr(search, name))
    if search.prefixes is not None:
        begins = ["substr(stream_id, 1, ?) = ?"] * len(search.prefixes)
        pairs = [value for one in search.prefixes for value in (len(one), one)]
        require(f"({' OR '.join(['0', *begins])})", *pairs)
    if search.since is not None:
        require("received_at >= ?", search.since / 1e6)
    if search.until is not None:
        require("received_at < ?", search.until / 1e6)
    if after is not None:
        require(f"received_at {'<=' if is_descending else '>='} ?", after.microseconds / 1e6)
    if search.label == "anomaly":
        require("n_anomalies > 0")
    elif search.label == "normal":
        require("n_anomalies < n_rows")
    if search.min_score is not None:
        require("max_score >= ?", search.min_score)
    order = " DESC" if is_descending else ""
    columns = ("received_at", "incarnation", "first_index", "stream_id")
    return (
        f"SELECT {BLOCK_COLUMNS} FROM journal WHERE {' AND '.join(conditions)}"
        f" ORDER BY {', '.join(one + order for one in columns)}",
        *values,
    )
