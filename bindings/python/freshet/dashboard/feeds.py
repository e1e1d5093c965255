"""What the page reads, kept for everybody who looks at it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

import streamlit as st

from freshet.dashboard.sources import open_source

if TYPE_CHECKING:
    from freshet.dashboard.options import DetectorOptions, Options
    from freshet.dashboard.points import Points
    from freshet.dashboard.sources.source import Feed, Source

__all__ = [
    "DEFAULT_LIMIT",
    "RETRY_SECONDS",
    "SharedFeed",
    "feed",
    "read_ahead",
    "source",
    "streams",
]

#: Rows that are loaded unless somebody asks for more or fewer.
DEFAULT_LIMIT: Final = 100_000
RETRY_SECONDS: Final = 5.0


class SharedFeed:
    """A feed that several browsers look at."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._lock = threading.Lock()

    def refreshed(self) -> Points:
        """Return the points after a look for new ones."""
        with self._lock:
            self._feed.refresh()
            return self._feed.points

    @property
    def points(self) -> Points:
        """The points as they were seen last."""
        return self._feed.points


@st.cache_resource(show_spinner=False, max_entries=8)
def source(options: Options, detector: DetectorOptions) -> Source:
    """Return the source that the dashboard was started with."""
    return open_source(options, detector)


@st.cache_resource(show_spinner=False, max_entries=16)
def feed(options: Options, detector: DetectorOptions, stream: str, limit: int) -> SharedFeed:
    """Return the newest rows of a stream."""
    return SharedFeed(source(options, detector).feed(stream, limit))


@st.cache_resource(show_spinner=False, ttl=RETRY_SECONDS)
def streams(options: Options, detector: DetectorOptions) -> list[str]:
    """Return the streams that there are."""
    return source(options, detector).streams()


def read_ahead(options: Options) -> None:
    """Begin to read what a first look shows, in a thread, so that it need not wait as long."""
    threading.Thread(target=_read, args=[options], name="freshet-read-ahead", daemon=True).start()


def _read(options: Options) -> None:
    detector = options.detector
    try:
        first = source(options, detector).streams()[0]
        feed(options, detector, first, DEFAULT_LIMIT)
    except Exception:
        pass
