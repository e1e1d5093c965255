"""MCD finds the location and the covariance that scikit-learn finds, and PyOD's scores."""

from __future__ import annotations

from typing import Any

import freshet
import numpy as np
import pytest
from freshet_testing import Floats, queries, table
from pyod.models.mcd import MCD
from scipy.stats import spearmanr


def contaminated(n_rows: int, n_columns: int, seed: int = 0) -> Floats:
    """A cloud and, well separated from it, a quarter of the rows."""
    rng = np.random.default_rng([seed, n_rows, n_columns])
    X = rng.normal(size=(n_rows, n_columns)) @ rng.normal(size=(n_columns, n_columns)) + 100.0
    X[: n_rows // 4] += 1000.0 + rng.normal(size=(n_rows // 4, n_columns))
    return rng.permutation(X)


@pytest.mark.parametrize(("n_rows", "n_columns"), [(40, 1), (60, 2), (400, 3), (900, 5), (3000, 4)])
@pytest.mark.parametrize(
    "params", [{}, {"support_fraction": 0.7}, {"assume_centered": True}, {"support_fraction": 1.0}]
)
def test_the_same_location_and_covariance(
    n_rows: int, n_columns: int, params: dict[str, Any]
) -> None:
    X = contaminated(n_rows, n_columns)
    if params == {"support_fraction": 1.0}:
        X = table("gaussian", n_rows, n_columns)  # with anomalies there would be nothing robust
    ours = freshet.MCD(random_state=0, **params).fit(X)
    theirs = MCD(random_state=0, **params).fit(X)
    scale = np.sqrt(np.diag(theirs.detector_.covariance_))
    np.testing.assert_allclose(
        ours.location_ / scale, theirs.detector_.location_ / scale, rtol=1e-9, atol=1e-9
    )
    correlation = np.outer(scale, scale)
    np.testing.assert_allclose(
        ours.covariance_ / correlation, theirs.detector_.covariance_ / correlation, atol=1e-9
    )
    np.testing.assert_allclose(
        ours.precision_ * correlation, theirs.detector_.precision_ * correlation, rtol=1e-6
    )
    rows = queries("gaussian", X)
    np.testing.assert_allclose(
        ours.decision_function(rows), theirs.decision_function(rows), rtol=1e-8
    )
    np.testing.assert_allclose(ours.decision_scores_, theirs.decision_scores_, rtol=1e-8)
    assert (ours.labels_ == theirs.labels_).all()


@pytest.mark.parametrize("kind", ["gaussian", "heavy-tailed", "ties"])
def test_nearly_the_same_where_many_halves_are_tight(kind: str) -> None:
    X = table(kind, 1000, 4)
    ours = freshet.MCD(random_state=0).fit(X)
    theirs = MCD(random_state=0).fit(X)
    assert spearmanr(ours.decision_scores_, theirs.decision_scores_).statistic > 0.99
    assert (ours.labels_ == theirs.labels_).mean() > 0.97


def test_another_cloud_is_no_part_of_the_tightest_half() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(240, 6))
    X[:80] += 8.0
    for seed in range(5):
        location = freshet.MCD(random_state=seed).fit(X).location_
        np.testing.assert_allclose(location, np.zeros(6), atol=0.5)


def test_columns_without_a_covariance() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2))
    constant = np.hstack([np.full((300, 1), 7.0), X])
    model = freshet.MCD(random_state=0).fit(constant)
    np.testing.assert_allclose(
        model.decision_scores_, freshet.MCD(random_state=0).fit(X).decision_scores_
    )
    assert (model.precision_[0] == 0.0).all()
    assert model.explain(constant[:5])[:, 0].tolist() == [0.0] * 5
    assert freshet.MCD().fit(np.ones((20, 3))).decision_scores_.tolist() == [0.0] * 20


def test_the_precision_is_kept_if_wanted() -> None:
    X = table("gaussian", 100, 3)
    model = freshet.MCD().fit(X)
    np.testing.assert_allclose(model.precision_, np.linalg.inv(model.covariance_))
    assert freshet.MCD(store_precision=False).fit(X).precision_ is None
