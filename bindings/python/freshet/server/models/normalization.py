"""From a model's raw scores to scores that mean the same for every model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["NORMALIZATIONS", "Normalization", "Normalizer"]

Floats: TypeAlias = npt.NDArray[np.float64]
Normalization: TypeAlias = Literal["standardization", "zscore", "raw"]

NORMALIZATIONS: Final[Sequence[Normalization]] = ("standardization", "zscore", "raw")

_LARGEST: Final = float(np.finfo(np.float64).max)
#: Larger scores are divided before they are squared.
_SQUARED_SAFELY: Final = 1e100


@dataclass(frozen=True, slots=True)
class Normalizer:
    """A normalization fitted to training scores, as `StreamingDetector` has it.

    Attributes
    ----------
    kind : {"standardization", "zscore", "raw"}
        The logistic function of (raw - mean) / standard deviation of the training scores; the same
        without the logistic function; or the raw score.
    center, scale : float
        Mean and standard deviation; for "raw" the center is the ``1 - contamination`` percentile.
    """

    kind: Normalization
    center: float
    scale: float

    @classmethod
    def fit(cls, kind: Normalization, training_scores: Floats, contamination: float) -> Normalizer:
        """Fit a normalization to finite training scores, at least one."""
        if kind == "raw":
            percentile = np.percentile(training_scores, 100.0 * (1.0 - contamination))
            return cls(kind, float(percentile), 1.0)
        unit = max(1.0, float(np.abs(training_scores).max()) / _SQUARED_SAFELY)
        first = training_scores[0] / unit
        deviations = training_scores / unit - first  # All 0 if the scores are the same.
        mean = float(first + deviations.mean()) * unit
        scale = min(float(deviations.std()) * unit, _LARGEST)
        return cls(kind, min(max(mean, -_LARGEST), _LARGEST), scale or 1.0)

    @property
    def default_threshold(self) -> float:
        """What scores of anomalies are above if nobody says otherwise."""
        if self.kind == "standardization":
            return 0.5
        return 2.0 if self.kind == "zscore" else self.center

    def __call__(self, raw: Floats) -> Floats:
        """Return the scores of finite raw scores; finite too."""
        if self.kind == "raw":
            return raw
        with np.errstate(over="ignore"):  # Infinities are what the next step wants.
            standardized = (raw - self.center) / self.scale
            if self.kind == "zscore":
                return np.clip(standardized, -_LARGEST, _LARGEST)
            logistic: Floats = 1.0 / (1.0 + np.exp(-standardized))
        return logistic
