"""What was found, held against the labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from freshet.demo.pipeline import ROWS_PER_DAY

if TYPE_CHECKING:
    import numpy.typing as npt

    from freshet.datasets import Dataset
    from freshet.demo.pipeline import Run

QUIET_ROWS: Final = ROWS_PER_DAY
"""An alarm ends when so many rows have come without an anomaly."""


@dataclass(frozen=True)
class Alarm:
    """A run of anomalous rows without a day's pause: what would wake someone once."""

    begin: np.datetime64
    end: np.datetime64
    n_anomalies: int
    peak_score: float
    is_true: bool
    """Whether one of its anomalous rows lies in a labelled window."""


@dataclass(frozen=True)
class Window:
    """A labelled window and its first anomalous row, if any."""

    begin: np.datetime64
    end: np.datetime64
    found: np.datetime64 | None
    peak_score: float
    """NaN when no row of it was scored."""

    @property
    def center(self) -> np.datetime64:
        """The middle of the window, where NAB has the anomaly itself."""
        return self.begin + (self.end - self.begin) // 2


@dataclass(frozen=True)
class Evaluation:
    """How the verdicts compare with the labels."""

    windows: tuple[Window, ...]
    alarms: tuple[Alarm, ...]
    weeks_scored: float

    @property
    def n_found(self) -> int:
        """The number of labelled windows with at least one anomalous row."""
        return sum(window.found is not None for window in self.windows)

    @property
    def false_alarms(self) -> tuple[Alarm, ...]:
        """The alarms outside all labelled windows."""
        return tuple(alarm for alarm in self.alarms if not alarm.is_true)

    @property
    def false_alarms_per_week(self) -> float:
        """False alarms by the time that was scored."""
        return len(self.false_alarms) / self.weeks_scored if self.weeks_scored else float("nan")


def evaluate(dataset: Dataset, run: Run) -> Evaluation:
    """Merge anomalous rows into alarms and hold them against the labelled windows."""
    times = dataset.timestamps
    anomalous = np.flatnonzero(run.is_anomaly)
    labelled = np.zeros(len(times), dtype=np.bool_)
    windows = []
    for begin, end in dataset.windows:
        inside = (times >= begin) & (times <= end)
        labelled |= inside
        hits = anomalous[inside[anomalous]]
        windows.append(
            Window(begin, end, times[hits[0]] if hits.size else None, _peak(run.scores[inside]))
        )

    alarms = []
    pauses = np.flatnonzero(np.diff(anomalous) > QUIET_ROWS) + 1
    for rows in np.split(anomalous, pauses):
        if rows.size:
            alarms.append(
                Alarm(
                    begin=times[rows[0]],
                    end=times[rows[-1]],
                    n_anomalies=int(rows.size),
                    peak_score=_peak(run.scores[rows]),
                    is_true=bool(labelled[rows].any()),
                )
            )
    scored = times[np.isfinite(run.scores)]
    weeks = float((scored[-1] - scored[0]) / np.timedelta64(7, "D")) if scored.size else 0.0
    return Evaluation(tuple(windows), tuple(alarms), weeks)


def _peak(scores: npt.NDArray[np.float64]) -> float:
    finite = scores[np.isfinite(scores)]
    return float(finite.max()) if finite.size else float("nan")
