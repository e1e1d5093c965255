"""Methods that look at a row's nearest neighbors, in the scikit-learn and PyOD convention."""

from __future__ import annotations

from typing import Literal, TypeAlias

from freshet import _core
from freshet._estimator import Estimator

__all__ = ["KNN", "LOF"]

Method: TypeAlias = Literal["largest", "mean", "median"]


class KNN(Estimator):
    """Scores how far away the nearest training rows are.

    Distances are Euclidean, in the columns' units: scale columns that are to count alike. A
    training row is not its own neighbor. With n training rows, training takes O(n² · columns), a
    score O(n · columns); the model keeps the rows.

    Parameters
    ----------
    contamination : float, default 0.1
        The share of anomalies expected among the training rows, 0 < contamination <= 0.5.
    n_neighbors : int, default 5
        How many neighbors, from 1 to 1000 and fewer than there are training rows.
    method : {"largest", "mean", "median"}, default "largest"
        Which distance is the score: that to the last of the neighbors, or the mean or median of
        those to all of them.

    Attributes
    ----------
    decision_scores_ : ndarray of float64, shape (n_rows,)
        The scores of the training rows, in the unit of the columns; larger is more abnormal.
    threshold_ : float
        The ``1 - contamination`` percentile of the training scores.
    labels_ : ndarray of int, shape (n_rows,)
        1 for training rows above the threshold, else 0.
    n_features_in_ : int
        The number of columns.
    feature_names_in_ : ndarray of str, shape (n_columns,)
        The columns' names; only after training on a DataFrame that has some.

    Raises
    ------
    ConfigurationError
        If a parameter is out of range; ``field`` names it.

    References
    ----------
    S. Ramaswamy, R. Rastogi and K. Shim, "Efficient Algorithms for Mining Outliers from Large Data
    Sets", SIGMOD 2000 (the largest distance).

    F. Angiulli and C. Pizzuti, "Fast Outlier Detection in High Dimensional Spaces", PKDD 2002 (the
    mean).

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(500, 3))
    >>> KNN(contamination=0.01).fit(X).predict([[0.0, 0.0, 0.0], [3.0, -3.0, 3.0]])
    array([0, 1])
    """

    _backend = "knn"
    _model_type = _core.KnnModel

    def __init__(
        self, contamination: float = 0.1, n_neighbors: int = 5, method: Method = "largest"
    ) -> None:
        self.n_neighbors = n_neighbors
        self.method = method
        super().__init__(contamination)


class LOF(Estimator):
    """Scores how much sparser it is around a row than around its neighbors.

    About 1 for a row of a group, dense or sparse; larger for a row apart from it. A training row is
    not its own neighbor, and a new row is held against the densities around the training rows.
    Distances are Euclidean, in the columns' units: scale columns that are to count alike. With n
    training rows, training takes O(n² · columns), a score O(n · columns); the model keeps the rows.

    Parameters
    ----------
    n_neighbors : int, default 20
        How many neighbors, from 1 to 1000; all others, where the training rows are fewer. Of those
        that are equally far, the ones that come first among the training rows.
    contamination : float, default 0.1
        The share of anomalies expected among the training rows, 0 < contamination <= 0.5.

    Attributes
    ----------
    decision_scores_ : ndarray of float64, shape (n_rows,)
        The scores of the training rows, above 0 and without a unit; larger is more abnormal.
    threshold_ : float
        The ``1 - contamination`` percentile of the training scores.
    labels_ : ndarray of int, shape (n_rows,)
        1 for training rows above the threshold, else 0.
    n_features_in_ : int
        The number of columns.
    feature_names_in_ : ndarray of str, shape (n_columns,)
        The columns' names; only after training on a DataFrame that has some.

    Raises
    ------
    ConfigurationError
        If a parameter is out of range; ``field`` names it.

    References
    ----------
    M. M. Breunig, H.-P. Kriegel, R. T. Ng and J. Sander, "LOF: Identifying Density-Based Local
    Outliers", SIGMOD 2000.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(500, 3))
    >>> LOF(contamination=0.01).fit(X).predict([[0.0, 0.0, 0.0], [4.0, -4.0, 4.0]])
    array([0, 1])
    """

    _backend = "local_outlier_factor"
    _model_type = _core.LocalOutlierFactorModel

    def __init__(self, n_neighbors: int = 20, contamination: float = 0.1) -> None:
        self.n_neighbors = n_neighbors
        super().__init__(contamination)
