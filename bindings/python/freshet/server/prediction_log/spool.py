"""The predictions in the journal: those that a sink has not got yet, and those nobody needs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from freshet._core import record_dtype
from freshet.server.engine.events import Rows, decode
from freshet.server.prediction_log.records import PredictionBlock

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    import numpy.typing as npt

    from freshet.server.engine.journal import Journal
    from freshet.server.engine.sqlite_file import SqliteReader

__all__ = [
    "BLOCK_COLUMNS",
    "IS_PREDICTION",
    "Backlog",
    "backlog_after",
    "block_of",
    "blocks_after",
    "delete_received_before",
    "delete_up_to",
    "each",
    "last_entry",
    "received_after",
]

#: What `block_of` makes a block of.
BLOCK_COLUMNS: Final = (
    "id, stream_id, incarnation, mode, received_at, first_index, event, results, threshold, bundle"
)
#: As the indexes have it.
IS_PREDICTION: Final = "n_rows > 0"
#: Whether the state of a stream is made from it after a restart: it is an event of a stream that
#: there is, and the older of its two snapshots does not know it.
_IS_NEEDED: Final = """(
  sequence IS NOT NULL
  AND EXISTS (
    SELECT 1 FROM streams s
    WHERE s.stream_id = journal.stream_id AND s.incarnation = journal.incarnation)
  AND sequence > (
    SELECT CASE WHEN COUNT(*) >= 2 THEN MIN(p.sequence) ELSE 0 END FROM snapshots p
    WHERE p.stream_id = journal.stream_id AND p.incarnation = journal.incarnation)
)"""
#: Entries that are looked at or deleted at once, so that requests need not wait for long.
_CHUNK: Final = 500


def each(journal: SqliteReader, query: str, *values: Any) -> Generator[tuple[Any, ...], None, None]:
    """Yield the rows that a query finds, without holding all of them.

    To be used up, or closed, soon: until then the journal's file keeps what has changed since.
    """
    with journal.errors("read"):
        cursor = journal.reader().execute(query, values)
        try:
            yield from cursor
        finally:
            cursor.close()


def block_of(row: tuple[Any, ...]) -> PredictionBlock:
    """Return the block that `BLOCK_COLUMNS` are of."""
    identity, stream_id, incarnation, mode, received_at, first_index, event, results, *rest = row
    threshold, bundle = rest
    rows = decode(event)
    assert isinstance(rows, Rows)
    records: npt.NDArray[Any] = np.frombuffer(results, record_dtype)
    return PredictionBlock(
        identity,
        stream_id,
        incarnation,
        mode,
        received_at,
        first_index,
        rows.columns,
        rows.values,
        rows.timestamps,
        records,
        threshold,
        bundle,
        len(event) + len(results),
    )


@dataclass(frozen=True, slots=True)
class Backlog:
    """Predictions of the journal that follow some entry.

    Attributes
    ----------
    n_rows, n_bytes : int
        How many they are, and what they take in the journal.
    last : int
        The id of the last one's entry.
    """

    n_rows: int
    n_bytes: int
    last: int


def backlog_after(journal: Journal, after: int) -> Backlog:
    """Return what has come after the entry with an id."""
    ((n_rows, n_bytes, last),) = journal.query(
        "SELECT COALESCE(SUM(n_rows), 0), COALESCE(SUM(LENGTH(event) + LENGTH(results)), 0),"
        f" COALESCE(MAX(id), 0) FROM journal WHERE id > ? AND {IS_PREDICTION}",
        after,
    )
    return Backlog(n_rows, n_bytes, max(last, after))


def last_entry(journal: Journal) -> int:
    """Return the id of the journal's last entry; 0 if it has none."""
    ((last,),) = journal.query("SELECT COALESCE(MAX(id), 0) FROM journal")
    return int(last)


def received_after(journal: Journal, after: int) -> float | None:
    """Return when the first predictions after an entry came; None if there are none."""
    found = journal.query(
        f"SELECT received_at FROM journal WHERE id > ? AND {IS_PREDICTION} ORDER BY id LIMIT 1",
        after,
    )
    return found[0][0] if found else None


def blocks_after(journal: Journal, after: int, up_to: int, n_rows: int) -> list[PredictionBlock]:
    """Return the next blocks, up to an id: as many as have so many rows, but at least one."""
    sizes = journal.query(
        f"SELECT id, n_rows FROM journal WHERE id > ? AND id <= ? AND {IS_PREDICTION}"
        " ORDER BY id LIMIT ?",
        after,
        up_to,
        n_rows,
    )
    total = 0
    last = after
    for identity, size in sizes:
        if total and total + size > n_rows:
            break
        total += size
        last = identity
    found = journal.query(
        f"SELECT {BLOCK_COLUMNS} FROM journal WHERE id > ? AND id <= ? AND {IS_PREDICTION}"
        " ORDER BY id",
        after,
        last,
    )
    return [block_of(one) for one in found]


def delete_received_before(journal: Journal, seconds: float) -> Iterator[int]:
    """Delete predictions that came before a time, but for those that a recovery needs.

    Deletes a part for each number of predictions that it yields.
    """
    after = (-math.inf, 0)
    while True:
        found = journal.query(
            f"SELECT id, n_rows, {_IS_NEEDED}, received_at FROM journal WHERE {IS_PREDICTION}"
            " AND (received_at, id) > (?, ?) AND received_at < ? ORDER BY received_at, id LIMIT ?",
            *after,
            seconds,
            _CHUNK,
        )
        yield _delete(journal, found)
        if len(found) < _CHUNK:
            return
        after = (found[-1][3], found[-1][0])


def delete_up_to(journal: Journal, last: int) -> Iterator[int]:
    """Delete predictions up to an id, but for those that a recovery needs; in parts too."""
    after = 0
    while True:
        found = journal.query(
            f"SELECT id, n_rows, {_IS_NEEDED} FROM journal WHERE {IS_PREDICTION}"
            " AND id > ? AND id <= ? ORDER BY id LIMIT ?",
            after,
            last,
            _CHUNK,
        )
        yield _delete(journal, found)
        if len(found) < _CHUNK:
            return
        after = found[-1][0]


def _delete(journal: Journal, found: Sequence[tuple[Any, ...]]) -> int:
    unneeded = [(identity, n_rows) for identity, n_rows, is_needed, *_ in found if not is_needed]
    if unneeded:
        journal.delete([identity for identity, _ in unneeded])
    return sum(n_rows for _, n_rows in unneeded)
