"""Which of the loaded rows are in view."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from freshet.dashboard.points import Points

__all__ = ["ALL", "BETWEEN", "choices", "in_view"]

ALL: Final = "All that is loaded"
BETWEEN: Final = "Between two times"
_ROWS: Final = {"Last 1,000 rows": 1_000, "Last 10,000 rows": 10_000}
_PERIODS: Final = {
    "Last minute": timedelta(minutes=1),
    "Last 15 minutes": timedelta(minutes=15),
    "Last hour": timedelta(hours=1),
    "Last day": timedelta(days=1),
    "Last week": timedelta(days=7),
    "Last 30 days": timedelta(days=30),
}


def choices(points: Points) -> list[str]:
    """Return the ranges that make sense for these points, by name."""
    clock = points.clock
    found = [ALL, *(name for name, n in _ROWS.items() if n < len(points))]
    if clock is not None and len(points) > 1:
        length = (clock[-1] - clock[0]).item()
        # The shorter ones may hold nothing, the longer ones are all.
        step = length / (len(points) - 1)
        found += [name for name, one in _PERIODS.items() if 2 * step <= one < length]
        found.append(BETWEEN)
    return found


def in_view(
    points: Points, choice: str, between: tuple[datetime, datetime] | None = None
) -> Points:
    """Return the points in a range.

    Parameters
    ----------
    points : Points
    choice : str
        One of `choices`; periods end at the newest point.
    between : tuple of datetime, optional
        Without a zone, in UTC; for `BETWEEN`.
    """
    if choice in _ROWS:
        return points.take(slice(-_ROWS[choice], None))
    clock = points.clock
    if clock is None:
        return points
    if choice in _PERIODS:
        first = clock[-1] - np.timedelta64(_PERIODS[choice])
        return points.take(slice(int(np.searchsorted(clock, first)), None))
    if choice == BETWEEN and between is not None:
        begin, end = (np.datetime64(one) for one in between)
        low = int(np.searchsorted(clock, begin))
        return points.take(slice(low, int(np.searchsorted(clock, end, side="right"))))
    return points
