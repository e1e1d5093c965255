"""SUOD's group is PyOD's detectors, standardized and combined."""

from __future__ import annotations

from typing import Any

import freshet
import numpy as np
import pytest
from freshet_testing import queries, table
from pyod.models.copod import COPOD
from pyod.models.hbos import HBOS
from pyod.models.iforest import IForest
from pyod.models.lof import LOF
from sklearn.preprocessing import StandardScaler


def of_pyod(X: np.ndarray, rows: np.ndarray, combine: Any) -> tuple[np.ndarray, np.ndarray]:
    """The scores of X and of rows."""
    group = [LOF(n_neighbors=15), LOF(n_neighbors=20), HBOS(n_bins=10), HBOS(n_bins=20), COPOD()]
    group += [IForest(n_estimators=n, random_state=0) for n in (50, 100, 150)]
    training = np.column_stack([one.fit(X).decision_scores_ for one in group])
    new = np.column_stack(
        [
            # PyOD's COPOD scores the rows of a batch together.
            np.concatenate([one.decision_function(row[None]) for row in rows])
            for one in group
        ]
    )
    scaler = StandardScaler().fit(training)
    return combine(scaler.transform(training), axis=1), combine(scaler.transform(new), axis=1)


@pytest.mark.parametrize("kind", ["gaussian", "heavy-tailed"])
@pytest.mark.parametrize(
    ("combination", "combine"), [("average", np.mean), ("maximization", np.max)]
)
def test_scores_are_pyods_but_for_the_forests(kind: str, combination: Any, combine: Any) -> None:
    X = table(kind, 300, 4)
    rows = queries(kind, X)[:20]
    ours = freshet.SUOD(combination=combination, random_state=0).fit(X)
    training, new = of_pyod(X, rows, combine)
    # Of the forests, three of eight, only the kind is the same.
    assert np.corrcoef(ours.decision_scores_, training)[0, 1] > 0.99
    np.testing.assert_allclose(ours.decision_scores_, training, atol=1.0)
    np.testing.assert_allclose(ours.decision_function(rows), new, rtol=0.1, atol=1.0)


def test_the_group_is_those_of_this_library() -> None:
    X = table("gaussian", 200, 3)
    rows = queries("gaussian", X)
    group: list[Any] = [freshet.LOF(n_neighbors=15), freshet.LOF(n_neighbors=20)]
    group += [freshet.HBOS(n_bins=10), freshet.HBOS(n_bins=20), freshet.COPOD()]
    suod = freshet.SUOD(random_state=0).fit(X)
    training = np.column_stack([one.fit(X).decision_scores_ for one in group])
    scaler = StandardScaler().fit(training)
    new = scaler.transform(np.column_stack([one.decision_function(rows) for one in group]))
    # What is left is the forests' part, three standardized scores of eight.
    forests = 8 * suod.decision_scores_ - scaler.transform(training).sum(axis=1)
    assert forests.mean() == pytest.approx(0.0, abs=1e-9)
    assert 2.0 < forests.std() <= 3.0 + 1e-9
    left = 8 * suod.decision_function(rows) - new.sum(axis=1)
    assert np.abs(left).max() < 30.0
