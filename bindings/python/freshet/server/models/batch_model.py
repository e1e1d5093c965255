"""A model of the batch API: from rows as requests have them to scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from freshet import _core
from freshet._estimator import Estimator
from freshet._reconstruction import ReconstructingEstimator
from freshet.errors import DataError
from freshet.server.models.normalization import Floats, Normalization, Normalizer
from freshet.server.problems import Problem

if TYPE_CHECKING:
    from freshet import Encoder

__all__ = ["BatchModel", "Scored", "Table", "require_rows"]

_LARGEST: Final = float(np.finfo(np.float64).max)


@dataclass(frozen=True, slots=True)
class Scored:
    """The scores of some rows.

    Attributes
    ----------
    values : ndarray of float64, shape (rows, features)
        What was scored.
    scores, raw_scores : ndarray of float64, shape (rows,)
        Finite, but NaN for the first `n_unscored` rows.
    is_anomaly : ndarray of bool, shape (rows,)
    threshold : float
        What the scores of anomalies are above.
    n_unscored : int
        Rows at the beginning that end no whole window, with methods that score windows.
    """

    values: Floats
    scores: Floats
    raw_scores: Floats
    is_anomaly: npt.NDArray[np.bool_]
    threshold: float
    n_unscored: int


@dataclass(frozen=True, slots=True)
class BatchModel:
    """A trained model with all that scoring needs. Immutable; any thread may use it.

    Attributes
    ----------
    name, backend : str
    estimator : Estimator
        Trained.
    columns : list of str
        What the columns of rows are called.
    encoder : Encoder or None
        What makes numbers of rows; None if they are numbers already.
    normalization : str
        What scores are made with unless a request says otherwise.
    samples : int
        The rows it was trained on.
    created : str
        When: UTC, as ``"2026-01-31T12:00:00.123456Z"``.
    description : str or None
    """

    name: str
    backend: str
    estimator: Estimator
    columns: list[str]
    encoder: Encoder | None
    normalization: Normalization
    samples: int
    created: str
    description: str | None = None

    @property
    def features(self) -> list[str]:
        """What the columns of encoded rows are called."""
        return self.columns if self.encoder is None else list(self.encoder.feature_names or ())

    @property
    def schema(self) -> dict[str, Any]:
        """How each column becomes numbers."""
        given = {} if self.encoder is None else self.encoder.schema
        return {column: given.get(column, "numeric") for column in self.columns}

    def require_schema(self, schema: Mapping[str, Any] | None) -> None:
        """Raise a problem (409) unless encodings, if given, are the model's."""
        if not schema:
            return
        own = self.schema
        for column in sorted(own.keys() | schema.keys()):
            given = schema.get(column, "numeric")
            if own.get(column) != given:
                raise Problem(
                    409,
                    f"The model {self.name} was fitted with another encoding of {column}",
                    id="schema_conflict",
                    title="The model has another schema",
                    field=f"schema.{column}",
                    expected=str(own.get(column, "no such column")),
                )

    def normalizer(self, kind: Normalization | None = None) -> Normalizer:
        """Return a normalization, by default the model's own."""
        return Normalizer.fit(
            kind or self.normalization,
            self.estimator.decision_scores_,
            self.estimator.contamination,
        )

    def score(
        self,
        rows: list[Any],
        normalization: Normalization | None = None,
        threshold: float | None = None,
    ) -> Scored:
        """Score rows, each by itself, or with those before it if the method scores windows.

        Parameters
        ----------
        rows : list
            Objects from column to cell, in any order, or lists in the order of training.
        normalization : str, optional
            The model's own if not given.
        threshold : float, optional
            The normalization's own if not given.

        Raises
        ------
        DataError
            For rows that are not like those of the training; names row and column.
        """
        values = self._read(rows)
        raw, n_unscored = self._raw_scores(Table(values, self.features))
        normalizer = self.normalizer(normalization)
        limit = normalizer.default_threshold if threshold is None else threshold
        scores = np.full(len(raw), np.nan)
        scores[n_unscored:] = normalizer(raw[n_unscored:])
        return Scored(values, scores, raw, scores > limit, limit, n_unscored)

    def _read(self, rows: list[Any]) -> Floats:
        """Return numbers, with the columns in the order of training."""
        require_rows(rows)
        if self.encoder is not None:
            return self.encoder.transform(rows)
        values, names = _core.read_rows(rows)
        if names is None or names == self.columns:
            return values
        arranged = np.empty_like(values)
        arranged[:, _core.column_order(self.columns, names)] = values
        return arranged

    def _raw_scores(self, values: Table) -> tuple[Floats, int]:
        """Return scores of which only the first may be NaN, and how many."""
        n_unscored = 0
        if isinstance(self.estimator, ReconstructingEstimator):
            raw = self.estimator.score_rows(values)
            n_unscored = self.estimator._trained().window - 1
            if len(raw) <= n_unscored:
                raise DataError(
                    f"there are {len(raw)} rows: {self.backend} scores windows of "
                    f"{n_unscored + 1} rows",
                    id="batch_empty",
                    field="data",
                    expected=f"at least {n_unscored + 1} rows",
                )
        else:
            raw = self.estimator.decision_function(values)
        # So far out that the method's own arithmetic gives up is as far out as can be.
        scored = raw[n_unscored:]
        scored[~np.isfinite(scored)] = _LARGEST
        return raw, n_unscored


def require_rows(rows: list[Any]) -> None:
    """Raise a DataError unless there are rows."""
    if not rows:
        raise DataError(
            "there are no rows", id="batch_empty", field="data", expected="at least one row"
        )


class Table:
    """An array with names for its columns, as estimators know it of data frames."""

    __slots__ = ("_values", "columns")

    def __init__(self, values: Floats, columns: list[str]) -> None:
        self._values = values
        self.columns = columns

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Floats:
        return np.array(self._values, dtype=dtype) if copy else np.asarray(self._values, dtype)
