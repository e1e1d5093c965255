"""The service as a process: a socket, signals, and an end that loses nothing."""

from __future__ import annotations

import gc
import math
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING, Any, Final

import structlog
import uvicorn
from prometheus_client import disable_created_metrics

from freshet import __version__
from freshet._secrets import without_secrets
from freshet.server import logs
from freshet.server.app import create_app
from freshet.server.configuration import unknown_variables
from freshet.server.protocol import Protocol

if TYPE_CHECKING:
    from types import FrameType

    from fastapi import FastAPI

    from freshet.server.settings import ServerSettings

__all__ = ["run"]

_BACKLOG: Final = 2048
#: Longer than load balancers keep a connection, so that it is they who close it.
_KEEP_ALIVE_SECONDS: Final = 75

#: Objects, of those that may be in cycles; Python's own number is too small for many requests.
_COLLECTED_AFTER: Final = 20_000
#: How long a thread may keep Python's lock that others wait for.
_SWITCH_SECONDS: Final = 0.001

_log = structlog.get_logger(__name__)


def run(settings: ServerSettings) -> None:
    """Serve until SIGTERM or SIGINT: then accept no more, answer what has come, and close.

    Raises
    ------
    Error, OSError
        If the service cannot start: the address is taken, the store cannot be opened.
    """
    logs.configure(settings.log_level, settings.log_format)
    # A time beside every counter, which nobody asks for.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    for name in unknown_variables():
        _log.warning("variable_unknown", variable=name)
    app = create_app(settings)
    with _listen(settings.host, settings.port) as listener:
        server = _Server(app, settings)
        # The server raises a signal again when it has ended. It has done what was asked for, so
        # there is nothing left for the signal to do.
        before = {
            number: signal.signal(number, _ignore) for number in uvicorn.server.HANDLED_SIGNALS
        }
        try:
            server.run(sockets=[listener])
        except SystemExit:
            if app.state.failure is None:
                raise
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
    if app.state.failure is not None:
        failure: Exception = app.state.failure
        raise failure
    _log.info("stopped")


class _Server(uvicorn.Server):
    """A server that tells the application when it is to stop."""

    def __init__(self, app: FastAPI, settings: ServerSettings) -> None:
        self._app = app
        self._settings = settings
        self._signal: signal.Signals | None = None
        proxies = list(settings.trusted_proxies)
        super().__init__(
            uvicorn.Config(
                app,
                loop="uvloop",
                http=Protocol,
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=bool(proxies),
                forwarded_allow_ips="*" if "*" in proxies else proxies,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=math.ceil(settings.shutdown_timeout_seconds),
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the application; only then is it of use to tell where it is."""
        await super().startup(sockets)
        if not self.started or not sockets:
            return
        # All modules are there to stay. To look through them for garbage again and again would
        # keep every request waiting for as long as a hundred of them take.
        gc.collect()
        gc.freeze()
        # Of what requests leave behind hardly anything is in cycles.
        gc.set_threshold(_COLLECTED_AFTER)
        # Or the lane and the writer would have nothing to do until the event loop has nothing.
        sys.setswitchinterval(_SWITCH_SECONDS)
        host, port = sockets[0].getsockname()[:2]
        _log.info(
            "serving",
            url=f"http://{f'[{host}]' if ':' in host else host}:{port}",
            version=__version__,
            store=without_secrets(self._settings.store),
            data_dir=str(self._settings.data_dir),
            needs_keys=self._settings.needs_keys,
        )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer what has been asked, then close the application."""
        _log.info("stopping", signal=self._signal and self._signal.name)
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop."""
        # It is told later: the signal may come in the middle of a line of the log.
        self._signal = signal.Signals(sig)
        self._app.state.is_stopping = True
        super().handle_exit(sig, frame)


def _listen(host: str, port: int) -> socket.socket:
    family, _, _, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    try:
        return socket.create_server(address[:2], family=family, backlog=_BACKLOG)
    except OSError as error:
        # What Python says has the address in another form.
        message = os.strerror(error.errno or 0)
        raise OSError(error.errno, message, f"{host}:{port}") from error


def _ignore(number: int, frame: Any) -> None:
    """Take a signal that was served already."""
