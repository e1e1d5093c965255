"""Many streams by id."""

from __future__ import annotations

from typing import Any

import freshet
import numpy as np
import pytest
from freshet import DetectorPool, StreamingDetector
from freshet_testing import same, stream

X = stream(300)
SETTINGS: dict[str, Any] = {"min_samples": 50, "retrain_interval": 60, "retrain": "inline"}


def test_streams_are_detectors_of_their_own() -> None:
    pool = DetectorPool("hbos", **SETTINGS)
    alone = StreamingDetector("hbos", **SETTINGS)
    expected = alone.process_many(X)
    for i, row in enumerate(X):
        assert pool.process("a", row) == expected[i]
        pool.process("b", row[:2])
    assert same(pool.process_many("c", X), expected)
    assert sorted(pool.stream_ids) == sorted(pool) == ["a", "b", "c"]
    assert len(pool) == 3
    assert "a" in pool
    assert "d" not in pool
    assert 5 not in pool
    assert repr(pool) == "<DetectorPool of 3 streams>"
    assert pool.stats("a") == pool.stats("c") or pool.stats("a").total_processed == 300
    assert pool.score("a", X[0]).score == alone.score(X[0]).score
    assert pool.explain("c", X[0]) == alone.explain(X[0])
    assert pool.explain("c", X[0]).by_feature == alone.explain(X[0]).by_feature


def test_rows_by_name_and_time() -> None:
    pool = DetectorPool(**SETTINGS)
    pool.process("a", {"x": 1.0, "y": 2.0}, 10)
    pool.process("b", {"u": 1.0}, 5)
    pool.process_many("a", [{"y": 2.0, "x": 1.0}], [11])
    with pytest.raises(freshet.DataError):
        pool.process("a", {"x": 1.0, "u": 2.0}, 12)
    with pytest.raises(freshet.DataError):
        pool.process("a", {"x": 1.0, "y": 2.0}, 9)
    assert pool.stats("a").total_processed == 2


def test_columns_of_all_streams() -> None:
    pool = DetectorPool(columns=["x", "y"], **SETTINGS)
    pool.process("a", [1.0, 2.0])
    with pytest.raises(freshet.DataError) as caught:
        pool.process("b", {"x": 1.0, "z": 1.0})
    assert caught.value.id == "column_unknown"
    assert "b" not in pool


def test_a_stream_whose_first_row_is_refused_is_not_made() -> None:
    pool = DetectorPool(**SETTINGS)
    for row in ([float("nan")], [], {"a": "b"}):
        with pytest.raises(freshet.DataError):
            pool.process("a", row)
        with pytest.raises(freshet.DataError):
            pool.process_many("a", [row])
    assert len(pool) == 0


def test_refused_rows_leave_no_trace() -> None:
    pool = DetectorPool(**SETTINGS)
    pool.process_many("a", X[:70])
    before = pool.snapshot("a")
    for rows in (X[:3, :2], [[1.0, 2.0, float("inf")]], []):
        with pytest.raises(freshet.DataError):
            pool.process_many("a", rows)
    with pytest.raises(freshet.DataError):
        pool.process("a", [1.0, 2.0, float("inf")])
    assert pool.snapshot("a") == before


def test_unknown_streams() -> None:
    pool = DetectorPool()
    calls = [
        lambda: pool.score("a", [1.0]),
        lambda: pool.explain("a", [1.0]),
        lambda: pool.stats("a"),
        lambda: pool.reset("a"),
        lambda: pool.remove("a"),
        lambda: pool.retrain("a"),
        lambda: pool.wait("a"),
        lambda: pool.snapshot("a"),
    ]
    for call in calls:
        with pytest.raises(freshet.UnknownStreamError) as caught:
            call()
        assert '"a"' in str(caught.value)
    pool.wait()


def test_reset_remove_and_retrain() -> None:
    pool = DetectorPool(**SETTINGS)
    pool.process_many("a", X[:100])
    pool.retrain("a")
    assert pool.stats("a").model_version == 2
    pool.reset("a")
    assert pool.stats("a").total_processed == 0
    pool.process("a", X[0])
    pool.remove("a")
    assert "a" not in pool
    pool.process("a", [1.0])  # a new stream, with columns of its own
    assert pool.stats("a").total_processed == 1


def test_snapshots_move_between_pools_and_detectors() -> None:
    pool, other = DetectorPool(**SETTINGS), DetectorPool(**SETTINGS)
    pool.process_many("a", X[:100])
    data = pool.snapshot("a")
    other.process("b", [1.0])
    other.restore("b", data)
    alone = StreamingDetector.restore(data)
    expected = pool.process_many("a", X[100:])
    assert same(other.process_many("b", X[100:]), expected)
    assert same(alone.process_many(X[100:]), expected)
    with pytest.raises(freshet.SnapshotError):
        other.restore("b", data[:-1])
    assert other.stats("b").total_processed == 300


def test_waiting_for_all_streams() -> None:
    pool = DetectorPool(min_samples=20, retrain_interval=20)
    for stream_id in "abcd":
        pool.process_many(stream_id, X[:200])
        pool.retrain(stream_id)
    pool.wait()
    assert {pool.stats(one).status for one in pool} == {"ready"}
    assert min(pool.stats(one).model_version for one in pool) >= 2


def test_ids_are_any_strings() -> None:
    pool = DetectorPool()
    for stream_id in ("", "ü", "a\0b", "x" * 10_000, "🌊"):
        pool.process(stream_id, np.zeros(2))
        assert stream_id in pool
    assert len(pool) == 5
    with pytest.raises(TypeError):
        pool.process(5, [1.0])  # type: ignore[arg-type]
