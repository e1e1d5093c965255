"""How trainings end, as operations on their streams."""

from __future__ import annotations

from freshet import TrainedModel, Training
from freshet.errors import Error
from freshet.server.engine.changes import ModelBytes
from freshet.server.engine.events import Abandon, Event, Publish
from freshet.server.engine.operations import Operation
from freshet.server.engine.streams import Detectors, Stream

__all__ = ["Abandonment", "Publication", "StaleError"]


class StaleError(Error):
    """What an operation was to finish is no longer wanted."""


class _Ending(Operation):
    """A training has ended, well or not."""

    def __init__(self, stream_id: str, incarnation: str, training: Training) -> None:
        super().__init__(stream_id)
        self._incarnation = incarnation
        self._training = training

    @property
    def version(self) -> int:
        """Of the model within the stream."""
        return self._training.version

    def _require_wanted(self, stream: Stream, detectors: Detectors) -> None:
        pending = None
        if stream.incarnation == self._incarnation:
            stream.is_training = False
            pending = detectors.pool.training(stream.stream_id)
        # Versions begin again after a reset.
        if pending is None or not pending.same_as(self._training):
            raise StaleError("the training is no longer wanted", id="training_stale")


class Publication(_Ending):
    """A model that was trained becomes the stream's active one."""

    def __init__(
        self,
        stream_id: str,
        incarnation: str,
        training: Training,
        model: TrainedModel,
        stored: ModelBytes,
    ) -> None:
        super().__init__(stream_id, incarnation, training)
        self._model = model  # held, so that it need not be read again
        self.models = (stored,)

    def prepare(self, stream: Stream, detectors: Detectors) -> list[Event]:
        """Check that the stream still waits for it."""
        self._require_wanted(stream, detectors)
        return [Publish(self.version, self.models[0].digest)]

    def given_up(self, why: str) -> Abandonment:
        """Return how it ends if the model cannot be stored."""
        return Abandonment(self.stream_id, self._incarnation, self._training, why)


class Abandonment(_Ending):
    """A training has failed.

    Attributes
    ----------
    why : str
    """

    def __init__(self, stream_id: str, incarnation: str, training: Training, why: str) -> None:
        super().__init__(stream_id, incarnation, training)
        self.why = why

    def prepare(self, stream: Stream, detectors: Detectors) -> list[Event]:
        """Check that the stream still waits for it."""
        self._require_wanted(stream, detectors)
        return [Abandon(self.version, self.why)]
