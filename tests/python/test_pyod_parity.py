"""The numbers are PyOD's: training scores, thresholds, labels, and scores of single rows."""

from __future__ import annotations

from typing import Any

import freshet
import numpy as np
import pytest
from freshet_testing import KINDS, queries, table
from pyod.models.copod import COPOD
from pyod.models.ecod import ECOD
from pyod.models.hbos import HBOS
from pyod.models.loda import LODA

MODELS: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "ecod": (freshet.ECOD, ECOD, {}),
    "copod": (freshet.COPOD, COPOD, {}),
    "hbos-5": (freshet.HBOS, HBOS, {"n_bins": 5}),
    "hbos-10": (freshet.HBOS, HBOS, {}),
    "hbos-20": (freshet.HBOS, HBOS, {"n_bins": 20, "alpha": 0.3, "tol": 0.1}),
    "hbos-auto": (freshet.HBOS, HBOS, {"n_bins": "auto"}),
    "loda-10": (freshet.LODA, LODA, {"random_state": 42}),
    "loda-auto": (freshet.LODA, LODA, {"random_state": 7, "n_bins": "auto", "n_random_cuts": 30}),
}

SHAPES = [(10, 1), (10, 5), (10, 50), (100, 1), (100, 5), (100, 50), (1000, 1), (1000, 5)]
LARGE_SHAPES = [(1000, 50), (5000, 1), (5000, 5)]

# PyOD's ECOD and COPOD divide by zero for constant columns and repair the result.
pytestmark = pytest.mark.filterwarnings("ignore")


def fitted(name: str, X: np.ndarray, **more: Any) -> tuple[Any, Any]:
    ours, theirs, parameters = MODELS[name]
    return ours(**parameters, **more).fit(X), theirs(**parameters, **more).fit(X)


def assert_close(ours: Any, theirs: Any) -> None:
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=0.0)


def assert_parity(ours: Any, theirs: Any, rows: np.ndarray) -> None:
    assert_close(ours.decision_scores_, theirs.decision_scores_)
    assert_close(ours.threshold_, theirs.threshold_)
    np.testing.assert_array_equal(ours.labels_, theirs.labels_)
    found = ours.decision_function(rows)
    expected = np.array([theirs.decision_function(row[None])[0] for row in rows])
    if isinstance(theirs, LODA):
        assert_close_but_for_edges(found, expected, theirs, rows)
    else:
        assert_close(found, expected)


def assert_close_but_for_edges(
    ours: np.ndarray, theirs: np.ndarray, model: LODA, rows: np.ndarray
) -> None:
    """Compare LODA's scores of single rows.

    A training row that decided an edge of a histogram is on that edge but for rounding, and on
    which side depends on the order in which the machine's BLAS adds up a product. There either bin
    will do for either side; everywhere else the scores have to agree.
    """
    low, high = np.array([bounds_by_edges(model, row) for row in rows]).T
    decided = low == high
    assert_close(ours[decided], theirs[decided])
    for scores in (ours, theirs):
        assert (scores >= low * (1.0 - 1e-9)).all()
        assert (scores <= high * (1.0 + 1e-9)).all()


def bounds_by_edges(model: LODA, row: np.ndarray) -> tuple[float, float]:
    """The least and the largest score of a row, its projections being known up to rounding only."""
    low = high = 0.0
    for i in range(model.n_random_cuts):
        terms = model.projections_[i] * row
        slack = 4.0 * len(row) * np.finfo(float).eps * np.abs(terms).sum()
        n_bins = model.n_bins_[i] if model.n_bins == "auto" else model.n_bins
        near = terms.sum() + np.array([-slack, slack])
        bins = np.searchsorted(model.limits_[i][: n_bins - 1], near, side="left")
        surprises = -model.weights[i] * np.log(model.histograms_[i][bins[0] : bins[1] + 1])
        low += surprises.min()
        high += surprises.max()
    return low / model.n_random_cuts, high / model.n_random_cuts


@pytest.mark.parametrize(("n_rows", "n_columns"), SHAPES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", MODELS)
def test_agrees_with_pyod(name: str, kind: str, n_rows: int, n_columns: int) -> None:
    X = table(kind, n_rows, n_columns)
    assert_parity(*fitted(name, X), queries(kind, X))


@pytest.mark.parametrize(("n_rows", "n_columns"), LARGE_SHAPES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", MODELS)
def test_agrees_with_pyod_on_large_tables(
    name: str, kind: str, n_rows: int, n_columns: int
) -> None:
    X = table(kind, n_rows, n_columns)
    assert_parity(*fitted(name, X), queries(kind, X)[::3])


@pytest.mark.parametrize("name", ["ecod", "copod", "hbos-10", "loda-10"])
def test_agrees_with_pyod_on_5000_by_50(name: str) -> None:
    X = table("heavy-tailed", 5000, 50)
    assert_parity(*fitted(name, X), queries("heavy-tailed", X)[[0, 4, 11, 12]])


@pytest.mark.parametrize("contamination", [0.001, 0.05, 1.0 / 3.0, 0.5])
@pytest.mark.parametrize("name", ["ecod", "copod", "hbos-10", "loda-10"])
def test_threshold_is_pyods_to_the_bit(name: str, contamination: float) -> None:
    for n_rows in (10, 37, 1000):
        ours, theirs = fitted(name, table("ties", n_rows, 3), contamination=contamination)
        expected = np.percentile(ours.decision_scores_, 100 * (1 - contamination))
        assert ours.threshold_ == expected
        np.testing.assert_array_equal(ours.labels_, theirs.labels_)


# Without LODA on ties and constants: how PyOD's BLAS rounds a projection depends on the number of
# rows, and there values lie exactly on the edges between bins.
@pytest.mark.parametrize(
    ("name", "kind"),
    [(name, kind) for name in ("hbos-10", "hbos-auto") for kind in KINDS]
    + [("loda-10", kind) for kind in ("gaussian", "heavy-tailed")],
)
def test_batches_and_probabilities_agree_where_pyod_scores_rows_independently(
    name: str, kind: str
) -> None:
    X = table(kind, 300, 5)
    rows = queries(kind, X)
    ours, theirs = fitted(name, X)
    assert_close(ours.decision_function(rows), theirs.decision_function(rows))
    np.testing.assert_array_equal(ours.predict(rows), theirs.predict(rows))
    for method in ("linear", "unify"):
        np.testing.assert_allclose(
            ours.predict_proba(rows, method),
            theirs.predict_proba(rows, method),
            rtol=1e-9,
            atol=1e-15,
        )


def test_hbos_has_pyods_histograms() -> None:
    X = table("gaussian", 200, 4)
    ours, theirs = fitted("hbos-10", X)
    np.testing.assert_array_equal(ours.bin_edges_, theirs.bin_edges_)
    assert_close(ours.hist_, theirs.hist_)
    ours, theirs = fitted("hbos-auto", X)
    for j in range(4):
        np.testing.assert_array_equal(ours.bin_edges_[j], theirs.bin_edges_[j])
        assert_close(ours.hist_[j], theirs.hist_[j])


def test_loda_draws_pyods_projections() -> None:
    X = table("gaussian", 100, 20)
    ours, theirs = fitted("loda-10", X)
    np.testing.assert_array_equal(ours.projections_, theirs.projections_)
    # A generator is used and advanced, and numpy.random's global one by default.
    shared = [np.random.RandomState(3) for _ in range(2)]
    for _ in range(2):
        a = freshet.LODA(random_state=shared[0]).fit(X)
        b = LODA(random_state=shared[1]).fit(X)
        np.testing.assert_array_equal(a.projections_, b.projections_)
    np.random.seed(5)  # noqa: NPY002  # the legacy generator is what is tested
    a = freshet.LODA().fit(X)
    np.random.seed(5)  # noqa: NPY002
    b = LODA().fit(X)
    np.testing.assert_array_equal(a.projections_, b.projections_)


def test_loda_agrees_when_given_pyods_projections() -> None:
    X = table("heavy-tailed", 400, 6)
    theirs = LODA(n_random_cuts=50).fit(X)
    ours = freshet.LODA(n_random_cuts=50).fit(X, projections=theirs.projections_)
    assert_parity(ours, theirs, queries("heavy-tailed", X))


@pytest.mark.parametrize("name", ["ecod", "copod"])
def test_rows_of_a_batch_are_scored_independently(name: str) -> None:
    # PyOD's ECOD and COPOD score a batch together with the training rows; ours row by row.
    X = table("gaussian", 100, 3)
    ours, _ = fitted(name, X)
    rows = queries("gaussian", X)
    singly = [ours.decision_function(row[None])[0] for row in rows]
    np.testing.assert_array_equal(ours.decision_function(rows), singly)
