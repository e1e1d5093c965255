"""The log of predictions of a service, read where the service writes it, without the service."""

from __future__ import annotations

import contextlib
import operator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from freshet._secrets import without_secrets
from freshet.dashboard.contributions import rebuilt
from freshet.dashboard.sources.predictions import Found, FoundPage, PredictionFeed
from freshet.server.engine.sqlite_file import SqliteReader
from freshet.server.prediction_log.finding import Search
from freshet.server.prediction_log.journal_log import JournalFinder
from freshet.server.prediction_log.records import to_microseconds
from freshet.server.prediction_log.sinks import open_sink

if TYPE_CHECKING:
    from datetime import datetime

    from freshet.dashboard.contributions import Contributions
    from freshet.dashboard.options import DetectorOptions
    from freshet.dashboard.points import Points
    from freshet.server.prediction_log.finding import Page
    from freshet.server.prediction_log.records import Key, Prediction
    from freshet.server.prediction_log.sinks import Finder

__all__ = ["LogSource", "open_log"]

#: What the service calls it in its data directory.
_JOURNAL: Final = "freshet.sqlite"


def open_log(where: str) -> LogSource:
    """Open a log for reading; nothing is ever made or written there.

    Parameters
    ----------
    where : str
        The data directory of a service or the file in it, or the URL that was given to
        ``freshet serve --log``.

    Raises
    ------
    OSError
        If there is none, or it may not be read.
    ConfigurationError
        If the URL is none.
    """
    if "://" not in where:
        path = Path(where)
        path = path / _JOURNAL if path.is_dir() or not path.suffix else path
        with path.open("rb"):
            pass  # So that what is missing or forbidden is told in the system's words.
        return LogSource(str(path), _JournalFile(path))
    parsed = urlsplit(where)
    if parsed.scheme.partition("+")[0] == "sqlite":
        # sqlite:///relative and sqlite:////absolute; the library would make what is missing.
        with Path(parsed.path.removeprefix("/")).open("rb"):
            pass
    return LogSource(without_secrets(where), open_sink(where, may_make=False))


class _JournalFile:
    """A journal, opened for each question: Streamlit asks from ever new threads."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def find(self, search: Search, after: Key | None, limit: int, *, is_descending: bool) -> Page:
        with contextlib.closing(SqliteReader(self._path)) as journal:
            return JournalFinder(journal).find(search, after, limit, is_descending=is_descending)

    def streams(self) -> list[str]:
        with contextlib.closing(SqliteReader(self._path)) as journal:
            return JournalFinder(journal).streams()


class LogSource:
    """Verdicts in any log of predictions.

    Parameters
    ----------
    name : str
    log : Finder
    """

    has_detector = False

    def __init__(self, name: str, log: Finder) -> None:
        self.name = name
        self._log = log

    def streams(self) -> list[str]:
        """Return the streams; see `Source`."""
        return self._log.streams()

    def feed(self, stream: str, limit: int) -> PredictionFeed:
        """Return a stream's newest predictions; see `Source`."""

        def read(since: datetime | None, is_descending: bool, after: Any, n: int) -> FoundPage:
            moment = None if since is None else to_microseconds(since)
            search = Search(stream_id=stream, since=moment)
            page = self._log.find(search, after, n, is_descending=is_descending)
            return FoundPage(list(map(_found, page.predictions)), page.next)

        return PredictionFeed(read, limit)

    def explain(self, points: Points, identity: int, fallback: DetectorOptions) -> Contributions:
        """Explain a row by a detector made now; see `Source`."""
        return rebuilt(points, identity, fallback.backend, fallback.contamination)


#: In the order of `Found`.
_CELLS: Final = operator.attrgetter(
    "timestamp", "index", "incarnation", "score", "raw_score", "threshold", "label",
    "model_version", "row_timestamp", "values",
)  # fmt: skip


def _found(one: Prediction) -> Found:
    return Found._make(_CELLS(one))
