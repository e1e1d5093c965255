"""Fewer points to draw, and the same picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["extremes"]


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
