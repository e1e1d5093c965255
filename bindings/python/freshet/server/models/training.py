"""Trains the models of the batch API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final

import numpy as np

import freshet
from freshet import _core
from freshet._estimator import Estimator
from freshet._windows import default_names
from freshet.errors import ConfigurationError, FitError
from freshet.lstm import LSTMAutoencoder
from freshet.server.limits import require_columns
from freshet.server.models.batch_model import BatchModel, Table, require_rows
from freshet.server.models.normalization import Normalization

if TYPE_CHECKING:
    from freshet import Encoder

__all__ = ["Training", "available_backends", "estimator_type", "train"]

#: Of methods that draw random numbers, so that the same rows give the same model.
_SEED: Final = 0


@dataclass(frozen=True, slots=True)
class Training:
    """What is to be trained.

    Attributes
    ----------
    name : str
        What the model is to be called.
    backend : str
        One of `freshet.backends`.
    schema : mapping or None
        From column to encoding, as `freshet.Encoder` has it; None if all cells are numbers.
    contamination : float
        The share of anomalies expected among the rows.
    normalization : str
        What scores are made with unless a request says otherwise.
    epochs, batch_size : int
        Of methods that are trained in epochs.
    description : str or None
        For people.
    """

    name: str
    backend: str
    schema: Mapping[str, Any] | None = None
    contamination: float = 0.1
    normalization: Normalization = "standardization"
    epochs: int = 100
    batch_size: int = 32
    description: str | None = None

    def estimator(self) -> Estimator:
        """Return an estimator, not trained yet.

        Raises
        ------
        ConfigurationError
            If there is none of this backend; names those that there are.
        """
        type_ = estimator_type(self.backend)
        given = {
            "contamination": self.contamination,
            "epochs": self.epochs,
            "epoch_num": self.epochs,
            "batch_size": self.batch_size,
            "random_state": _SEED,
            "seed": _SEED,
            "n_threads": 1,  # The other processors have requests to answer.
        }
        names = type_._parameter_names()
        return type_(**{name: value for name, value in given.items() if name in names})


def available_backends() -> list[str]:
    """Return the backends that models can be trained with."""
    return [one.backend for one in freshet.backends() if one.backend in _estimator_types()]


def estimator_type(backend: str) -> type[Estimator]:
    """Return the estimator of a backend; ConfigurationError if there is none."""
    names = available_backends()
    if backend not in names:
        raise ConfigurationError(
            f"there is no backend {backend!r}",
            id="backend_unknown",
            field="backend",
            expected="one of " + ", ".join(names),
        )
    return _estimator_types()[backend]


def _estimator_types() -> dict[str, type[Estimator]]:
    return {
        one._backend: one
        for one in vars(freshet).values()
        if isinstance(one, type) and issubclass(one, Estimator)
    }


def train(
    training: Training,
    rows: list[Any],
    *,
    max_columns: int,
    on_progress: Callable[[Any], object] | None = None,
) -> BatchModel:
    """Train a model on rows.

    Parameters
    ----------
    training : Training
    rows : list
        Objects from column to cell, or lists, whose columns are called f0, f1, …
    max_columns : int
        Columns that may become of one or more by their encoding.
    on_progress : callable, optional
        Called now and then by methods that take long; what it raises ends the training.

    Raises
    ------
    ConfigurationError
        If there is no such backend, or a setting is out of range.
    DataError
        For rows that cannot be read or encoded; names row and column.
    FitError
        If no model can be made of them.
    Problem
        413 if there would be too many columns.
    """
    estimator = training.estimator()
    require_rows(rows)
    encoder: Encoder | None = None
    if training.schema:
        encoder = freshet.Encoder(training.schema).fit(rows)
        columns, names = list(encoder.columns or ()), list(encoder.feature_names or ())
        require_columns(len(names), max_columns)
        values = encoder.transform(rows)
    else:
        values, given = _core.read_rows(rows)
        columns = names = given or default_names(values.shape[1])
    # As a table, since a bare array of some widths would count as windows.
    table = Table(values, names)
    if isinstance(estimator, LSTMAutoencoder):
        estimator.fit(table, on_progress=on_progress)
    else:
        estimator.fit(table)
    if not np.isfinite(estimator.decision_scores_).all():
        raise FitError(
            "the scores of the training rows are not all finite",
            id="fit_failed",
            field="data",
            expected="rows that are not so far apart",
        )
    created = datetime.now(timezone.utc).isoformat(timespec="microseconds")
    return BatchModel(
        name=training.name,
        backend=training.backend,
        estimator=estimator,
        columns=columns,
        encoder=encoder,
        normalization=training.normalization,
        samples=len(rows),
        created=created.replace("+00:00", "Z"),
        description=training.description,
    )
