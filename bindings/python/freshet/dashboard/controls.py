"""What can be chosen at the side of the page."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import streamlit as st

from freshet.dashboard import ranges
from freshet.dashboard.contributions import REBUILDING
from freshet.dashboard.feeds import DEFAULT_LIMIT
from freshet.dashboard.options import MIN_CONTAMINATION

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from freshet.dashboard.options import DetectorOptions, Options
    from freshet.dashboard.points import Axis, Points

__all__ = [
    "ask_columns",
    "ask_detector",
    "ask_interval",
    "ask_limit",
    "ask_range",
    "ask_stream",
]

_T = TypeVar("_T")

_LIMITS: Final = (1_000, 10_000, 100_000, 1_000_000)
_INTERVALS: Final = {"every second": 1.0, "every 2 s": 2.0, "every 10 s": 10.0, "off": None}
_BACKEND_HELP: Final = (
    "Scores the rows of a series. Where the verdicts are known already, a detector of this kind is "
    "trained to explain a row."
)
_DEFAULT_INTERVAL: Final = "every 2 s"
_DRAWN_AT_FIRST: Final = 2
_MOST_DRAWN: Final = 4


def ask_detector(options: Options) -> DetectorOptions:
    """Ask for the detector of a series, or of what is rebuilt to explain."""
    detector = options.detector
    is_series = options.file is not None and options.bundle is None
    with st.expander("Detector", expanded=is_series):
        backend = _choose("Backend", REBUILDING, detector.backend, "backend", help=_BACKEND_HELP)
        contamination = st.number_input(
            "Contamination (share of anomalies expected)",
            MIN_CONTAMINATION,
            0.5,
            detector.contamination,
            step=0.005,
            format="%.4g",
            key="contamination",
        )
    return replace(detector, backend=backend, contamination=contamination)


def ask_stream(streams: Sequence[str]) -> str | None:
    """Ask for the stream; None if there is none."""
    if not streams:
        return None
    # New ones last: when the chosen one moves, browsers close the list that somebody looks at.
    places = {name: i for i, name in enumerate(st.session_state.get("streams", []))}
    names = sorted(streams, key=lambda name: places.get(name, len(places)))
    st.session_state["streams"] = names
    # By their bare names: browsers send back what the list says, and what it says no more, such as
    # a number of points that has grown, would choose the first stream.
    chosen = _choose("Stream", names, names[0], "stream")
    if chosen != st.session_state.get("last_stream"):
        st.session_state["last_stream"] = chosen
        st.session_state["chosen"] = None
    return chosen


def ask_range(points: Points) -> tuple[str, Any, Axis]:
    """Ask for the part of the points to show, and for the horizontal axis."""
    choice = _choose("Range", ranges.choices(points), ranges.ALL, "range")
    between = None
    clock = points.clock
    if choice == ranges.BETWEEN and clock is not None:
        first, last = clock[0].item(), clock[-1].item()
        begin = st.datetime_input("From (UTC)", first, key="from")
        end = st.datetime_input("To (UTC)", last, key="to")
        between = (begin or first, end or last)
        if between[0] > between[1]:
            st.warning("From is later than To: nothing is in view.")
    axis: Axis = "row"
    if clock is not None:
        axis = st.segmented_control(
            "Horizontal axis", ["time", "row"], default="time", required=True, key="axis"
        )
    return choice, between, axis


def ask_columns(points: Points, stream: str) -> tuple[str, ...]:
    """Ask which columns to draw."""
    if len(points.columns) < 2:
        return points.columns
    drawn = st.multiselect(
        "Columns to draw",
        points.columns,
        points.columns[:_DRAWN_AT_FIRST],
        max_selections=_MOST_DRAWN,
        key=f"columns of {stream}",
    )
    return tuple(drawn)


def ask_limit() -> int:
    """Ask how many rows to load."""
    return _choose("Rows to load", _LIMITS, DEFAULT_LIMIT, "limit", "the newest {:,}".format)


def ask_interval() -> float | None:
    """Ask how often to look for new rows, in seconds; None for never."""
    return _INTERVALS[_choose("Live refresh", list(_INTERVALS), _DEFAULT_INTERVAL, "interval")]


def _choose(
    label: str,
    options: Sequence[_T],
    default: _T,
    key: str,
    named: Callable[[_T], str] = str,
    help: str | None = None,  # noqa: A002
) -> _T:
    chosen: Any = st.selectbox(
        label, options, index=options.index(default), format_func=named, key=key, help=help
    )
    return cast("_T", chosen)
