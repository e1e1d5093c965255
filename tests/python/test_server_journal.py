"""The journal: what is written is there, all or nothing, and damage is seen."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from freshet import __version__
from freshet.server.engine.changes import (
    Cursor,
    Entry,
    ModelBytes,
    Removal,
    SnapshotBytes,
    StoreError,
    StreamInfo,
)
from freshet.server.engine.events import Abandon, Create, Publish, Reset, Rows, decode, encode
from freshet.server.engine.journal import Journal
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp


@pytest.fixture
def journal(tmp_path: Path):
    opened = Journal(tmp_path / "journal.sqlite")
    yield opened
    opened.close()


def entry(sequence: int, event=None, *, stream_id: str = "pump", model: str | None = None) -> Entry:
    event = event or Rows(np.full((1, 2), float(sequence)), ["a", "b"])
    return Entry(stream_id, "one", sequence, event.kind, encode(event), model=model)


def snapshot(sequence: int, data: bytes = b"state", stream_id: str = "pump") -> SnapshotBytes:
    return SnapshotBytes(stream_id, "one", sequence, data, {"settings": {"backend": "ecod"}})


def begun(stream_id: str = "pump") -> StreamInfo:
    return StreamInfo(stream_id, "one", 0, {"settings": {"backend": "ecod"}})


class TestEvents:
    @given(
        values=hnp.arrays(
            np.float64, st.tuples(st.integers(1, 5), st.integers(1, 4)), elements=st.floats()
        ),
        with_times=st.booleans(),
        received_at=st.floats(0, 2e9),
    )
    def test_rows_come_back_to_the_bit(self, values, with_times, received_at) -> None:
        times = np.arange(len(values), dtype=float) if with_times else None
        columns = [f"ä{i}" for i in range(values.shape[1])]
        back = decode(encode(Rows(values, columns, times, received_at)))
        assert isinstance(back, Rows)
        assert isinstance(back.values, np.ndarray)
        assert back.values.tobytes() == values.tobytes()
        assert back.values.shape == values.shape
        assert back.columns == columns
        assert back.received_at == received_at
        assert (back.timestamps is None) == (times is None)
        if times is not None:
            np.testing.assert_array_equal(back.timestamps, times)

    @pytest.mark.parametrize(
        "event",
        [
            Create({"backend": "hbos", "rolling_windows": [5]}, "digest", "v1"),
            Publish(7, "digest", None),
            Publish(7, "digest", "bundle-2"),
            Abandon(3, "why"),
            Reset(),
            Rows([{"a": "x", "b": True, "c": 1.5}], None, None, 2.0),
        ],
    )
    def test_others_come_back(self, event) -> None:
        assert decode(encode(event)) == event

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"\xff\xff\xff\xff{}",
            encode(Rows(np.zeros((2, 2)), None))[:-8],
            encode(Reset()).replace(b"reset", b"rusty"),
        ],
    )
    def test_other_bytes_are_refused(self, data: bytes) -> None:
        with pytest.raises(ValueError, match=r"no event|JSON|unexpected"):
            decode(data)


class TestWriting:
    def test_events_are_read_in_order_from_a_place(self, journal: Journal) -> None:
        journal.write([begun(), *(entry(i) for i in range(1, 6)), entry(9, stream_id="other")])
        found = list(journal.events("pump", "one", after=2))
        assert [sequence for sequence, _ in found] == [3, 4, 5]
        assert all(isinstance(event, Rows) for _, event in found)
        assert list(journal.events("pump", "another", after=0)) == []

    def test_all_or_nothing(self, journal: Journal) -> None:
        journal.write([begun(), entry(1)])
        with pytest.raises(StoreError):
            journal.write([entry(2), ModelBytes("d", object())])  # type: ignore[arg-type]
        assert [sequence for sequence, _ in journal.events("pump", "one", 0)] == [1]
        journal.write([entry(2)])
        assert [sequence for sequence, _ in journal.events("pump", "one", 0)] == [1, 2]

    @pytest.mark.parametrize("n", [2, 64, 65, 130])
    def test_entries_alone_are_all_or_nothing_too(self, journal: Journal, n: int) -> None:
        journal.write([entry(i) for i in range(1, n + 1)])
        broken = entry(2 * n)._replace(kind=None)
        with pytest.raises(StoreError):
            journal.write([*(entry(i) for i in range(n + 1, 2 * n)), broken])
        assert [sequence for sequence, _ in journal.events("pump", "one", 0)] == [*range(1, n + 1)]

    def test_a_full_disk_is_told_and_changes_nothing(self, journal: Journal) -> None:
        journal.write([begun(), entry(1)])
        (n_pages,) = journal._writer.execute("PRAGMA page_count").fetchone()
        journal._writer.execute(f"PRAGMA max_page_count = {n_pages}")
        with pytest.raises(StoreError, match="full"):
            journal.write([begun(), snapshot(1, b"x" * 100_000)])
        journal._writer.execute("PRAGMA max_page_count = 1000000")
        journal.write([entry(2)])
        assert [sequence for sequence, _ in journal.events("pump", "one", 0)] == [1, 2]

    def test_a_place_is_taken_once(self, journal: Journal) -> None:
        journal.write([begun(), entry(1)])
        with pytest.raises(StoreError):
            journal.write([entry(2), entry(1)])
        assert [sequence for sequence, _ in journal.events("pump", "one", 0)] == [1]

    def test_what_is_written_outlives_a_process_that_is_killed(self, tmp_path: Path) -> None:
        script = """
import os, sys, signal
from pathlib import Path
from test_server_journal import Journal, begun, entry
journal = Journal(Path(sys.argv[1]))
journal.write([begun(), entry(1)])
journal.write([entry(2)])
os.kill(os.getpid(), signal.SIGKILL)
"""
        path = tmp_path / "journal.sqlite"
        here = str(Path(__file__).parent)
        ended = subprocess.run(
            [sys.executable, "-c", script, str(path)], cwd=here, env={"PYTHONPATH": here}
        )
        assert ended.returncode == -9
        journal = Journal(path)
        assert [sequence for sequence, _ in journal.events("pump", "one", 0)] == [1, 2]
        journal.close()

    def test_is_of_one_process_at_a_time(self, journal: Journal) -> None:
        with pytest.raises(StoreError, match="in use") as caught:
            Journal(journal.path)
        assert caught.value.id == "store_in_use"
        assert caught.value.field == "data_dir"

    def test_a_file_that_is_no_database_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "journal.sqlite"
        path.write_bytes(b"no database at all" * 100)
        with pytest.raises(StoreError, match="cannot be opened"):
            Journal(path)

    def test_cursors(self, journal: Journal) -> None:
        assert journal.cursor("sink") == 0
        journal.write([Cursor("sink", 17)])
        journal.write([Cursor("sink", 18)])
        assert journal.cursor("sink") == 18
        assert journal.cursor("another") == 0


class TestSnapshots:
    def test_the_newest_comes_first_with_what_is_told_about_it(self, journal: Journal) -> None:
        journal.write([begun(), entry(1), snapshot(1, b"first"), entry(2), snapshot(2, b"second")])
        recovery = journal.recovery("pump")
        assert recovery is not None
        assert recovery.incarnation == "one"
        assert [(one.sequence, one.data) for one in recovery.snapshots] == [
            (2, b"second"),
            (1, b"first"),
        ]
        assert all(one.is_intact for one in recovery.snapshots)
        assert recovery.snapshots[0].info == {"settings": {"backend": "ecod"}}
        assert journal.recovery("nobody") is None

    def test_two_are_kept_and_the_events_that_the_older_needs(self, journal: Journal) -> None:
        publish = Publish(2, "model-1", None)
        journal.write([begun(), ModelBytes("model-1", b"m1"), ModelBytes("model-2", b"m2")])
        journal.write([entry(1), entry(2, publish, model="model-1"), snapshot(2)])
        journal.write([entry(3, Publish(3, "model-2", None), model="model-2"), snapshot(3)])
        journal.models.sweep()
        assert journal.models.get("model-1") is None
        assert journal.models.get("model-2") == b"m2"
        assert [s for s, _ in journal.events("pump", "one", 0)] == [1, 3]  # rows are predictions
        journal.write([entry(4), snapshot(4)])
        recovery = journal.recovery("pump")
        assert recovery is not None
        assert [one.sequence for one in recovery.snapshots] == [4, 3]
        journal.models.sweep()
        assert journal.models.get("model-2") is None

    def test_a_model_that_another_stream_needs_stays(self, journal: Journal) -> None:
        publish = Publish(2, "model", None)
        journal.write([begun(), begun("other"), ModelBytes("model", b"m")])
        journal.write([entry(1, publish, model="model")])
        journal.write([entry(1, publish, model="model", stream_id="other")])
        journal.write([snapshot(1), snapshot(2)])
        journal.models.sweep()
        assert journal.models.get("model") == b"m"
        journal.write([Removal("other", "one")])
        journal.models.sweep()
        assert journal.models.get("model") is None

    def test_a_model_that_is_needed_again_at_once_stays(self, journal: Journal) -> None:
        publish = Publish(2, "model", None)
        model = ModelBytes("model", b"m")
        journal.write([begun(), model, entry(1, publish, model="model"), snapshot(1)])
        journal.write([entry(2), snapshot(2), model, entry(3, publish, model="model")])
        journal.models.sweep()
        assert journal.models.get("model") == b"m"

    @pytest.mark.parametrize("write", ["put", "expect"])
    def test_a_model_that_comes_again_before_it_is_deleted_stays(
        self, journal: Journal, write: str
    ) -> None:
        journal.write([ModelBytes("model", b"m"), ModelBytes("old", b"o")])
        journal.models.forget(["model", "old"])
        again = ModelBytes("model", b"m")
        if write == "put":
            journal.models.put(again)
        else:
            journal.models.expect([again])
        del again
        journal.models.sweep()
        assert journal.models.digests() == ["model"]

    def test_models_that_cannot_be_deleted_are_deleted_later(self, journal: Journal) -> None:
        names = [f"model-{i}" for i in range(40)]  # more than go at once
        journal.write([ModelBytes(name, b"m") for name in names])
        journal.models.forget(names)
        with sqlite3.connect(journal.path.with_name("models.sqlite")) as other:
            other.execute(
                "CREATE TRIGGER stay BEFORE DELETE ON models WHEN old.digest = 'model-20'"
                " BEGIN SELECT RAISE(ABORT, 'not now'); END"
            )
        with pytest.raises(StoreError, match="not now"):
            journal.models.sweep()
        assert "model-20" in journal.models.digests()
        with sqlite3.connect(journal.path.with_name("models.sqlite")) as other:
            other.execute("DROP TRIGGER stay")
        journal.models.sweep()
        assert journal.models.digests() == []

    def test_what_a_snapshot_takes_does_not_depend_on_the_rows_before_it(
        self, journal: Journal
    ) -> None:
        journal.write([begun()])
        steps = 0

        def step() -> int:
            nonlocal steps
            steps += 1
            return 0

        def steps_of_snapshot(sequence: int) -> int:
            nonlocal steps
            steps = 0
            journal._writer.set_progress_handler(step, 1)
            journal.write([snapshot(sequence)])
            journal._writer.set_progress_handler(None, 1)
            return steps

        def publish_and_keep(sequence: int) -> int:
            publish = Publish(sequence, f"model-{sequence}", None)
            journal.write([entry(sequence, publish, model=publish.model)])
            return steps_of_snapshot(sequence)

        publish_and_keep(1)
        publish_and_keep(2)
        few = publish_and_keep(3)
        journal.write([entry(i) for i in range(4, 1004)])
        publish_and_keep(1004)
        assert publish_and_keep(1005) <= few + 50

    def test_a_model_whose_event_is_on_its_way_stays(self, journal: Journal) -> None:
        publish = Publish(2, "model", None)
        model = ModelBytes("model", b"m")
        journal.models.expect([model])
        journal.write([begun(), entry(1, publish, model="model"), snapshot(1)])
        journal.write([entry(2), snapshot(2), entry(3), snapshot(3)])
        journal.models.sweep()
        assert journal.models.get("model") == b"m"
        # Of two that are the same, each counts.
        other = ModelBytes("model", b"m")
        assert not journal.models.is_expected(other)
        journal.models.expect([other])
        del model
        with pytest.raises(StoreError):
            journal.write([entry(4, publish, model="model"), entry(5)._replace(kind=None)])
        journal.write([entry(4), snapshot(4)])
        journal.models.sweep()
        assert journal.models.get("model") == b"m"
        assert journal.models.is_expected(other)
        journal.write([entry(5, publish, model="model")])
        del other
        journal.write([entry(6), snapshot(6), entry(7), snapshot(7)])
        journal.models.sweep()
        assert journal.models.get("model") is None

    def test_what_is_not_written_forgets_no_model(self, journal: Journal) -> None:
        publish = Publish(2, "model", None)
        journal.write([begun(), ModelBytes("model", b"m"), entry(1, publish, model="model")])
        broken = entry(2)._replace(kind=None)
        with pytest.raises(StoreError):
            journal.write([snapshot(1), snapshot(2), broken])
        journal.models.sweep()
        assert journal.models.get("model") == b"m"

    def test_what_was_written_stays_if_its_old_models_cannot_go(
        self, journal: Journal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def failing(digests: Iterable[str]) -> None:
            raise StoreError(f"no room for {list(digests)}", id="store_unavailable")

        publish = Publish(2, "model", None)
        journal.write([begun(), ModelBytes("model", b"m"), entry(1, publish, model="model")])
        monkeypatch.setattr(journal.models, "forget", failing)
        journal.write([entry(2), snapshot(2), entry(3), snapshot(3)])
        assert [s for s, _ in journal.events("pump", "one", 0)] == [2, 3]
        journal.close()
        again = Journal(journal.path)
        assert again.models.digests() == []
        again.close()

    @pytest.mark.parametrize("column", ["data", "info"])
    def test_damage_is_seen(self, journal: Journal, column: str) -> None:
        journal.write([begun(), snapshot(1, b"0123456789")])
        damage = b'{"settings": {"backend": "hbos"}}' if column == "info" else b"0123456780"
        with sqlite3.connect(journal.path) as connection:
            connection.execute(f"UPDATE snapshots SET {column} = ?", (damage,))
        recovery = journal.recovery("pump")
        assert recovery is not None
        assert [one.is_intact for one in recovery.snapshots] == [False]

    def test_a_damaged_one_is_put_aside(self, journal: Journal) -> None:
        journal.write([begun(), snapshot(1, b"good"), snapshot(2, b"bad")])
        journal.quarantine("pump", "one", 2, "its checksum does not match")
        recovery = journal.recovery("pump")
        assert recovery is not None
        assert [one.sequence for one in recovery.snapshots] == [1]
        aside = journal.query("SELECT sequence, reason, data FROM quarantine")
        assert aside == [(2, "its checksum does not match", b"bad")]

    def test_carry_the_version_of_the_library(self, journal: Journal) -> None:
        journal.write([begun(), snapshot(1)])
        assert journal.query("SELECT library_version FROM snapshots") == [(__version__,)]


def test_a_model_whose_event_never_came_is_forgotten_at_the_start(tmp_path: Path) -> None:
    first = Journal(tmp_path / "freshet.sqlite")
    first.write([begun(), ModelBytes("used", b"u")])
    first.write([entry(1, Publish(2, "used", None), model="used")])
    first.models.put(ModelBytes("never", b"n"))
    first.close()
    second = Journal(tmp_path / "freshet.sqlite")
    assert second.models.digests() == ["used"]
    second.close()


def test_a_removed_stream_is_gone_but_for_its_predictions(journal: Journal) -> None:
    journal.write([begun(), entry(1), entry(2, Reset()), snapshot(2)])
    journal.write([Removal("pump", "one")])
    assert journal.recovery("pump") is None
    assert journal.streams() == []
    assert journal.query("SELECT kind FROM journal") == [("rows",)]


def test_streams_are_told_with_their_last_event(journal: Journal) -> None:
    journal.write([begun(), entry(1), entry(2), begun("other")])
    assert {one.stream_id: one.sequence for one in journal.streams()} == {"pump": 2, "other": 0}
