"""SUOD's group of methods, in the scikit-learn and PyOD convention."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from freshet import _core
from freshet._estimator import SeededEstimator

__all__ = ["SUOD"]

Combination: TypeAlias = Literal["average", "maximization"]


class SUOD(SeededEstimator):
    """Scores what several methods that differ say together.

    LOF with 15 and 20 neighbors, HBOS with 10 and 20 bins, COPOD, and isolation forests of 50, 100
    and 150 trees: the methods that PyOD's SUOD has by default. Their scores are standardized by
    those of the training rows, then combined. With n training rows, training takes
    O(n² · columns), a score O(n · columns).

    Parameters
    ----------
    contamination : float, default 0.1
        The share of anomalies expected among the training rows, 0 < contamination <= 0.5.
    combination : {"average", "maximization"}, default "average"
        Whether the score is the mean of the standardized scores or the largest.
    random_state : None, int or numpy.random.RandomState, optional
        Where the forests come from, in the scikit-learn convention.

    Attributes
    ----------
    decision_scores_ : ndarray of float64, shape (n_rows,)
        The scores of the training rows, in standard deviations; larger is more abnormal.
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

    Notes
    -----
    This is SUOD's group of methods, not its acceleration: there are no random projections and no
    approximations by supervised models, which trade accuracy for speed. ``base_estimators`` cannot
    be chosen.

    References
    ----------
    Y. Zhao, X. Hu, C. Cheng, C. Wang, C. Wan, W. Wang, J. Yang, H. Bai, Z. Li, C. Xiao, Y. Wang, Z.
    Qiao, J. Sun and L. Akoglu, "SUOD: Accelerating Large-Scale Unsupervised Heterogeneous Outlier
    Detection", MLSys 2021.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(500, 3))
    >>> SUOD(contamination=0.01, random_state=0).fit(X).predict([[0.0] * 3, [4.0, -4.0, 4.0]])
    array([0, 1])
    """

    _backend = "suod"
    _model_type = _core.SuodModel

    def __init__(
        self,
        contamination: float = 0.1,
        combination: Combination = "average",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.combination = combination
        self.random_state = random_state
        super().__init__(contamination)
