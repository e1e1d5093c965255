"""The life of a streaming detector, and what it answers."""

from __future__ import annotations

import copy
import pickle
from datetime import datetime, timedelta, timezone
from typing import Any

import freshet
import numpy as np
import pandas as pd
import polars as pl
import pytest
from freshet import StreamingDetector
from freshet_testing import BACKENDS, same, stream

X = stream(600)
NAMES = ["load", "heat", "flow"]

backends = pytest.mark.parametrize(("backend", "params"), BACKENDS)


def inline(backend: str = "ecod", params: dict[str, Any] | None = None, **more: Any) -> Any:
    settings = {"min_samples": 50, "retrain_interval": 60, "window_size": 200, "retrain": "inline"}
    return StreamingDetector(backend, backend_params=params, **{**settings, **more})


# ---- lifecycle ----


@backends
def test_cold_start_then_verdicts(backend: str, params: dict[str, Any]) -> None:
    detector = inline(backend, params)
    assert not detector.stats().is_ready
    for i, row in enumerate(X[:50]):
        result = detector.process(row)
        assert result.score is None
        assert result.raw_score is None
        assert result.is_anomaly is None
        assert result.alarm is None
        assert result.model_version == 0
        assert result.samples_until_ready == 49 - i
        assert result.index == i
        assert result.status == ("collecting" if i < 49 else "ready")
    result = detector.process(X[50])
    assert result.score is not None
    assert 0.0 <= result.score <= 1.0
    assert result.is_anomaly is (result.score > 0.5)
    assert result.alarm is result.is_anomaly
    assert (result.model_version, result.index, result.samples_until_ready) == (1, 50, 0)


@backends
def test_an_outlier_is_an_anomaly(backend: str, params: dict[str, Any]) -> None:
    if backend == "loda":
        # PyOD looks up the outermost bin for a value far above all others, which is not empty.
        params = {"variant": "paper"}
    detector = inline(backend, params, contamination=0.02)
    detector.process_many(X[:100])
    assert detector.process([50.0, -50.0, 50.0]).is_anomaly
    assert not detector.process(np.median(X, axis=0)).is_anomaly


def test_retraining_inline_after_every_interval() -> None:
    batch = inline().process_many(X)
    # Trained at the rows with index 49, 109, 169, ...; the next row has the new model.
    expected = [0 if i < 50 else 1 + (i - 50) // 60 for i in range(600)]
    assert batch.model_version.tolist() == expected
    assert set(batch.status[49:]) == {"ready"}


def test_scores_are_those_of_the_estimator_trained_on_the_same_rows() -> None:
    detector = inline(normalization="raw")
    detector.process_many(X[:50])
    batch = detector.process_many(X[50:110])
    model = freshet.ECOD().fit(X[:50])
    np.testing.assert_array_equal(batch.raw_score, model.decision_function(X[50:110]))
    np.testing.assert_array_equal(batch.score, batch.raw_score)
    assert detector.process(X[110]).model_version == 2
    assert detector.stats().threshold == freshet.ECOD().fit(X[:110]).threshold_


def test_calibrated_scores_have_the_percentile_at_a_half() -> None:
    detector = inline(contamination=0.05)
    detector.process_many(X[:50])
    model = freshet.ECOD(contamination=0.05).fit(X[:50])
    batch = detector.process_many(X[50:110])
    np.testing.assert_array_equal(batch.is_anomaly, batch.raw_score > model.threshold_)
    np.testing.assert_array_equal(batch.is_anomaly, batch.score > 0.5)
    low = batch.raw_score < np.median(model.decision_scores_)
    np.testing.assert_array_equal(low, batch.score < 0.25)


def test_zscores_and_thresholds() -> None:
    detector = inline(normalization="zscore")
    detector.process_many(X[:50])
    scores = freshet.ECOD().fit(X[:50]).decision_scores_
    batch = detector.process_many(X[50:110])
    np.testing.assert_allclose(batch.score, (batch.raw_score - scores.mean()) / scores.std())
    assert detector.stats().threshold == 2.0
    np.testing.assert_array_equal(batch.is_anomaly, batch.score > 2.0)
    own = inline(normalization="zscore", threshold=1.0)
    own.process_many(X[:50])
    np.testing.assert_array_equal(own.process_many(X[50:110]).is_anomaly, batch.score > 1.0)


@backends
def test_row_by_row_and_in_batches_is_the_same(backend: str, params: dict[str, Any]) -> None:
    settings: dict[str, Any] = {
        "rolling_windows": [3, 10],
        "lag_periods": [1, 5],
        "shingle": 3,
        "scaler": "robust",
    }
    singly = inline(backend, params, **settings)
    results = [singly.process(row) for row in X]
    detector = inline(backend, params, **settings)
    batches = [detector.process_many(X[i:j]) for i, j in ((0, 1), (1, 70), (70, 600))]
    assert results == [result for batch in batches for result in batch]


def test_features_of_the_detector_are_the_rolling_features() -> None:
    detector = inline(columns=NAMES, rolling_windows=[5], lag_periods=[2], normalization="raw")
    detector.process_many(X[:50])
    batch = detector.process_many(X[50:100])
    features = freshet.RollingFeatures(NAMES, [5], [2])
    assert detector.feature_names == tuple(features.names)
    F = features.process_many(X[:100])
    np.testing.assert_array_equal(batch.score, freshet.ECOD().fit(F[:50]).decision_function(F[50:]))


def test_shingles_are_the_last_rows_as_one_vector() -> None:
    detector = inline(shingle=4, normalization="raw")
    detector.process_many(X[:50])
    batch = detector.process_many(X[50:100])
    windows = np.lib.stride_tricks.sliding_window_view(X[:100], 4, axis=0)
    windows = windows.transpose(0, 2, 1).reshape(97, 12)
    model = freshet.ECOD().fit(windows[:47])
    np.testing.assert_array_equal(batch.score, model.decision_function(windows[47:]))


@pytest.mark.parametrize("scaler", ["standard", "min_max", "robust"])
def test_scalers_do_not_change_what_depends_on_ranks_alone(scaler: str) -> None:
    plain, scaled = inline(), inline(scaler=scaler)
    a, b = plain.process_many(X[:300]), scaled.process_many(X[:300])
    np.testing.assert_allclose(a.score, b.score, rtol=1e-12)


def test_manual_retraining() -> None:
    detector = inline(retrain="manual")
    with pytest.raises(freshet.NotReadyError):
        detector.retrain()
    assert set(detector.process_many(X[:300]).model_version) == {0}
    detector.retrain()
    assert detector.process(X[300]).model_version == 1
    detector.retrain()
    assert detector.process(X[301]).model_version == 2


def test_background_training_never_holds_up_scoring() -> None:
    # A training of some 0.3 s, in which rows of some 0.02 ms go on with the model at hand.
    slow = {"n_bins": "auto", "n_random_cuts": 3000}
    detector = StreamingDetector(
        "loda", backend_params=slow, min_samples=500, window_size=500, retrain_interval=500
    )
    detector.process_many(stream(999))
    assert detector.stats().model_version == 1
    during = detector.process_many(stream(20))
    assert set(during.model_version) == {1}
    assert during.status[0] == "retraining"
    detector.wait()
    stats = detector.stats()
    assert (stats.status, stats.model_version, stats.samples_since_retrain) == ("ready", 2, 19)
    assert detector.process(X[0]).model_version == 2


def test_a_second_retrain_waits_for_the_first() -> None:
    slow = {"n_bins": "auto", "n_random_cuts": 500}
    detector = StreamingDetector("loda", backend_params=slow, retrain="background")
    detector.process_many(stream(90))
    detector.retrain()
    detector.retrain()
    detector.wait()
    assert detector.stats().model_version == 3
    assert detector.stats().status == "ready"


def test_a_failing_retrain_keeps_the_model_and_is_counted() -> None:
    detector = inline("hbos")
    detector.process_many(X[:50])
    assert detector.stats().model_version == 1
    # Values so close together that the density of a bin is infinite.
    close = np.where(np.arange(400) % 2 == 0, 0.0, 1e-310)
    rows = np.column_stack([close] * 3)
    detector.process_many(rows)
    stats = detector.stats()
    assert stats.failed_retrains > 0
    assert stats.last_error is not None
    assert "column 0" in stats.last_error
    assert stats.status == "ready"
    version, failures = stats.model_version, stats.failed_retrains
    assert detector.process(rows[0]).model_version == version
    with pytest.raises(freshet.FitError):
        detector.retrain()
    assert detector.stats().failed_retrains == failures + 1
    # Retried at the next interval: it succeeds when the window has other rows again.
    detector.process_many(X[:300])
    assert detector.stats().model_version > version
    assert detector.stats().failed_retrains >= failures + 1


def test_a_failing_retrain_in_the_background() -> None:
    detector = inline("hbos", retrain="background")
    detector.process_many(X[:50])
    close = np.where(np.arange(400) % 2 == 0, 0.0, 1e-310)
    detector.process_many(np.column_stack([close] * 3)[:200])
    detector.wait()
    before = detector.stats()
    detector.retrain()
    detector.wait()
    stats = detector.stats()
    assert stats.failed_retrains == before.failed_retrains + 1
    assert stats.model_version == before.model_version
    assert stats.status == "ready"


def test_reset() -> None:
    detector = inline(columns=NAMES, rolling_windows=[5])
    first = detector.process_many(X)
    detector.reset()
    assert detector.columns == tuple(NAMES)
    stats = detector.stats()
    assert (stats.status, stats.total_processed, stats.samples_collected) == ("collecting", 0, 0)
    assert stats.samples_until_ready == 50
    assert same(detector.process_many(X), first)


def test_stats() -> None:
    detector = inline()
    detector.process_many(X[:130])
    stats = detector.stats()
    assert stats.to_dict() == {
        "status": "ready",
        "model_version": 2,
        "samples_collected": 130,
        "total_processed": 130,
        "samples_since_retrain": 20,
        "samples_until_ready": 0,
        "dropped": 0,
        "failed_retrains": 0,
        "last_error": None,
        "last_fit_seconds": stats.last_fit_seconds,
        "threshold": 0.5,
        "is_ready": True,
    }
    assert stats.last_fit_seconds is not None
    assert stats.last_fit_seconds > 0.0
    detector.process_many(X[:200])
    assert detector.stats().samples_collected == 200
    assert StreamingDetector().stats().threshold is None


# ---- rows ----


def test_all_kinds_of_rows() -> None:
    expected = list(inline(columns=NAMES).process_many(X[:100]))
    backwards = NAMES[::-1]
    kinds: list[Any] = [
        lambda row: row,
        lambda row: row.tolist(),
        lambda row: tuple(row),
        lambda row: [np.float64(v) for v in row],
        lambda row: np.repeat(row, 2)[::2],
        lambda row: dict(zip(NAMES, row.tolist(), strict=True)),
        lambda row: dict(zip(backwards, row[::-1].tolist(), strict=True)),
        lambda row: dict(zip(["".join(list(n)) for n in NAMES], row, strict=True)),
        lambda row: pd.Series(row, index=NAMES),
        lambda row: pd.Series(row[::-1], index=backwards),
        lambda row: pd.Series(row),
        lambda row: pl.Series(row),
        lambda row: memoryview(row),
    ]
    for kind in kinds:
        detector = inline(columns=NAMES)
        assert [detector.process(kind(row)) for row in X[:100]] == expected


def test_integers_and_small_floats_are_numbers() -> None:
    rows = np.random.default_rng(0).integers(-5, 5, (100, 3))
    expected = list(inline().process_many(rows.astype(float)))
    for kind in (
        lambda row: row.tolist(),
        lambda row: row,
        lambda row: row.astype(np.float32),
        lambda row: row.astype(">f8"),
        lambda row: row.astype(object),
        lambda row: list(row),
        lambda row: [np.float16(v) for v in row],
    ):
        detector = inline()
        assert [detector.process(kind(row)) for row in rows] == expected


def test_all_kinds_of_batches() -> None:
    expected = inline(columns=NAMES).process_many(X)
    dicts = [dict(zip(NAMES, row.tolist(), strict=True)) for row in X]
    shuffled = [dict(sorted(row.items())) if i % 2 else row for i, row in enumerate(dicts)]
    for batch in (
        np.asfortranarray(X),
        np.hstack([X, X])[:, :3],
        np.repeat(X, 3, axis=0)[::3],
        X.tolist(),
        [tuple(row) for row in X],
        list(X),
        (row for row in X),
        dicts,
        shuffled,
        [pd.Series(row) for row in dicts],
        pd.DataFrame(dicts),
        pd.DataFrame(dicts)[NAMES[::-1]],
        pd.DataFrame(X),
        pl.DataFrame(dicts),
        pl.DataFrame(dicts).select(NAMES[::-1]),
    ):
        assert same(inline(columns=NAMES).process_many(batch), expected)


def test_wide_rows_by_name() -> None:
    rows = stream(60, 100)
    names = [f"c{i}" for i in range(100)]
    expected = list(inline(columns=names).process_many(rows))
    for order in (np.arange(100), np.random.default_rng(0).permutation(100)):
        detector = inline(columns=names)
        shuffled = [names[i] for i in order]
        dicts = [dict(zip(shuffled, row[order].tolist(), strict=True)) for row in rows]
        assert [detector.process(row) for row in dicts] == expected


def test_the_first_row_names_the_columns() -> None:
    for first in ({"b": 1.0, "a": 2.0}, pd.Series({"b": 1.0, "a": 2.0})):
        detector = StreamingDetector()
        assert detector.columns is None
        assert detector.feature_names is None
        detector.process(first)
        assert detector.columns == ("b", "a")
    for batch in ([{"b": 1.0, "a": 2.0}], pl.DataFrame({"b": [1.0], "a": [2.0]})):
        detector = StreamingDetector(n_features=2)
        detector.process_many(batch)
        assert detector.columns == ("b", "a")
    detector = StreamingDetector()
    detector.process([1.0, 2.0])
    assert detector.columns == ("f0", "f1")
    detector.process({"f1": 2.0, "f0": 1.0})
    assert detector.stats().total_processed == 2


def test_a_row_may_have_many_values_and_a_batch_many_rows() -> None:
    detector = StreamingDetector(min_samples=2, window_size=3)
    detector.process_many(np.random.default_rng(0).normal(size=(5, 2000)))
    assert len(detector.explain([0.0] * 2000)) == 2000


# ---- time ----


def test_timestamps_in_every_form() -> None:
    start = datetime(2026, 1, 1, tzinfo=timezone.utc)
    dates = [start + timedelta(hours=i) for i in range(100)]
    forms: list[list[Any]] = [
        [date.timestamp() for date in dates],
        [int(date.timestamp()) for date in dates],
        dates,
        [date.replace(tzinfo=None) for date in dates],
        [np.datetime64(date.replace(tzinfo=None)) for date in dates],
        [pd.Timestamp(date) for date in dates],
    ]
    for form in forms:
        detector = inline()
        for row, time in zip(X, form, strict=False):
            detector.process(row, timestamp=time)
        # Every form means the same: an hour before the last row is too late.
        for late in (other[98] for other in forms):
            with pytest.raises(freshet.DataError) as caught:
                detector.process(X[0], late)
            assert (caught.value.id, caught.value.row) == ("timestamp_out_of_order", 0)
        detector.process(X[0], forms[0][99])
        assert detector.stats().total_processed == 101
    arrays = [
        *forms,
        np.array(forms[4]),
        np.array(forms[4]).astype("datetime64[s]"),
        pd.DatetimeIndex(forms[3]),
        pd.Series(forms[3]),
        pl.Series(forms[3]),
        np.array(forms[0]),
    ]
    for array in arrays:
        detector = inline()
        assert len(detector.process_many(X[:100], array)) == 100
        with pytest.raises(freshet.DataError):
            detector.process(X[0], dates[98])


def test_late_rows_are_dropped_if_asked_for() -> None:
    detector = inline(out_of_order="drop")
    detector.process_many(X[:60], np.arange(60))
    late = detector.process(X[0], 10)
    assert late.score is None
    assert late.status == "ready"
    batch = detector.process_many(X[:4], [60, 61, 5, 62])
    assert batch.scored.tolist() == [True, True, False, True]
    stats = detector.stats()
    assert (stats.dropped, stats.total_processed) == (2, 63)


# ---- score and explain ----


@backends
def test_scoring_ahead_keeps_nothing(backend: str, params: dict[str, Any]) -> None:
    detector = inline(
        backend, params, columns=NAMES, rolling_windows=[4], lag_periods=[1], shingle=2
    )
    with pytest.raises(freshet.NotReadyError):
        detector.score(X[0])
    detector.process_many(X[:80])
    for row in X[80:100]:
        before = detector.snapshot()
        ahead = detector.score(dict(zip(NAMES, row, strict=True)))
        explanation = detector.explain(row)
        assert detector.snapshot() == before
        result = detector.process(row)
        assert (ahead.score, ahead.raw_score) == (result.score, result.raw_score)
        assert ahead.is_anomaly is result.is_anomaly
        assert float(ahead) == result.score
        assert (explanation.score, explanation.raw_score) == (result.score, result.raw_score)
        assert explanation.is_anomaly is result.is_anomaly


@backends
def test_explanations_sum_to_the_raw_score(backend: str, params: dict[str, Any]) -> None:
    detector = inline(
        backend,
        params,
        columns=NAMES,
        rolling_windows=[4, 8],
        lag_periods=[1],
        shingle=3,
        scaler="standard",
    )
    with pytest.raises(freshet.NotReadyError):
        detector.explain(X[0])
    detector.process_many(X[:100])
    explanation = detector.explain(X[100])
    assert list(explanation) == NAMES
    assert tuple(explanation.by_feature) == detector.feature_names
    for parts in (explanation.values(), explanation.by_feature.values()):
        assert sum(parts) == pytest.approx(explanation.raw_score, rel=1e-9)
    own = [v for name, v in explanation.by_feature.items() if name.startswith("heat")]
    assert explanation["heat"] == pytest.approx(sum(own), rel=1e-12)


def test_the_column_that_is_off_contributes_most() -> None:
    detector = inline(columns=NAMES, rolling_windows=[3])
    detector.process_many(X[:100])
    row = dict(zip(NAMES, np.median(X, axis=0), strict=True)) | {"heat": 100.0}
    explanation = detector.explain(row)
    assert max(explanation, key=explanation.__getitem__) == "heat"


# ---- results ----


def test_results_as_objects() -> None:
    detector = inline()
    cold, warm = (detector.process(row) for row in (X[0], X[1]))
    warm = [detector.process(row) for row in X[2:60]][-1]
    for result in (cold, warm):
        assert eval(repr(result), {"Result": dict}) == result.to_dict()
        assert pickle.loads(pickle.dumps(result)) == result
        assert copy.deepcopy(result) == result
        assert result != detector.process(X[3])
        assert result != "a result"
        with pytest.raises(AttributeError):
            result.score = 1.0  # type: ignore[misc]
    assert "score=" in repr(detector.score(X[0]))


def test_results_as_arrays() -> None:
    batch = inline().process_many(X[:100])
    assert len(batch) == 100
    assert batch.score.dtype == batch.raw_score.dtype == np.float64
    assert batch.scored.dtype == batch.is_anomaly.dtype == batch.alarm.dtype == np.bool_
    assert batch.index.dtype == batch.model_version.dtype == np.int64
    assert np.isnan(batch.score[:50]).all()
    assert np.isnan(batch.raw_score[:50]).all()
    assert not np.isnan(batch.score[50:]).any()
    assert not batch.is_anomaly[:50].any()
    np.testing.assert_array_equal(batch.scored, np.arange(100) >= 50)
    np.testing.assert_array_equal(batch.index, np.arange(100))
    np.testing.assert_array_equal(batch.samples_until_ready, np.maximum(49 - np.arange(100), 0))
    assert batch.status.tolist() == ["collecting"] * 49 + ["ready"] * 51
    assert list(batch) == [batch[i] for i in range(100)]
    assert batch[-1] == batch[99]
    assert list(batch[10:60:7]) == list(batch)[10:60:7]
    assert same(batch[:0], [])
    with pytest.raises(IndexError):
        batch[100]
    assert "100 rows, 50 scored" in repr(batch)
    assert same(pickle.loads(pickle.dumps(batch)), batch)


def test_results_as_tables() -> None:
    batch = inline().process_many(X[:100])
    dicts = batch.to_dicts()
    assert dicts[0]["score"] is None
    assert dicts == [result.to_dict() for result in batch]
    pandas_frame, polars_frame = batch.to_pandas(), batch.to_polars()
    assert list(pandas_frame.columns) == polars_frame.columns
    np.testing.assert_array_equal(pandas_frame["score"], batch.score)
    assert polars_frame["score"].null_count() == 50
    assert polars_frame["is_anomaly"].null_count() == 50
    assert polars_frame.drop("scored").to_dicts() == [
        {name: row[name] for name in polars_frame.columns if name != "scored"} for row in dicts
    ]


def test_explanations_and_statistics_as_tables() -> None:
    detector = inline(columns=NAMES)
    detector.process_many(X[:100])
    explanation = detector.explain(X[100])
    for rows in (
        explanation.to_pandas().to_dict("records"),
        explanation.to_polars().to_dicts(),
    ):
        assert {row["column"]: row["contribution"] for row in rows} == dict(explanation)
        assert [row["column"] for row in rows] == list(NAMES)
    stats = [detector.stats().to_dict()]
    assert pd.DataFrame(stats)["total_processed"].tolist() == [100]
    assert pl.DataFrame(stats)["is_ready"].to_list() == [True]


# ---- settings ----


def test_settings_make_an_equal_detector() -> None:
    detector = inline(
        "loda",
        {"n_random_cuts": np.int64(7)},
        columns=iter(NAMES),
        min_samples=np.int32(60),
        contamination=np.float32(0.25),
        rolling_windows=np.array([3, 5]),
        lag_periods=(1,),
        threshold=1,
        scaler="min_max",
        seed=2**64 - 1,
    )
    settings = detector.settings
    assert settings["backend_params"] == {"n_bins": 10, "n_random_cuts": 7, "variant": "pyod"}
    assert settings["columns"] == NAMES
    assert settings["rolling_windows"] == [3, 5]
    assert settings["seed"] == 2**64 - 1
    other = StreamingDetector(**settings)
    assert other.settings == settings
    assert same(other.process_many(X), detector.process_many(X))
    fresh = StreamingDetector()
    assert (fresh.settings["columns"], fresh.settings["n_features"]) == (None, None)
    assert StreamingDetector(**fresh.settings).settings == fresh.settings


def test_seeds_decide_random_backends() -> None:
    scores = [inline("loda", seed=seed).process_many(X).raw_score[100:] for seed in (1, 1, 2)]
    np.testing.assert_array_equal(scores[0], scores[1])
    assert (scores[0] != scores[2]).any()


def test_repr_says_where_it_is() -> None:
    detector = inline("hbos")
    detector.process_many(X[:70])
    assert repr(detector) == (
        "<StreamingDetector backend='hbos' status='ready' total_processed=70 model_version=1>"
    )
