"""Predictions in every kind of database: written once, found in the same order, and deleted."""

from __future__ import annotations

import itertools
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis.strategies as st
import numpy as np
import pytest
import sqlalchemy as sa
from freshet.errors import ConfigurationError
from freshet.server.engine.journal import Journal
from freshet.server.prediction_log import sql
from freshet.server.prediction_log.finding import Search
from freshet.server.prediction_log.forwarder import Forwarder
from freshet.server.prediction_log.journal_log import JournalLog
from freshet.server.prediction_log.sinks import (
    LogRefusedError,
    LogUnavailableError,
    Sink,
    open_sink,
    parts,
)
from freshet.server.prediction_log.spool import blocks_after, last_entry
from hypothesis import HealthCheck, given, settings
from prediction_testing import BEGINNING, entry, expected, found, mixed_entries, pages, write
from services_testing import Service, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SINKS = ("sqlite", "postgresql", "mongodb", "other")
MICROSECONDS = round(BEGINNING * 1e6)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / "journal.sqlite", is_durable=False)
    yield journal
    journal.close()


@pytest.fixture(params=SINKS)
def sink(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Sink]:
    """An empty database of each kind; "other" is one for which SQLAlchemy has no upsert."""
    if request.param == "other":
        monkeypatch.setattr(sql, "INSERTS", {})
    sink = open_sink(url_of(request, tmp_path, request.param))
    yield sink
    sink.close()


def url_of(request: pytest.FixtureRequest, directory: Path, kind: str) -> str:
    if kind in ("sqlite", "other"):
        return f"sqlite:///{directory}/log.sqlite"
    name = {"postgresql": "postgres_url", "mongodb": "mongodb_url"}[kind]
    url: str = request.getfixturevalue(name)
    return url


def everything(journal: Journal) -> Any:
    return blocks_after(journal, 0, last_entry(journal), 1_000_000)


def test_what_is_written_is_found(journal: Journal, sink: Sink) -> None:
    write(journal, mixed_entries())
    sink.write(everything(journal))
    predictions = [one for block in everything(journal) for one in block.predictions()]
    assert found(sink) == expected(predictions, Search())
    assert found(sink, is_descending=True) == found(sink)[::-1]


def test_what_is_written_again_is_there_once(journal: Journal, sink: Sink) -> None:
    write(journal, mixed_entries()[:4])
    sink.write(everything(journal))
    before = found(sink)
    write(journal, mixed_entries()[4:])
    # Partly there, and twice more.
    sink.write(everything(journal))
    sink.write(everything(journal))
    assert len(found(sink)) == len({one.key for one in found(sink)}) == 45
    assert set(map(repr, before)) < set(map(repr, found(sink)))


def test_values_come_back_as_they_were(journal: Journal, sink: Sink) -> None:
    rows = [
        {"": 1.5, "a.b": -0.0, "$x": 1e308, "ümläut 🚕": 5e-324, "with\0nul": 1.0},
        {"text": 'a"b,c\n\0', "yes": True, "none": None, "n": -(2**63), "empty": ""},
        {"x": 0.1 + 0.2, "n": 2**53 + 1},
    ]
    times = np.array([1e12 + 0.5, -3.0, 0.1])
    write(journal, [entry([0.1, 0.2, 0.3], "s/ü", values=rows, timestamps=times, bundle="ö-1")])
    sink.write(everything(journal))
    predictions = found(sink)
    assert [one.values for one in predictions] == rows
    assert [one.row_timestamp for one in predictions] == times.tolist()
    assert {(one.stream_id, one.bundle) for one in predictions} == {("s/ü", "ö-1")}
    assert found(sink) == found(JournalLog(journal))


def test_much_is_written_in_parts(
    journal: Journal, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("freshet.server.prediction_log.sinks._MOST_ROWS", 10)
    monkeypatch.setattr("freshet.server.prediction_log.sinks._MOST_CELLS", 30)
    wide = entry([0.1] * 25, values=np.arange(125.0).reshape(25, 5), incarnation="wide")
    write(journal, [*mixed_entries(), wide])
    sizes = [
        (len(part), sum(len(one.values) for one in part)) for part in parts(everything(journal))
    ]
    assert sum(n_rows for n_rows, _ in sizes) == 70
    assert all(n_rows <= 10 and n_cells < 30 + 5 for n_rows, n_cells in sizes)
    sink.write(everything(journal))
    assert found(sink) == found(JournalLog(journal))


def test_times_are_kept_to_the_microsecond(journal: Journal, sink: Sink) -> None:
    write(journal, [entry([0.1], at=k / 1e6, first_index=k) for k in (3, 1, 2)])
    sink.write(everything(journal))
    assert [one.key.microseconds - MICROSECONDS for one in found(sink)] == [1, 2, 3]
    search = Search(since=MICROSECONDS + 2, until=MICROSECONDS + 3)
    assert [one.index for one in found(sink, search)] == [2]


def test_infinite_scores_are_very_large(journal: Journal, sink: Sink) -> None:
    scores = [float("inf"), 0.1, float("-inf")]
    write(journal, [entry(scores, values=np.zeros((3, 1)))])
    sink.write(everything(journal))
    largest = sys.float_info.max
    assert [one.score for one in found(sink)] == [largest, 0.1, -largest]
    assert [one.raw_score for one in found(sink)] == [largest, 1.0, -largest]
    for log in (sink, JournalLog(journal)):
        assert found(log, Search(min_score=largest)) == found(sink)[:1]


def searches() -> st.SearchStrategy[Search]:
    def maybe(*values: Any) -> st.SearchStrategy[Any]:
        return st.none() | st.sampled_from(values)

    moments = [MICROSECONDS + k for k in (0, 1, 2, 1_000_000, 1_500_000, 2_000_001, 10**10)]
    return st.builds(
        Search,
        stream_id=maybe("a", "A", "a/b", "big", "ä", "nothing"),
        prefixes=maybe((), ("a",), ("A", "b"), ("a/", "ä"), ("a%", "_"), ("",)),
        label=maybe("warmup", "normal", "anomaly"),
        mode=maybe("stream", "batch"),
        since=maybe(0, *moments),
        until=maybe(*moments, 10**16 - 1),
        min_score=maybe(-1.0, 0.1, 0.55, 0.9, 2.0),
        model_version=maybe(0, 1, 2, 3, 2**63 - 1),
        bundle=maybe("2024-05", "other"),
    )


def test_every_database_answers_alike(
    journal: Journal, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    write(journal, mixed_entries())
    logs = [open_sink(url_of(request, tmp_path, kind)) for kind in SINKS[:3]]
    for log in logs:
        log.write(everything(journal))
    predictions = [one for block in everything(journal) for one in block.predictions()]

    @settings(
        max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(searches(), st.sampled_from([1, 2, 7, 45, 1_000]), st.booleans())
    def check(search: Search, limit: int, is_descending: bool) -> None:
        wanted = expected(predictions, search)
        if is_descending:
            wanted.reverse()
        for log in (JournalLog(journal), *logs):
            answers = list(pages(log, search, limit=limit, is_descending=is_descending))
            # But for the last one, all pages are full.
            assert all(len(page.predictions) == limit for page in answers[:-1])
            assert [one for page in answers for one in page.predictions] == wanted

    check()
    for log in logs:
        log.close()


def test_old_predictions_are_deleted_part_by_part(
    journal: Journal, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("sql", "mongo"):
        monkeypatch.setattr(f"freshet.server.prediction_log.{module}._CHUNK", 4)
    write(journal, [entry([0.1], at=k, first_index=k) for k in range(25)])
    sink.write(everything(journal))
    parts = list(sink.delete_before(MICROSECONDS + 10 * 10**6))
    assert sum(parts) == 10
    assert max(parts) <= 4
    assert [one.index for one in found(sink)] == list(range(10, 25))
    assert list(sink.delete_before(MICROSECONDS)) == []


def test_the_time_of_the_newest(journal: Journal, sink: Sink) -> None:
    assert sink.oldest_of_newest(1) is None
    write(journal, [entry([0.1, 0.2], at=k, first_index=2 * k) for k in range(5)])
    sink.write(everything(journal))
    assert sink.oldest_of_newest(10) is None
    assert sink.oldest_of_newest(4) == MICROSECONDS + 3 * 10**6
    assert sink.oldest_of_newest(1) == MICROSECONDS + 4 * 10**6


def test_replicas_may_begin_at_once(
    journal: Journal, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Each makes the table if there is none; the forwarder tries again should it be too late."""
    write(journal, mixed_entries())
    for kind in ("postgresql", "mongodb"):
        url = url_of(request, tmp_path, kind)
        sinks = [open_sink(url) for _ in range(4)]
        start = threading.Barrier(len(sinks))

        def run(sink: Sink, start: threading.Barrier = start) -> None:
            start.wait()
            while True:
                try:
                    sink.write(everything(journal))
                    return
                except LogUnavailableError:
                    continue

        threads = [threading.Thread(target=run, args=[one]) for one in sinks]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found(sinks[0])) == 45
        for one in sinks:
            one.close()


def test_what_a_database_refuses_is_told_from_an_outage(
    journal: Journal, postgres_url: str
) -> None:
    sink = open_sink(postgres_url)
    write(journal, [entry([0.1], "no\0text")])
    with pytest.raises(LogRefusedError, match="u0000"):
        sink.write(everything(journal))
    assert found(sink) == []
    sink.close()


def test_a_table_that_was_dropped_is_made_again(journal: Journal, postgres_url: str) -> None:
    sink = open_sink(postgres_url)
    write(journal, mixed_entries())
    sink.write(everything(journal))
    with sa.create_engine(postgres_url).begin() as connection:
        connection.execute(sa.text("DROP TABLE predictions"))
    with pytest.raises(LogUnavailableError):
        sink.write(everything(journal))
    sink.write(everything(journal))
    assert len(found(sink)) == 45
    sink.close()


@pytest.mark.parametrize("kind", ["postgresql", "mongodb"])
def test_nothing_is_lost_while_a_database_is_away(
    journal: Journal, kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """It goes away amid the load, twice, and the predictions of that time come later, once."""
    server: Service = request.getfixturevalue(
        {"postgresql": "postgres_server", "mongodb": "ferretdb_server"}[kind]
    )
    sink = open_sink(url_of(request, tmp_path, kind))
    forwarder = Forwarder(journal, sink, batch_rows=50, first_pause=0.01, longest_pause=0.1)
    n_blocks = itertools.count()
    ends = threading.Event()

    def load() -> None:
        while not ends.is_set():
            k = next(n_blocks)
            write(journal, [entry([0.1, 0.9, 0.3], at=k, first_index=3 * k)])
            forwarder.wake()
            time.sleep(0.02)

    thread = threading.Thread(target=load)
    thread.start()
    try:
        for end in (server.stop, server.kill):
            before = forwarder.cursor
            wait_until(lambda before=before: forwarder.cursor > before)
            end()
            wait_until(lambda: forwarder.lag.error is not None and forwarder.lag.n_rows > 100)
            assert forwarder.lag.seconds > 0
            assert forwarder.lag.n_bytes > 0
            server.start()
        wait_until(lambda: forwarder.lag.error is None)
    finally:
        ends.set()
        thread.join()
        forwarder.wake()
    wait_until(lambda: forwarder.lag.n_rows == 0 and forwarder.cursor == last_entry(journal))
    forwarder.close(10)
    predictions = found(sink, limit=1_000_000)
    assert predictions == found(JournalLog(journal))
    assert len(predictions) == 3 * next(n_blocks)
    sink.close()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_service_starts_while_its_database_is_away(journal: Journal) -> None:
    for url in (
        f"mongodb://127.0.0.1:{free_port()}/x?serverSelectionTimeoutMS=50",
        f"postgresql+psycopg://u:p@127.0.0.1:{free_port()}/x",
    ):
        sink = open_sink(url)
        with pytest.raises(LogUnavailableError) as caught:
            sink.find(Search(), None, 10, is_descending=False)
        assert caught.value.id == "log_unavailable"
        sink.close()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://me:s3cr%40t@127.0.0.1:1/db",
        "mongodb://me:s3cr%40t@127.0.0.1:1/db?serverSelectionTimeoutMS=50",
        "postgresql+psycopg://127.0.0.1:1/db?user=me&password=s3cr%40t",
        "nothing://me:s3cr%40t@host/db",
        "mongodb://me:s3cr%40t@host:port/db",
        "mongodb://me:s3cr%40t@host/db?tls=maybe",
        "postgresql+psycopg://me:s3cr%40t@host:port/db",
        "postgresql+nodriver://me:s3cr%40t@host/db",
        "oracle://me:s3cr%40t@host/db",
    ],
)
def test_passwords_are_told_to_nobody(journal: Journal, url: str) -> None:
    write(journal, mixed_entries())

    def use() -> None:
        sink = open_sink(url)
        assert "s3cr" not in sink.name
        sink.write(everything(journal))

    with pytest.raises((ConfigurationError, LogUnavailableError)) as caught:
        use()
    for secret in ("s3cr@t", "s3cr%40t"):
        assert secret not in str(caught.value)
        assert secret not in repr(caught.value.__cause__)


def test_what_is_missing_is_named() -> None:
    with pytest.raises(ConfigurationError, match="oracledb") as caught:
        open_sink("oracle://host/db")
    assert caught.value.expected == "pip install oracledb"
    assert caught.value.id == "package_missing"
    assert caught.value.field == "log"
