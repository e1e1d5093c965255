"""What buffers keep survives whatever happens to the process; memory is bounded; threads agree."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
import threading

import pytest
from buffers_testing import (
    NAMES,
    SERIES,
    ask,
    assert_like,
    buffers_of,
    get,
    named,
    open_buffers,
    post,
    refused,
    vars_of,
    with_polars,
)
from freshet.server.buffers import Buffers, FeatureSelection
from freshet.server.buffers.store import SqliteBufferStore
from freshet.server.engine.changes import StoreError
from freshet.server.problems import Problem

# ---- memory ----


def test_the_memory_of_all_buffers_is_bounded(tmp_path):
    with buffers_of(tmp_path / "b.sqlite", max_bytes=100_000) as buffers:
        buffers.create("a", 1_000)
        buffers.create("b", 1_000)

        def fill():
            for _ in range(100):
                buffers.append("a", SERIES.tolist())
                buffers.append("b", [{"t": "x" * 100}] * 50)

        with pytest.raises(Problem) as caught:
            fill()
        assert (caught.value.status, caught.value.id) == (429, "buffers_full")
        total = sum(one["memory_bytes"] for one in buffers.all_stats())
        assert total <= 100_000
        full = buffers.stats("b")["size"]
        buffers.delete("a")
        buffers.append("b", [{"t": "x"}])
        assert buffers.stats("b")["size"] == full + 1
        buffers.clear("b")
        buffers.append("b", [{"t": "x" * 4000}] * 20)
    with buffers_of(tmp_path / "b.sqlite", max_bytes=100_000) as again, pytest.raises(Problem):
        again.append("b", [{"t": "x" * 4000}] * 20)


def test_the_memory_of_a_buffer_does_not_grow_for_ever(tmp_path):
    with buffers_of(tmp_path / "b.sqlite") as buffers:
        buffers.create("b", 100)
        sizes = []
        for i in range(40):
            buffers.append("b", [{"x": i, "t": f"{i}-{j}"} for j in range(37)])
            sizes.append(buffers.stats("b")["memory_bytes"])
        assert max(sizes[20:]) <= max(sizes[:20]) + 200
        table = buffers.table("b", None)
    expected = [f"{i}-{j}" for i in range(40) for j in range(37)][-100:]
    assert [row["t"] for row in table.rows] == expected
    assert [row["x"] for row in table.rows] == [float(t.split("-")[0]) for t in expected]


# ---- the store ----


def test_what_was_appended_survives_without_a_farewell(tmp_path):
    path = tmp_path / "b.sqlite"
    buffers = open_buffers(path)
    buffers.create("numbers", 50)
    buffers.create("mixed", 10)
    buffers.create("empty", 10)
    buffers.create("gone", 10)
    buffers.append("gone", [[1]])
    for start in range(0, 130, 13):
        buffers.append("numbers", named(SERIES[start : start + 13]))
        buffers.append("mixed", [{"t": f"{start}", "x": start}])
    buffers.append("numbers", SERIES[130:230].tolist())  # more than are kept
    buffers.append("numbers", SERIES[230:240].tolist())
    buffers.delete("gone")
    expected = {one: buffers.table(one, None, FeatureSelection()) for one in ("numbers", "mixed")}
    stats = buffers.all_stats()
    # Not closed: as after the death of the process.
    with buffers_of(path) as again:
        assert {one: again.table(one, None, FeatureSelection()) for one in expected} == expected
        untimed = ("memory_bytes", "avg_append_ms")
        for ours, theirs in zip(again.all_stats(), stats, strict=True):
            assert {k: v for k, v in ours.items() if k not in untimed} == {
                k: v for k, v in theirs.items() if k not in untimed
            }
        again.append("numbers", named(SERIES[240:241]))
        frame = with_polars(SERIES[191:241], NAMES, *vars_of(FeatureSelection()))
        assert_like(again.table("numbers", None, FeatureSelection()), frame)
    buffers.close()


def test_a_killed_process_has_lost_nothing_that_it_acknowledged(tmp_path):
    code = """
import itertools, pathlib, sys
from freshet.server.buffers import Buffers
from freshet.server.buffers.store import SqliteBufferStore

store = SqliteBufferStore(pathlib.Path(sys.argv[1]))
buffers = Buffers(store, max_buffers=1, max_columns=9, max_bytes=2**20)
buffers.create("b", 50)
for i in itertools.count():
    buffers.append("b", [{"i": i, "text": f"row {i}"}] * (i % 3 + 1))
    print(i, flush=True)
"""
    path = tmp_path / "b.sqlite"
    command = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        lines = [process.stdout.readline() for _ in range(120)]
        process.kill()
        acknowledged = int("".join([*lines, process.stdout.read()]).split()[-1])
    with buffers_of(path) as buffers:
        rows = buffers.table("b", None).rows
        n_appends = buffers.stats("b")["append_count"]
    # What it was about to acknowledge may be there too.
    assert n_appends in (acknowledged + 1, acknowledged + 2)
    every = [i for i in range(n_appends) for _ in range(i % 3 + 1)]
    assert rows == [{"i": float(i), "text": f"row {i}"} for i in every[-50:]]


def test_rows_that_are_no_longer_kept_leave_the_store(tmp_path):
    path = tmp_path / "b.sqlite"
    with buffers_of(path) as buffers:
        buffers.create("b", 10)
        for i in range(35):
            buffers.append("b", [{"x": i}])
        buffers.append("b", [{"x": i} for i in range(35, 95)])
        with contextlib.closing(sqlite3.connect(path)) as connection:
            found = connection.execute("SELECT first_row, end_row FROM blocks").fetchall()
        assert found == [(85, 95)]
        buffers.clear("b")
        with contextlib.closing(sqlite3.connect(path)) as connection:
            assert connection.execute("SELECT count(*) FROM blocks").fetchone() == (0,)
    with buffers_of(path) as buffers:
        assert buffers.stats("b")["columns"] == []


class Failing(SqliteBufferStore):
    """A store whose disk is full when it is told so."""

    is_full = False

    def _write(self, *statements):
        if self.is_full:
            raise StoreError("the disk is full", id="store_unavailable")
        super()._write(*statements)


def test_what_cannot_be_stored_has_not_happened(tmp_path):
    store = Failing(tmp_path / "b.sqlite")
    buffers = Buffers(store, max_buffers=2, max_columns=10, max_bytes=2**20)
    buffers.create("b", 10)
    buffers.append("b", [[1]])
    before = buffers.all_stats()
    store.is_full = True
    for attempt in (
        lambda: buffers.append("b", [[2]]),
        lambda: buffers.create("c", 10),
        lambda: buffers.clear("b"),
        lambda: buffers.delete("b"),
    ):
        with pytest.raises(StoreError):
            attempt()
        assert buffers.all_stats() == before
    store.is_full = False
    buffers.create("c", 10)
    buffers.append("b", [[3]])
    assert [row["f0"] for row in buffers.table("b", None).rows] == [1.0, 3.0]
    buffers.close()


def test_a_store_that_is_locked_is_told_as_503(tmp_path, monkeypatch):
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: connect(*a, **k | {"timeout": 0.05}))

    async def question(client):
        await post(client, "buffers", buffer_id="b")
        with contextlib.closing(connect(tmp_path / "buffers.sqlite")) as other:
            other.execute("BEGIN IMMEDIATE")
            problem = await refused(client, "append", status=503, buffer_id="b", data={"x": 1})
            assert problem["id"] == "store_unavailable"
            other.rollback()
        await post(client, "append", buffer_id="b", data={"x": 2})
        assert (await get(client, "buffers/b/data"))["data"] == [{"x": 2.0}]

    ask(tmp_path, question)


def test_a_file_that_is_none_of_buffers_is_refused(tmp_path):
    path = tmp_path / "b.sqlite"
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(StoreError, match="cannot be opened"):
        open_buffers(path)
    path.unlink()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 2")
    with pytest.raises(StoreError, match="of format 2"):
        open_buffers(path)


# ---- threads ----


def test_many_threads_lose_no_row(tmp_path):
    n_threads, n_appends = 8, 40
    with buffers_of(tmp_path / "b.sqlite") as buffers:
        for name in ("shared", *(f"own-{i}" for i in range(n_threads))):
            buffers.create(name, 1_000)
        failures = []

        def use(number):
            try:
                for i in range(n_appends):
                    buffers.append("shared", [{"thread": number, "i": i}])
                    buffers.append(f"own-{number}", [{"i": i}])
                    table = buffers.table(f"own-{number}", 2, FeatureSelection((3,)))
                    assert table.rows[-1]["i"] == i
                    buffers.table("shared", 5, FeatureSelection())
            except Exception as error:
                failures.append(error)

        threads = [threading.Thread(target=use, args=(number,)) for number in range(n_threads)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures
        rows = buffers.table("shared", None).rows
    with buffers_of(tmp_path / "b.sqlite") as buffers:
        assert buffers.table("shared", None).rows == rows
    for number in range(n_threads):
        assert [row["i"] for row in rows if row["thread"] == number] == list(range(n_appends))


def test_buffers_come_and_go_while_they_are_used(tmp_path):
    with buffers_of(tmp_path / "b.sqlite") as buffers:
        failures = []

        def use(number):
            for i in range(60):
                try:
                    call, *arguments = (
                        (buffers.create, "b", 10),
                        (buffers.append, "b", [{"x": i}]),
                        (buffers.delete, "b"),
                        (buffers.clear, "b"),
                        (buffers.all_stats,),
                    )[(i * 7 + number) % 5]
                    call(*arguments)
                except Problem as problem:
                    if problem.status not in (404, 409):
                        failures.append(problem)
                except Exception as error:
                    failures.append(error)

        threads = [threading.Thread(target=use, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures
        names = [one["buffer_id"] for one in buffers.all_stats()]
        tables = [buffers.table(name, None) for name in names]
    with buffers_of(tmp_path / "b.sqlite") as buffers:
        assert [one["buffer_id"] for one in buffers.all_stats()] == names
        assert [buffers.table(name, None) for name in names] == tables
