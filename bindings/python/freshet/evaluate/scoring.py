"""The score of the Numenta Anomaly Benchmark (NAB).

A detection within a labelled window is worth the more the earlier it comes; each row that is
flagged outside of one costs, little just after a window and all of it elsewhere; so does a window
that is missed. What a profile weighs how is summed over all files at one threshold, and normalized
so that a detector that says nothing gets 0 and one that flags the first row of every window and
nothing else 100. A benchmark's figure is the best over all thresholds.

Lavin and Ahmad, "Evaluating Real-time Anomaly Detection Algorithms - the Numenta Anomaly
Benchmark", ICMLA 2015, arXiv:1510.03336.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from freshet.errors import DataError

__all__ = ["PROFILES", "Labelled", "NabScore", "Profile", "nab_score", "probation", "rows_of"]

_Floats = npt.NDArray[np.float64]

_PROBATION_SHARE: Final = 0.15
_LONGEST_WITH_SHARE: Final = 5000
#: In widths of the window before, from where on a false alarm costs all that it can.
_FAR: Final = 3.0


@dataclass(frozen=True)
class Profile:
    """What counts how much.

    Attributes
    ----------
    true_positive : float
        Of a window whose first row is flagged.
    false_positive : float
        Taken off for a row flagged far from all windows.
    false_negative : float
        Taken off for a window without a flagged row.
    """

    true_positive: float = 1.0
    false_positive: float = 0.11
    false_negative: float = 1.0


#: NAB's own.
PROFILES: Final[Mapping[str, Profile]] = {
    "standard": Profile(),
    "reward_low_FP_rate": Profile(false_positive=0.22),
    "reward_low_FN_rate": Profile(false_negative=2.0),
}


@dataclass(frozen=True, eq=False)
class Labelled:
    """The scores of a series and what is known about it.

    Attributes
    ----------
    scores : ndarray of float64, shape (n,)
        One for every row, larger is more abnormal; NaN where there is none, which flags nothing.
    windows : sequence of (int, int)
        The first and the last row of every anomaly, ascending and apart.
    """

    scores: _Floats
    windows: Sequence[tuple[int, int]]

    def __post_init__(self) -> None:
        end = -1
        for first, last in self.windows:
            if not end < first <= last < len(self.scores):
                raise DataError(
                    f"the window from row {first} to {last} is not after the one before and within "
                    f"{len(self.scores)} rows",
                    id="parameter_out_of_range",
                    field="windows",
                    expected="first and last rows, ascending and apart",
                )
            end = last


@dataclass(frozen=True)
class NabScore:
    """How good detections are at a threshold.

    Attributes
    ----------
    score : float
        Normalized: 0 for saying nothing, 100 at best; negative for more harm than good.
    threshold : float or None
        Rows with a score at least as large are flagged; None where it is best to flag none.
    n_windows, n_detected : int
        Windows that count, and those with a flagged row.
    n_false_positives : int
        Rows flagged outside of windows.
    """

    score: float
    threshold: float | None
    n_windows: int
    n_detected: int
    n_false_positives: int


def probation(n_rows: int) -> int:
    """Return how many rows at the beginning of a series count nothing: 15 %, 750 at most."""
    return int(min(_PROBATION_SHARE * n_rows, _PROBATION_SHARE * _LONGEST_WITH_SHARE))


def rows_of(
    timestamps: npt.NDArray[np.datetime64],
    windows: Iterable[tuple[np.datetime64, np.datetime64]],
) -> list[tuple[int, int]]:
    """Return the first and the last row of every window of time; those without rows are left out.

    Parameters
    ----------
    timestamps : ndarray of datetime64, shape (n,)
        Ascending.
    windows : iterable of (datetime64, datetime64)
        The first and the last moment of each.
    """
    found = []
    for begin, end in windows:
        first = int(np.searchsorted(timestamps, begin, side="left"))
        last = int(np.searchsorted(timestamps, end, side="right")) - 1
        if first <= last:
            found.append((first, last))
    return found


def nab_score(
    files: Iterable[Labelled],
    profile: Profile = PROFILES["standard"],
    threshold: float | None = None,
) -> NabScore:
    """Score detections on several series at one threshold.

    Parameters
    ----------
    files : iterable of Labelled
    profile : Profile, optional
    threshold : float, optional
        The best one if not given.

    Returns
    -------
    NabScore

    Raises
    ------
    DataError
        If no window counts, so that there is nothing to normalize with.

    Notes
    -----
    O(n · log n) for n rows, all thresholds together.
    """
    gains = [gain for file in files for gain in _gains(file, profile)]
    n_windows = sum(gain.is_window for gain in gains)
    if n_windows == 0:
        raise DataError(
            "there is no anomaly after the probation of its series",
            id="batch_empty",
            field="windows",
            expected="at least one window that counts",
        )
    scores = np.concatenate([gain.scores for gain in gains])
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    # Of each threshold that makes a difference, the last row that it flags.
    ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True)[: len(ordered)])
    totals = np.cumsum(np.concatenate([gain.values for gain in gains])[order])[ends]
    if threshold is None:
        best = int(np.argmax(totals)) if len(totals) and totals.max() > 0.0 else -1
    else:
        best = int(np.searchsorted(-ordered[ends], -threshold, side="right")) - 1
    lowest = float(ordered[ends[best]]) if best >= 0 else None
    flagged = [
        (gain, 0 if lowest is None else int((gain.scores >= lowest).sum())) for gain in gains
    ]
    gained = float(totals[best]) if best >= 0 else 0.0
    perfect = n_windows * (profile.true_positive + profile.false_negative)
    return NabScore(
        score=100.0 * gained / perfect,
        threshold=lowest if threshold is None else threshold,
        n_windows=n_windows,
        n_detected=sum(n > 0 for gain, n in flagged if gain.is_window),
        n_false_positives=sum(n for gain, n in flagged if not gain.is_window),
    )


@dataclass(frozen=True, eq=False)
class _Gains:
    """What flagging rows adds to the score of saying nothing, row by row as the threshold falls."""

    scores: _Floats
    values: _Floats
    is_window: bool


def _gains(file: Labelled, profile: Profile) -> list[_Gains]:
    counts = ~np.isnan(file.scores)
    counts[: probation(len(file.scores))] = False
    outside = np.ones(len(file.scores), dtype=bool)
    values = np.full(len(file.scores), -profile.false_positive)
    gains = []
    for number, (first, last) in enumerate(file.windows):
        width = last - first + 1
        window = np.arange(first, last + 1)
        outside[window] = False
        end = file.windows[number + 1][0] if number + 1 < len(file.windows) else len(values)
        after = np.arange(last + 1, end)
        # A window of a single row has nothing after it that is near.
        distances = (after - last) / (width - 1) if width > 1 else np.full(len(after), _FAR)
        values[after] = profile.false_positive * _sigmoid(distances)
        if last >= probation(len(file.scores)):
            worth = profile.true_positive * _sigmoid((window - last - 1) / width) / _sigmoid(-1.0)
            gains.append(_of_window(file.scores[window], worth, counts[window], profile))
    rows = np.flatnonzero(outside & counts)
    gains.append(_Gains(file.scores[rows], values[rows], is_window=False))
    return gains


def _of_window(
    scores: _Floats, worth: _Floats, counts: npt.NDArray[np.bool_], profile: Profile
) -> _Gains:
    """A window is worth what the earliest of its flagged rows is."""
    order = np.argsort(-scores[counts], kind="stable")
    best = np.maximum.accumulate(worth[counts][order])
    first = -profile.false_negative  # as long as it is missed
    return _Gains(scores[counts][order], np.diff(best, prepend=first), is_window=True)


def _sigmoid(position: npt.ArrayLike) -> _Floats:
    """NAB's: 1 far before the end of a window, 0 at its end, -1 from three widths after it on."""
    position = np.asarray(position, dtype=np.float64)
    near = 2.0 / (1.0 + np.exp(5.0 * np.minimum(position, _FAR))) - 1.0
    return np.where(position >= _FAR, -1.0, near)
