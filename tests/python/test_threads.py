"""Many threads at once, and what the module does without holding Python up."""

from __future__ import annotations

import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import freshet
import numpy as np
import pytest
from freshet import DetectorPool, StreamingDetector
from freshet_testing import stream

N_THREADS = 8
X = stream(4000)


def in_threads(work: Callable[[int], Any]) -> list[Any]:
    """Calls `work(0)`, `work(1)`, … at once."""
    start = threading.Barrier(N_THREADS)

    def begin(i: int) -> Any:
        start.wait()
        return work(i)

    with ThreadPoolExecutor(N_THREADS) as threads:
        return list(threads.map(begin, range(N_THREADS)))


@pytest.mark.parametrize("retrain", ["background", "inline"])
def test_one_detector_in_many_threads(retrain: str) -> None:
    detector = StreamingDetector(
        columns=["a", "b", "c"],
        min_samples=20,
        retrain_interval=25,
        window_size=200,
        rolling_windows=[5],
        retrain=retrain,
    )
    detector.process_many(X[:50])

    def work(i: int) -> list[int]:
        indices = []
        for k, row in enumerate(X[i * 400 : (i + 1) * 400]):
            if k % 7 == 0:
                indices += detector.process_many(X[k : k + 3]).index.tolist()
            result = detector.process(row if k % 2 else dict(zip("abc", row, strict=True)))
            assert result.score is not None
            assert 0.0 <= result.score <= 1.0
            indices.append(result.index)
            if k % 50 == i:
                assert sum(detector.explain(row).values()) > 0.0
                assert detector.score(row).score >= 0.0
                assert detector.stats().is_ready
                StreamingDetector.restore(detector.snapshot())
            if k % 100 == i:
                detector.wait()
            if k % 130 == i:
                detector.retrain()
        return indices

    indices = np.concatenate(in_threads(work))
    detector.wait()
    stats = detector.stats()
    # Every row was processed once, none was lost.
    np.testing.assert_array_equal(np.sort(indices), np.arange(50, stats.total_processed))
    assert stats.model_version > 3
    assert stats.failed_retrains == 0


def test_first_rows_that_name_the_columns_differently() -> None:
    for _ in range(20):
        detector = StreamingDetector()

        def work(i: int, detector: StreamingDetector = detector) -> bool:
            try:
                detector.process({f"x{i % 2}": 1.0})
            except freshet.DataError:
                return False
            return True

        accepted = in_threads(work)
        assert detector.columns in (("x0",), ("x1",))
        assert sum(accepted) == detector.stats().total_processed == N_THREADS // 2


def test_a_pool_in_many_threads() -> None:
    pool = DetectorPool(min_samples=20, retrain_interval=25, window_size=100)

    def work(i: int) -> None:
        for k, row in enumerate(X[:600]):
            pool.process("shared", row)
            pool.process(f"own-{i}", {"a": row[0], "b": row[1]})
            if k % 40 == 0:
                pool.process(f"brief-{i}-{k}", row)
                pool.remove(f"brief-{i}-{k}")
                assert "shared" in pool
                assert len(pool) >= 2
                pool.restore(f"copy-{i}", pool.snapshot("shared"))
                pool.wait()
            if pool.stats(f"own-{i}").is_ready:
                pool.explain(f"own-{i}", {"b": 1.0, "a": 0.0})

    in_threads(work)
    pool.wait()
    assert pool.stats("shared").total_processed == N_THREADS * 600
    assert len(pool) == 1 + 2 * N_THREADS
    # The streams do not influence each other.
    alone = DetectorPool(min_samples=20, retrain_interval=25, window_size=100, retrain="inline")
    alone.process_many("own", X[:600, :2])
    for i in range(N_THREADS):
        assert pool.stats(f"own-{i}").total_processed == 600


def test_many_detectors_share_the_training_threads() -> None:
    def work(i: int) -> int:
        detector = StreamingDetector(min_samples=20, retrain_interval=10, window_size=50)
        for row in X[:500]:
            detector.process(row)
        detector.wait()
        return detector.stats().model_version

    assert min(in_threads(work)) > 1


def test_estimators_in_many_threads() -> None:
    model = freshet.ECOD().fit(X)
    expected = model.decision_function(X)
    for scores in in_threads(lambda i: model.decision_function(X)):
        np.testing.assert_array_equal(scores, expected)


# ---- the GIL ----


@pytest.fixture
def only_if_released() -> Iterator[Callable[[Callable[[], Any]], bool]]:
    """Tells whether another thread gets to run during a call, which is only if the call lets it.

    The interpreter itself takes the GIL from a thread only after the switch interval.
    """
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000.0)

    def probe(call: Callable[[], Any]) -> bool:
        # A lock and not an Event, whose set() would itself give the other thread a turn.
        go = threading.Lock()
        go.acquire()
        ran: list[bool] = []

        def other() -> None:
            with go:
                ran.append(True)

        thread = threading.Thread(target=other)
        thread.start()
        go.release()
        call()
        released = bool(ran)
        thread.join()
        return released

    yield probe
    sys.setswitchinterval(interval)


def warm(**settings: Any) -> StreamingDetector:
    """A detector with 60 rows whose trainings take some 0.1 s."""
    parameters = {"n_bins": "auto", "n_random_cuts": 30_000}
    detector = StreamingDetector("loda", backend_params=parameters, **settings)
    detector.process_many(stream(60))
    return detector


LARGE = stream(100_000, 5)
ROW = [1.0, 2.0, 3.0]


def waiting() -> Callable[[], Any]:
    detector = warm(retrain_interval=10**6)
    detector.retrain()
    return detector.wait


# What makes a call that takes some 0.1 s.
LONG_CALLS: dict[str, Callable[[], Callable[[], Any]]] = {
    "fit": lambda: partial(freshet.LODA().fit, LARGE),
    "decision_function": lambda: partial(freshet.LODA().fit(LARGE).decision_function, LARGE),
    "explain": lambda: partial(freshet.LODA().fit(LARGE).explain, LARGE),
    "process_many": lambda: partial(warm(retrain_interval=10**6).process_many, LARGE[:1000, :3]),
    "the first training": lambda: partial(warm(min_samples=61).process, ROW),
    "inline training": lambda: partial(warm(retrain="inline", retrain_interval=11).process, ROW),
    "retrain": lambda: warm(retrain="inline").retrain,
    "wait": waiting,
    "features": lambda: partial(freshet.RollingFeatures(5, [3, 5, 9]).process_many, LARGE),
}


@pytest.mark.parametrize("name", LONG_CALLS)
def test_long_calls_release_the_gil(
    name: str, only_if_released: Callable[[Callable[[], Any]], bool]
) -> None:
    # A busy machine may not get round to the other thread in one call, but in several.
    assert any(only_if_released(LONG_CALLS[name]()) for _ in range(10))


def test_the_probe_notices_a_call_that_holds_the_gil(
    only_if_released: Callable[[Callable[[], Any]], bool],
) -> None:
    assert not any(only_if_released(lambda: sorted(range(10**5))) for _ in range(10))


def test_waiting_holds_nobody_up() -> None:
    slow = {"n_bins": "auto", "n_random_cuts": 10_000}
    detector = StreamingDetector("loda", backend_params=slow, min_samples=300, window_size=300)
    detector.process_many(X[:399])
    assert detector.process(X[399]).status in ("ready", "retraining")
    detector.retrain()
    waiter = threading.Thread(target=detector.wait)
    waiter.start()
    # While the other thread waits for the training, rows go on with the model at hand.
    assert detector.process_many(X[:20]).model_version.max() < 3
    waiter.join()
    assert detector.stats().model_version > 1


# ---- memory ----


def peak_of(call: Callable[[], Any]) -> int:
    """The most memory that NumPy and Python took during a call."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_contiguous_rows_are_not_copied(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(50_000, 20))
    on_disk = np.memmap(tmp_path / "rows", np.float64, "w+", shape=rows.shape)
    on_disk[:] = rows
    read_only = np.memmap(tmp_path / "rows", np.float64, "r", shape=rows.shape)
    wide = np.zeros((50_000, 30))
    wide[:, 4:24] = rows
    model = freshet.HBOS().fit(rows)
    scores = model.decision_function(rows)
    detector = StreamingDetector("hbos", retrain="manual")
    detector.process_many(rows[:50])
    batch_of = detector.process_many(rows).score
    for same_rows in (rows, read_only, wide[:, 4:24]):
        # Training scores, labels and percentiles are one number per row each.
        assert peak_of(lambda X=same_rows: freshet.HBOS().fit(X)) < rows.nbytes / 2
        assert peak_of(lambda X=same_rows: model.decision_function(X)) < rows.nbytes / 10
        assert peak_of(lambda X=same_rows: detector.process_many(X)) < rows.nbytes / 2
        np.testing.assert_array_equal(model.decision_function(same_rows), scores)
        assert len(detector.process_many(same_rows)) == len(batch_of)
    assert peak_of(lambda: model.decision_function(np.asfortranarray(rows))) > rows.nbytes


def test_results_of_a_batch_are_views_of_one_block() -> None:
    batch = StreamingDetector().process_many(X)
    arrays = [batch.score, batch.raw_score, batch.is_anomaly, batch.alarm, batch.scored]
    arrays += [batch.index, batch.model_version, batch.samples_until_ready]
    bases = {id(array.base if array.base.base is None else array.base.base) for array in arrays}
    assert len(bases) == 1
