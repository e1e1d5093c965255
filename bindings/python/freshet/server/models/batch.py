"""The batch API without HTTP: trains, keeps and uses models, beside the event loop."""

from __future__ import annotations

import dataclasses
import os
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from freshet.errors import FitError
from freshet.server.models.batch_model import BatchModel, Scored
from freshet.server.models.registry import ModelRegistry
from freshet.server.models.saved import SavedModel
from freshet.server.models.training import Training, estimator_type, train
from freshet.server.work import WorkPool

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from freshet.server.models.normalization import Normalization
    from freshet.server.models.saved import StoredFile
    from freshet.server.settings import ServerSettings

__all__ = ["DIRECTORY", "Batch", "Fitted", "Outcome", "Scoring"]

_T = TypeVar("_T")

#: In the data directory; part of what clients are told of models.
DIRECTORY: Final = "models-batch"
#: Trainings that may wait, each with its rows.
_MAX_WAITING_TRAININGS: Final = 16


@dataclass(frozen=True, slots=True)
class Fitted:
    """A model that was trained and saved.

    Attributes
    ----------
    saved : SavedModel
    seconds : float
        That the training took.
    """

    saved: SavedModel
    seconds: float


@dataclass(frozen=True, slots=True)
class Scoring:
    """What is to be scored.

    Attributes
    ----------
    name, backend : str
        Of the model; see `ModelRegistry.load`.
    rows, normalization, threshold
        As for `BatchModel.score`.
    schema : mapping or None
        The encodings that whoever asks believes the model to have.
    """

    name: str
    backend: str | None
    rows: list[Any]
    normalization: Normalization | None = None
    threshold: float | None = None
    schema: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Outcome(Generic[_T]):
    """The model that scored, the scores, and what was made of them."""

    saved: SavedModel
    scored: Scored
    rendered: _T


class Batch:
    """Models and the threads that train and score them.

    The coroutines raise what the functions they are named after raise, and a `Problem` (503) when
    too much waits for a thread.

    Parameters
    ----------
    settings : ServerSettings
    """

    def __init__(self, settings: ServerSettings) -> None:
        self._registry = ModelRegistry(settings.data_dir / DIRECTORY)
        self._trainings = WorkPool("trainings", settings.retrain_threads, _MAX_WAITING_TRAININGS)
        self._scorings = WorkPool("scorings", os.cpu_count() or 1)
        self._max_columns = settings.max_columns
        self._is_closing = threading.Event()

    def close(self) -> None:
        """End the trainings that run, finish all else, and end the threads."""
        self._is_closing.set()
        self._trainings.close()
        self._scorings.close()

    async def fit(self, training: Training, rows: list[Any], *, overwrite: bool) -> Fitted:
        """Train a model and save it."""

        def run() -> Fitted:
            self._go_on()
            _require_backend(training.backend)
            self._registry.require_place(
                training.name, training.backend, is_new_version=not overwrite
            )
            began = time.perf_counter()
            model = train(training, rows, max_columns=self._max_columns, on_progress=self._go_on)
            seconds = time.perf_counter() - began
            return Fitted(self._registry.save(model, is_new_version=not overwrite), seconds)

        return await self._trainings.run(run)

    async def score(self, scoring: Scoring, render: Callable[[Scored], _T]) -> Outcome[_T]:
        """Score rows; `render` is called in the thread too."""

        def run() -> Outcome[_T]:
            saved = self._find(scoring.name, scoring.backend)
            saved.model.require_schema(scoring.schema)
            scored = saved.model.score(scoring.rows, scoring.normalization, scoring.threshold)
            return Outcome(saved, scored, render(scored))

        return await self._scorings.run(run)

    async def save(
        self,
        name: str,
        backend: str | None,
        *,
        normalization: Normalization | None,
        description: str | None,
    ) -> SavedModel:
        """Save a model again, with what is given for what it had."""

        def change(model: BatchModel) -> BatchModel:
            return dataclasses.replace(
                model,
                normalization=normalization or model.normalization,
                description=model.description if description is None else description,
            )

        def run() -> SavedModel:
            _require_backend(backend)
            return self._registry.revise(name, backend, change)

        return await self._scorings.run(run)

    async def load(self, name: str, backend: str | None) -> SavedModel:
        """Read a model, so that it is in memory."""
        return await self._scorings.run(lambda: self._find(name, backend))

    async def files(self) -> Sequence[StoredFile]:
        """Look at what is saved, in alphabetical order."""
        return await self._scorings.run(
            lambda: sorted(self._registry.files(), key=lambda file: file.filename)
        )

    async def delete(self, filename: str) -> None:
        """Delete a saved model."""
        await self._scorings.run(lambda: self._registry.delete(filename))

    def _find(self, name: str, backend: str | None) -> SavedModel:
        _require_backend(backend)
        return self._registry.load(name, backend)

    def _go_on(self, _progress: object = None) -> None:
        if self._is_closing.is_set():
            raise FitError(
                "the service is stopping: the training was not finished",
                id="fit_cancelled",
                expected="a service that goes on",
            )


def _require_backend(backend: str | None) -> None:
    if backend is not None:
        estimator_type(backend)
