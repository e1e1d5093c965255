"""The page; Streamlit runs this file from top to bottom for every look at it."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import streamlit as st

from freshet.dashboard import controls, panels, ranges, states
from freshet.dashboard.options import DetectorOptions, Options
from freshet.dashboard.problems import as_problem
from freshet.dashboard.sources import open_source

if TYPE_CHECKING:
    from freshet.dashboard.points import Axis, Points
    from freshet.dashboard.sources.source import Feed, Source

#: Of this package: a page that may show what is nobody's business fetches nothing from elsewhere.
_ICON: Final = Path(__file__).with_name("icon.svg")
_RETRY_SECONDS: Final = 5.0


class _SharedFeed:
    """A feed that several browsers look at."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._lock = threading.Lock()

    def refreshed(self) -> Points:
        with self._lock:
            self._feed.refresh()
            return self._feed.points

    @property
    def points(self) -> Points:
        return self._feed.points


@st.cache_resource(show_spinner=False, max_entries=8)
def _source(options: Options, detector: DetectorOptions) -> Source:
    return open_source(options, detector)


@st.cache_resource(show_spinner=False, max_entries=16)
def _feed(options: Options, detector: DetectorOptions, stream: str, limit: int) -> _SharedFeed:
    return _SharedFeed(_source(options, detector).feed(stream, limit))


def _view(
    options: Options,
    detector: DetectorOptions,
    stream: str,
    feed: _SharedFeed,
    columns: tuple[str, ...],
    choice: str,
    between: Any,
    axis: Axis,
) -> None:
    """Show the rows in view; again at every refresh."""
    source = _source(options, detector)
    try:
        points = feed.refreshed()
    except Exception as error:
        problem = as_problem(error, source.name)
        if problem is None:
            raise
        states.show_stale(problem, feed.points)
        points = feed.points
    if not len(points):
        states.show_no_points(stream)
        return
    points = ranges.in_view(points, choice, between)
    if not len(points):
        states.show_nothing_in_range()
        return
    panels.show_numbers(points, axis)
    panels.show_chart(points, columns, axis)
    detail, table = st.columns([5, 6], gap="large")
    with detail:
        panels.show_anomaly(source, points, axis, detector)
    with table:
        panels.show_table(points)


def _show(options: Options, place: str) -> None:
    st.sidebar.title("freshet")
    top, bottom = st.sidebar.container(), st.sidebar.container()
    with bottom:
        detector = controls.ask_detector(options)
    source = _source(options, detector)
    with top:
        st.caption(f"Source: {source.name}")
        stream = controls.ask_stream(source)
    if stream is None:
        states.show_no_streams(place)
        _retry()
        return
    with top:
        limit = controls.ask_limit()
    with st.spinner(f"Reading {stream} from {source.name} …"):
        feed = _feed(options, detector, stream, limit)
    points = feed.points
    with top:
        choice, between, axis = controls.ask_range(points)
        columns = controls.ask_columns(points, stream)
        interval = controls.ask_interval()
    view = st.fragment(_view, run_every=interval)
    view(options, detector, stream, feed, columns, choice, between, axis)


@st.fragment(run_every=_RETRY_SECONDS)
def _retry() -> None:
    """Try again after a while."""
    # Not in the run that has just failed.
    if time.monotonic() >= st.session_state["retry_at"]:
        st.rerun()


def _run() -> None:
    st.set_page_config(page_title="freshet", page_icon=str(_ICON), layout="wide")
    panels.set_style()
    options = Options.from_environment()
    place = options.url or options.file or options.log or "freshet-data"
    st.session_state["retry_at"] = time.monotonic() + _RETRY_SECONDS / 2
    try:
        _show(options, place)
    except Exception as error:
        problem = as_problem(error, place)
        if problem is None:
            raise
        states.show_problem(problem)
        _retry()


_run()
