"""What happens around every request, in one pass.

An id, the route, who asks, limits, the answer's headers, metrics and a line in the log. One class
of plain ASGI and not several, because each layer costs a point its time.
"""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

import structlog
from starlette.requests import ClientDisconnect, Request

from freshet.server.bodies import JsonText
from freshet.server.handlers import problem_of
from freshet.server.logs import AccessLog
from freshet.server.problems import Problem, internal, problem_response
from freshet.server.requests import PRINCIPAL_KEY, REQUEST_ID, REQUEST_ID_KEY, new_request_id
from freshet.server.sending import send_at_once

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from freshet.server.metrics import Metrics
    from freshet.server.routing import Route, RouteTable
    from freshet.server.security import Guard
    from freshet.server.settings import ServerSettings

__all__ = ["Gateway"]

#: What is counted where the client went away before there was an answer; no such status is sent.
_DISCONNECTED: Final = 499
_UNKNOWN: Final = "unknown"
_KNOWN_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_STOPPING: Final = Problem(
    503,
    "The service is stopping; what was asked for may have happened or not",
    id="service_stopping",
    title="The service is stopping",
)

_log = structlog.get_logger(__name__)


class Gateway:
    """The middleware of the service.

    Parameters
    ----------
    app : ASGIApp
        What answers the requests that pass.
    settings : ServerSettings
        Its limits.
    metrics : Metrics
        Where requests are counted.
    guard : Guard
        Who may do what.
    table : callable
        Returns the routes, once they are all there.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: ServerSettings,
        metrics: Metrics,
        guard: Guard,
        table: Callable[[], RouteTable],
    ) -> None:
        self._app = app
        self._max_body_bytes = settings.max_body_bytes
        self._max_requests = settings.max_queued_requests
        self._metrics = metrics
        self._guard = guard
        self._table = table
        self._in_progress = 0
        self._log = AccessLog()
        metrics.requests_in_progress.set_function(lambda: self._in_progress)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        headers: dict[bytes, bytes] = dict(scope["headers"])
        method, path = scope["method"], scope["path"]
        request_id = scope[REQUEST_ID_KEY] = new_request_id(headers.get(b"x-request-id"))
        REQUEST_ID.set(request_id)
        route = self._table().find("GET" if method == "HEAD" else method, path)
        status = _DISCONNECTED
        has_started = is_complete = False
        id_header = (b"x-request-id", request_id.encode())

        async def send_on(message: Message) -> None:
            nonlocal status, has_started, is_complete
            if message["type"] == "http.response.start":
                status, has_started = message["status"], True
                message["headers"] = [*message.get("headers", ()), id_header]
            else:
                is_complete = not message.get("more_body", False)
            await send(message)

        self._in_progress += 1
        try:
            problem = self._refusal(scope, headers, route)
            if problem is not None:
                await problem_response(problem, request_id)(scope, receive, send_on)
                return
            if method == "HEAD":  # Whose body servers leave out themselves.
                scope = {**scope, "method": "GET"}
            if b"content-length" not in headers or b"transfer-encoding" in headers:
                receive = _limited(receive, self._max_body_bytes)
            assert route is not None
            if route.endpoint is None:
                await self._app(scope, receive, send_on)
            else:
                response = await route.endpoint(Request(scope, receive, send))
                response.raw_headers.append(id_header)
                is_complete = isinstance(response, JsonText) and send_at_once(send, response)
                status, has_started = response.status_code, True
                if not is_complete:
                    await response(scope, receive, send)
        except ClientDisconnect:
            pass  # There is nobody left to answer.
        except asyncio.CancelledError:
            # The server stops, and this took longer than it may.
            if has_started:
                raise
            await problem_response(_STOPPING, request_id)(scope, receive, send_on)
        except Exception as error:
            problem = None if has_started else problem_of(error)
            if problem is None:
                _log.exception("request_failed", method=method, path=path)
            if not has_started:
                response = problem_response(problem or internal(), request_id)
                await response(scope, receive, send_on)
            elif not is_complete:
                raise  # The server has to cut the connection, or half an answer would pass for one.
        finally:
            self._in_progress -= 1
            seconds = perf_counter() - started
            self._count(method, route, status, seconds)
            if not self._log.is_left_out:
                self._write_line(scope, method, status, seconds)

    def _refusal(
        self, scope: Scope, headers: Mapping[bytes, bytes], route: Route | None
    ) -> Problem | None:
        """Return what stands in the way of a request."""
        problem = self._guard.check(scope, headers, route)
        if problem is not None:
            return problem
        if route is None:
            return self._unknown(scope["method"], scope["path"])
        length = headers.get(b"content-length", b"0")
        if not length.isdigit():
            return Problem(400, "The length of the body is no number", field="Content-Length")
        if int(length) > self._max_body_bytes:
            return _too_large(self._max_body_bytes)
        if self._in_progress > self._max_requests and route.scope != "open":
            return Problem(
                503,
                f"{self._max_requests} requests are in progress already",
                id="overloaded",
                headers={"Retry-After": "1"},
            )
        return None

    def _unknown(self, method: str, path: str) -> Problem:
        allowed = self._table().methods(path)
        if not allowed:
            return Problem(404, f"There is nothing at {path:.200}")
        return Problem(
            405, f"{method} is not possible at {path:.200}", headers={"Allow": ", ".join(allowed)}
        )

    def _write_line(self, scope: Scope, method: str, status: int, seconds: float) -> None:
        client, key = scope.get("client"), scope.get(PRINCIPAL_KEY)
        self._log.write(
            request_id=scope[REQUEST_ID_KEY],
            method=method,
            # As it came: decoded it could end the line.
            path=scope.get("raw_path", b"").decode("latin-1"),
            status=status,
            milliseconds=round(seconds * 1e3, 3),
            client=client[0] if client else None,
            key=key and key.id,
        )

    def _count(self, method: str, route: Route | None, status: int, seconds: float) -> None:
        if route is None:
            name = method if method in _KNOWN_METHODS else _UNKNOWN
            self._metrics.requests.of(name, _UNKNOWN).count(status)
            return
        if route.tally is None:
            route.tally = self._metrics.requests.of(route.method, route.template)
        route.tally.count(status, seconds)


def _limited(receive: Receive, max_bytes: int) -> Receive:
    """Return a `receive` that raises a problem when a body without a length becomes too long."""
    n_bytes = 0

    async def receive_on() -> Message:
        nonlocal n_bytes
        message: Message = await receive()
        n_bytes += len(message.get("body", b""))
        if n_bytes > max_bytes:
            raise _too_large(max_bytes, is_open=True)
        return message

    return receive_on


def _too_large(max_bytes: int, *, is_open: bool = False) -> Problem:
    # Of a declared length the server drops the rest; an open end might never come.
    headers: dict[str, Any] = {"Connection": "close"} if is_open else {}
    return Problem(
        413,
        f"The body has more than {max_bytes} bytes",
        id="body_too_large",
        expected=f"{max_bytes} bytes at most",
        headers=headers,
    )
