"""Trainings that the host runs: handed out, run anywhere, published between two rows."""

from __future__ import annotations

import json
import os
import pickle
import resource
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import freshet
import numpy as np
import pytest
from freshet import DetectorPool, LSTMAutoencoder, StreamingDetector, TrainedModel, Training
from freshet_testing import BACKENDS, same, stream

SETTINGS: dict[str, Any] = {
    "min_samples": 20,
    "retrain_interval": 15,
    "window_size": 50,
    "retrain": "hosted",
}
LSTM: tuple[str, dict[str, Any]] = (
    "lstm_autoencoder",
    {"window": 5, "hidden_size": 3, "epochs": 2, "batch_size": 16},
)
X = stream(400)


def hosted(
    backend: str = "hbos", params: dict[str, Any] | None = None, **more: Any
) -> StreamingDetector:
    return StreamingDetector(backend, backend_params=params, **{**SETTINGS, **more})


def due() -> StreamingDetector:
    """A detector whose second training waits."""
    detector = hosted()
    detector.process_many(X[:35])
    return detector


def training_of(detector: StreamingDetector) -> Training:
    training = detector.training()
    assert training is not None
    return training


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundles") / "bundle"
    LSTMAutoencoder(window=6, hidden_size=192, epochs=1, n_threads=1).fit(X[:40]).save(path)
    return path


def small_bundle(path: Path, **parameters: Any) -> Path:
    """A bundle whose later trainings have other parameters."""
    LSTMAutoencoder(window=6, hidden_size=4, epochs=1, n_threads=1).fit(X[:40]).save(path)
    manifest = json.loads((path / "manifest.json").read_bytes())
    manifest["backend_params"].update(parameters)
    (path / "manifest.json").write_text(json.dumps(manifest))
    return path


def outcome(call: Callable[[], Any]) -> Any:
    """What a call returns, or everything that tells its error apart."""
    try:
        return call()
    except freshet.Error as error:
        return type(error), error.id, str(error), error.field, error.row, error.column


# ---- when a model becomes active ----


def test_the_first_model_comes_by_itself_and_the_next_when_it_is_published() -> None:
    detector = hosted()
    batch = detector.process_many(X[:100])
    assert batch.model_version.tolist() == [0] * 20 + [1] * 80
    assert batch.status.tolist() == ["collecting"] * 19 + ["ready"] * 15 + ["retraining"] * 66
    assert detector.stats().status == "retraining"
    training = training_of(detector)
    assert training.version == training_of(detector).version == 2
    model = training.run()
    detector.wait()  # for nothing
    assert detector.process(X[100]).model_version == 1
    assert detector.publish(model)
    assert detector.training() is None
    assert detector.stats().status == "ready"
    # What inline training makes of the same rows: those up to the one that made it due.
    inline = hosted(retrain="inline")
    inline.process_many(X[:35])
    assert inline.stats().model_version == 2
    assert detector.score(X[101]).raw_score == inline.score(X[101]).raw_score
    # What became due meanwhile begins with the next row.
    assert detector.process(X[101]).status == "retraining"
    assert training_of(detector).version == 3


@pytest.mark.parametrize(("backend", "params"), [*BACKENDS, LSTM])
def test_published_at_once_it_is_inline_training(backend: str, params: dict[str, Any]) -> None:
    detector = hosted(backend, params)
    results = []
    for row in X[:150]:
        results.append(detector.process(row))
        if training := detector.training():
            assert detector.publish(training.run())
    expected = hosted(backend, params, retrain="inline").process_many(X[:150])
    assert expected.model_version[-1] > 5
    assert [result.raw_score for result in results] == [one.raw_score for one in expected]
    assert [result.score for result in results] == [one.score for one in expected]


def test_a_host_that_never_publishes_keeps_the_old_model() -> None:
    manual = hosted(retrain="manual")
    manual.process_many(X[:20])
    manual.retrain()
    kept, batch = manual.process_many(X[20:]), hosted().process_many(X)[20:]
    np.testing.assert_array_equal(kept.score, batch.score)


def test_an_abandoned_training_is_tried_again() -> None:
    detector = due()
    assert not detector.abandon_training("another one", version=7)
    assert detector.abandon_training("no memory", version=2)
    assert not detector.abandon_training("no memory")
    stats = detector.stats()
    assert (stats.status, stats.failed_retrains, stats.last_error) == ("ready", 1, "no memory")
    assert set(detector.process_many(X[35:49]).status) == {"ready"}
    assert detector.process(X[49]).status == "retraining"
    assert training_of(detector).version == 2


def test_reset_drops_the_training() -> None:
    detector = due()
    training = training_of(detector)
    detector.reset()
    assert detector.training() is None
    assert detector.stats().status == "collecting"
    assert not detector.publish(training.run())
    assert detector.stats().model_version == 0


def test_a_request_is_the_hosts_too() -> None:
    detector = due()
    detector.process_many(X[35:40])
    detector.retrain()
    assert detector.publish(training_of(detector).run())
    assert training_of(detector).version == 3


def test_versions_that_do_not_follow_are_ignored() -> None:
    detector = due()
    model = training_of(detector).run()
    before = detector.snapshot()
    for version in (1, 3, 100):
        assert not detector.publish(model.with_version(version))
    assert detector.snapshot() == before
    assert detector.publish(model)
    assert not detector.publish(model)
    assert detector.publish(model.with_version(3))
    assert detector.stats().model_version == 3
    with pytest.raises(freshet.ConfigurationError, match="version"):
        model.with_version(0)


# ---- the same order of calls, the same results ----


def observe(detector: StreamingDetector) -> Any:
    stats = detector.stats().to_dict()
    del stats["last_fit_seconds"]
    training = detector.training()
    return stats, None if training is None else training.version


def act(detector: StreamingDetector, kind: str, value: Any) -> Any:
    if kind == "rows":
        return list(detector.process_many(X[value]))
    if kind == "publish":
        return detector.publish(TrainedModel.from_bytes(value))
    if kind == "abandon":
        return detector.abandon_training(value)
    if kind == "retrain":
        return outcome(detector.retrain)
    detector.reset()
    return None


@pytest.mark.parametrize("seed", range(12))
def test_any_interleaving_can_be_replayed(seed: int) -> None:
    rng = np.random.default_rng(seed)
    methods = [*BACKENDS, LSTM]
    backend, params = methods[seed % len(methods)]
    more = {"rolling_windows": [3], "scaler": "robust"} if seed % 2 else {}

    def make() -> StreamingDetector:
        return hosted(backend, params, retrain_interval=int(7 + seed), **more)

    detector = make()
    journal: list[tuple[str, Any, Any, Any]] = []
    models: list[bytes] = []
    for step in range(80):
        if (training := detector.training()) and rng.random() < 0.5:
            models.append(training.run().to_bytes())
        kinds = ["rows", "publish", "abandon", "retrain", "reset"]
        kind = str(rng.choice(kinds, p=[0.6, 0.27, 0.06, 0.05, 0.02]))
        value: Any = f"step {step}"
        if kind == "rows":
            begin = int(rng.integers(0, len(X) - 20))
            value = slice(begin, begin + int(rng.integers(1, 20)))
        elif kind == "publish":  # mostly the latest, sometimes a stale one
            if not models:
                continue
            value = models[-1 if rng.random() < 0.8 else int(rng.integers(len(models)))]
        journal.append((kind, value, act(detector, kind, value), observe(detector)))
    assert detector.stats().model_version > 0 or any(kind == "reset" for kind, *_ in journal)

    replayed = make()
    for kind, value, result, state in journal:
        if rng.random() < 0.2:
            replayed = StreamingDetector.restore(replayed.snapshot())
        if rng.random() < 0.2:
            replayed.wait()
        if rng.random() < 0.2 and (training := replayed.training()):
            training.run()  # and nobody hears of it
        assert act(replayed, kind, value) == result
        assert observe(replayed) == state


def test_a_restored_training_is_the_same() -> None:
    detector = due()
    detector.process_many(X[35:60])
    restored = StreamingDetector.restore(detector.snapshot())
    assert restored.snapshot() == detector.snapshot()
    for one, other in [(detector, restored), (restored, detector)]:
        model = training_of(one).run()
        assert model.version == 2
        one_copy, other_copy = (StreamingDetector.restore(it.snapshot()) for it in (one, other))
        assert one_copy.publish(model)
        assert other_copy.publish(model)  # trained elsewhere
        assert other_copy.training() is None
        assert same(one_copy.process_many(X[60:90]), other_copy.process_many(X[60:90]))


# ---- models ----


def test_a_model_as_bytes() -> None:
    model = training_of(due()).run()
    assert (model.version, model.backend, model.columns) == (2, "hbos", None)
    assert model.settings["backend_params"]["n_bins"] == 10
    for other in (TrainedModel.from_bytes(model.to_bytes()), pickle.loads(pickle.dumps(model))):
        assert other.to_bytes() == model.to_bytes()
        assert (other.version, other.settings) == (model.version, model.settings)
    assert repr(model) == "<TrainedModel backend='hbos' version=2>"


def test_damaged_bytes_are_refused() -> None:
    detector = due()
    data = training_of(detector).run().to_bytes()
    rng = np.random.default_rng(0)
    for size in (0, 10, len(data) // 2, len(data) - 1):
        with pytest.raises(freshet.SnapshotError):
            TrainedModel.from_bytes(data[:size])
    for at in rng.integers(0, len(data), 300):
        damaged = bytearray(data)
        damaged[at] ^= 1 << int(rng.integers(8))
        with pytest.raises(freshet.SnapshotError):
            TrainedModel.from_bytes(bytes(damaged))
    with pytest.raises(freshet.SnapshotError) as caught:
        TrainedModel.from_bytes(detector.snapshot())
    assert caught.value.id == "snapshot_mismatch"
    with pytest.raises(freshet.SnapshotError) as caught:
        StreamingDetector.restore(data)
    assert caught.value.id == "snapshot_mismatch"


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"backend": "ecod"}, "backend"),
        ({"columns": ["c", "b", "a"]}, "columns"),
        ({"lag_periods": [2]}, "lag_periods"),
        ({"rolling_windows": [2]}, "rolling_windows"),
        ({"shingle": 2}, "shingle"),
        ({"normalization": "zscore"}, "normalization"),
    ],
)
def test_a_model_of_something_else_is_refused(settings: dict[str, Any], field: str) -> None:
    other = StreamingDetector(**{**SETTINGS, "backend": "hbos", "columns": list("abc"), **settings})
    other.process_many(X[:40])
    detector = hosted(columns=["a", "b", "c"])
    detector.process_many(X[:35])
    before = detector.snapshot()
    with pytest.raises(freshet.ConfigurationError) as caught:
        detector.publish(training_of(other).run())
    assert caught.value.field == field
    assert detector.snapshot() == before


def test_a_model_is_no_use_before_the_width_is_known() -> None:
    with pytest.raises(freshet.NotReadyError):
        hosted().publish(training_of(due()).run().with_version(1))


def memory() -> int:
    """The bytes that this process has in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def test_streams_of_one_bundle_share_its_memory(bundle: Path) -> None:
    model = TrainedModel.from_bundle(bundle)
    assert (model.version, model.backend) == (1, "lstm_autoencoder")
    size = len(model.to_bytes())
    assert size > 1_000_000
    pool = DetectorPool()
    before = memory()
    for i in range(60):
        pool.add(f"begins-{i}", {"threshold": 0.1 * i, "window_size": 60}, model)
        pool.add(f"takes-over-{i}", {"window_size": 60}, model)
        assert pool.publish(f"takes-over-{i}", model.with_version(2))
    assert memory() - before < 20 * size
    assert pool.stats("begins-7").threshold == 0.1 * 7
    expected = StreamingDetector.from_bundle(bundle).process_many(X[:50])
    batch = pool.process_many("begins-7", X[:50])
    np.testing.assert_array_equal(batch.raw_score, expected.raw_score)
    assert pool.process("takes-over-3", X[0]).model_version == 0  # no full window yet
    assert pool.process_many("takes-over-3", X[1:50]).model_version[-1] == 2


def test_a_stream_that_begins_with_a_bundle_trains_on(bundle: Path) -> None:
    pool = DetectorPool()
    settings: dict[str, Any] = {"retrain": "hosted", "min_samples": 20, "retrain_interval": 30}
    pool.add("s", settings, TrainedModel.from_bundle(bundle))
    alone = StreamingDetector.from_bundle(bundle, **{**settings, "retrain": "inline"})
    batch = pool.process_many("s", X[:30])
    assert batch.status[-1] == "retraining"
    training = pool.training("s")
    assert training is not None
    assert pool.publish("s", training.run())
    expected = alone.process_many(X[:59])
    assert same(pool.process_many("s", X[30:59]), expected[30:])
    assert alone.stats().model_version == 2


# ---- threads ----


def test_a_failing_training_says_so_where_it_runs(tmp_path: Path) -> None:
    path = small_bundle(tmp_path / "diverging", learning_rate=1e200)
    detector = StreamingDetector.from_bundle(path, **SETTINGS)
    detector.process_many(X[:20])
    with pytest.raises(freshet.FitError, match="diverged"):
        training_of(detector).run()
    assert detector.stats().status == "retraining"
    assert detector.stats().failed_retrains == 0


def test_a_training_holds_nobody_up_and_can_be_cancelled(tmp_path: Path) -> None:
    path = small_bundle(tmp_path / "endless", epochs=100_000, patience=100_000, hidden_size=4)
    pool = DetectorPool()
    pool.add("s", SETTINGS, TrainedModel.from_bundle(path))
    pool.process_many("s", X[:20])
    training = pool.training("s")
    assert training is not None
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(outcome(training.run)))
    thread.start()
    for i in range(20, 60):
        assert pool.process("s", X[i]).model_version == 1
        assert pool.stats("s").status == "retraining"
    pool.reset("s")
    training.cancel()
    thread.join()
    assert results[0][:2] == (freshet.FitError, "fit_cancelled")


def idle_threads() -> int:
    """How many threads of this process run only while a processor has nothing else to do."""
    tasks = Path("/proc/self/task").glob("*/stat")
    # The name of the thread, the second field, may have blanks; the policy is the 41st.
    policies = [int(task.read_text().rpartition(")")[2].split()[38]) for task in tasks]
    return policies.count(os.SCHED_IDLE)


def test_a_training_only_while_the_processor_is_idle(tmp_path: Path) -> None:
    detectors = [due(), due()]
    for detector, only_when_idle in zip(detectors, [True, False], strict=True):
        model = training_of(detector).run(only_when_idle=only_when_idle)
        assert detector.publish(model)
    assert same(*(detector.process_many(X[35:60]) for detector in detectors))

    path = small_bundle(tmp_path / "endless", epochs=100_000, patience=100_000, hidden_size=4)
    pool = DetectorPool()
    pool.add("s", SETTINGS, TrainedModel.from_bundle(path))
    pool.process_many("s", X[:20])
    endless = pool.training("s")
    assert endless is not None
    before = idle_threads()
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(outcome, lambda: endless.run(only_when_idle=True))
        while idle_threads() == before:
            assert not running.done()
        endless.cancel()
        assert running.result()[:2] == (freshet.FitError, "fit_cancelled")
    assert os.sched_getscheduler(0) != os.SCHED_IDLE


def test_one_thread_trains_while_others_process() -> None:
    pool = DetectorPool("ecod", **SETTINGS)
    streams = [f"s{i}" for i in range(3)]
    for one in streams:
        pool.process_many(one, X[:20])
    done = threading.Event()
    published = dict.fromkeys(streams, 0)

    def train() -> None:
        while not done.is_set():
            for one in streams:
                if training := pool.training(one):
                    published[one] += pool.publish(one, training.run())

    trainer = threading.Thread(target=train)
    trainer.start()
    versions: dict[str, list[int]] = {}

    def process(one: str) -> None:
        versions[one] = []
        while versions[one][-1:] < [5]:
            versions[one] += pool.process_many(one, X[20:60]).model_version.tolist()

    workers = [threading.Thread(target=process, args=(one,)) for one in streams]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    done.set()
    trainer.join()
    for one in streams:
        assert versions[one] == sorted(versions[one])
        stats = pool.stats(one)
        assert stats.model_version == 1 + published[one]
        assert stats.total_processed == 20 + len(versions[one])
        assert stats.failed_retrains == 0


# ---- the pool ----


def test_streams_with_settings_of_their_own() -> None:
    pool = DetectorPool("ecod", min_samples=30)
    pool.add("own", {"backend": "hbos", "columns": ["a", "b"], **SETTINGS})
    pool.process("usual", {"x": 1.0})
    assert "own" in pool
    assert pool.columns("own") == ("a", "b")
    assert pool.settings("own")["backend"] == "hbos"
    assert pool.settings("own")["retrain"] == "hosted"
    assert pool.settings("usual")["min_samples"] == 30
    pool.add("unknown", {"backend": "hbos"})
    assert pool.columns("unknown") is None
    assert pool.settings("unknown")["n_features"] is None
    assert pool.training("unknown") is None
    pool.add("again", pool.settings("own"))
    assert pool.settings("again") == pool.settings("own")
    for settings, field in [
        ({}, "stream_id"),
        ({"min_samples": 1}, "min_samples"),
        ({"surprise": 1}, "surprise"),
        ({"n_features": 0}, "n_features"),
    ]:
        before = pool.snapshot("own")
        with pytest.raises(freshet.ConfigurationError) as caught:
            pool.add("own" if not settings else "new", settings)
        assert caught.value.field == field
        assert pool.snapshot("own") == before
        assert "new" not in pool


def test_unknown_streams() -> None:
    pool = DetectorPool()
    model = training_of(due()).run()
    for call in (
        lambda: pool.training("s"),
        lambda: pool.publish("s", model),
        lambda: pool.abandon_training("s", "why"),
        lambda: pool.settings("s"),
        lambda: pool.columns("s"),
    ):
        with pytest.raises(freshet.UnknownStreamError):
            call()


BAD: list[tuple[Any, dict[str, Any]]] = [
    ([{"a": 1.0, "b": float("nan")}], {}),
    ([{"a": 1.0, "b": 2.0}, {"a": 1.0}], {}),
    ([{"a": 1.0, "c": 2.0}], {}),
    ([{"a": 1.0, "b": "2"}], {}),
    ([[1.0, 2.0], [1.0, 2.0, 3.0]], {}),
    ([[1.0, 2.0, 3.0]], {}),
    ([[1.0, 1e300]], {}),
    ([[1.0, 2.0]], {"timestamps": [1.0, 2.0]}),
    ([[1.0, 2.0]], {"timestamps": [float("nan")]}),
    ([[1.0, 2.0], [3.0, 4.0]], {"timestamps": [50.0, 49.0]}),
    ([], {}),
    ([[]], {}),
    ([{}], {}),
    ([7.0], {}),
    (np.zeros((0, 2)), {}),
    (np.zeros((3, 2)), {"columns": ["a"]}),
    (np.zeros((3, 2)), {"columns": ["a", "a"]}),
    (np.zeros((3, 2)), {"columns": ["a", "z"]}),
    (np.zeros((3, 1)), {"columns": ["a", "b"]}),
    (np.zeros(3), {}),
    ([[1.0, 2.0]], {"columns": ["a", "b"]}),
]
GOOD: list[tuple[Any, dict[str, Any]]] = [
    ([{"b": 1.0, "a": 2.0}], {}),
    ([[1.0, 2.0], [3.0, 4.0]], {"timestamps": [50.0, 51.0]}),
    (np.ones((4, 2)), {"columns": ["b", "a"]}),
]


@pytest.mark.parametrize(("rows", "more"), [*BAD, *GOOD])
@pytest.mark.parametrize("state", ["new", "added", "named", "running", "unnamed"])
def test_checking_says_what_processing_would_and_changes_nothing(
    state: str, rows: Any, more: dict[str, Any]
) -> None:
    settings = {"backend": "hbos", "columns": ["a", "b"]} if state == "named" else {}
    pool = DetectorPool(**SETTINGS)
    if state != "new":
        pool.add("s", {**SETTINGS, **settings})
    if state == "running":
        pool.process_many("s", X[:40, :2], np.arange(40.0), columns=["a", "b"])
    elif state == "unnamed":
        pool.process_many("s", X[:40, :2])
    before = None if state == "new" else pool.snapshot("s")
    checked = outcome(lambda: pool.check("s", rows, **more))
    assert ("s" in pool) == (state != "new")
    if before is not None:
        assert pool.snapshot("s") == before
        detector = StreamingDetector.restore(before)
        assert outcome(lambda: detector.check(rows, **more)) == checked
        assert detector.snapshot() == before
    processed = outcome(lambda: pool.process_many("s", rows, **more))
    if checked is None:
        assert len(processed) == len(rows)
    else:
        assert checked == processed
        assert ("s" in pool) == (state != "new")
        if before is not None:
            assert pool.snapshot("s") == before


# ---- rows and results in other hands ----


@pytest.mark.parametrize(
    "rows",
    [rows for rows, more in [*BAD, *GOOD] if isinstance(rows, list) and not more]
    + [[{"a": 1, "b": 2}, {"b": 4, "a": 3}], [(1.0, 2.0), [np.float32(3.0), True]]],
)
@pytest.mark.parametrize("known", [False, True])
def test_rows_read_first_are_processed_the_same(rows: list[Any], known: bool) -> None:
    def make() -> StreamingDetector:
        detector = hosted()
        if known:
            detector.process_many(X[:30, :2], columns=["b", "a"])
        return detector

    def read_then_process(detector: StreamingDetector) -> Any:
        matrix, names = freshet._core.read_rows(rows)
        assert matrix.dtype == np.float64
        assert matrix.flags.c_contiguous
        return list(detector.process_many(matrix, columns=names))

    one, other = make(), make()
    assert outcome(lambda: list(one.process_many(rows))) == outcome(
        lambda: read_then_process(other)
    )
    assert one.columns == other.columns
    assert observe(one) == observe(other)
    if known:
        assert same(one.process_many(X[:9, :2]), other.process_many(X[:9, :2]))


def test_results_can_be_stored_and_read_again() -> None:
    batch = hosted().process_many(X[:60])
    records = batch.records
    assert records.dtype.itemsize == 48
    with pytest.raises(ValueError, match="read-only"):
        records["score"][0] = 1.0
    stored = records.tobytes()
    assert hosted().process_many(X[:60]).records.tobytes() == stored
    shifted = memoryview(b"x" + stored)[1:]
    for source in (records, stored, bytearray(stored), shifted):
        read = freshet.ResultBatch.from_records(source)
        assert same(read, batch)
        assert read.status.tolist() == batch.status.tolist()
        assert same(read[10:20], batch[10:20])
    assert len(freshet.ResultBatch.from_records(b"")) == 0
    for bad in (
        stored[:-1],
        b"\2" + stored[1:],
        stored[:3] + b"\3" + stored[4:],
        np.zeros(4),
        records.reshape(2, 30),
    ):
        with pytest.raises(freshet.SnapshotError) as caught:
            freshet.ResultBatch.from_records(bad)
        assert caught.value.field == "records"


def test_a_training_knows_another_one_by_its_rows() -> None:
    detector = StreamingDetector(**(SETTINGS | {"retrain": "hosted"}))
    other = StreamingDetector(**(SETTINGS | {"retrain": "hosted"}))
    rows = stream(400)
    detector.process_many(rows[:300])
    other.process_many(rows[:300])
    training, same = detector.training(), other.training()
    assert training is not None
    assert same is not None
    assert training.same_as(same)
    restored = StreamingDetector.restore(detector.snapshot()).training()
    assert restored is not None
    assert restored.same_as(training)
    other.reset()
    other.process_many(rows[100:])
    later = other.training()
    assert later is not None
    assert later.version == training.version
    assert not later.same_as(training)
