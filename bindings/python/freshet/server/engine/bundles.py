"""Bundles as streams use them: a model that somebody has put in place."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from freshet import TrainedModel
from freshet.server.engine.changes import ModelBytes
from freshet.server.engine.models import Models

if TYPE_CHECKING:
    from freshet.server.models.bundle import LoadedBundle

__all__ = ["BUNDLE_SETTINGS", "Bundle", "Bundles"]

#: What of a stream's settings is not the bundle's: nothing is trained.
BUNDLE_SETTINGS: Final[dict[str, Any]] = {"retrain": "manual"}

#: Bundles whose bytes are remembered.
_REMEMBERED: Final = 64


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle's model.

    Attributes
    ----------
    version : str
        What predictions carry.
    model : TrainedModel
    stored : ModelBytes
        The model as events refer to it.
    """

    version: str
    model: TrainedModel
    stored: ModelBytes


class Bundles:
    """The bytes of bundles' models, made once for each.

    Parameters
    ----------
    models : Models
    """

    def __init__(self, models: Models) -> None:
        self._models = models
        self._lock = threading.Lock()
        self._known: OrderedDict[str, Bundle] = OrderedDict()

    def get(self, loaded: LoadedBundle) -> Bundle:
        """Return a bundle as streams use it."""
        with self._lock:
            bundle = self._known.get(loaded.version)
            if bundle is None:
                model = loaded.model
                bundle = Bundle(loaded.version, model, self._models.add(model))
                self._known[loaded.version] = bundle
                if len(self._known) > _REMEMBERED:
                    self._known.popitem(last=False)
            return bundle
