"""The one-class SVM's scores are the negative of scikit-learn's decision values."""

from __future__ import annotations

from typing import Any

import freshet
import numpy as np
import pytest
from freshet_testing import queries, table
from pyod.models.ocsvm import OCSVM


@pytest.mark.parametrize("kind", ["gaussian", "heavy-tailed", "ties", "constant-columns"])
@pytest.mark.parametrize(
    "params",
    [
        {},
        {"nu": 0.1},
        {"nu": 0.9, "gamma": "scale"},
        {"gamma": 0.05},
        {"kernel": "linear", "nu": 0.3},
        {"kernel": "poly", "coef0": 1.0, "degree": 2, "gamma": 0.01},
        {"kernel": "sigmoid", "gamma": 0.001, "coef0": 0.1},
    ],
)
def test_scores_are_pyods(kind: str, params: dict[str, Any]) -> None:
    X = table(kind, 301, 4)  # nu times it is no integer, for then the offset may be ambiguous
    if params.get("kernel", "rbf") != "rbf":
        X = (X - X.mean(axis=0)) / (X.std(axis=0) + 1.0)
    rows = queries(kind, X)[:9]  # not those whose products are beyond libsvm's precision
    ours = freshet.OCSVM(tol=1e-7, **params).fit(X)
    theirs = OCSVM(tol=1e-7, max_iter=1_000_000, **params).fit(X)
    scale = 1.0 + np.abs(theirs.decision_scores_).max()
    np.testing.assert_allclose(
        ours.decision_scores_ / scale, theirs.decision_scores_ / scale, atol=1e-4
    )
    np.testing.assert_allclose(
        ours.decision_function(rows) / scale, theirs.decision_function(rows) / scale, atol=1e-4
    )
    assert ours.offset_ == pytest.approx(theirs.detector_.offset_[0], rel=1e-4, abs=1e-4 * scale)


def test_the_default_tolerance_is_scikit_learns() -> None:
    X = table("gaussian", 500, 3)
    ours = freshet.OCSVM().fit(X)
    theirs = OCSVM().fit(X)
    np.testing.assert_allclose(ours.decision_scores_, theirs.decision_scores_, atol=2e-3)
    assert ours.n_support_ == pytest.approx(len(theirs.detector_.support_), abs=3)


def test_a_limit_ends_the_training() -> None:
    X = table("gaussian", 300, 3)
    begun = freshet.OCSVM(max_iter=1).fit(X)
    assert (begun.decision_scores_ != freshet.OCSVM().fit(X).decision_scores_).any()
