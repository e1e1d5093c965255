"""The log of predictions in the journal, and the way from there to other databases."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis.strategies as st
import numpy as np
import pytest
from freshet.server.engine.changes import (
    Cursor,
    Entry,
    Removal,
    SnapshotBytes,
    StoreError,
    StreamInfo,
)
from freshet.server.engine.events import Create, encode
from freshet.server.engine.journal import Journal
from freshet.server.metrics import Metrics
from freshet.server.prediction_log import journal_log
from freshet.server.prediction_log.finding import (
    CURSOR_PATTERN,
    Page,
    Search,
    read_cursor,
    write_cursor,
)
from freshet.server.prediction_log.forwarder import Forwarder
from freshet.server.prediction_log.journal_log import JournalLog
from freshet.server.prediction_log.log import PredictionLog
from freshet.server.prediction_log.records import (
    Key,
    from_microseconds,
    to_microseconds,
)
from freshet.server.prediction_log.sinks import LogRefusedError, LogUnavailableError
from freshet.server.prediction_log.spool import blocks_after, delete_up_to, last_entry
from hypothesis import given
from prediction_testing import BEGINNING, entry, expected, found, mixed_entries, pages, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from freshet.server.prediction_log.records import PredictionBlock

NAN = float("nan")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / "journal.sqlite", is_durable=False)
    yield journal
    journal.close()


def blocks(journal: Journal, after: int = 0, n_rows: int = 1_000_000) -> list[PredictionBlock]:
    return blocks_after(journal, after, last_entry(journal), n_rows)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


# ---- predictions ----


def test_a_row_is_logged_with_its_verdict(journal: Journal) -> None:
    write(
        journal,
        [
            entry(
                [NAN, 0.2, 0.8],
                first_index=7,
                version=3,
                threshold=0.6,
                columns=["u", "v"],
                values=np.arange(6.0).reshape(3, 2),
                timestamps=np.array([1.0, 2.0, 3.0]),
                bundle="2024-05",
            )
        ],
    )
    first, second, third = found(JournalLog(journal))
    assert (first.label, first.score, first.raw_score, first.model_version) == (
        "warmup",
        None,
        None,
        0,
    )
    assert (second.label, second.score, second.raw_score, second.model_version) == (
        "normal",
        0.2,
        2.0,
        3,
    )
    assert third.label == "anomaly"
    assert [one.index for one in (first, second, third)] == [7, 8, 9]
    assert [one.row_timestamp for one in (first, second, third)] == [1.0, 2.0, 3.0]
    assert second.values == {"u": 2.0, "v": 3.0}
    assert (second.threshold, second.bundle, second.mode) == (0.6, "2024-05", "stream")
    assert second.timestamp.timestamp() == BEGINNING


def test_values_are_named_as_the_rows_name_them(journal: Journal) -> None:
    def values_of(**given: Any) -> list[dict[str, Any]]:
        write(journal, [entry([0.1, 0.2], **given)])
        return [one.values for one in blocks(journal)[-1].predictions()]

    table = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert values_of(values=table) == [{"f0": 1.0, "f1": 2.0}, {"f0": 3.0, "f1": 4.0}]
    assert values_of(values=table, columns=["b", "a"])[0] == {"b": 1.0, "a": 2.0}
    assert values_of(values=[["red", 1], ["blue", 2]]) == [
        {"f0": "red", "f1": 1},
        {"f0": "blue", "f1": 2},
    ]
    assert values_of(values=[["red"], ["blue"]], columns=["c"])[1] == {"c": "blue"}
    assert values_of(values=[{"c": "x"}, {"d": None}]) == [{"c": "x"}, {"d": None}]
    assert values_of(values=np.empty((0, 0))) == [{}, {}]


@given(st.integers(0, 10**16 - 1))
def test_times_are_exact(microseconds: int) -> None:
    assert to_microseconds(from_microseconds(microseconds)) == microseconds


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@given(st.builds(Key, st.integers(0, 10**16 - 1), texts, st.integers(0, 10**12 - 1), texts))
def test_cursors_lead_back_to_their_key(key: Key) -> None:
    text = write_cursor(key)
    assert re.search(CURSOR_PATTERN, text)
    assert read_cursor(text) == key


@given(st.from_regex(CURSOR_PATTERN, fullmatch=True))
def test_whatever_looks_like_a_cursor_is_one(text: str) -> None:
    key = read_cursor(text)
    assert "\0" not in key.incarnation + key.stream_id


# ---- the journal as a log ----


def test_events_that_are_no_predictions_are_not_found(journal: Journal) -> None:
    def create(stream_id: str) -> Entry:
        return Entry(stream_id, "1", 1, Create.kind, encode(Create({})), received_at=BEGINNING)

    journal.write([create("a"), *mixed_entries(), create("b")])
    assert len(found(JournalLog(journal))) == 45
    assert [one.id for one in blocks(journal)] == list(range(2, 10))


def test_a_search_that_takes_long_goes_on_in_the_next_page(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(journal, mixed_entries())
    log = JournalLog(journal)
    predictions = found(log)
    monkeypatch.setattr(journal_log, "_MOST_BLOCKS", 2)
    for search in (Search(), Search(model_version=3), Search(label="warmup")):
        for is_descending in (False, True):
            answers = list(pages(log, search, limit=3, is_descending=is_descending))
            wanted = expected(predictions, search)
            if is_descending:
                wanted.reverse()
            assert [one for page in answers for one in page.predictions] == wanted
    assert any(not page.predictions for page in pages(log, Search(model_version=3), limit=3))


@pytest.mark.parametrize("n_rows", [1, 2, 3, 4, 7, 30, 44, 45, 1_000])
def test_blocks_come_in_order_and_in_batches(journal: Journal, n_rows: int) -> None:
    write(journal, mixed_entries())
    seen: list[PredictionBlock] = []
    while batch := blocks(journal, seen[-1].id if seen else 0, n_rows):
        assert len(batch) == 1 or sum(map(len, batch)) <= n_rows
        seen += batch
    assert [one.id for one in seen] == list(range(1, 9))


# ---- what ends ----


def test_what_a_recovery_needs_is_kept(journal: Journal) -> None:
    def rows(stream_id: str, sequences: Sequence[int | None], incarnation: str = "1") -> list[Any]:
        return [entry([0.1], stream_id, incarnation=incarnation, sequence=one) for one in sequences]

    def snapshot(stream_id: str, sequence: int) -> SnapshotBytes:
        return SnapshotBytes(stream_id, "1", sequence, b"", {})

    def known(stream_id: str, incarnation: str = "1") -> StreamInfo:
        return StreamInfo(stream_id, incarnation, 0, {})

    journal.write(
        [
            *(*rows("none yet", [2, 3]), known("none yet")),
            *(*rows("one", [2, 3, 4]), known("one"), snapshot("one", 3)),
            *(*rows("two", [2, 3, 4, 5, 6]), known("two"), snapshot("two", 3), snapshot("two", 5)),
            *(*rows("gone", [2, 3]), known("gone"), Removal("gone", "1")),
            *(*rows("again", [2]), known("again", "2"), *rows("again", [2], "2")),
            *rows("elsewhere", [None, None]),
        ]
    )
    assert sum(delete_up_to(journal, last_entry(journal))) == 2 + 2 + 1 + 2
    kept = journal.query("SELECT stream_id, incarnation, sequence FROM journal ORDER BY id")
    assert kept == [
        *(("none yet", "1", 2), ("none yet", "1", 3)),
        *(("one", "1", 2), ("one", "1", 3), ("one", "1", 4)),
        *(("two", "1", 4), ("two", "1", 5), ("two", "1", 6)),
        ("again", "2", 2),
    ]


@pytest.mark.parametrize("chunk", [1, 3, 500])
def test_old_predictions_are_deleted(
    journal: Journal, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("freshet.server.prediction_log.spool._CHUNK", chunk)
    ages = [5, 1, 9, 1, 3, 7, 7, 2]
    write(journal, [entry([0.1, 0.2], at=-age, sequence=i) for i, age in enumerate(ages, 1)])
    # Needed, though old.
    write(journal, [entry([0.1], "b", at=-100, sequence=1)])
    journal.write([StreamInfo("b", "1", 1, {})])
    log = JournalLog(journal)
    assert sum(log.delete_before(round((BEGINNING - 3) * 1e6))) == 8
    assert sorted({round(BEGINNING - one.timestamp.timestamp()) for one in found(log)}) == [
        *(1, 2, 3),
        100,
    ]


def test_the_time_of_the_newest(journal: Journal) -> None:
    log = JournalLog(journal)
    assert log.oldest_of_newest(1) is None
    write(journal, [entry([0.1, 0.2], at=k, first_index=2 * k) for k in (3, 1, 0, 2, 4)])
    assert log.oldest_of_newest(10) is None
    assert [log.oldest_of_newest(n) for n in (9, 8, 4, 2, 1)] == [
        round((BEGINNING + k) * 1e6) for k in (0, 1, 3, 4, 4)
    ]


def test_only_so_many_days_and_predictions_are_kept(journal: Journal) -> None:
    async def check() -> None:
        day = 86_400
        now = time.time() - BEGINNING
        write(journal, [entry([0.1] * 10, at=now - k * day) for k in range(9)])
        log = PredictionLog(journal, retention_days=6.5, max_rows=0)
        assert log.delete_old() == 20
        await log.close()
        log = PredictionLog(journal, retention_days=0, max_rows=35)
        assert log.delete_old() == 30
        assert log.delete_old() == 0
        await log.close()
        assert len(found(JournalLog(journal))) == 40

    asyncio.run(check())


def test_nothing_is_kept_without_a_log(journal: Journal) -> None:
    async def check() -> None:
        write(journal, mixed_entries())
        write(journal, [entry([0.1], "b", sequence=1)])
        journal.write([StreamInfo("b", "1", 1, {})])
        log = PredictionLog(journal, "none")
        assert not log.is_kept
        assert not log.is_full
        assert log.delete_old() == 45
        await log.close()
        assert [one.stream_id for one in found(JournalLog(journal))] == ["b"]

    asyncio.run(check())


# ---- handing on ----


class Memory:
    """A sink that keeps predictions in memory and fails as it is told to."""

    name = "memory://here"

    def __init__(self) -> None:
        self.there: dict[Key, Any] = {}
        self.n_writes = self.n_again = 0
        self.failures = 0
        self.refused: set[str] = set()
        self.is_away = False
        self.passes = threading.Event()
        self.passes.set()

    def write(self, blocks: Sequence[PredictionBlock]) -> None:
        self.n_writes += 1
        self.passes.wait()
        for block in blocks:
            if block.stream_id in self.refused:
                raise LogRefusedError("never", id="log_refused")
            for one in block.predictions():
                self.n_again += one.key in self.there
                self.there.setdefault(one.key, one)
                if self.is_away or self.failures:
                    # Amid the writing: nobody knows how much is there.
                    self.failures -= self.failures > 0
                    raise LogUnavailableError("away", id="log_unavailable")

    def find(self, search: Search, after: Key | None, limit: int, *, is_descending: bool) -> Page:
        return Page(sorted(self.there.values(), key=lambda one: one.key)[:limit])

    def oldest_of_newest(self, n_rows: int) -> int | None:
        return None

    def delete_before(self, microseconds: int) -> Iterator[int]:
        yield from ()

    def close(self) -> None:
        pass


def forwarding(journal: Journal, sink: Memory, **options: Any) -> Forwarder:
    return Forwarder(
        journal,
        sink,
        **{"first_pause": 0.001, "longest_pause": 0.01, "gathering_seconds": 0.0, **options},
    )


def test_what_is_written_is_handed_on(journal: Journal) -> None:
    sink = Memory()
    write(journal, mixed_entries()[:3])
    forwarder = forwarding(journal, sink)
    write(journal, mixed_entries()[3:])
    forwarder.wake()
    wait_until(lambda: len(sink.there) == 45)
    wait_until(lambda: forwarder.lag.n_rows == 0)
    assert forwarder.lag == type(forwarder.lag)()
    assert forwarder.cursor == journal.cursor("log memory://here") == last_entry(journal)
    forwarder.close(10)
    assert sink.n_again == 0
    assert found(sink) == found(JournalLog(journal))


def test_failures_delay_but_lose_nothing(journal: Journal) -> None:
    sink = Memory()
    sink.failures = 20
    n_failed: list[int] = []
    write(journal, mixed_entries())
    forwarder = forwarding(journal, sink, batch_rows=3, failed=lambda: n_failed.append(1))
    wait_until(lambda: forwarder.lag.n_rows == 0)
    forwarder.close(10)
    assert len(n_failed) == 20
    assert found(sink) == found(JournalLog(journal))


def test_the_lag_is_told_while_the_sink_is_away(journal: Journal) -> None:
    sink = Memory()
    sink.is_away = True
    write(journal, [entry([0.1] * 10, at=time.time() - BEGINNING - 100)])
    forwarder = forwarding(journal, sink)
    wait_until(lambda: forwarder.lag.error == "away")
    assert forwarder.lag.n_rows == 10
    assert 100 <= forwarder.lag.seconds < 200
    ((n_bytes,),) = journal.query("SELECT SUM(LENGTH(event) + LENGTH(results)) FROM journal")
    assert forwarder.lag.n_bytes == n_bytes
    write(journal, [entry([0.1] * 10, at=time.time() - BEGINNING)])
    wait_until(lambda: forwarder.lag.n_rows == 20)
    sink.is_away = False
    wait_until(lambda: forwarder.lag == type(forwarder.lag)())
    forwarder.close(10)


def test_a_crash_between_writing_and_remembering(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next process hands some of it on again, and the sink has it once."""
    sink = Memory()
    write(journal, mixed_entries())
    write_changes = journal.write

    def crash(changes: Sequence[Any]) -> None:
        if any(isinstance(one, Cursor) and one.id > 4 for one in changes):
            raise StoreError("the process has ended", id="store_unavailable")
        write_changes(changes)

    monkeypatch.setattr(journal, "write", crash)
    forwarder = forwarding(journal, sink, batch_rows=3)
    wait_until(lambda: forwarder.lag.error is not None)
    forwarder.close(10)
    assert 0 < journal.cursor("log memory://here") <= 4
    monkeypatch.undo()
    forwarder = forwarding(journal, sink, batch_rows=3)
    forwarder.close(10)
    assert sink.n_again > 0
    assert found(sink) == found(JournalLog(journal))


def test_what_is_refused_does_not_keep_the_rest(journal: Journal) -> None:
    sink = Memory()
    sink.refused = {"a/b", "ä"}
    write(journal, mixed_entries())
    forwarder = forwarding(journal, sink)
    wait_until(lambda: forwarder.lag.n_rows == 0)
    forwarder.close(10)
    assert forwarder.n_refused == 5
    wanted = [one for one in found(JournalLog(journal)) if one.stream_id not in sink.refused]
    assert found(sink) == wanted


def test_what_comes_soon_after_is_handed_on_with_it(journal: Journal) -> None:
    sink = Memory()
    forwarder = forwarding(journal, sink, gathering_seconds=3600.0)
    for one in mixed_entries():
        write(journal, [one])
        forwarder.wake()
    forwarder.close(60)
    assert len(sink.there) == 45
    assert sink.n_writes <= 2


def test_closing_hands_on_what_is_there(journal: Journal) -> None:
    sink = Memory()
    forwarder = forwarding(journal, sink, batch_rows=1)
    write(journal, mixed_entries())
    forwarder.close(60)
    assert len(sink.there) == 45


def test_closing_does_not_wait_for_a_sink_that_is_away(journal: Journal) -> None:
    sink = Memory()
    sink.is_away = True
    write(journal, mixed_entries())
    forwarder = forwarding(journal, sink, first_pause=3600.0, longest_pause=3600.0)
    wait_until(lambda: forwarder.lag.error is not None)
    forwarder.close(60)
    sink.is_away = False
    forwarder = forwarding(journal, sink)
    forwarder.close(60)
    assert found(sink) == found(JournalLog(journal))


def test_closing_does_not_wait_for_a_sink_that_hangs(journal: Journal) -> None:
    sink = Memory()
    sink.passes.clear()
    write(journal, mixed_entries())
    forwarder = forwarding(journal, sink)
    wait_until(lambda: sink.n_writes == 1)
    forwarder.close(0.01)
    assert journal.cursor("log memory://here") == 0
    sink.passes.set()
    wait_until(lambda: len(sink.there) == 45)


def test_another_sink_gets_everything(journal: Journal) -> None:
    write(journal, mixed_entries())
    for name in ("memory://one", "memory://two"):
        sink = Memory()
        sink.name = name
        forwarding(journal, sink).close(60)
        assert len(sink.there) == 45


def test_a_spool_is_full_and_empty_again(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = Memory()
    sink.is_away = True
    monkeypatch.setattr("freshet.server.prediction_log.log.open_sink", lambda url: sink)

    async def check() -> None:
        metrics = Metrics()
        log = PredictionLog(journal, "memory://", max_spool_bytes=5_000, metrics=metrics)
        assert not log.is_full
        write(journal, [entry([0.1] * 100)])
        log.wake()
        wait_until(lambda: log.is_full and log.lag.error is not None)
        assert log.delete_old() == 0
        samples = {
            (sample.name, *sample.labels.values()): sample.value
            for family in metrics.registry.collect()
            for sample in family.samples
        }
        assert samples["freshet_log_lag_rows", "memory"] == 100
        assert samples["freshet_log_failures_total", "memory"] > 0
        sink.is_away = False
        wait_until(lambda: not log.is_full)
        assert len(sink.there) == 100
        # Nobody needs the journal's copy any more.
        assert log.delete_old() == 100
        page = await log.find(Search(), None, 1_000, is_descending=False)
        assert len(page.predictions) == 100
        await log.close()

    asyncio.run(check())
    assert found(JournalLog(journal)) == []
