"""What holds for all data and all settings."""

from __future__ import annotations

from random import Random
from typing import Any

import freshet
import numpy as np
import numpy.typing as npt
from freshet import StreamingDetector
from freshet_testing import same
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

Floats = npt.NDArray[np.float64]

values = st.one_of(
    st.floats(-1e6, 1e6),
    st.floats(-1e100, 1e100),
    st.integers(-3, 3).map(float),
)
tables = arrays(
    np.float64, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=30), elements=values
)
ESTIMATORS: list[Any] = [
    freshet.ECOD,
    freshet.COPOD,
    freshet.HBOS,
    freshet.LODA,
    freshet.IForest,
    freshet.KNN,
    freshet.LOF,
    freshet.CBLOF,
    freshet.AutoEncoder,
    freshet.SUOD,
    freshet.MCD,
    freshet.OCSVM,
]
backend_names = st.sampled_from([one._backend for one in ESTIMATORS])


@st.composite
def streams(draw: st.DrawFn) -> tuple[dict[str, object], Floats]:
    """Settings of a detector, and a stream for it."""
    min_samples = draw(st.integers(4, 10))
    options = {
        "backend": draw(backend_names),
        "min_samples": min_samples,
        "window_size": draw(st.integers(min_samples, 30)),
        "retrain_interval": draw(st.integers(1, 20)),
        "contamination": draw(st.floats(0.01, 0.5)),
        "normalization": draw(st.sampled_from(["calibrated", "standardization", "zscore", "raw"])),
        "rolling_windows": draw(st.lists(st.integers(1, 12), max_size=2, unique=True)),
        "lag_periods": draw(st.lists(st.integers(1, 5), max_size=2, unique=True)),
        "shingle": draw(st.integers(1, 3)),
        "scaler": draw(st.sampled_from([None, "standard", "min_max", "robust"])),
        "retrain": "inline",
        "seed": draw(st.integers(0, 2**64 - 1)),
    }
    shape = (draw(st.integers(5, 60)), draw(st.integers(1, 3)))
    return options, draw(arrays(np.float64, shape, elements=values))


@settings(max_examples=150, deadline=None)
@given(streams(), st.data())
def test_streams_can_be_cut_and_batched_anywhere(
    given_stream: tuple[dict[str, object], Floats], data: st.DataObject
) -> None:
    options, X = given_stream
    cut = data.draw(st.integers(1, len(X) - 1))
    at_once = StreamingDetector(**options).process_many(X)  # type: ignore[arg-type]
    detector = StreamingDetector(**options)  # type: ignore[arg-type]
    singly = [detector.process(row) for row in X[:cut]]
    restored = StreamingDetector.restore(detector.snapshot())
    assert singly == list(at_once[:cut])
    assert same(restored.process_many(X[cut:]), at_once[cut:])


@settings(max_examples=150, deadline=None)
@given(streams())
def test_verdicts_are_consistent(given_stream: tuple[dict[str, object], Floats]) -> None:
    options, X = given_stream
    detector = StreamingDetector(**options)  # type: ignore[arg-type]
    batch = detector.process_many(X)
    scores = batch.score[batch.scored]
    assert np.isfinite(scores).all()
    assert np.isfinite(batch.raw_score[batch.scored]).all()
    if options["normalization"] in ("calibrated", "standardization"):
        assert ((scores >= 0.0) & (scores <= 1.0)).all()
    np.testing.assert_array_equal(batch.scored, batch.model_version > 0)
    assert (np.diff(batch.model_version) >= 0).all()
    stats = detector.stats()
    assert stats.total_processed == len(X)
    assert stats.samples_collected == min(len(X), options["window_size"])  # type: ignore[type-var]
    if stats.is_ready:
        explanation = detector.explain(X[0])
        total = sum(explanation.by_feature.values())
        scale = sum(abs(v) for v in explanation.by_feature.values())
        # SUOD's are sums of standardized scores, which may cancel within a feature.
        least = 1.0 if options["backend"] == "suod" else 1e-300
        assert abs(total - explanation.raw_score) <= 1e-9 * max(scale, least)


@settings(max_examples=200, deadline=None)
@given(backend_names, tables)
def test_estimators_score_rows_alike_alone_and_together(backend: str, X: Floats) -> None:
    cls = {one._backend: one for one in ESTIMATORS}[backend]
    try:
        model = cls(**({"random_state": 0} if hasattr(cls(), "random_state") else {})).fit(X)
    except freshet.FitError:
        assume(False)
    scores = model.decision_function(X)
    assert np.isfinite(scores).all()
    assert np.isfinite(model.decision_scores_).all()
    np.testing.assert_array_equal(scores, [model.decision_function(row[None])[0] for row in X])
    probabilities = model.predict_proba(X)
    assert ((probabilities >= 0.0) & (probabilities <= 1.0)).all()


@settings(max_examples=100, deadline=None)
@given(tables, st.randoms(use_true_random=False))
def test_the_order_of_training_rows_does_not_matter(X: Floats, random: Random) -> None:
    order = random.sample(range(len(X)), len(X))
    try:
        model = freshet.HBOS().fit(X)
    except freshet.FitError:
        assume(False)
    shuffled = freshet.HBOS().fit(X[order])
    np.testing.assert_array_equal(shuffled.decision_scores_, model.decision_scores_[order])
    np.testing.assert_array_equal(shuffled.decision_function(X), model.decision_function(X))


@settings(max_examples=100, deadline=None)
@given(tables, st.integers(-20, 20))
def test_ecod_and_copod_ignore_units(X: Floats, exponent: int) -> None:
    X = np.round(np.clip(X, -1e3, 1e3))
    for cls in (freshet.ECOD, freshet.COPOD):
        for variant in ("pyod", "paper"):
            model = cls(variant=variant).fit(X)
            # A power of two changes no rounding, so that skewnesses keep their sign.
            scaled = cls(variant=variant).fit(X * 2.0**exponent)
            np.testing.assert_array_equal(scaled.decision_scores_, model.decision_scores_)
            np.testing.assert_array_equal(
                scaled.decision_function(X * 2.0**exponent), model.decision_function(X)
            )


@settings(max_examples=100, deadline=None)
@given(
    st.lists(values, min_size=1, max_size=80),
    st.lists(st.integers(1, 20), min_size=1, max_size=3, unique=True),
)
def test_rolling_features_are_those_of_the_last_rows(x: list[float], windows: list[int]) -> None:
    features = freshet.RollingFeatures(1, windows)
    F = features.process_many(np.array(x)[:, None])
    for i in range(len(x)):
        for k, window in enumerate(windows):
            last = np.array(x[max(0, i - window + 1) : i + 1], dtype=np.longdouble)
            mean, std, low, high = F[i, 1 + 4 * k : 5 + 4 * k]
            scale = float(np.abs(last).max())
            assert low == last.min()
            assert high == last.max()
            assert abs(mean - float(last.mean())) <= 1e-12 * scale
            expected = float(last.std(ddof=1)) if len(last) > 1 else 0.0
            assert abs(std - expected) <= 1e-9 * max(expected, 1e-15 * scale) + 1e-150
