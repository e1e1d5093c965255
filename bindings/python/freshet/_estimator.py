"""What all estimators have in common: the scikit-learn and PyOD convention."""

from __future__ import annotations

import inspect
import math
from typing import Any, ClassVar, Literal, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from freshet import _core
from freshet._rows import Floats, as_matrix, column_names
from freshet.errors import ConfigurationError, NotReadyError

_E = TypeVar("_E", bound="Estimator")


def numpy_random(random_state: Any) -> Any:
    """The generator that `random_state` means in the scikit-learn convention.

    Raises
    ------
    ConfigurationError
        If it is none.
    """
    if isinstance(random_state, np.random.RandomState):
        return random_state
    if random_state is None:
        return np.random.mtrand._rand  # what the functions of numpy.random use
    try:
        return np.random.RandomState(random_state)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(
            f"random_state must be None, a seed or a RandomState, not {random_state!r}",
            id="parameter_type",
            field="random_state",
            expected="None, an integer from 0 to 2**32 - 1 or a numpy.random.RandomState",
        ) from error


class TrainedModel(Protocol):
    """What an estimator needs of the compiled models."""

    @property
    def n_features(self) -> int: ...
    def score(self, rows: Floats, names: list[str] | None = None) -> Floats: ...
    def explain(self, rows: Floats, names: list[str] | None = None) -> Floats: ...
    def training_scores(self) -> Floats: ...


class Estimator:
    """The base of the estimators; follows scikit-learn's conventions without depending on it."""

    _backend: ClassVar[str]  # the identifier in `freshet.backends`
    _model_type: ClassVar[Any]
    _estimator_type = "outlier_detector"

    contamination: float
    decision_scores_: Floats
    labels_: npt.NDArray[np.int_]
    threshold_: float
    n_features_in_: int
    feature_names_in_: npt.NDArray[Any]

    def __init__(self, contamination: float) -> None:
        self.contamination = contamination
        self._check()

    # ---- training and scoring ----

    def fit(self: _E, X: Any, y: Any = None) -> _E:
        """Train on rows.

        Parameters
        ----------
        X : array or DataFrame of shape (n_rows, n_columns)
            Finite values of magnitude 1e100 at most. The memory of a float64 array with contiguous
            rows is used as it is.
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        ConfigurationError
            If a parameter is out of range; ``field`` names it.
        DataError
            If there are no rows, or a value is NaN, infinite or too large; names row and column.
        FitError
            If no model can be made of the rows.
        """
        self._check()
        names = column_names(X)
        rows = as_matrix(X, names)
        self._learned(self._train(rows, names), names)
        return self

    def decision_function(self, X: Any) -> Floats:
        """The raw score of each row; larger is more abnormal.

        Rows are scored independently of each other.

        Parameters
        ----------
        X : array or DataFrame of shape (n_rows, n_columns)
            A DataFrame's columns are matched by name, if there were names in training.

        Returns
        -------
        ndarray of float64, shape (n_rows,)

        Raises
        ------
        NotReadyError
            Before `fit`.
        DataError
            If the width is another than in training, or a value is not acceptable; names row and
            column.
        """
        model = self._ready_model()
        return model.score(*self._arranged(X))

    def explain(self, X: Any) -> Floats:
        """What each column adds to the raw score of each row.

        Parameters
        ----------
        X : array or DataFrame of shape (n_rows, n_columns)

        Returns
        -------
        ndarray of float64, shape (n_rows, n_columns)
            Each row sums to its `decision_function` up to rounding.

        Raises
        ------
        NotReadyError, DataError
            As `decision_function`.
        """
        model = self._ready_model()
        return model.explain(*self._arranged(X))

    def predict(self, X: Any) -> npt.NDArray[np.int_]:
        """1 for each row whose score is above ``threshold_``, else 0.

        Parameters
        ----------
        X : array or DataFrame of shape (n_rows, n_columns)

        Returns
        -------
        ndarray of int, shape (n_rows,)

        Raises
        ------
        NotReadyError, DataError
            As `decision_function`.
        """
        return (self.decision_function(X) > self.threshold_).astype(int)

    def predict_proba(self, X: Any, method: Literal["linear", "unify"] = "linear") -> Floats:
        """The probabilities that each row is normal and that it is an anomaly, as PyOD has them.

        Parameters
        ----------
        X : array or DataFrame of shape (n_rows, n_columns)
        method : {"linear", "unify"}, default "linear"
            Linear: from 0 at the lowest to 1 at the highest training score. Unify: the Gaussian
            error function of the standardized score (Kriegel et al., SDM 2011), negative ones as 0.

        Returns
        -------
        ndarray of float64, shape (n_rows, 2)

        Raises
        ------
        NotReadyError, DataError
            As `decision_function`.
        ConfigurationError
            If there is no such method.
        """
        scores = self.decision_function(X)
        if method == "linear":
            anomalous = _share_of_range(scores, self.decision_scores_)
        elif method == "unify":
            anomalous = _unified(scores, self.decision_scores_)
        else:
            raise ConfigurationError(
                f'method must be "linear" or "unify", not {method!r}',
                id="parameter_out_of_range",
                field="method",
                expected='"linear" or "unify"',
            )
        return np.column_stack([1.0 - anomalous, anomalous])

    def fit_predict(self, X: Any, y: Any = None) -> npt.NDArray[np.int_]:
        """Train on rows and say which of them are anomalies.

        Parameters
        ----------
        X : array or DataFrame of shape (n_rows, n_columns)
        y : ignored

        Returns
        -------
        ndarray of int, shape (n_rows,)
            ``labels_``.

        Raises
        ------
        ConfigurationError, DataError, FitError
            As `fit`.
        """
        return self.fit(X, y).labels_

    # ---- parameters ----

    @classmethod
    def _parameter_names(cls) -> list[str]:
        return [name for name in inspect.signature(cls.__init__).parameters if name != "self"]

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters by name, as given."""
        return {name: getattr(self, name) for name in self._parameter_names()}

    def set_params(self: _E, **params: Any) -> _E:
        """Set parameters by name; they take effect, and are checked, at the next `fit`.

        Raises
        ------
        ConfigurationError
            If there is no such parameter.
        """
        names = self._parameter_names()
        for name, value in params.items():
            if name not in names:
                raise ConfigurationError(
                    f"{type(self).__name__} has no parameter {name!r}",
                    id="parameter_unknown",
                    field=name,
                    expected="one of " + ", ".join(names),
                )
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        params = ", ".join(f"{name}={value!r}" for name, value in self.get_params().items())
        return f"{type(self).__name__}({params})"

    # ---- for scikit-learn ----

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_model")

    def __sklearn_tags__(self) -> Any:
        # Called by scikit-learn only, so that it is there.
        from sklearn.utils import InputTags, Tags, TargetTags

        return Tags(
            estimator_type="outlier_detector",
            target_tags=TargetTags(required=False),
            input_tags=InputTags(),
        )

    # ---- mechanics ----

    def _backend_parameters(self) -> dict[str, Any]:
        """The parameters of the compiled backend."""
        params = self.get_params()
        del params["contamination"]
        return params

    def _check(self) -> None:
        try:
            valid = 0.0 < self.contamination <= 0.5
        except TypeError:
            valid = False
        if not valid:
            raise ConfigurationError(
                f"contamination must be above 0 and at most 0.5, not {self.contamination!r}",
                id="parameter_out_of_range",
                field="contamination",
                expected="above 0 and at most 0.5",
            )
        self._model_type.check(self._backend_parameters())

    def _train(self, rows: Floats, names: list[str] | None) -> TrainedModel:
        model: TrainedModel = self._model_type.fit(self._backend_parameters(), rows, names)
        return model

    def _learned(self, model: TrainedModel, names: list[str] | None) -> None:
        self._model = model
        self.n_features_in_ = model.n_features
        if names is not None:
            self.feature_names_in_ = np.asarray(names, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        self.decision_scores_ = model.training_scores()
        self.threshold_ = np.percentile(self.decision_scores_, 100 * (1 - self.contamination))
        self.labels_ = (self.decision_scores_ > self.threshold_).astype(int)

    def _ready_model(self) -> TrainedModel:
        model: TrainedModel | None = getattr(self, "_model", None)
        if model is None:
            raise NotReadyError(
                f"this {type(self).__name__} is not trained yet: call fit first",
                id="not_ready",
                expected="a call of fit",
            )
        return model

    def _arranged(self, X: Any) -> tuple[Floats, list[str] | None]:
        """The rows with their columns in the order of training, and their names."""
        names = column_names(X)
        rows = as_matrix(X, names)
        if not hasattr(self, "feature_names_in_"):
            return rows, names
        trained: list[str] = self.feature_names_in_.tolist()
        if names is not None and names != trained:
            arranged = np.empty_like(rows, order="C")
            arranged[:, _core.column_order(trained, names)] = rows
            rows = arranged
        return rows, trained


def _share_of_range(scores: Floats, training_scores: Floats) -> Floats:
    low, high = training_scores.min(), training_scores.max()
    spread = high - low
    # As scikit-learn's MinMaxScaler: a spread of rounding errors only counts as none.
    scale = 1.0 if spread < 10 * np.finfo(float).eps else 1.0 / spread
    shares: Floats = np.clip(scores * scale - low * scale, 0.0, 1.0)
    return shares


def _unified(scores: Floats, training_scores: Floats) -> Floats:
    deviations = scores - training_scores.mean()
    spread = float(training_scores.std()) * math.sqrt(2.0)
    if spread == 0.0:
        return np.asarray(deviations > 0.0, dtype=float)
    return np.array([max(math.erf(z), 0.0) for z in deviations / spread])


class SeededEstimator(Estimator):
    """The base of the estimators whose training draws random numbers from a seed."""

    random_state: int | np.random.RandomState | None

    def _backend_parameters(self) -> dict[str, Any]:
        params = super()._backend_parameters()
        del params["random_state"]
        return params

    def _train(self, rows: Floats, names: list[str] | None) -> TrainedModel:
        return self._train_with(self._backend_parameters(), rows, names)

    def _train_with(
        self, params: dict[str, Any], rows: Floats, names: list[str] | None
    ) -> TrainedModel:
        seed = int(numpy_random(self.random_state).randint(np.iinfo(np.int32).max))
        model: TrainedModel = self._model_type.fit(params, rows, names, seed)
        return model
