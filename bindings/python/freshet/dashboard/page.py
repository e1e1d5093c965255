"""The page; Streamlit runs this file from top to bottom for every look at it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import streamlit as st

from freshet.dashboard import controls, feeds, panels, ranges, states
from freshet.dashboard.feeds import RETRY_SECONDS
from freshet.dashboard.options import Options
from freshet.dashboard.problems import as_problem
from freshet.dashboard.sentences import plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from freshet.dashboard.feeds import SharedFeed
    from freshet.dashboard.options import DetectorOptions
    from freshet.dashboard.points import Axis, Points
    from freshet.dashboard.problems import Problem
    from freshet.dashboard.sources.source import Source

#: Of this package: a page that may show what is nobody's business fetches nothing from elsewhere.
_ICON: Final = Path(__file__).with_name("icon.svg")


class _Shown(NamedTuple):
    """What the page shows, to be compared with what there is later."""

    source: Source
    feed: SharedFeed
    points: Points
    problem: Problem | None
    streams: list[str]
    read_streams: Callable[[], list[str]]


def _show(options: Options) -> None:
    st.sidebar.title("freshet")
    top, bottom = st.sidebar.container(), st.sidebar.container()
    with bottom:
        detector = controls.ask_detector(options)
    source = feeds.source(options, detector)
    with top:
        st.caption(f"Source: {plain(source.name)}")
        streams = feeds.streams(options, detector)
        stream = controls.ask_stream(streams)
    if stream is None:
        states.show_no_streams(options.place)
        _retry()
        return
    with top:
        limit = controls.ask_limit()
    with st.spinner(f"Reading {plain(stream)} from {plain(source.name)} …"):
        feed = feeds.feed(options, detector, stream, limit)
    points, problem = _look(feed, source)
    with top:
        choice, between, axis = controls.ask_range(points)
        columns = controls.ask_columns(points, stream)
        interval = controls.ask_interval()
    st.header(plain(stream))
    if problem is not None:
        states.show_stale(problem, points)
    if not len(points):
        states.show_no_points(stream)
    else:
        in_view = ranges.in_view(points, choice, between)
        _view(source, stream, detector, in_view, columns, axis)
    if interval is not None:
        due = time.monotonic() + interval / 2
        shown = _Shown(
            source, feed, points, problem, streams, lambda: feeds.streams(options, detector)
        )
        st.fragment(_watch, run_every=interval)(shown, due)


@st.fragment
def _view(
    source: Source,
    stream: str,
    detector: DetectorOptions,
    points: Points,
    columns: tuple[str, ...],
    axis: Axis,
) -> None:
    """Show the rows in view; again, without the rest of the page, when one is chosen."""
    if not len(points):
        states.show_nothing_in_range()
        return
    panels.show_numbers(points, axis)
    panels.show_chart(points, columns, axis)
    detail, table = st.columns([5, 6], gap="large")
    with detail:
        panels.show_anomaly(source, stream, points, axis, detector)
    with table:
        panels.show_table(points)


def _look(feed: SharedFeed, source: Source) -> tuple[Points, Problem | None]:
    """Return what there is now; what there was, and why, if it cannot be read any more."""
    try:
        return feed.refreshed(), None
    except Exception as error:
        problem = as_problem(error, source.name)
        if problem is None:
            raise
        return feed.points, problem


def _watch(shown: _Shown, due: float) -> None:
    """Run the page again when there is something else to show, and only then."""
    # Not in the run that has just shown it.
    if time.monotonic() >= due:
        points, problem = _look(shown.feed, shown.source)
        is_same = points is shown.points and problem == shown.problem
        if not is_same or (problem is None and shown.read_streams() != shown.streams):
            st.rerun()


@st.fragment(run_every=RETRY_SECONDS)
def _retry() -> None:
    """Try again after a while."""
    if time.monotonic() >= st.session_state["retry_at"]:
        st.rerun()


def _run() -> None:
    st.set_page_config(page_title="freshet", page_icon=str(_ICON), layout="wide")
    panels.set_style()
    options = Options.from_environment()
    st.session_state["retry_at"] = time.monotonic() + RETRY_SECONDS / 2
    try:
        _show(options)
    except Exception as error:
        problem = as_problem(error, options.place)
        if problem is None:
            raise
        states.show_problem(problem)
        _retry()


_run()
