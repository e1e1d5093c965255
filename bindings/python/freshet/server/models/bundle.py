"""A bundle as the service holds it: verified, with all that scoring takes."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from freshet import LSTMAutoencoder, TrainedModel
from freshet.errors import ModelFileError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["LoadedBundle", "load_bundle"]

_MANIFEST: Final = "manifest.json"
#: Digits of a version: enough that no two bundles of a service share them by chance.
_N_DIGITS: Final = 12


@dataclass(frozen=True, slots=True, eq=False)
class LoadedBundle:
    """A bundle that was verified and read; never changes.

    Attributes
    ----------
    name : str
        What its directory is called.
    version : str
        The name, and the beginning of the SHA-256 of its manifest, which has those of all other
        files: the same for the same content, in every process.
    generation : int
        Counts the bundles that this process has put in service.
    loaded_at : float
        Seconds since 1970.
    model : TrainedModel
        Scores streams, point by point.
    estimator : LSTMAutoencoder
        Scores series as a whole.
    """

    name: str
    version: str
    generation: int
    loaded_at: float
    model: TrainedModel
    estimator: LSTMAutoencoder

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns, in the order in which rows without names have them."""
        columns = self.model.columns
        assert columns is not None  # A bundle names them.
        return columns

    @property
    def window(self) -> int:
        """Rows that the model looks at together."""
        return self.estimator.window

    @property
    def threshold(self) -> float:
        """Errors above it are anomalies."""
        return float(self.estimator.threshold_)


def load_bundle(name: str, directory: Path, generation: int = 1) -> LoadedBundle:
    """Verify a bundle and read it.

    Raises
    ------
    ModelFileError
        If it is not complete, or not a bundle; says what is wrong.
    """
    before = _version(directory)
    model = TrainedModel.from_bundle(directory)
    estimator = LSTMAutoencoder.load(directory)
    # A service has as many threads at work as it has requests.
    estimator.n_threads = 1
    if _version(directory) != before:
        # The two may be of different bundles.
        raise ModelFileError(
            f"{name} was replaced while it was read",
            id="file_mismatch",
            field=_MANIFEST,
            expected="a bundle that does not change",
        )
    return LoadedBundle(name, f"{name}@{before}", generation, time.time(), model, estimator)


def _version(directory: Path) -> str:
    try:
        manifest = (directory / _MANIFEST).read_bytes()
    except OSError as error:
        raise ModelFileError(
            f"the manifest cannot be read: {error.strerror}",
            id="file_missing",
            field=_MANIFEST,
            expected="a bundle, as LSTMAutoencoder.save and freshet train write it",
        ) from None
    return hashlib.sha256(manifest).hexdigest()[:_N_DIGITS]
