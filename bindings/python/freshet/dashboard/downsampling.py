"""Fewer points to draw, and the same picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["extremes", "uncovered"]


def extremes(
    values: npt.NDArray[np.float64],
    n_buckets: int,
    always: npt.NDArray[np.bool_] | None = None,
) -> npt.NDArray[np.intp]:
    """Return which points to draw so that no spike is lost.

    The points are cut into `n_buckets` runs of nearly equal length. Of each run the smallest and
    the largest value stay, so that a line through what stays covers, in every bucket, the same
    heights as the line through all points; a bucket that is a pixel wide looks the same.

    Parameters
    ----------
    values : ndarray of float64, shape (n,)
        NaN where there is no point. A run of nothing but NaN keeps its first place, so that the
        line has a gap there.
    n_buckets : int
        1 or more.
    always : ndarray of bool, shape (n,), optional
        Points that stay whatever their value.

    Returns
    -------
    ndarray of intp
        Increasing positions, at most ``2 * n_buckets + 2 + always.sum()``; the first and the last
        are among them. All of them if there are no more points than that saves.

    Notes
    -----
    O(n) time, with no loop over points in Python.

    Raises
    ------
    ValueError
        If `n_buckets` is less than 1, or `always` is of another length.
    """
    n = len(values)
    if n_buckets < 1:
        raise ValueError(f"n_buckets is {n_buckets}, expected 1 or more")
    if always is not None and len(always) != n:
        raise ValueError(f"always has {len(always)} entries, expected {n}")
    if n <= 2 * n_buckets:
        return np.arange(n)
    is_kept = np.zeros(n, np.bool_) if always is None else always.astype(np.bool_)
    is_kept[[0, -1]] = True
    begins = np.arange(n_buckets) * n // n_buckets
    # Where there is no value, one that is never the extreme; if all are such, the first is taken.
    for fill, reduce in ((np.inf, np.minimum), (-np.inf, np.maximum)):
        filled = np.where(np.isnan(values), fill, values)
        best = np.repeat(reduce.reduceat(filled, begins), np.diff(begins, append=n))
        candidates = np.flatnonzero(filled == best)
        buckets = np.searchsorted(begins, candidates, side="right")
        # The first of each bucket.
        is_kept[candidates[np.diff(buckets, prepend=0) > 0]] = True
    return np.flatnonzero(is_kept)


def uncovered(
    x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], n_across: int, n_up: int
) -> npt.NDArray[np.intp]:
    """Return which markers to draw so that those left out would lie on one that is drawn.

    The picture is cut into cells no larger than a marker; of each cell the last one stays.

    Parameters
    ----------
    x, y : ndarray of float64, shape (n,)
        Where the markers are. Those whose `y` is NaN cannot be drawn and are left out.
    n_across, n_up : int
        Cells across the range of `x` and up that of `y`, 1 or more each.

    Returns
    -------
    ndarray of intp
        Increasing positions, at most ``n_across * n_up``.

    Notes
    -----
    O(n log n) time.
    """
    known = np.flatnonzero(~np.isnan(y))
    cells = _cells(x[known], n_across) * n_up + _cells(y[known], n_up)
    # The first of the reversed is the last.
    _, last = np.unique(cells[::-1], return_index=True)
    return np.sort(known[len(known) - 1 - last])


def _cells(values: npt.NDArray[np.float64], n_cells: int) -> npt.NDArray[np.int64]:
    if not len(values):
        return np.zeros(0, np.int64)
    low, high = float(values.min()), float(values.max())
    # Halved, so that the width of a range of the largest numbers is a number.
    width = high / 2 - low / 2
    if width == 0:
        return np.zeros(len(values), np.int64)
    places = (values / 2 - low / 2) / width * n_cells
    return np.minimum(places.astype(np.int64), n_cells - 1)
