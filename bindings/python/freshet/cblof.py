"""The cluster-based local outlier factor, in the scikit-learn and PyOD convention."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from freshet import _core
from freshet._estimator import SeededEstimator
from freshet._rows import Floats, as_matrix, column_names

__all__ = ["CBLOF"]


class CBLOF(SeededEstimator):
    """Scores how far a row is from the center of its large cluster, or of the nearest large one.

    The rows are put into clusters by k-means, and these are large or small by their sizes; rows of
    small clusters are held against the nearest large one. Distances are Euclidean, in the columns'
    units: scale columns that are to count alike. Training takes O(clusters · rows · columns) for
    each of at most 300 iterations, a score O(clusters · columns).

    Parameters
    ----------
    n_clusters : int, default 8
        Clusters, from 1 to 10000 and no more than training rows. Fewer are formed where fewer rows
        differ.
    contamination : float, default 0.1
        The share of anomalies expected among the training rows, 0 < contamination <= 0.5.
    alpha : float, default 0.9
        The share of the rows that large clusters hold, above 0 and below 1.
    beta : float, default 5
        How many times as large as the next one the last large cluster is, above 1 and at most 1e9.
    use_weights : bool, default False
        Whether scores are multiplied by the size of the row's cluster, as in the paper. Rows beside
        small clusters then score low.
    random_state : None, int or numpy.random.RandomState, optional
        Where the clusters begin, in the scikit-learn convention: NumPy's global state, a seed, or a
        generator. The same seed gives the same clusters on every platform, but they need not be
        those of PyOD.

    Attributes
    ----------
    cluster_centers_ : ndarray of float64, shape (k, n_columns)
        The centers of the k clusters that were formed, by their size, the largest first.
    cluster_sizes_ : ndarray of int, shape (k,)
        The training rows of each cluster.
    large_cluster_labels_, small_cluster_labels_ : ndarray of int
        Which clusters are large: the first ones. Where sizes part no large from small ones, PyOD
        refuses the rows; here all are large then.
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
    Z. He, X. Xu and S. Deng, "Discovering Cluster-Based Local Outliers", Pattern Recognition
    Letters 24, 2003.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(500, 3))
    >>> CBLOF(contamination=0.01, random_state=0).fit(X).predict([[0.0] * 3, [4.0, -4.0, 4.0]])
    array([0, 1])
    """

    _backend = "cblof"
    _model_type = _core.CblofModel

    def __init__(
        self,
        n_clusters: int = 8,
        contamination: float = 0.1,
        alpha: float = 0.9,
        beta: float = 5,
        use_weights: bool = False,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.alpha = alpha
        self.beta = beta
        self.use_weights = use_weights
        self.random_state = random_state
        super().__init__(contamination)

    def fit(self, X: Any, y: Any = None, centers: Any = None) -> CBLOF:
        """Train on rows.

        Parameters
        ----------
        X : array or DataFrame of shape (n_rows, n_columns)
            Finite values of magnitude 1e100 at most.
        y : ignored
        centers : array of shape (n_clusters, n_columns), optional
            The centers of clusters that are known, instead of those of k-means.

        Returns
        -------
        self

        Raises
        ------
        ConfigurationError
            If a parameter is out of range, or the centers have another shape.
        DataError
            If there are no rows, or a value is NaN, infinite or too large; names row and column.
        FitError
            If there are fewer rows than clusters.
        """
        if centers is None:
            return super().fit(X, y)
        self._check()
        names = column_names(X)
        rows = as_matrix(X, names)
        params = self._backend_parameters()
        model = _core.CblofModel.fit_centers(params, rows, as_matrix(centers), names)
        self._learned(model, names)
        return self

    @property
    def cluster_centers_(self) -> Floats:
        """The centers of the clusters, the largest first."""
        return self._clusters().centers()

    @property
    def cluster_sizes_(self) -> npt.NDArray[np.int_]:
        """The training rows of each cluster."""
        return np.array(self._clusters().cluster_sizes())

    @property
    def large_cluster_labels_(self) -> npt.NDArray[np.int_]:
        """Which clusters are large."""
        return np.arange(self._clusters().n_large_clusters)

    @property
    def small_cluster_labels_(self) -> npt.NDArray[np.int_]:
        """Which clusters are small."""
        return np.arange(self._clusters().n_large_clusters, len(self.cluster_sizes_))

    def _clusters(self) -> _core.CblofModel:
        if not hasattr(self, "_model"):
            raise AttributeError("this CBLOF is not trained yet: call fit first")
        return self._model  # type: ignore[return-value]
