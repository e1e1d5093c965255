"""The numbers of methods that look at neighbors are PyOD's."""

from __future__ import annotations

from typing import Any

import freshet
import numpy as np
import pytest
from freshet_testing import KINDS, Floats, queries, table
from pyod.models.knn import KNN
from pyod.models.lof import LOF
from scipy.stats import spearmanr

SHAPES = [(30, 1), (30, 5), (300, 1), (300, 5), (300, 40), (2000, 3)]


def assert_parity(ours: Any, theirs: Any, rows: Floats) -> None:
    np.testing.assert_allclose(ours.decision_scores_, theirs.decision_scores_, rtol=1e-9)
    np.testing.assert_allclose(ours.threshold_, theirs.threshold_, rtol=1e-9)
    np.testing.assert_array_equal(ours.labels_, theirs.labels_)
    np.testing.assert_allclose(
        ours.decision_function(rows), theirs.decision_function(rows), rtol=1e-9
    )


@pytest.mark.parametrize(("n_rows", "n_columns"), SHAPES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"n_neighbors": 1},
        {"n_neighbors": 10, "method": "mean"},
        {"n_neighbors": 8, "method": "median"},
        {"n_neighbors": 29, "method": "median", "contamination": 0.3},
    ],
    ids=str,
)
def test_knn_is_pyods(parameters: dict[str, Any], kind: str, n_rows: int, n_columns: int) -> None:
    X = table(kind, n_rows, n_columns)
    # By itself PyOD takes squared distances of wide rows as |x|² - 2xy + |y|², which is inexact.
    theirs = KNN(**parameters, algorithm="ball_tree").fit(X)
    assert_parity(freshet.KNN(**parameters).fit(X), theirs, queries(kind, X))


@pytest.mark.parametrize("n_columns", [5, 40])
def test_knn_is_pyods_as_it_comes(n_columns: int) -> None:
    X = table("gaussian", 500, n_columns)
    ours, theirs = freshet.KNN().fit(X), KNN().fit(X)
    rows = table("gaussian", 50, n_columns, seed=1)
    assert_parity(ours, theirs, rows)
    np.testing.assert_array_equal(ours.predict(rows), theirs.predict(rows))
    np.testing.assert_allclose(ours.predict_proba(rows), theirs.predict_proba(rows), rtol=1e-9)


@pytest.mark.parametrize(("n_rows", "n_columns"), SHAPES)
@pytest.mark.parametrize("kind", ["gaussian", "heavy-tailed", "constant-columns"])
@pytest.mark.parametrize(
    "parameters", [{}, {"n_neighbors": 1}, {"n_neighbors": 29, "contamination": 0.3}], ids=str
)
def test_lof_is_pyods(parameters: dict[str, Any], kind: str, n_rows: int, n_columns: int) -> None:
    X = table(kind, n_rows, n_columns)
    theirs = LOF(**parameters, algorithm="ball_tree").fit(X)
    assert_parity(freshet.LOF(**parameters).fit(X), theirs, queries(kind, X))


def test_lof_of_ties_is_pyods_within_the_choice_of_neighbors() -> None:
    # Which of equally near rows are neighbors is each one's own choice.
    X = table("ties", 1000, 4)
    ours, theirs = freshet.LOF().fit(X), LOF().fit(X)
    assert spearmanr(ours.decision_scores_, theirs.decision_scores_).statistic > 0.97
    np.testing.assert_allclose(ours.threshold_, theirs.threshold_, rtol=0.02)


@pytest.mark.filterwarnings("ignore:n_neighbors")  # scikit-learn says that it takes all others
def test_lof_of_a_constant_and_of_few_rows_is_pyods() -> None:
    rows = np.array([[2.0, 3.0], [2.0, 4.0]])
    for X in (np.full((50, 2), [2.0, 3.0]), table("gaussian", 6, 2), table("gaussian", 2, 2)):
        assert_parity(freshet.LOF().fit(X), LOF().fit(X), rows)
    with pytest.raises(freshet.FitError) as caught:
        freshet.LOF().fit(rows[:1])
    assert caught.value.field == "n_neighbors"


@pytest.mark.parametrize("offset", [1e6, -1e9])
def test_distances_far_from_zero_keep_their_digits(offset: float) -> None:
    X = np.round(table("gaussian", 200, 20), 2) + offset
    X = X - offset + offset  # what is left of the digits
    moved = freshet.KNN().fit(X).decision_function(X[:50] + 0.25)
    # The same differences, exactly.
    here = freshet.KNN().fit(X - offset).decision_function(X[:50] + 0.25 - offset)
    np.testing.assert_array_equal(moved, here)


def test_there_have_to_be_more_rows_than_neighbors() -> None:
    X = table("gaussian", 5, 2)
    with pytest.raises(freshet.FitError) as caught:
        freshet.KNN().fit(X)
    assert (caught.value.id, caught.value.field) == ("fit_failed", "n_neighbors")
    assert caught.value.expected == "at least 6 training rows"
    assert freshet.KNN(n_neighbors=4).fit(X).decision_scores_.shape == (5,)


def test_a_stream_with_too_few_rows_trains_later() -> None:
    detector = freshet.StreamingDetector("knn", min_samples=4, retrain_interval=4, retrain="inline")
    scored = detector.process_many(table("gaussian", 30, 2)).scored
    stats = detector.stats()
    assert stats.failed_retrains == 1
    assert not scored[:8].any()
    assert scored[8:].all()
