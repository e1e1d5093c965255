"""Streaming anomaly detection: rows in, verdicts out, one at a time, forever.

Streams
    `StreamingDetector` for one, `DetectorPool` for many; `backends` lists the methods. Where the
    host runs the trainings itself: `Training`, `TrainedModel`.
Tables
    `ECOD`, `COPOD`, `HBOS`, `LODA`, `IForest`, `KNN`, `LOF`, `CBLOF`, `MCD`, `OCSVM`, `SUOD` and
    `AutoEncoder` in the scikit-learn and PyOD convention.
Windows
    `LSTMAutoencoder`, in the same convention, with bundles and PyTorch's files.
Parts
    `Encoder` and `RollingFeatures`, the encodings and incremental features that a streaming
    detector uses.
More
    `plot` draws what was found; `freshet.datasets`, `freshet.evaluate`, `freshet.plotting`, and
    ``python -m freshet.demo``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from freshet.errors import (
    ConfigurationError,
    DataError,
    Error,
    FitError,
    ModelFileError,
    NotReadyError,
    SnapshotError,
    UnknownStreamError,
)

# The compiled module raises the errors above, so they come first.
from freshet._core import Result, Score, TrainedModel, Training, __version__  # isort: skip
from freshet.autoencoder import AutoEncoder
from freshet.catalog import Backend, backends
from freshet.cblof import CBLOF
from freshet.encoder import Encoder
from freshet.estimators import COPOD, ECOD, HBOS, LODA
from freshet.features import RollingFeatures
from freshet.isolation_forest import IForest
from freshet.lstm import LSTMAutoencoder, TrainingProgress
from freshet.mcd import MCD
from freshet.neighbors import KNN, LOF
from freshet.one_class_svm import OCSVM
from freshet.plotting import plot
from freshet.pool import DetectorPool
from freshet.results import Explanation, ResultBatch, Stats
from freshet.streaming import StreamingDetector
from freshet.suod import SUOD

__all__ = [
    "CBLOF",
    "COPOD",
    "ECOD",
    "HBOS",
    "KNN",
    "LODA",
    "LOF",
    "MCD",
    "OCSVM",
    "SUOD",
    "AutoEncoder",
    "Backend",
    "ConfigurationError",
    "DataError",
    "DetectorPool",
    "Encoder",
    "Error",
    "Explanation",
    "FitError",
    "IForest",
    "LSTMAutoencoder",
    "ModelFileError",
    "NotReadyError",
    "Result",
    "ResultBatch",
    "RollingFeatures",
    "Score",
    "SnapshotError",
    "Stats",
    "StreamingDetector",
    "TrainedModel",
    "Training",
    "TrainingProgress",
    "UnknownStreamError",
    "__version__",
    "backends",
    "plot",
]

if TYPE_CHECKING:
    from freshet import datasets as datasets
    from freshet import evaluate as evaluate
    from freshet import plotting as plotting
    from freshet.plotting import plot
else:

    def __getattr__(name: str) -> object:
        # Imported when used: they need packages that freshet itself does without.
        if name in ("datasets", "evaluate", "plotting"):
            return import_module(f"freshet.{name}")
        if name == "plot":
            return import_module("freshet.plotting").plot
        raise AttributeError(f"module 'freshet' has no attribute {name!r}")
