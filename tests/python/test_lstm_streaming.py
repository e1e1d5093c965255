"""The LSTM autoencoder in a stream: from a bundle, and trained on the rows that come."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import freshet
import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from freshet import DetectorPool, LSTMAutoencoder, StreamingDetector
from freshet_testing import same, stream

Floats = npt.NDArray[np.float64]

WINDOW = 8
NAMES = ["load", "heat", "flow"]
X = stream(150)
TRAINED_ON = stream(100, seed=1)
PARAMS: dict[str, Any] = {"window": WINDOW, "hidden_size": 4, "epochs": 2, "batch_size": 32}


@pytest.fixture(scope="module", params=["float32", "float64"])
def model(request: pytest.FixtureRequest) -> LSTMAutoencoder:
    model = LSTMAutoencoder(**PARAMS, n_threads=1, dtype=request.param, contamination=0.05)
    return model.fit(pd.DataFrame(TRAINED_ON, columns=NAMES))


@pytest.fixture(scope="module")
def bundle(model: LSTMAutoencoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundles") / "bundle"
    model.save(path)
    return path


def scores_of(batch: Any) -> Floats:
    """The scores of a batch, NaN where there is none."""
    return np.where(batch.scored, batch.raw_score, np.nan)


def diverging(bundle: Path, directory: Path) -> Path:
    """A bundle whose next training diverges."""
    copied = directory / "diverging"
    LSTMAutoencoder.load(bundle).save(copied)
    manifest = json.loads((copied / "manifest.json").read_bytes())
    manifest["backend_params"]["learning_rate"] = 1e200
    (copied / "manifest.json").write_text(json.dumps(manifest))
    return copied


# ---- from a bundle ----


def test_scores_are_the_models_to_the_bit(model: LSTMAutoencoder, bundle: Path) -> None:
    expected = model.score_rows(X)
    batch = StreamingDetector.from_bundle(bundle).process_many(X)
    np.testing.assert_array_equal(scores_of(batch), expected)
    np.testing.assert_array_equal(batch.score[batch.scored], batch.raw_score[batch.scored])
    np.testing.assert_array_equal(batch.is_anomaly[WINDOW - 1 :], model.predict(X))
    assert batch.model_version.tolist() == [0] * (WINDOW - 1) + [1] * (len(X) - WINDOW + 1)
    detector = StreamingDetector.from_bundle(str(bundle))
    assert [detector.process(row) for row in X] == list(batch)
    assert detector.stats().threshold == model.threshold_
    assert detector.stats().model_version == 1


def test_warm_up_counts_down_to_the_first_full_window(bundle: Path) -> None:
    detector = StreamingDetector.from_bundle(bundle)
    assert detector.stats().samples_until_ready == WINDOW - 1
    assert detector.columns == tuple(NAMES)
    for i in range(WINDOW):
        if i < WINDOW - 1:
            for call in (detector.score, detector.explain):
                with pytest.raises(freshet.NotReadyError):
                    call(X[i])
        result = detector.process(X[i])
        assert result.status == ("collecting" if i < WINDOW - 1 else "ready")
        assert result.samples_until_ready == max(WINDOW - 2 - i, 0)
        assert (result.score is None) == (i < WINDOW - 1)
        assert detector.stats().status == result.status
    detector.reset()
    assert detector.stats().status == "collecting"


def test_scores_and_explanations_of_the_next_row(model: LSTMAutoencoder, bundle: Path) -> None:
    detector = StreamingDetector.from_bundle(bundle)
    detector.process_many(X[:50])
    score = detector.score(X[50])
    assert score.raw_score == model.score_rows(X)[50]
    explanation = detector.explain(X[50])
    expected = model.explain(X)[50 - WINDOW + 1]
    np.testing.assert_allclose([explanation[name] for name in NAMES], expected, rtol=1e-12)
    assert sum(explanation.values()) == pytest.approx(score.raw_score, rel=1e-12)
    assert detector.process(X[50]).raw_score == score.raw_score


@pytest.mark.parametrize("retrain", ["manual", "inline"])
def test_restored_anywhere_it_goes_on_to_the_bit(bundle: Path, retrain: str) -> None:
    def make() -> StreamingDetector:
        return StreamingDetector.from_bundle(
            bundle, retrain=retrain, min_samples=20, window_size=40, retrain_interval=30
        )

    uncut = make().process_many(X)
    assert uncut.model_version.max() == (1 if retrain == "manual" else 5)
    cuts = np.random.default_rng(3).integers(1, len(X) - 1, 8).tolist()
    for cut in {0, 1, WINDOW - 2, WINDOW - 1, WINDOW, 29, 30, 31, *cuts}:
        detector = make()
        if cut:
            detector.process_many(X[:cut])
        for other in (StreamingDetector.restore(detector.snapshot()), copy.deepcopy(detector)):
            assert other.stats() == detector.stats()
            assert other.settings == detector.settings
            assert same(other.process_many(X[cut:]), uncut[cut:])


def test_rows_by_name_in_any_order(bundle: Path) -> None:
    expected = StreamingDetector.from_bundle(bundle).process_many(X[:30])
    detector = StreamingDetector.from_bundle(bundle)
    rows = [dict(zip(NAMES, row, strict=True)) for row in X[:30]]
    shuffled = [{name: row[name] for name in ("flow", "load", "heat")} for row in rows]
    assert [detector.process(row) for row in shuffled] == list(expected)
    frame = pd.DataFrame(X[:30], columns=NAMES)[["heat", "flow", "load"]]
    assert same(StreamingDetector.from_bundle(bundle).process_many(frame), expected)
    for row, id_, field in [
        ({**rows[0], "z": 1.0}, "column_unknown", "z"),
        ({"load": 1.0, "heat": 1.0}, "column_missing", "flow"),
        ({**rows[0], "heat": float("nan")}, "value_non_finite", "heat"),
    ]:
        before = detector.snapshot()
        with pytest.raises(freshet.DataError) as caught:
            detector.process(row)
        assert (caught.value.id, caught.value.field) == (id_, field)
        assert detector.snapshot() == before


def test_the_threshold_may_be_another(model: LSTMAutoencoder, bundle: Path) -> None:
    scores = model.score_rows(X)[WINDOW - 1 :]
    threshold = float(np.median(scores))
    detector = StreamingDetector.from_bundle(bundle, threshold=threshold)
    batch = detector.process_many(X)
    np.testing.assert_array_equal(batch.is_anomaly[WINDOW - 1 :], scores > threshold)
    assert detector.stats().threshold == threshold


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"units": 3}, "units"),
        ({"backend": "ecod"}, "backend"),
        ({"contamination": 0.9}, "contamination"),
        ({"threshold": float("nan")}, "threshold"),
        ({"threshold": "high"}, "threshold"),
        ({"retrain": "sometimes"}, "retrain"),
        ({"retrain_interval": 0}, "retrain_interval"),
        ({"min_samples": -1}, "min_samples"),
        ({"min_samples": 1.5}, "min_samples"),
        ({"window_size": "all"}, "window_size"),
        ({"seed": -1}, "seed"),
        ({"out_of_order": "keep"}, "out_of_order"),
        ({"shingle": 5}, "shingle"),
        ({"columns": ["a", "b"]}, "columns"),
        ({"columns": ["a", "b", "b"]}, "columns"),
        ({"rolling_windows": [3]}, "rolling_windows"),
    ],
)
def test_settings_out_of_range(bundle: Path, settings: dict[str, Any], field: str) -> None:
    with pytest.raises(freshet.ConfigurationError) as caught:
        StreamingDetector.from_bundle(bundle, **settings)
    assert caught.value.field == field
    assert field in str(caught.value)


def test_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(freshet.ModelFileError) as caught:
        StreamingDetector.from_bundle(tmp_path / "nowhere")
    assert caught.value.id == "file_missing"


def test_late_rows_are_dropped(bundle: Path) -> None:
    detector = StreamingDetector.from_bundle(bundle, out_of_order="drop")
    expected = StreamingDetector.from_bundle(bundle).process_many(X[:20])
    times = np.arange(20.0)
    detector.process_many(X[:12], times[:12])
    assert detector.process([9.0, 9.0, 9.0], 3.0).score is None
    assert same(detector.process_many(X[12:20], times[12:]), expected[12:])
    assert detector.stats().dropped == 1


# ---- later models ----


def test_inline_retraining_begins_with_the_bundles_weights(
    model: LSTMAutoencoder, bundle: Path
) -> None:
    detector = StreamingDetector.from_bundle(
        bundle, retrain="inline", min_samples=20, window_size=35, retrain_interval=30
    )
    batch = detector.process_many(X[:100])
    assert batch.model_version.tolist() == (
        [0] * (WINDOW - 1) + [1] * (30 - WINDOW + 1) + [2] * 30 + [3] * 30 + [4] * 10
    )
    # The same by hand: trained on the rows kept, each model beginning with the one before.
    by_hand = copy.deepcopy(model)
    expected = [by_hand.score_rows(X)[:30]]
    for end in (30, 60, 90):
        by_hand.fit(X[max(0, end - 35) : end], warm_start=True)
        expected.append(by_hand.score_rows(X)[end : min(end + 30, 100)])
    np.testing.assert_array_equal(scores_of(batch), np.concatenate(expected))
    cold = LSTMAutoencoder(**PARAMS, dtype=model.dtype).fit(X[:30])
    assert (cold.score_rows(X)[30:60] != expected[1]).any()


def test_a_manual_detector_trains_when_told(model: LSTMAutoencoder, bundle: Path) -> None:
    detector = StreamingDetector.from_bundle(bundle, min_samples=20, retrain_interval=1)
    detector.process_many(X[:19])
    with pytest.raises(freshet.NotReadyError):
        detector.retrain()
    detector.process_many(X[19:40])
    assert detector.stats().model_version == 1
    detector.retrain()
    assert detector.stats().model_version == 2
    expected = copy.deepcopy(model).fit(X[:40], warm_start=True)
    assert detector.process(X[40]).raw_score == expected.score_rows(X)[40]


def test_background_retraining_scores_with_the_old_model_meanwhile(
    model: LSTMAutoencoder, bundle: Path
) -> None:
    detector = StreamingDetector.from_bundle(
        bundle, retrain="background", min_samples=20, retrain_interval=40
    )
    scores = {1: model.score_rows(X)}
    batch = detector.process_many(X[:40])
    assert set(batch.status[WINDOW - 1 : -1]) == {"ready"}
    assert batch.status[-1] == "retraining"
    assert (batch.model_version[-1], batch.raw_score[-1]) == (1, scores[1][39])
    scores[2] = copy.deepcopy(model).fit(X[:40], warm_start=True).score_rows(X)
    # Whenever the training ends, every score is that of the version it names.
    results = [detector.process(row) for row in X[40:60]]
    detector.wait()
    results += [detector.process(row) for row in X[60:79]]
    versions = [result.model_version for result in results]
    assert versions == sorted(versions)
    assert set(versions[20:]) == {2}
    for i, result in enumerate(results):
        assert result.raw_score == scores[result.model_version][40 + i]
    assert detector.stats().failed_retrains == 0


def test_a_snapshot_has_the_training_that_runs(bundle: Path) -> None:
    detector = StreamingDetector.from_bundle(
        bundle, retrain="background", min_samples=20, retrain_interval=40
    )
    detector.process_many(X[:40])
    restored = StreamingDetector.restore(detector.snapshot())
    for one in (detector, restored):
        one.wait()
        assert one.stats().model_version == 2
    assert same(restored.process_many(X[40:79]), detector.process_many(X[40:79]))


@pytest.mark.parametrize("retrain", ["inline", "background"])
def test_a_failing_training_keeps_the_model(
    model: LSTMAutoencoder, bundle: Path, tmp_path: Path, retrain: str
) -> None:
    detector = StreamingDetector.from_bundle(
        diverging(bundle, tmp_path), retrain=retrain, min_samples=20, retrain_interval=60
    )
    batch = detector.process_many(X[:70])
    detector.wait()
    stats = detector.stats()
    assert (stats.model_version, stats.failed_retrains) == (1, 1)
    assert stats.last_error is not None
    assert "diverged" in stats.last_error
    assert stats.status == "ready"
    more = detector.process_many(X[70:110])
    np.testing.assert_array_equal(
        np.concatenate([scores_of(batch), scores_of(more)]), model.score_rows(X)[:110]
    )
    assert stats.threshold == model.threshold_
    if retrain == "inline":
        with pytest.raises(freshet.FitError, match="diverged"):
            detector.retrain()
        assert detector.stats().failed_retrains == 2


# ---- trained on the stream ----


def test_it_is_the_estimator_trained_on_the_first_rows() -> None:
    params = {"window": 48, "hidden_size": 4, "epochs": 2, "batch_size": 16}
    rows = stream(190)
    detector = StreamingDetector(
        "lstm_autoencoder",
        backend_params=params,
        min_samples=80,
        retrain_interval=60,
        window_size=100,
        retrain="inline",
        normalization="raw",
        seed=7,
    )
    batch = detector.process_many(rows)
    assert detector.settings["shingle"] == 48
    assert batch.model_version.tolist() == [0] * 80 + [1] * 60 + [2] * 50
    by_hand = LSTMAutoencoder(**params, seed=7).fit(rows[:80])  # type: ignore[arg-type]
    first = by_hand.score_rows(rows)
    np.testing.assert_array_equal(batch.raw_score[80:140], first[80:140])
    np.testing.assert_array_equal(batch.is_anomaly[80:140], first[80:140] > by_hand.threshold_)
    by_hand.fit(rows[40:140], warm_start=True)
    second = by_hand.score_rows(rows)
    np.testing.assert_array_equal(batch.raw_score[140:], second[140:])
    assert detector.stats().threshold == by_hand.threshold_


@pytest.mark.parametrize("normalization", ["calibrated", "standardization", "zscore"])
def test_normalized_scores_follow_from_the_errors(normalization: str) -> None:
    settings: dict[str, Any] = {
        "backend_params": PARAMS,
        "min_samples": 40,
        "retrain": "manual",
        "contamination": 0.05,
    }
    detector = StreamingDetector("lstm_autoencoder", normalization=normalization, **settings)
    detector.process_many(X[:40])
    detector.retrain()
    batch = detector.process_many(X[40:])
    by_hand = LSTMAutoencoder(**PARAMS, contamination=0.05).fit(X[:40])
    np.testing.assert_array_equal(batch.raw_score, by_hand.score_rows(X)[40:])
    order = np.argsort(batch.raw_score, kind="stable")
    assert (np.diff(batch.score[order]) >= 0.0).all()
    if normalization == "calibrated":
        np.testing.assert_array_equal(batch.is_anomaly, batch.raw_score > by_hand.threshold_)
    if normalization == "zscore":
        training = by_hand.decision_scores_
        expected = (batch.raw_score - training.mean()) / training.std()
        np.testing.assert_allclose(batch.score, expected, rtol=1e-9, atol=1e-12)


def test_the_window_is_the_shingle() -> None:
    def made(**settings: Any) -> StreamingDetector:
        return StreamingDetector("lstm_autoencoder", backend_params=PARAMS, **settings)

    for settings in ({}, {"shingle": 1}, {"shingle": WINDOW}, {"n_features": 3}):
        detector = made(**settings)
        detector.process(X[0])
        assert detector.settings["shingle"] == WINDOW
    for settings, field in [
        ({"shingle": 5}, "shingle"),
        ({"shingle": WINDOW + 1}, "shingle"),
        ({"min_samples": WINDOW}, "shingle"),
    ]:
        for known in ({}, {"n_features": 3}, {"columns": NAMES}):
            with pytest.raises(freshet.ConfigurationError) as caught:
                made(**settings, **known)
            assert caught.value.field == field
    for params, name in [
        ({"window": 1}, "window"),
        ({"hidden_size": 0}, "hidden_size"),
        ({"units": 4}, "units"),
        ({"dtype": "float16"}, "dtype"),
    ]:
        with pytest.raises(freshet.ConfigurationError, match=name) as caught:
            StreamingDetector("lstm_autoencoder", backend_params=params)
        assert (caught.value.field or "").endswith(name)


def test_features_make_wider_windows() -> None:
    detector = StreamingDetector(
        "lstm_autoencoder",
        backend_params=PARAMS,
        min_samples=40,
        retrain="manual",
        rolling_windows=[3],
        lag_periods=[1],
        scaler="standard",
        normalization="raw",
    )
    detector.process_many(X[:60])
    detector.retrain()
    batch = detector.process_many(X[60:])
    assert np.isfinite(batch.raw_score).all()
    explanation = detector.explain(X[0])
    assert len(explanation.by_feature) == 3 * (1 + 4 + 1)
    total = sum(explanation.by_feature.values())
    assert total == pytest.approx(explanation.raw_score, rel=1e-9)


def test_a_first_training_that_fails() -> None:
    detector = StreamingDetector(
        "lstm_autoencoder",
        backend_params={**PARAMS, "learning_rate": 1e30},
        min_samples=20,
        retrain_interval=10,
        retrain="inline",
    )
    batch = detector.process_many(X[:25])
    assert set(batch.status) == {"collecting"}
    assert not batch.scored.any()
    stats = detector.stats()
    assert (stats.status, stats.model_version, stats.failed_retrains) == ("collecting", 0, 1)
    assert not stats.is_ready
    assert stats.last_error is not None
    assert "diverged" in stats.last_error
    with pytest.raises(freshet.NotReadyError):
        detector.score(X[0])
    with pytest.raises(freshet.FitError, match="diverged"):
        detector.retrain()
    detector.process_many(X[25:40])
    assert detector.stats().failed_retrains == 3
    restored = StreamingDetector.restore(detector.snapshot())
    assert restored.stats() == detector.stats()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_snapshots_at_random_rows(dtype: str) -> None:
    def make() -> StreamingDetector:
        return StreamingDetector(
            "lstm_autoencoder",
            backend_params={**PARAMS, "dtype": dtype, "num_layers": 2, "latent_size": 3},
            min_samples=30,
            retrain_interval=40,
            window_size=60,
            retrain="inline",
        )

    uncut = make().process_many(X)
    assert uncut.model_version.max() == 3
    cuts = np.random.default_rng(8).integers(1, len(X) - 1, 6).tolist()
    for cut in {1, WINDOW, 29, 30, 69, 70, 71, *cuts}:
        detector = make()
        singly = [detector.process(row) for row in X[:cut]]
        assert singly == list(uncut[:cut])
        restored = StreamingDetector.restore(detector.snapshot())
        assert same(restored.process_many(X[cut:]), uncut[cut:])


def test_damaged_snapshots_are_refused(bundle: Path) -> None:
    detector = StreamingDetector.from_bundle(bundle)
    detector.process_many(X[:20])
    data = detector.snapshot()
    for position in range(0, len(data), 97):
        damaged = bytearray(data)
        damaged[position] ^= 0x10
        with pytest.raises(freshet.SnapshotError):
            StreamingDetector.restore(bytes(damaged))
    for end in (0, 1, len(data) // 2, len(data) - 1):
        with pytest.raises(freshet.SnapshotError):
            StreamingDetector.restore(data[:end])


def test_a_pool_of_them() -> None:
    settings: dict[str, Any] = {
        "backend_params": PARAMS,
        "min_samples": 30,
        "retrain_interval": 50,
        "retrain": "inline",
    }
    pool = DetectorPool("lstm_autoencoder", **settings)
    streams = {"pump": X[:100], "fan": stream(100, 2, seed=4)}
    found: dict[str, list[Any]] = {"pump": [], "fan": []}
    for i in range(100):
        for name, rows in streams.items():
            found[name].append(pool.process(name, rows[i]))
    for name, rows in streams.items():
        alone = StreamingDetector("lstm_autoencoder", **settings)
        assert found[name] == list(alone.process_many(rows))
        assert pool.stats(name).model_version == 2
        other = DetectorPool("lstm_autoencoder", **settings)
        other.restore(name, pool.snapshot(name))
        assert same(other.process_many(name, rows), alone.process_many(rows))
