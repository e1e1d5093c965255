"""Saved models as they are in their directory, and those of them that are in memory."""

from __future__ import annotations

import os
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from freshet.server.models.batch_model import BatchModel

__all__ = ["HeldModels", "SavedModel", "Signature", "StoredFile", "signature_at", "signature_of"]

#: Tells a file from one that takes its place; the last is its size.
Signature: TypeAlias = tuple[int, int, int]


def signature_of(status: os.stat_result) -> Signature:
    """Return the signature of a file whose status is known."""
    return status.st_ino, status.st_mtime_ns, status.st_size


def signature_at(path: Path) -> Signature | None:
    """Return the signature of a file; None if there is none."""
    try:
        return signature_of(path.stat())
    except OSError:
        return None


@dataclass(frozen=True, slots=True)
class SavedModel:
    """A model and its file.

    Attributes
    ----------
    model : BatchModel
    filename : str
    signature : Signature
    """

    model: BatchModel
    filename: str
    signature: Signature

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self.signature[-1]


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A model's file, unread.

    Attributes
    ----------
    filename, name, backend : str
    size : int
        In bytes.
    modified : float
        Seconds since 1970.
    """

    filename: str
    name: str
    backend: str
    size: int
    modified: float


class HeldModels:
    """The models that were used last. Not for several threads at once.

    Parameters
    ----------
    max_models, max_bytes : int
        So many, and of files so large together.
    """

    def __init__(self, max_models: int, max_bytes: int) -> None:
        self._max_models = max_models
        self._max_bytes = max_bytes
        self._models: OrderedDict[str, SavedModel] = OrderedDict()
        self._n_bytes = 0

    def __len__(self) -> int:
        return len(self._models)

    def get(self, filename: str, signature: Signature) -> SavedModel | None:
        """Return the model of a file that is still the same; None if it is not held."""
        held = self._models.get(filename)
        if held is None or held.signature != signature:
            return None
        self._models.move_to_end(filename)
        return held

    def add(self, saved: SavedModel) -> None:
        """Hold a model, and let go of others if they are too many."""
        self.drop(saved.filename)
        self._models[saved.filename] = saved
        self._n_bytes += saved.size
        while len(self._models) > self._max_models or self._n_bytes > self._max_bytes:
            self.drop(next(iter(self._models)))

    def drop(self, filename: str) -> None:
        """Let go of a model, if it is held."""
        held = self._models.pop(filename, None)
        if held is not None:
            self._n_bytes -= held.size
