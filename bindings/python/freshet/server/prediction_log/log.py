"""The prediction log of a service: where predictions go, are found and end."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Final

import structlog

from freshet.errors import Error
from freshet.server.prediction_log.forwarder import Forwarder, Lag
from freshet.server.prediction_log.journal_log import JournalLog
from freshet.server.prediction_log.sinks import open_sink
from freshet.server.prediction_log.spool import delete_up_to, last_entry
from freshet.server.work import WorkPool

if TYPE_CHECKING:
    from collections.abc import Iterator

    from freshet.server.engine.journal import Journal
    from freshet.server.metrics import Metrics
    from freshet.server.prediction_log.finding import Page, Search
    from freshet.server.prediction_log.records import Key
    from freshet.server.prediction_log.sinks import Log

__all__ = ["PredictionLog"]

_log = structlog.get_logger(__name__)

_DAY_SECONDS: Final = 86_400
_SECONDS_BETWEEN_DELETIONS: Final = 60.0
#: Between two parts of a deletion, so that the journal has time for requests.
_PAUSE_SECONDS: Final = 0.01
_SEARCHES_AT_ONCE: Final = 2


class PredictionLog:
    """Where the predictions of a journal go, and where they are found.

    Parameters
    ----------
    journal : Journal
    url : str
        ``sqlite`` to leave them in the journal, ``none`` to forget them, or see `open_sink`.
    retention_days : float
        The age at which they are deleted; 0 for never.
    max_rows : int
        How many are kept; 0 for all.
    max_spool_bytes : int
        What of them may wait for the database before the service is to take no more; 0 for any.
    metrics : Metrics, optional

    Raises
    ------
    ConfigurationError
        If the URL is none, or what it needs is not installed.
    """

    def __init__(
        self,
        journal: Journal,
        url: str = "sqlite",
        *,
        retention_days: float = 30.0,
        max_rows: int = 10_000_000,
        max_spool_bytes: int = 4 * 2**30,
        metrics: Metrics | None = None,
    ) -> None:
        self._journal = journal
        self._retention_days = retention_days
        self._max_rows = max_rows
        self._max_spool_bytes = max_spool_bytes
        self._log: Log | None = None
        self._forwarder: Forwarder | None = None
        if url == "sqlite":
            self._log = JournalLog(journal)
        elif url != "none":
            sink = self._log = open_sink(url)
            # The kind only: a label of metrics.
            kind = sink.name.partition(":")[0]
            failed = None if metrics is None else metrics.log_failures.labels(kind).inc
            forwarder = self._forwarder = Forwarder(journal, sink, failed=failed)
            if metrics is not None:
                metrics.log_lag_rows.labels(kind).set_function(lambda: forwarder.lag.n_rows)
                metrics.log_lag_seconds.labels(kind).set_function(lambda: forwarder.lag.seconds)
        self._searches = WorkPool("log", _SEARCHES_AT_ONCE)
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, name="freshet-retention", daemon=True)
        self._thread.start()

    @property
    def is_kept(self) -> bool:
        """Whether predictions are found again at all."""
        return self._log is not None

    @property
    def lag(self) -> Lag:
        """How far the database is behind."""
        return Lag() if self._forwarder is None else self._forwarder.lag

    @property
    def is_full(self) -> bool:
        """Whether so much waits for the database that no more should be predicted."""
        limit = self._max_spool_bytes
        return self._forwarder is not None and 0 < limit < self._forwarder.lag.n_bytes

    def wake(self) -> None:
        """Say that there are new predictions in the journal. Any thread."""
        if self._forwarder is not None:
            self._forwarder.wake()

    async def find(
        self, search: Search, after: Key | None, limit: int, *, is_descending: bool
    ) -> Page:
        """Return the first predictions asked for that follow `after`, off the event loop.

        Raises
        ------
        LogUnavailableError, StoreError
            If they cannot be looked for now.
        """
        log = self._log
        assert log is not None
        return await self._searches.run(
            lambda: log.find(search, after, limit, is_descending=is_descending)
        )

    async def close(self, timeout: float = 10.0) -> None:
        """Hand on what is there, as far as there is time for it; close the database."""
        await asyncio.to_thread(self._close, timeout)

    def _close(self, timeout: float) -> None:
        self._ends.set()
        self._searches.close()
        if self._forwarder is not None:
            self._forwarder.close(timeout)
        self._thread.join(timeout)
        if self._log is not None:
            self._log.close()

    def _run(self) -> None:
        while not self._ends.wait(_SECONDS_BETWEEN_DELETIONS):
            try:
                self.delete_old()
            except Error as error:
                _log.warning("log_retention_failed", reason=str(error))
            except Exception:
                _log.exception("log_retention_failed")

    def delete_old(self) -> int:
        """Delete what is not to be kept, part by part; return how many predictions that were."""
        total = 0
        for count in self._deletions():
            total += count
            if self._ends.wait(_PAUSE_SECONDS):
                break
        return total

    def _deletions(self) -> Iterator[int]:
        # What the database has, or nobody wants, is kept no longer than a recovery needs it.
        if self._forwarder is not None:
            yield from delete_up_to(self._journal, self._forwarder.cursor)
        elif self._log is None:
            yield from delete_up_to(self._journal, last_entry(self._journal))
        if self._log is None:
            return
        if self._retention_days > 0:
            oldest = time.time() - self._retention_days * _DAY_SECONDS
            yield from self._log.delete_before(round(oldest * 1e6))
        if self._max_rows > 0:
            first = self._log.oldest_of_newest(self._max_rows)
            if first is not None:
                yield from self._log.delete_before(first)
