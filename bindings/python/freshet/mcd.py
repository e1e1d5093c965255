"""Minimum covariance determinant, in the scikit-learn and PyOD convention."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from freshet import _core
from freshet._estimator import SeededEstimator, TrainedModel

__all__ = ["MCD"]


class MCD(SeededEstimator):
    """Scores how far from the robust centre a row lies, in units of the robust covariance.

    The half of the rows that scatters least decides what is usual, so that anomalies among the
    training rows have no say in it. For rows that form one cloud, of any orientation; independent
    of the columns' units. Training takes O(rows · columns² + columns³) several hundred times, a
    score O(columns²).

    Parameters
    ----------
    contamination : float, default 0.1
        The share of anomalies expected among the training rows, 0 < contamination <= 0.5.
    store_precision : bool, default True
        Whether ``precision_`` is kept; scores do without it.
    assume_centered : bool, default False
        Whether the rows are centred at zero: then only the covariance is estimated.
    support_fraction : float, optional
        The share of the rows in the tightest part, above 0 and up to 1. By default
        ``(rows + columns + 1) / 2`` of them, which withstands the most anomalies.
    random_state : None, int or numpy.random.RandomState, optional
        Where the search begins, in the scikit-learn convention: NumPy's global state, a seed, or a
        generator.

    Attributes
    ----------
    decision_scores_ : ndarray of float64, shape (n_rows,)
        The scores of the training rows, squared Mahalanobis distances; larger is more abnormal.
    threshold_ : float
        The ``1 - contamination`` percentile of the training scores.
    labels_ : ndarray of int, shape (n_rows,)
        1 for training rows above the threshold, else 0.
    location_ : ndarray of float64, shape (n_columns,)
        The robust centre.
    covariance_ : ndarray of float64, shape (n_columns, n_columns)
        The robust covariance.
    precision_ : ndarray of float64, shape (n_columns, n_columns), or None
        Its inverse, or a generalized one: columns that do not vary, or that those before them
        determine, have zeros in it, and add nothing to a score.
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
    P. J. Rousseeuw and K. Van Driessen, "A Fast Algorithm for the Minimum Covariance Determinant
    Estimator", Technometrics 41, 1999.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(500, 1))
    >>> X = np.hstack([x, x + 0.1 * np.random.default_rng(1).normal(size=(500, 1))])
    >>> MCD(contamination=0.01, random_state=0).fit(X).predict([[2.0, 2.0], [1.0, -1.0]])
    array([0, 1])
    """

    _backend = "mcd"
    _model_type = _core.McdModel

    def __init__(
        self,
        contamination: float = 0.1,
        store_precision: bool = True,
        assume_centered: bool = False,
        support_fraction: float | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.store_precision = store_precision
        self.assume_centered = assume_centered
        self.support_fraction = support_fraction
        self.random_state = random_state
        super().__init__(contamination)

    def _backend_parameters(self) -> dict[str, Any]:
        params = super()._backend_parameters()
        del params["store_precision"]
        return params

    def _learned(self, model: TrainedModel, names: list[str] | None) -> None:
        super()._learned(model, names)
        trained = cast("_core.McdModel", model)
        self.location_ = trained.location()
        self.covariance_ = trained.covariance()
        self.precision_ = trained.precision() if self.store_precision else None
