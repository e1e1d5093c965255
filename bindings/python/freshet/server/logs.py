"""Logs: a line per event on standard error, in JSON or for people.

Whoever logs uses ``structlog.get_logger(__name__)``; what other libraries log through `logging`
comes out the same way.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from datetime import datetime, timezone
from typing import IO, TYPE_CHECKING, Any, Final, Literal

import orjson
import structlog

from freshet.server.requests import REQUEST_ID

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor, WrappedLogger

__all__ = ["AccessLog", "be_quiet", "configure"]

_UTC: Final = structlog.processors.TimeStamper(fmt="iso", utc=True, key="timestamp")


def configure(
    level: Literal["debug", "info", "warning", "error"] = "warning",
    layout: Literal["json", "console"] = "json",
    file: IO[str] | None = None,
) -> None:
    """Decide what the process logs, and how.

    Parameters
    ----------
    level : {"debug", "info", "warning", "error"}
        What is less important is left out.
    layout : {"json", "console"}
        An object per line, or lines for people.
    file : file, optional
        Where they go; standard error if not given.
    """
    renderer: Processor
    if layout == "json":
        exceptions: Processor = structlog.processors.format_exc_info
        renderer = structlog.processors.JSONRenderer(serializer=_dumps)
    else:
        exceptions = _unchanged  # The renderer for people shows them itself.
        colors = (file or sys.stderr).isatty()
        renderer = structlog.dev.ConsoleRenderer(
            colors=colors,
            timestamp_key="timestamp",
            exception_formatter=structlog.dev.plain_traceback,
        )
    processors: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        _add_request_id,
        structlog.processors.add_log_level,
        _UTC,
        exceptions,
    ]
    number = getattr(logging, level.upper())
    _access.is_left_out = number > logging.INFO
    _access.lines = _Lines(file, None) if layout == "json" and not _access.is_left_out else None
    structlog.configure(
        processors=[*processors, structlog.stdlib.add_logger_name, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=_Factory(file),
        cache_logger_on_first_use=False,
    )
    handler = _Handler(file)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*processors, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    for old in [one for one in root.handlers if isinstance(one, _Handler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    # What others find worth a word is rarely worth one here.
    root.setLevel(number if level == "debug" else max(number, logging.WARNING))


def be_quiet() -> None:
    """Log only warnings, unless the host has decided otherwise; for applications within others."""
    if not structlog.is_configured():
        configure("warning")


class AccessLog:
    """The line of each request: JSON without what structlog would do to it, for there are many.

    Lines are written when the event loop has done what it has to do, those of requests that ended
    together at once.
    """

    def __init__(self) -> None:
        self._log = structlog.get_logger("freshet.server.access")
        self._pending: list[bytes] = []

    @property
    def is_left_out(self) -> bool:
        """Whether there is no use in writing."""
        return _access.is_left_out

    def write(self, **fields: Any) -> None:
        """Log a request that ended."""
        if _access.lines is None:
            self._log.info("request", **fields)
            return
        event = {"timestamp": datetime.now(timezone.utc), "level": "info", "event": "request"}
        self._pending.append(orjson.dumps(event | fields, default=str, option=orjson.OPT_UTC_Z))
        if len(self._pending) == 1:
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        text = b"\n".join(self._pending)
        self._pending.clear()
        if _access.lines is not None:
            _access.lines.msg(text)


class _Access:
    """Where lines of requests go; None for structlog."""

    lines: _Lines | None = None
    is_left_out = False


_access: Final = _Access()


class _Lines:
    """Writes lines; a log that cannot be written is no reason to fail a request."""

    _lock = threading.Lock()

    def __init__(self, file: IO[str] | None, name: str | None) -> None:
        self._file = file
        self.name = name

    def msg(self, line: str | bytes) -> None:
        text = line.decode() if isinstance(line, bytes) else line
        # Looked up anew: whoever redirects standard error wants the logs too.
        file = self._file or sys.stderr
        try:
            with self._lock:
                file.write(text + "\n")
                file.flush()
        except (OSError, ValueError):
            pass

    debug = info = warning = error = critical = msg


class _Factory:
    def __init__(self, file: IO[str] | None) -> None:
        self._file = file

    def __call__(self, name: str | None = None, *_: Any) -> _Lines:
        return _Lines(self._file, name)


class _Handler(logging.Handler):
    """Where `logging` ends."""

    def __init__(self, file: IO[str] | None) -> None:
        super().__init__()
        self._lines = _Lines(file, None)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._lines.msg(self.format(record))
        except Exception:
            self.handleError(record)


def _add_request_id(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    request_id = REQUEST_ID.get()
    if request_id is not None and "request_id" not in event:
        event["request_id"] = request_id
    return event


def _unchanged(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return event


def _dumps(event: EventDict, **_: Any) -> str:
    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
