"""The one-class support vector machine, in the scikit-learn and PyOD convention."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from freshet import _core
from freshet._estimator import Estimator

__all__ = ["OCSVM"]

Kernel: TypeAlias = Literal["rbf", "linear", "poly", "sigmoid"]
Gamma: TypeAlias = float | Literal["auto", "scale"]


class OCSVM(Estimator):
    """Scores how far outside a smooth boundary around the usual rows a row lies.

    The boundary leaves about the share ``nu`` of the training rows outside. Depends on the columns'
    units: scale them. With the rbf kernel all rows that are far away score alike. Training takes
    O(rows² · columns), a score O(support vectors · columns), where at least ``nu`` of the training
    rows are support vectors.

    Parameters
    ----------
    kernel : {"rbf", "linear", "poly", "sigmoid"}, default "rbf"
        What it means for two rows x and s to be alike: exp(-gamma · d²) of their distance d, x · s,
        (gamma · x · s + coef0)^degree or tanh(gamma · x · s + coef0).
    degree : int, default 3
        Of the poly kernel, from 0 to 100.
    gamma : float, "auto" or "scale", default "auto"
        Of all kernels but linear: a number from 0 on; "auto" is 1 / columns, "scale" 1 / (columns ·
        the variance of all values).
    coef0 : float, default 0.0
        Of the poly and sigmoid kernels.
    tol : float, default 1e-3
        When training ends: the largest violation of the optimality conditions, above 0.
    nu : float, default 0.5
        Upper bound of the share of training rows outside of the boundary, lower bound of that of
        support vectors; above 0 and up to 1.
    max_iter : int, default -1
        Steps of training after which the boundary is taken as it is; -1 for a million.
    contamination : float, default 0.1
        The share of anomalies expected among the training rows, 0 < contamination <= 0.5.

    Attributes
    ----------
    decision_scores_ : ndarray of float64, shape (n_rows,)
        The scores of the training rows, the negative of scikit-learn's decision values: above 0
        outside of the boundary.
    threshold_ : float
        The ``1 - contamination`` percentile of the training scores.
    labels_ : ndarray of int, shape (n_rows,)
        1 for training rows above the threshold, else 0.
    n_support_ : int
        The number of support vectors.
    offset_ : float
        What sums of kernels are held against.
    n_features_in_ : int
        The number of columns.
    feature_names_in_ : ndarray of str, shape (n_columns,)
        The columns' names; only after training on a DataFrame that has some.

    Raises
    ------
    ConfigurationError
        If a parameter is out of range; ``field`` names it.

    Notes
    -----
    PyOD's ``shrinking``, ``cache_size`` and ``verbose`` are not offered: they do not change the
    boundary.

    References
    ----------
    B. Schölkopf, J. C. Platt, J. Shawe-Taylor, A. J. Smola and R. C. Williamson, "Estimating the
    Support of a High-Dimensional Distribution", Neural Computation 13, 2001.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(500, 2))
    >>> OCSVM(nu=0.1, contamination=0.01).fit(X).predict([[0.0, 0.0], [6.0, -6.0]])
    array([0, 1])
    """

    _backend = "one_class_svm"
    _model_type = _core.OneClassSvmModel

    def __init__(
        self,
        kernel: Kernel = "rbf",
        degree: int = 3,
        gamma: Gamma = "auto",
        coef0: float = 0.0,
        tol: float = 1e-3,
        nu: float = 0.5,
        max_iter: int = -1,
        contamination: float = 0.1,
    ) -> None:
        self.kernel = kernel
        self.degree = degree
        self.gamma = gamma
        self.coef0 = coef0
        self.tol = tol
        self.nu = nu
        self.max_iter = max_iter
        super().__init__(contamination)

    def _backend_parameters(self) -> dict[str, Any]:
        params = super()._backend_parameters()
        if self.max_iter == -1:
            params["max_iter"] = None
        return params

    @property
    def n_support_(self) -> int:
        """The number of support vectors."""
        model: _core.OneClassSvmModel = self._ready_model()  # type: ignore[assignment]
        return model.n_support_vectors

    @property
    def offset_(self) -> float:
        """What sums of kernels are held against."""
        model: _core.OneClassSvmModel = self._ready_model()  # type: ignore[assignment]
        return model.offset
