"""Pages of other origins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.middleware.cors import CORSMiddleware

from freshet.server.problems import Problem, problem_response
from freshet.server.requests import new_request_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.datastructures import Headers
    from starlette.responses import Response
    from starlette.types import ASGIApp

__all__ = ["Pages"]

_METHODS: Final = ("GET", "POST", "DELETE")
#: What pages may send: the service's own, and what a proxy may spread requests by.
_SENT: Final = ("Authorization", "Content-Type", "X-API-Key", "X-Freshet-Stream", "X-Request-ID")
_READ: Final = ("Retry-After", "X-Request-ID")
_FORBIDDEN: Final = 400


class Pages(CORSMiddleware):
    """Tells browsers which pages may call the service; a problem document where they may not.

    Parameters
    ----------
    app : ASGIApp
        What answers requests.
    origins : sequence of str
        The setting ``cors_origins``.
    """

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=_METHODS,
            allow_headers=_SENT,
            expose_headers=_READ,
        )

    def preflight_response(self, request_headers: Headers) -> Response:
        """Answer what a browser asks before it sends a page's request."""
        response = super().preflight_response(request_headers)
        if response.status_code != _FORBIDDEN:
            return response
        what = bytes(response.body).decode().removeprefix("Disallowed CORS ")
        problem = Problem(
            _FORBIDDEN,
            f"Pages may not send such a request: {what}",
            id="preflight_refused",
            title="Pages may not send such a request",
            expected=f"an origin of cors_origins, {', '.join(_METHODS)}, and {', '.join(_SENT)}",
        )
        refused = problem_response(problem, new_request_id(None))
        for name, value in response.headers.items():
            if name.startswith("access-control-") or name == "vary":
                refused.headers[name] = value
        return refused
