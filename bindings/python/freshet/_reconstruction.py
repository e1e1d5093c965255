"""What estimators that score windows by reconstructing them have in common."""

from __future__ import annotations

import os
from typing import Any, Literal, TypeVar, cast

import numpy as np

from freshet import _core
from freshet._estimator import Estimator
from freshet._rows import Floats, column_names
from freshet._windows import as_windows
from freshet.errors import ConfigurationError, NotReadyError

__all__ = ["ReconstructingEstimator"]

_R = TypeVar("_R", bound="ReconstructingEstimator")


class ReconstructingEstimator(Estimator):
    """The base of estimators whose score is the error of a window's reconstruction."""

    n_threads: int | None
    history_: dict[str, Any]
    percentile_: float | None
    created_: str | None

    def decision_function(self, X: Any) -> Floats:
        """The mean squared error of each window's reconstruction; larger is more abnormal.

        Parameters
        ----------
        X : array or DataFrame
            Windows of shape (n, window, n_columns) or (n, window * n_columns), or a series of shape
            (n_rows, n_columns), which has n_rows - window + 1 windows.

        Returns
        -------
        ndarray of float64, shape (n_windows,)

        Raises
        ------
        NotReadyError
            Before `fit`.
        DataError
            If the width is another than in training, or a value is not acceptable; names row and
            column.
        """
        model = self._trained()
        rows, is_series, names = self._windows(X)
        return model.score(rows, is_series, self._threads(), names)

    def score_rows(self, X: Any) -> Floats:
        """The error of the window that ends at each row of a series.

        Parameters
        ----------
        X : array or DataFrame of shape (n_rows, n_columns)

        Returns
        -------
        ndarray of float64, shape (n_rows,)
            NaN for the first ``window - 1`` rows.

        Raises
        ------
        NotReadyError, DataError
            As `decision_function`.
        """
        model = self._trained()
        rows, names = self._series(X)
        # Also of a series without a window, which is checked all the same.
        errors = model.score(rows, True, self._threads(), names)
        scores = np.full(len(rows), np.nan)
        scores[len(rows) - len(errors) :] = errors
        return scores

    def reconstruct(self, X: Any) -> Floats:
        """Each window as the network reconstructs it, in the columns' units.

        Parameters
        ----------
        X : array or DataFrame
            As for `decision_function`.

        Returns
        -------
        ndarray of float64, shape (n_windows, window, n_columns)
        """
        model = self._trained()
        rows, is_series, names = self._windows(X)
        return model.reconstruct(rows, is_series, names)

    def reconstruction_errors(self, X: Any) -> Floats:
        """The squared error of every step and column of each window, scaled.

        Parameters
        ----------
        X : array or DataFrame
            As for `decision_function`.

        Returns
        -------
        ndarray of float64, shape (n_windows, window, n_columns)
            The mean of a window's errors is its score.
        """
        model = self._trained()
        rows, is_series, names = self._windows(X)
        return model.squared_errors(rows, is_series, names)

    def explain(self, X: Any) -> Floats:
        """What each column adds to the score of each window.

        Parameters
        ----------
        X : array or DataFrame
            As for `decision_function`.

        Returns
        -------
        ndarray of float64, shape (n_windows, n_columns)
            Each row sums to its `decision_function` up to rounding.
        """
        errors = self.reconstruction_errors(X)
        explained: Floats = errors.sum(axis=1) / (errors.shape[1] * errors.shape[2])
        return explained

    def predict_proba(self, X: Any, method: Literal["linear", "unify"] = "linear") -> Floats:
        """As `Estimator.predict_proba`; needs training scores, see `calibrate`."""
        self._require_training_scores()
        return super().predict_proba(X, method)

    def calibrate(self: _R, X: Any) -> _R:
        """Take the scores of `X` for training scores, and the threshold from them.

        For a model whose weights come from elsewhere.

        Parameters
        ----------
        X : array or DataFrame
            As for `decision_function`.

        Returns
        -------
        self
        """
        scores = self.decision_function(X)
        self._learned(self._trained().with_training_scores(scores), self._column_names())
        return self

    def set_percentile(self: _R, percentile: float) -> _R:
        """Put the threshold at a percentile of the training scores, 0 to 100.

        Raises
        ------
        ConfigurationError
            If it is out of range.
        NotReadyError
            Without training scores.
        """
        if not 0.0 <= percentile <= 100.0:
            raise ConfigurationError(
                f"percentile must be from 0 to 100, not {percentile!r}",
                id="parameter_out_of_range",
                field="percentile",
                expected="from 0 to 100",
            )
        self._require_training_scores()
        self._set_threshold(float(np.percentile(self.decision_scores_, percentile)), percentile)
        return self

    def predict(self, X: Any) -> Any:
        """1 for each window whose score is above ``threshold_``, else 0.

        Parameters
        ----------
        X : array or DataFrame
            As for `decision_function`.

        Returns
        -------
        ndarray of int, shape (n_windows,)

        Raises
        ------
        NotReadyError
            Before `fit`, and without a threshold.
        """
        self._ready_model()
        if not hasattr(self, "threshold_"):
            raise NotReadyError(
                "there is no threshold: set threshold_, or call calibrate first",
                id="not_ready",
                field="threshold_",
                expected="a threshold",
            )
        return super().predict(X)

    # ---- mechanics ----

    def _require_training_scores(self) -> None:
        if not len(getattr(self, "decision_scores_", [])):
            raise NotReadyError(
                "there are no training scores: call fit or calibrate first",
                id="not_ready",
                expected="a call of fit or calibrate",
            )

    def _set_threshold(self, threshold: float, percentile: float | None) -> None:
        self.threshold_ = float(threshold)
        self.percentile_ = percentile
        self._threshold_of_percentile = self.threshold_
        self.labels_ = (self.decision_scores_ > self.threshold_).astype(int)

    def _learned(self, model: Any, names: list[str] | None) -> None:
        scores = model.training_scores()
        self._model = model
        self.n_features_in_ = model.n_columns
        if names is not None:
            self.feature_names_in_ = np.asarray(names, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        self.history_ = model.history()
        self.decision_scores_ = scores
        self.created_ = None
        if len(scores):
            self.set_percentile(100.0 * (1.0 - self.contamination))
        else:
            self.labels_ = np.empty(0, dtype=int)

    def _trained(self) -> _core.LstmAutoencoderModel:
        return cast("_core.LstmAutoencoderModel", self._ready_model())

    def _column_names(self) -> list[str] | None:
        names = getattr(self, "feature_names_in_", None)
        return None if names is None else list(names)

    def _series(self, X: Any) -> tuple[Floats, list[str] | None]:
        """A series' rows in C order, and what errors call its columns."""
        rows, names = self._arranged(X)
        return np.ascontiguousarray(rows), names

    def _windows(self, X: Any) -> tuple[Floats, bool, list[str] | None]:
        """Rows in C order, whether they are a series, and what errors call a series' columns."""
        model = self._trained()
        is_matched = self._column_names() is not None and column_names(X) is not None
        if is_matched or (np.ndim(X) == 2 and np.shape(X)[1] == model.n_columns):
            rows, names = self._series(X)
            return rows, True, names
        rows, is_series = as_windows(X, model.window, None, n_columns=model.n_columns)
        return rows, is_series, None

    def _threads(self) -> int:
        return (os.cpu_count() or 1) if self.n_threads is None else self.n_threads
