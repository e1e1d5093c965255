"""The isolation forest is PyOD's and scikit-learn's, but for the trees that chance gives them."""

from __future__ import annotations

import freshet
import numpy as np
import pytest
from freshet_testing import queries, table
from pyod.models.iforest import IForest
from scipy.stats import spearmanr


@pytest.mark.parametrize("kind", ["gaussian", "heavy-tailed", "ties"])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({}, {}),
        ({"max_samples": 64}, {"max_samples": 64}),
        ({"max_samples": 0.2, "max_features": 0.5}, {"max_samples": 0.2, "max_features": 0.5}),
        ({"max_samples": 5000}, {"max_samples": 600}),  # all that there are
    ],
)
def test_many_trees_agree(kind: str, ours: dict[str, float], theirs: dict[str, float]) -> None:
    X = table(kind, 600, 4)
    rows = queries(kind, X)
    model = freshet.IForest(1500, random_state=0, **ours).fit(X)
    peer = IForest(1500, random_state=0, **theirs).fit(X)
    # PyOD's scores are the published ones less their threshold.
    expected = -peer.detector_.score_samples(rows)
    scores = model.decision_function(rows)
    np.testing.assert_allclose(scores, expected, atol=0.025)
    assert spearmanr(scores, expected).statistic > 0.97
    np.testing.assert_allclose(
        model.decision_scores_ - model.threshold_, peer.decision_scores_, atol=0.025
    )
    assert (model.labels_ == peer.labels_).mean() > 0.97


def test_the_same_seed_gives_the_same_forest() -> None:
    X = table("gaussian", 300, 3)
    first = freshet.IForest(random_state=1).fit(X).decision_scores_
    np.testing.assert_array_equal(first, freshet.IForest(random_state=1).fit(X).decision_scores_)
    assert (first != freshet.IForest(random_state=2).fit(X).decision_scores_).any()
    # A generator goes on: its next forest is another one.
    state = np.random.RandomState(1)
    np.testing.assert_array_equal(
        first, freshet.IForest(random_state=state).fit(X).decision_scores_
    )
    assert (first != freshet.IForest(random_state=state).fit(X).decision_scores_).any()


def test_a_share_of_the_rows_is_that_many_rows() -> None:
    X = table("gaussian", 200, 3)
    share = freshet.IForest(max_samples=0.25, random_state=3).fit(X).decision_scores_
    np.testing.assert_array_equal(
        share, freshet.IForest(max_samples=50, random_state=3).fit(X).decision_scores_
    )
