"""CBLOF's numbers are PyOD's given the same clusters, and the clusters are as good."""

from __future__ import annotations

from typing import Any

import freshet
import numpy as np
import pytest
from freshet_testing import Floats, queries, table
from pyod.models.cblof import CBLOF
from sklearn.cluster import KMeans

SETTINGS: list[dict[str, Any]] = [
    # With more than 7 / 8 PyOD refuses eight clusters of about the same size.
    {"alpha": 0.8},
    {"n_clusters": 15, "alpha": 0.6, "beta": 1.5},
    {"n_clusters": 3, "alpha": 0.5, "use_weights": True, "contamination": 0.02},
]


def groups(n_rows: int = 600, n_columns: int = 4, seed: int = 0) -> Floats:
    """Eight groups that are apart, two of them small."""
    rng = np.random.default_rng(seed)
    sizes = np.array([0.3, 0.2, 0.18, 0.15, 0.1, 0.05, 0.01, 0.01])
    which = rng.choice(8, size=n_rows, p=sizes)
    which[:8] = range(8)
    corners = 60.0 * (np.arange(8)[:, None] >> np.arange(n_columns) & 1)
    return np.asarray(corners[which] + rng.normal(size=(n_rows, n_columns)))


def assert_parity(ours: Any, theirs: Any, rows: Floats) -> None:
    np.testing.assert_allclose(ours.decision_scores_, theirs.decision_scores_, rtol=1e-9)
    np.testing.assert_allclose(ours.threshold_, theirs.threshold_, rtol=1e-9)
    np.testing.assert_array_equal(ours.labels_, theirs.labels_)
    np.testing.assert_allclose(
        ours.decision_function(rows), theirs.decision_function(rows), rtol=1e-9
    )
    np.testing.assert_array_equal(ours.cluster_sizes_, np.sort(theirs.cluster_sizes_)[::-1])
    assert len(ours.large_cluster_labels_) == len(theirs.large_cluster_labels_)
    assert len(ours.small_cluster_labels_) == len(theirs.small_cluster_labels_)


@pytest.mark.parametrize("kind", ["gaussian", "heavy-tailed", "constant-columns"])
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_given_its_clusters_cblof_is_pyods(settings: dict[str, Any], kind: str) -> None:
    for n_columns in (2, 5, 30):
        X = table(kind, 400, n_columns)
        theirs = CBLOF(**settings, random_state=0).fit(X)
        ours = freshet.CBLOF(**settings).fit(X, centers=theirs.cluster_centers_)
        assert_parity(ours, theirs, queries(kind, X))
        order = np.argsort(-theirs.cluster_sizes_, kind="stable")
        np.testing.assert_array_equal(ours.cluster_centers_, theirs.cluster_centers_[order])


@pytest.mark.parametrize("use_weights", [False, True])
def test_where_the_clusters_are_plain_cblof_is_pyods(use_weights: bool) -> None:
    X = groups()
    theirs = CBLOF(use_weights=use_weights, random_state=1).fit(X)
    ours = freshet.CBLOF(use_weights=use_weights, random_state=1).fit(X)
    assert_parity(ours, theirs, groups(seed=1))
    assert len(ours.small_cluster_labels_) > 0


@pytest.mark.parametrize("kind", ["gaussian", "heavy-tailed", "ties"])
def test_clusters_are_as_tight_as_those_of_scikit_learn(kind: str) -> None:
    X = table(kind, 500, 3)

    def spread(centers: Floats) -> float:
        squares = ((X[:, None, :] - centers[None]) ** 2).sum(axis=2)
        return float(squares.min(axis=1).sum())

    ours = [spread(freshet.CBLOF(random_state=seed).fit(X).cluster_centers_) for seed in range(15)]
    theirs = [
        spread(KMeans(8, n_init=1, random_state=seed).fit(X).cluster_centers_) for seed in range(15)
    ]
    assert np.mean(ours) <= 1.05 * np.mean(theirs)


def test_the_same_seed_gives_the_same_clusters() -> None:
    X = table("gaussian", 300, 3)
    first = freshet.CBLOF(random_state=1).fit(X).cluster_centers_
    np.testing.assert_array_equal(first, freshet.CBLOF(random_state=1).fit(X).cluster_centers_)
    assert (first != freshet.CBLOF(random_state=2).fit(X).cluster_centers_).any()


def test_where_pyod_finds_no_small_clusters_all_are_large() -> None:
    X = np.repeat(np.arange(10.0)[:, None] * 10.0, 20, axis=0)
    with pytest.raises(ValueError, match="valid cluster separation"):
        CBLOF(n_clusters=10, alpha=0.95, random_state=0).fit(X)
    ours = freshet.CBLOF(n_clusters=10, alpha=0.95, random_state=0).fit(X)
    assert ours.cluster_sizes_.tolist() == [20] * 10
    assert ours.large_cluster_labels_.tolist() == list(range(10))
    np.testing.assert_allclose(ours.decision_function([[33.0], [-4.0]]), [3.0, 4.0])


def test_there_have_to_be_rows_for_the_clusters() -> None:
    X = table("gaussian", 7, 2)
    with pytest.raises(freshet.FitError) as caught:
        freshet.CBLOF().fit(X)
    assert (caught.value.field, caught.value.expected) == ("n_clusters", "at least 8 training rows")
    for centers in (np.ones((7, 2)), np.ones((8, 3)), np.full((8, 2), np.nan)):
        with pytest.raises(freshet.Error):
            freshet.CBLOF().fit(X, centers=centers)
    assert not hasattr(freshet.CBLOF(), "cluster_centers_")
