"""The estimators follow the scikit-learn and PyOD convention."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import freshet
import numpy as np
import pandas as pd
import polars as pl
import pytest
from freshet_testing import table
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

ESTIMATORS: list[tuple[Any, dict[str, Any]]] = [
    (freshet.ECOD, {}),
    (freshet.ECOD, {"variant": "paper", "contamination": 0.2}),
    (freshet.COPOD, {}),
    (freshet.COPOD, {"variant": "paper"}),
    (freshet.HBOS, {}),
    (freshet.HBOS, {"n_bins": "auto"}),
    (freshet.LODA, {"random_state": 3}),
    (freshet.LODA, {"random_state": 3, "variant": "paper", "n_bins": "auto"}),
    (freshet.IForest, {"random_state": 3}),
    (freshet.IForest, {"random_state": 3, "max_samples": 0.5, "max_features": 0.6}),
    (freshet.OCSVM, {}),
    (freshet.OCSVM, {"gamma": "scale", "nu": 0.2}),
    (freshet.MCD, {"random_state": 3}),
    (freshet.MCD, {"random_state": 3, "support_fraction": 0.9, "store_precision": False}),
    (freshet.KNN, {}),
    (freshet.KNN, {"n_neighbors": 4, "method": "median"}),
    (freshet.LOF, {"n_neighbors": 9}),
    (freshet.CBLOF, {"random_state": 3}),
    (freshet.SUOD, {"random_state": 3}),
    (freshet.SUOD, {"random_state": 3, "combination": "maximization"}),
    (freshet.AutoEncoder, {"epoch_num": 2}),
    (freshet.AutoEncoder, {"hidden_neuron_list": [4], "hidden_activation_name": "tanh"}),
]

estimators = pytest.mark.parametrize(("cls", "params"), ESTIMATORS)

X = table("gaussian", 300, 5)
NAMES = ["a", "b", "c", "d", "e"]
ROWS = np.vstack([table("gaussian", 20, 5, seed=1), X.max(axis=0) + 10.0])


@estimators
def test_attributes_after_fit(cls: Any, params: dict[str, Any]) -> None:
    detector = cls(**params)
    assert detector.fit(X, None) is detector
    assert detector.decision_scores_.shape == (300,)
    assert detector.decision_scores_.dtype == np.float64
    assert detector.n_features_in_ == 5
    assert not hasattr(detector, "feature_names_in_")
    assert set(np.unique(detector.labels_)) == {0, 1}
    np.testing.assert_array_equal(detector.labels_, detector.decision_scores_ > detector.threshold_)
    np.testing.assert_array_equal(cls(**params).fit_predict(X), detector.labels_)


@estimators
def test_predictions_follow_from_scores(cls: Any, params: dict[str, Any]) -> None:
    detector = cls(**params).fit(X)
    scores = detector.decision_function(ROWS)
    assert scores.shape == (21,)
    np.testing.assert_array_equal(detector.predict(ROWS), scores > detector.threshold_)
    assert detector.predict(ROWS)[-1] == 1
    for method in ("linear", "unify"):
        probabilities = detector.predict_proba(ROWS, method)
        assert probabilities.shape == (21, 2)
        assert (probabilities >= 0.0).all()
        np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
        assert (np.diff(probabilities[np.argsort(scores), 1]) >= 0.0).all()
    with pytest.raises(freshet.ConfigurationError) as caught:
        detector.predict_proba(ROWS, "softmax")
    assert caught.value.field == "method"


@estimators
def test_contributions_sum_to_the_score(cls: Any, params: dict[str, Any]) -> None:
    detector = cls(**params).fit(X)
    contributions = detector.explain(ROWS)
    assert contributions.shape == ROWS.shape
    np.testing.assert_allclose(
        contributions.sum(axis=1), detector.decision_function(ROWS), rtol=1e-12, atol=1e-12
    )


def test_the_column_that_is_off_contributes_most() -> None:
    row = np.median(X, axis=0)
    row[3] += 100.0
    for cls, params in ESTIMATORS:
        if cls is not freshet.HBOS:  # there every empty bin counts the same
            assert cls(**params).fit(X).explain([row])[0].argmax() == 3


@estimators
def test_before_fit(cls: Any, params: dict[str, Any]) -> None:
    detector = cls(**params)
    for method in (detector.decision_function, detector.predict, detector.explain):
        with pytest.raises(freshet.NotReadyError) as caught:
            method(ROWS)
        assert caught.value.id == "not_ready"
    for name in (
        "decision_scores_",
        "threshold_",
        "labels_",
        "hist_",
        "projections_",
        "cluster_centers_",
    ):
        assert not hasattr(detector, name)


@estimators
def test_parameters(cls: Any, params: dict[str, Any]) -> None:
    detector = cls(**params)
    assert detector.get_params().items() >= params.items()
    assert eval(repr(detector), vars(freshet)).get_params() == detector.get_params()
    assert clone(detector).get_params() == detector.get_params()
    detector.set_params(contamination=0.25)
    assert detector.get_params()["contamination"] == 0.25
    assert detector.fit(X).labels_.mean() == pytest.approx(0.25, abs=0.02)
    with pytest.raises(freshet.ConfigurationError) as caught:
        detector.set_params(neighbours=3)
    assert (caught.value.id, caught.value.field) == ("parameter_unknown", "neighbours")


@pytest.mark.parametrize(
    ("cls", "params", "field"),
    [
        *((cls, {"contamination": c}, "contamination")
          for cls in dict.fromkeys(cls for cls, _ in ESTIMATORS)
          for c in (0.0, -0.1, 0.51, float("nan"), "auto", None)),
        (freshet.ECOD, {"variant": "tkde"}, "variant"),
        (freshet.COPOD, {"variant": 1}, "variant"),
        (freshet.HBOS, {"n_bins": 1}, "n_bins"),
        (freshet.HBOS, {"n_bins": 0}, "n_bins"),
        (freshet.HBOS, {"n_bins": -5}, "n_bins"),
        (freshet.HBOS, {"n_bins": 2.5}, "n_bins"),
        (freshet.HBOS, {"n_bins": "many"}, "n_bins"),
        (freshet.HBOS, {"alpha": 0.0}, "alpha"),
        (freshet.HBOS, {"alpha": float("nan")}, "alpha"),
        (freshet.HBOS, {"tol": 1.0}, "tol"),
        (freshet.LODA, {"n_bins": 100_001}, "n_bins"),
        (freshet.LODA, {"n_random_cuts": 0}, "n_random_cuts"),
        (freshet.LODA, {"variant": "pevny"}, "variant"),
        (freshet.IForest, {"n_estimators": 0}, "n_estimators"),
        (freshet.IForest, {"max_samples": 0}, "max_samples"),
        (freshet.IForest, {"max_samples": 1.5}, "max_samples"),
        (freshet.IForest, {"max_samples": "all"}, "max_samples"),
        (freshet.IForest, {"max_features": 0.0}, "max_features"),
        (freshet.MCD, {"support_fraction": 0.0}, "support_fraction"),
        (freshet.MCD, {"support_fraction": 1.1}, "support_fraction"),
        (freshet.MCD, {"assume_centered": "yes"}, "assume_centered"),
        (freshet.OCSVM, {"kernel": "precomputed"}, "kernel"),
        (freshet.OCSVM, {"degree": -1}, "degree"),
        (freshet.OCSVM, {"gamma": "none"}, "gamma"),
        (freshet.OCSVM, {"gamma": -1.0}, "gamma"),
        (freshet.OCSVM, {"coef0": float("nan")}, "coef0"),
        (freshet.OCSVM, {"tol": 0.0}, "tol"),
        (freshet.OCSVM, {"nu": 0.0}, "nu"),
        (freshet.OCSVM, {"nu": 1.1}, "nu"),
        (freshet.OCSVM, {"max_iter": 0}, "max_iter"),
        (freshet.KNN, {"n_neighbors": 0}, "n_neighbors"),
        (freshet.KNN, {"n_neighbors": 1001}, "n_neighbors"),
        (freshet.KNN, {"n_neighbors": 2.5}, "n_neighbors"),
        (freshet.KNN, {"method": "smallest"}, "method"),
        (freshet.LOF, {"n_neighbors": 0}, "n_neighbors"),
        (freshet.CBLOF, {"n_clusters": 0}, "n_clusters"),
        (freshet.CBLOF, {"alpha": 1.0}, "alpha"),
        (freshet.CBLOF, {"beta": 1}, "beta"),
        (freshet.CBLOF, {"use_weights": 1}, "use_weights"),
        (freshet.SUOD, {"combination": "median"}, "combination"),
        (freshet.AutoEncoder, {"hidden_neuron_list": []}, "hidden_neuron_list"),
        (freshet.AutoEncoder, {"hidden_neuron_list": "64"}, "hidden_neuron_list"),
        (freshet.AutoEncoder, {"hidden_activation_name": "softmax"}, "hidden_activation_name"),
        (freshet.AutoEncoder, {"epoch_num": 0}, "epoch_num"),
        (freshet.AutoEncoder, {"lr": 0.0}, "lr"),
        (freshet.AutoEncoder, {"dropout_rate": 1.0}, "dropout_rate"),
        (freshet.AutoEncoder, {"batch_norm": 1}, "batch_norm"),
    ],
)  # fmt: skip
def test_parameters_out_of_range(cls: Any, params: dict[str, Any], field: str) -> None:
    with pytest.raises(freshet.ConfigurationError) as caught:
        cls(**params)
    assert caught.value.field == field
    assert caught.value.expected
    # Set later, they are refused by fit, and what was learned stays.
    detector = cls().fit(X)
    scores = detector.decision_function(ROWS)
    detector.set_params(**params)
    with pytest.raises(freshet.ConfigurationError) as caught:
        detector.fit(ROWS)
    assert caught.value.field == field
    np.testing.assert_array_equal(detector.decision_function(ROWS), scores)


@pytest.mark.parametrize("cls", [freshet.LODA, freshet.IForest, freshet.CBLOF, freshet.MCD])
@pytest.mark.parametrize("random_state", [-1, "seed", 2.5, np.random.default_rng(0)])
def test_random_state_out_of_range(cls: Any, random_state: Any) -> None:
    with pytest.raises(freshet.ConfigurationError) as caught:
        cls(random_state=random_state).fit(X)
    assert caught.value.field == "random_state"


@pytest.mark.parametrize("shape", [(100, 4), (99, 5), (5,)])
def test_projections_of_another_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(freshet.Error):
        freshet.LODA().fit(X, projections=np.ones(shape))


@estimators
def test_bad_rows(cls: Any, params: dict[str, Any]) -> None:
    detector = cls(**params).fit(X)
    scores = detector.decision_function(ROWS)
    for value, id_ in [
        (np.nan, "value_non_finite"),
        (np.inf, "value_non_finite"),
        (-np.inf, "value_non_finite"),
        (1e101, "value_out_of_range"),
    ]:
        bad = ROWS.copy()
        bad[7, 2] = value
        for method in (detector.fit, detector.decision_function, detector.explain):
            with pytest.raises(freshet.DataError) as caught:
                method(bad)
            assert (caught.value.id, caught.value.row, caught.value.column) == (id_, 7, 2)
            with pytest.raises(freshet.DataError) as caught:
                method(pd.DataFrame(bad, columns=NAMES))
            assert caught.value.field == "c"
    for rows in (ROWS[:, :4], np.empty((0, 5)), np.empty((3, 0)), ROWS[0], 3.0, "rows", None):
        with pytest.raises(freshet.DataError):
            detector.decision_function(rows)
    for rows in (np.empty((0, 5)), np.empty((3, 0)), ROWS[0], [["a", 1.0]], [[None, 1.0]]):
        with pytest.raises(freshet.DataError):
            detector.fit(rows)
    np.testing.assert_array_equal(detector.decision_function(ROWS), scores)


def test_values_that_are_no_numbers_are_named() -> None:
    with pytest.raises(freshet.DataError) as caught:
        freshet.ECOD().fit(pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, "high"]}))
    assert (caught.value.row, caught.value.column, caught.value.field) == (1, 1, "b")


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
def test_data_frames_are_matched_by_name(make: Any) -> None:
    frame = make({name: X[:, j] for j, name in enumerate(NAMES)})
    detector = freshet.ECOD().fit(frame)
    assert detector.feature_names_in_.tolist() == NAMES
    scores = freshet.ECOD().fit(X).decision_function(X)
    np.testing.assert_array_equal(detector.decision_function(frame), scores)
    np.testing.assert_array_equal(detector.decision_function(frame[NAMES[::-1]]), scores)
    np.testing.assert_array_equal(detector.decision_function(X), scores)
    with pytest.raises(freshet.DataError) as caught:
        detector.decision_function(frame[NAMES[:-1]])
    assert (caught.value.id, caught.value.field) == ("column_missing", "e")
    with pytest.raises(freshet.DataError) as caught:
        detector.decision_function(make(dict.fromkeys([*NAMES[:-1], "z"], X[:, 0])))
    assert (caught.value.id, caught.value.field) == ("column_unknown", "z")
    # Trained again on an array, it knows no names any more.
    assert not hasattr(detector.fit(X), "feature_names_in_")


def test_columns_that_come_twice() -> None:
    detector = freshet.ECOD().fit(pd.DataFrame(X, columns=NAMES))
    with pytest.raises(freshet.DataError) as caught:
        detector.decision_function(pd.DataFrame(X, columns=["a", "b", "c", "d", "d"]))
    assert (caught.value.id, caught.value.field) == ("column_duplicate", "d")


@estimators
def test_any_layout_and_type_of_numbers(cls: Any, params: dict[str, Any]) -> None:
    whole = table("ties", 200, 5)
    expected = cls(**params).fit(whole).decision_function(whole)
    wide = np.zeros((400, 9))
    wide[::2, 2:7] = whole
    for rows in (
        np.asfortranarray(whole),
        wide[::2, 2:7],
        whole[::-1][::-1],
        whole.astype(np.int8),
        whole.astype(np.float32),
        whole.astype(">f8"),
        whole.tolist(),
        whole.astype(object),
        pd.DataFrame(whole),
    ):
        np.testing.assert_array_equal(cls(**params).fit(rows).decision_function(rows), expected)


@estimators
def test_pickled_and_copied_estimators_score_the_same(cls: Any, params: dict[str, Any]) -> None:
    detector = cls(**params).fit(X)
    for other in (pickle.loads(pickle.dumps(detector)), copy.deepcopy(detector)):
        np.testing.assert_array_equal(
            other.decision_function(ROWS), detector.decision_function(ROWS)
        )
        np.testing.assert_array_equal(other.explain(ROWS), detector.explain(ROWS))
        np.testing.assert_array_equal(other.labels_, detector.labels_)
        assert other.get_params() == detector.get_params()


def test_damaged_pickles_are_refused() -> None:
    model = freshet.HBOS().fit(X)._model
    state = model.__getstate__()
    for damaged in (state[:-1], state + b"\0", b"", b"\xff" * len(state)):
        with pytest.raises(freshet.SnapshotError):
            type(model).__new__(type(model)).__setstate__(damaged)


@estimators
def test_in_a_scikit_learn_pipeline(cls: Any, params: dict[str, Any]) -> None:
    pipeline = make_pipeline(StandardScaler(), cls(**params))
    pipeline.fit(X)
    check_is_fitted(pipeline)
    scaled = StandardScaler().fit_transform(X)
    expected = cls(**params).fit(scaled)
    np.testing.assert_array_equal(pipeline.predict(X), expected.predict(scaled))
    np.testing.assert_array_equal(pipeline.decision_function(X), expected.decision_function(scaled))
    assert pipeline.set_params(**{f"{cls.__name__.lower()}__contamination": 0.3})
    clone(pipeline).fit(X)


def test_a_failing_fit_is_a_typed_error() -> None:
    column = np.where(np.arange(100) % 2 == 0, 0.0, 1e-310)
    with pytest.raises(freshet.FitError) as caught:
        freshet.HBOS().fit(np.column_stack([X[:100, 0], column]))
    assert caught.value.id == "fit_failed"
    assert caught.value.column == 1


def test_ecod_and_copod_are_the_same_method_in_the_papers() -> None:
    a = freshet.ECOD(variant="paper").fit(X)
    b = freshet.COPOD(variant="paper").fit(X)
    np.testing.assert_array_equal(a.decision_function(ROWS), b.decision_function(ROWS))
    assert (a.decision_scores_ != freshet.ECOD().fit(X).decision_scores_).any()


def test_backends_are_those_of_the_registry() -> None:
    found = freshet.backends()
    assert [one.backend for one in found] == freshet._core.backend_names()
    for one in found:
        parameters = freshet._core.default_parameters(one.backend)
        assert one.parameters == tuple(parameters)
        freshet.StreamingDetector(one.backend, backend_params=parameters)
        assert one.name
        assert one.description
        assert one.best_for
        assert one.category in {"fast", "ensemble", "distance", "clustering", "deep_learning"}
        assert one.speed in {"very_fast", "fast", "medium", "slow"}
        assert one.memory in {"low", "medium", "high"}
        assert not one.is_legacy
