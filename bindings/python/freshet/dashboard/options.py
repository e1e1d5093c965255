"""What the dashboard was started with."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import Final

from freshet._secrets import without_secrets

__all__ = ["API_KEY_VARIABLE", "MIN_CONTAMINATION", "VARIABLE", "DetectorOptions", "Options"]

#: Where the page finds the options: Streamlit's script gets no arguments of ours otherwise.
VARIABLE: Final = "FRESHET_DASHBOARD"
#: The key stays out of the options, which may be shown.
API_KEY_VARIABLE: Final = "FRESHET_API_KEY"
#: The least contamination that the field on the page takes.
MIN_CONTAMINATION: Final = 0.0001


@dataclass(frozen=True)
class DetectorOptions:
    """The detector that a series is streamed through; see `StreamingDetector`."""

    backend: str = "ecod"
    contamination: float = 0.01
    rolling_windows: tuple[int, ...] = ()
    min_samples: int = 50
    retrain_interval: int = 100
    window_size: int = 1000


@dataclass(frozen=True)
class Options:
    """What is to be shown; one of `log`, `url` and `file`.

    Attributes
    ----------
    log : str or None
        The data directory of a service, or the URL of its database of predictions.
    url : str or None
        A service.
    file : str or None
        A series as CSV, or verdicts as CSV or JSON lines.
    bundle : str or None
        What scores the series in `file`.
    columns : tuple of str or None
        Of the series; None for all.
    timestamp_column : str or None
        None to find it.
    detector : DetectorOptions
        For a series without a bundle.
    """

    log: str | None = None
    url: str | None = None
    file: str | None = None
    bundle: str | None = None
    columns: tuple[str, ...] | None = None
    timestamp_column: str | None = None
    detector: DetectorOptions = DetectorOptions()

    @property
    def place(self) -> str:
        """Where it is, as it may be shown: without passwords."""
        return without_secrets(self.url or self.file or self.log or "freshet-data")

    def to_environment(self) -> None:
        """Leave them for the page."""
        os.environ[VARIABLE] = json.dumps(asdict(self))

    @classmethod
    def from_environment(cls) -> Options:
        """Return what `to_environment` left."""
        given = json.loads(os.environ.get(VARIABLE, "{}"))
        detector = given.pop("detector", {})
        detector["rolling_windows"] = tuple(detector.get("rolling_windows", ()))
        columns = given.pop("columns", None)
        return cls(
            detector=DetectorOptions(**detector),
            columns=None if columns is None else tuple(columns),
            **given,
        )
