"""Measures of detections besides NAB's: by rows, by ranges, and without a threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Quality", "by_ranges", "by_rows", "vus_pr"]

_Floats = npt.NDArray[np.float64]
_Flags = npt.NDArray[np.bool_]
_Ranges = Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Quality:
    """How many of the detections are right, and how many of the anomalies are detected.

    Attributes
    ----------
    precision, recall : float
        From 0 to 1; a precision of 0 where nothing is detected.
    """

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """The harmonic mean of both; 0 if both are."""
        total = self.precision + self.recall
        return 2.0 * self.precision * self.recall / total if total > 0.0 else 0.0


def by_rows(is_flagged: _Flags, is_anomaly: _Flags) -> Quality:
    """Count rows: flagged and in a window, of all flagged ones and of all in windows.

    Parameters
    ----------
    is_flagged, is_anomaly : ndarray of bool, shape (n,)
    """
    right = int((is_flagged & is_anomaly).sum())
    return Quality(_share(right, int(is_flagged.sum())), _share(right, int(is_anomaly.sum())))


def by_ranges(is_flagged: _Flags, windows: _Ranges) -> Quality:
    """Compare ranges: runs of flagged rows with windows.

    A range is worth the share of it that the other side covers, divided by the number of ranges in
    which the other side covers it; precision and recall are the means over the runs and over the
    windows. Tatbul, Lee, Zdonik, Alam and Gottschlich, "Precision and Recall for Time Series",
    NeurIPS 2018, with flat bias, cardinality 1/x and without a reward for mere existence. O(n).

    Parameters
    ----------
    is_flagged : ndarray of bool, shape (n,)
    windows : sequence of (int, int)
        The first and the last row of every anomaly, ascending and apart.
    """
    runs = _runs(is_flagged)
    return Quality(_overlap(runs, windows), _overlap(windows, runs))


def vus_pr(scores: _Floats, windows: _Ranges, buffer: int | None = None) -> float:
    """Return the volume under the surface of precision and recall over all widths of a buffer.

    Around every anomaly, labels fall off from 1 to 0 within a buffer, so that a detection beside
    it counts in part; the area under the curve of precision and recall, in which a recall is
    reduced by the share of the anomalies that are not met at all, is averaged over buffers of
    width 0 to `buffer`. No threshold is chosen. Paparrizos, Boniol, Palpanas, Tsay, Elmore and
    Franklin, "Volume Under the Surface", PVLDB 15, 2022.

    Parameters
    ----------
    scores : ndarray of float64, shape (n,)
        Larger is more abnormal.
    windows : sequence of (int, int)
        The first and the last row of every anomaly, ascending and apart; at least one.
    buffer : int, optional
        Rows; the mean length of the windows if not given.

    Returns
    -------
    float
        From 0 to 1; about the share of abnormal rows for scores that say nothing.

    Notes
    -----
    O(buffer · n) after sorting. All thresholds are used, where the authors' program takes 250.
    """
    if buffer is None:
        buffer = round(float(np.mean([last - first + 1 for first, last in windows])))
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True)[: len(ordered)])
    is_anomaly = flags_of(windows, len(scores))
    return float(
        np.mean(
            [
                _area(scores, order, ends, is_anomaly, _buffered(windows, len(scores), width))
                for width in range(buffer + 1)
            ]
        )
    )


def flags_of(windows: _Ranges, n_rows: int) -> _Flags:
    """Return whether each row is in a window."""
    is_anomaly = np.zeros(n_rows, dtype=bool)
    for first, last in windows:
        is_anomaly[first : last + 1] = True
    return is_anomaly


def _buffered(windows: _Ranges, n_rows: int, width: int) -> _Floats:
    """Labels that fall off within half the width on either side."""
    labels = flags_of(windows, n_rows).astype(float)
    reach = width // 2
    for first, last in windows:
        # One row less than before, as the authors' program has it.
        after = np.arange(last + 1, min(last + reach, n_rows))
        before = np.arange(max(first - reach, 0), first)
        labels[after] += np.sqrt(1.0 - (after - last) / width)
        labels[before] += np.sqrt(1.0 - (first - before) / width)
    limited: _Floats = np.minimum(labels, 1.0)
    return limited


def _area(
    scores: _Floats,
    order: npt.NDArray[np.int_],
    ends: npt.NDArray[np.int_],
    is_anomaly: _Flags,
    labels: _Floats,
) -> float:
    n_flagged = ends + 1.0
    right = np.cumsum(labels[order])[ends]
    # Met as soon as any row of it, or of its buffer, is flagged.
    best = np.sort([scores[first : last + 1].max() for first, last in _runs(labels > 0.0)])
    met = 1.0 - np.searchsorted(best, scores[order][ends], side="left") / len(best)
    positives = (is_anomaly.sum() + labels.sum()) / 2.0
    recall = np.minimum(right / positives, 1.0) * met
    return float(np.sum(np.diff(recall, prepend=0.0) * right / n_flagged))


def _runs(is_flagged: _Flags) -> list[tuple[int, int]]:
    edges = np.diff(np.concatenate(([False], is_flagged, [False])).astype(np.int8))
    firsts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return list(zip(firsts.tolist(), (ends - 1).tolist(), strict=True))


def _overlap(ranges: _Ranges, others: _Ranges) -> float:
    """The mean worth of ranges that are covered by others."""
    worth = 0.0
    begin = 0
    for first, last in ranges:
        while begin < len(others) and others[begin][1] < first:
            begin += 1
        covered = n_meet = 0
        for other_first, other_last in others[begin:]:
            if other_first > last:
                break
            n_meet += 1
            covered += min(last, other_last) - max(first, other_first) + 1
        if n_meet:
            worth += covered / (last - first + 1) / n_meet
    return _share(worth, len(ranges))


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
