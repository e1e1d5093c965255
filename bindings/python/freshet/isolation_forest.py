"""The isolation forest, in the scikit-learn and PyOD convention."""

from __future__ import annotations

import numbers
from typing import Any, Literal, TypeAlias

import numpy as np

from freshet import _core
from freshet._estimator import SeededEstimator, TrainedModel
from freshet._rows import Floats
from freshet.errors import ConfigurationError

__all__ = ["IForest"]

MaxSamples: TypeAlias = int | float | Literal["auto"]

_AUTO_SAMPLES = 256


class IForest(SeededEstimator):
    """Scores how few random splits separate a row from the others.

    Each tree takes some of the rows and splits them at a random value of a random column, and so
    on, until each is alone; what few splits isolate is abnormal. Independent of the columns' units.
    Beyond the training range all distances are the same to it. Training takes
    O(trees · (samples + rows) · log samples), a score O(trees · log samples).

    Parameters
    ----------
    n_estimators : int, default 100
        Trees, from 1 to 10000.
    max_samples : int, float or "auto", default "auto"
        Rows for each tree, drawn without repetition: a number from 1 to 1000000, or a share of the
        training rows above 0 and up to 1 if it is a float; "auto" takes 256. All rows, if there are
        fewer.
    contamination : float, default 0.1
        The share of anomalies expected among the training rows, 0 < contamination <= 0.5.
    max_features : float, default 1.0
        The share of the columns that each tree sees, above 0 and up to 1; at least one of them.
    random_state : None, int or numpy.random.RandomState, optional
        Where the trees come from, in the scikit-learn convention: NumPy's global state, a seed, or
        a generator. The same seed gives the same trees on every platform, but not those of PyOD.

    Attributes
    ----------
    decision_scores_ : ndarray of float64, shape (n_rows,)
        The scores of the training rows, those of the paper: from 0 to 1, about 0.5 for usual rows,
        larger is more abnormal. PyOD's are these less their own threshold.
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
    F. T. Liu, K. M. Ting and Z.-H. Zhou, "Isolation Forest", ICDM 2008.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(500, 3))
    >>> IForest(contamination=0.01, random_state=0).fit(X).predict([[0.0] * 3, [8.0, -8.0, 8.0]])
    array([0, 1])
    """

    _backend = "isolation_forest"
    _model_type = _core.IsolationForestModel

    def __init__(
        self,
        n_estimators: int = 100,
        max_samples: MaxSamples = "auto",
        contamination: float = 0.1,
        max_features: float = 1.0,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_estimators = n_estimators
        self.max_samples = max_samples
        self.max_features = max_features
        self.random_state = random_state
        super().__init__(contamination)

    def _backend_parameters(self) -> dict[str, Any]:
        params = super()._backend_parameters()
        if self._is_share():
            if not 0.0 < self.max_samples <= 1.0:  # type: ignore[operator]
                raise ConfigurationError(
                    f"max_samples as a share must be above 0 and up to 1, not {self.max_samples!r}",
                    id="parameter_out_of_range",
                    field="max_samples",
                    expected="a float above 0 and up to 1, an integer, or 'auto'",
                )
            del params["max_samples"]  # it depends on the rows
        elif self.max_samples == "auto":
            params["max_samples"] = _AUTO_SAMPLES
        return params

    def _is_share(self) -> bool:
        is_integer = isinstance(self.max_samples, numbers.Integral)
        return isinstance(self.max_samples, numbers.Real) and not is_integer

    def _train(self, rows: Floats, names: list[str] | None) -> TrainedModel:
        params = self._backend_parameters()
        if self._is_share():
            params["max_samples"] = max(int(self.max_samples * len(rows)), 1)
        return self._train_with(params, rows, names)
