"""What the API of points asks of the engine, and what it gets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt

    from freshet.server.models.bundle import LoadedBundle

__all__ = ["PointEngine", "PointPrediction"]


@dataclass(frozen=True, slots=True)
class PointPrediction:
    """The verdict on a point of a stream.

    Attributes
    ----------
    error : float or None
        Of the window that the point completes; None in warm-up.
    is_anomaly : bool or None
    threshold : float
        Errors above it are anomalies.
    samples_until_ready : int
        Points to come before one is scored.
    model_version : str
        The version of the bundle that the stream had when the point came.
    """

    error: float | None
    is_anomaly: bool | None
    threshold: float
    samples_until_ready: int
    model_version: str


class PointEngine(Protocol):
    """Keeps streams that are scored by bundles, and the log of predictions."""

    async def predict_point(
        self,
        stream_id: str,
        bundle: LoadedBundle,
        *,
        values: npt.NDArray[np.float64],
        columns: Sequence[str] | None,
        timestamp: float | None,
    ) -> PointPrediction:
        """Score a row, of shape (1, columns), and keep it; the stream is made if there is none.

        A stream that another bundle has scored goes on with this one.

        Raises
        ------
        DataError
            If the row is refused; nothing has changed.
        SettingsConflictError
            If the stream trains models of its own.
        """

    async def log_predictions(
        self,
        *,
        stream_id: str,
        mode: str,
        columns: Sequence[str] | None,
        values: npt.NDArray[np.float64] | None,
        scores: npt.NDArray[np.float64],
        raw_scores: npt.NDArray[np.float64],
        is_anomaly: npt.NDArray[np.bool_],
        threshold: float,
        model_version: str,
        received_at: float,
    ) -> None:
        """Log predictions that are of no stream."""
