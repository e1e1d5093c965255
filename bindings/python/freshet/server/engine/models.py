"""Trained models by their digest, each once in memory however many streams use it."""

from __future__ import annotations

import hashlib
import threading
import weakref
from collections.abc import Callable

from freshet import TrainedModel
from freshet.errors import SnapshotError
from freshet.server.engine.changes import ModelBytes

__all__ = ["Models"]


class Models:
    """The trained models that somebody holds; others are read from the store.

    Parameters
    ----------
    read : callable
        From a stream's id and a digest to the bytes of a model; None if there are none.
    """

    def __init__(self, read: Callable[[str, str], bytes | None]) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._held: weakref.WeakValueDictionary[str, TrainedModel] = weakref.WeakValueDictionary()

    def add(self, model: TrainedModel) -> ModelBytes:
        """Keep a model as long as somebody holds it; return what is to be stored."""
        data = model.to_bytes()
        digest = hashlib.sha256(data).hexdigest()
        with self._lock:
            self._held[digest] = model
        return ModelBytes(digest, data)

    def get(self, stream_id: str, digest: str) -> TrainedModel:
        """Return a model that an event of a stream refers to.

        Raises
        ------
        SnapshotError
            If the store has none of this digest, or it is damaged.
        """
        with self._lock:
            held = self._held.get(digest)
        if held is not None:
            return held
        data = self._read(stream_id, digest)
        if data is None or hashlib.sha256(data).hexdigest() != digest:
            raise SnapshotError(
                f"the model {digest} is {'missing' if data is None else 'damaged'}",
                id="snapshot_corrupt",
                field="model",
                expected="the model that was stored",
            )
        model = TrainedModel.from_bytes(data)
        with self._lock:
            return self._held.setdefault(digest, model)
