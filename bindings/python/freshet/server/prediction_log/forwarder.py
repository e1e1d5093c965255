"""From the journal to a sink, so that nothing is lost while the sink is away."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import structlog

from freshet.server.engine.changes import Cursor, StoreError
from freshet.server.prediction_log.sinks import LogRefusedError, LogUnavailableError
from freshet.server.prediction_log.spool import backlog_after, blocks_after, received_after

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from freshet.server.engine.journal import Journal
    from freshet.server.prediction_log.records import PredictionBlock
    from freshet.server.prediction_log.sinks import Sink

__all__ = ["Forwarder", "Lag"]

_log = structlog.get_logger(__name__)

#: How often it is looked whether there is something new, should nobody say so.
_IDLE_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Lag:
    """How far a sink is behind.

    Attributes
    ----------
    n_rows, n_bytes : int
        What it has not got yet: predictions, and what they take in the journal.
    seconds : float
        The age of the oldest of them; 0 if there is none.
    error : str or None
        Why it is behind, if the sink does not work.
    """

    n_rows: int = 0
    n_bytes: int = 0
    seconds: float = 0.0
    error: str | None = None


class _Waiting(NamedTuple):
    """What the sink has not got yet; replaced as a whole, for other threads look at it."""

    n_rows: int
    n_bytes: int
    oldest: float | None


_NOTHING: Final = _Waiting(0, 0, None)


class Forwarder:
    """A thread that hands predictions on, in order, and remembers how far it has come.

    The sink gets some of them twice after a crash, which it leaves out.

    Parameters
    ----------
    journal : Journal
    sink : Sink
    batch_rows : int
        Predictions that are handed on at once, about.
    gathering_seconds : float
        How long it is waited for more while there are fewer: each time costs the journal a
        transaction.
    first_pause, longest_pause : float
        Seconds between attempts while the sink does not work: they double, and vary so that
        replicas do not all come back at once.
    failed : callable, optional
        Called when an attempt has failed.
    """

    def __init__(
        self,
        journal: Journal,
        sink: Sink,
        *,
        batch_rows: int = 5_000,
        gathering_seconds: float = 0.1,
        first_pause: float = 0.2,
        longest_pause: float = 15.0,
        failed: Callable[[], object] | None = None,
    ) -> None:
        self._journal = journal
        self._sink = sink
        self._batch_rows = batch_rows
        self._gathering_seconds = gathering_seconds
        self._first_pause = first_pause
        self._longest_pause = longest_pause
        self._tell_failed = failed
        self._name = f"log {sink.name}"
        # The last entry handed on, and the last one counted in what waits.
        self._cursor = self._seen = journal.cursor(self._name)
        self._waiting = _NOTHING
        self._error: str | None = None
        self._n_refused = 0
        self._news = threading.Event()
        self._ends = threading.Event()
        self._count()
        self._thread = threading.Thread(target=self._run, name="freshet-forwarder", daemon=True)
        self._thread.start()

    @property
    def cursor(self) -> int:
        """The id of the last entry of the journal that the sink has."""
        return self._cursor

    @property
    def n_refused(self) -> int:
        """Predictions that the sink will never take, since the start."""
        return self._n_refused

    @property
    def lag(self) -> Lag:
        """How far the sink is behind; costs nothing to ask."""
        waiting = self._waiting
        seconds = 0.0 if waiting.oldest is None else max(0.0, time.time() - waiting.oldest)
        return Lag(waiting.n_rows, waiting.n_bytes, seconds, self._error)

    def wake(self) -> None:
        """Say that there is something new. Any thread; costs next to nothing."""
        self._news.set()

    def close(self, timeout: float) -> None:
        """Hand on what is there, as long as the sink works and there is time, then end.

        What is left is handed on after the next start.
        """
        self._ends.set()
        self._news.set()
        self._thread.join(timeout)
        if self._waiting.n_rows:
            _log.warning(
                "log_left_in_journal", sink=self._sink.name, predictions=self._waiting.n_rows
            )

    def _run(self) -> None:
        pause = 0.0
        while True:
            # Before counting: what came before the end must be counted after it.
            ends = self._ends.is_set()
            self._news.clear()
            try:
                self._count()
                if self._waiting.n_rows:
                    self._forward()
            except (LogUnavailableError, StoreError) as error:
                pause = self._failed(error, pause)
            except Exception as error:  # What it was is in the log; the next attempt may work.
                _log.exception("log_forwarding_failed", sink=self._sink.name)
                pause = self._failed(error, pause)
            else:
                pause = self._worked(pause)
            if ends and (pause or not self._waiting.n_rows):
                return
            if pause:
                self._wait_counting(pause * random.uniform(0.5, 1.0))
            elif not self._waiting.n_rows:
                self._news.wait(_IDLE_SECONDS)
                self._ends.wait(self._gathering_seconds)

    def _forward(self) -> None:
        blocks = blocks_after(self._journal, self._cursor, self._seen, self._batch_rows)
        self._write(blocks)
        last = blocks[-1].id if blocks else self._seen
        self._journal.write([Cursor(self._name, last)])
        self._cursor = last
        n_rows = self._waiting.n_rows - sum(map(len, blocks))
        n_bytes = self._waiting.n_bytes - sum(block.n_bytes for block in blocks)
        if n_rows and blocks:
            self._waiting = _Waiting(n_rows, n_bytes, received_after(self._journal, last))
        else:
            # Also if what was counted is gone: deleted by somebody else.
            self._waiting = _NOTHING

    def _write(self, blocks: Sequence[PredictionBlock]) -> None:
        """Write blocks; where the sink refuses them, their halves, down to the one to blame."""
        if not blocks:
            return
        try:
            self._sink.write(blocks)
        except LogRefusedError as error:
            if len(blocks) > 1:
                middle = len(blocks) // 2
                self._write(blocks[:middle])
                self._write(blocks[middle:])
                return
            # To try for ever would keep all that follow from the sink.
            self._n_refused += len(blocks[0])
            _log.error(
                "log_refused",
                sink=self._sink.name,
                stream=blocks[0].stream_id,
                entry=blocks[0].id,
                predictions=len(blocks[0]),
                reason=str(error),
            )

    def _count(self) -> None:
        """Count what is new."""
        new = backlog_after(self._journal, self._seen)
        self._seen = new.last
        if new.n_rows:
            n_rows, n_bytes, oldest = self._waiting
            if oldest is None:
                oldest = received_after(self._journal, self._cursor)
            self._waiting = _Waiting(n_rows + new.n_rows, n_bytes + new.n_bytes, oldest)

    def _failed(self, error: Exception, pause: float) -> float:
        if not pause:
            _log.warning("log_unavailable", sink=self._sink.name, reason=str(error))
        self._error = str(error)
        if self._tell_failed is not None:
            self._tell_failed()
        return min(max(2 * pause, self._first_pause), self._longest_pause)

    def _worked(self, pause: float) -> float:
        if pause:
            _log.info("log_available", sink=self._sink.name, predictions=self._waiting.n_rows)
        self._error = None
        return 0.0

    def _wait_counting(self, seconds: float) -> None:
        """Wait, but go on counting: who asks for the lag wants to know how it grows."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if self._ends.wait(min(left, _IDLE_SECONDS)):
                return
            try:
                self._count()
            except StoreError:
                return
