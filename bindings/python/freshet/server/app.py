"""The application: routes, what lies around them, and what lives as long as it does."""

from __future__ import annotations

import functools
import importlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from fastapi import FastAPI
from starlette.middleware import Middleware

from freshet import __version__
from freshet.errors import Error
from freshet.server import handlers, logs, openapi, tracing
from freshet.server.cors import Pages
from freshet.server.engine import Engine
from freshet.server.metrics import Metrics
from freshet.server.middleware import Gateway
from freshet.server.routing import RouteTable, endpoints_of, wide_templates_of
from freshet.server.security import Guard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from freshet.server.settings import ServerSettings

__all__ = ["create_app"]

#: The modules of `freshet.server.routes`, in the order of the documentation.
ROUTES: Final = (
    "operations",
    "streams",
    "batch",
    "buffers",
    "backends",
    "points",
    "predictions",
)

#: The paths of the OpenAPI document, and of a page that shows it.
_DOCUMENTATION: Final = ("/openapi.json", "/docs")

_TAGS: Final = [
    {"name": "streaming", "description": "Points of streams, scored as they come."},
    {"name": "batch", "description": "Models of whole series."},
    {"name": "buffers", "description": "The last rows of a series, with rolling features."},
    {"name": "points", "description": "Points and series, scored by trained bundles."},
    {"name": "predictions", "description": "What was predicted."},
    {"name": "operations", "description": "For whoever runs the service."},
]


class _Service(FastAPI):
    """An application with its middleware around it.

    FastAPI would put it inside of layers of its own, which cost every point as much time as its
    detector does, and are of no use to routes that the middleware itself asks.
    """

    around: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "lifespan":
            await super().__call__(scope, receive, self._without_traceback(send))
            return
        if self.around is None or scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        scope["app"] = self
        await self.around(scope, receive, send)

    def _without_traceback(self, send: Send) -> Send:
        """Return a `send` that leaves out where in the program what can be foreseen came from."""

        async def send_on(message: Message) -> None:
            if isinstance(self.state.failure, (Error, OSError)):
                message = {"type": message["type"]}
            await send(message)

        return send_on

    async def within(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that has passed what is around."""
        await super().__call__(scope, receive, send)


def create_app(settings: ServerSettings) -> FastAPI:
    """Return the service as an ASGI application.

    What it needs while it runs is made when it starts and closed when it stops; handlers find it in
    ``request.app.state``: ``settings``, ``metrics`` and ``engine``.
    """
    logs.be_quiet()
    app = _Service(
        title="freshet",
        version=__version__,
        summary="Streaming and batch anomaly detection.",
        openapi_tags=_TAGS,
        lifespan=_lifespan,
        redirect_slashes=False,
        openapi_url=_DOCUMENTATION[0],
        docs_url=_DOCUMENTATION[1],
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
    )
    app.state.settings = settings
    app.state.metrics = Metrics()
    app.state.engine = None
    app.state.is_stopping = False
    app.state.failure = None
    routers = [app.router]
    for name in ROUTES:
        try:
            module = importlib.import_module(f"freshet.server.routes.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"freshet.server.routes.{name}":
                raise
            continue
        app.include_router(module.router)
        routers.append(module.router)
    handlers.install(app)
    app.openapi = lambda: openapi.complete(app)  # type: ignore[method-assign]

    @functools.cache
    def table() -> RouteTable:
        return RouteTable(
            app.openapi(), _DOCUMENTATION, endpoints_of(routers), wide_templates_of(routers)
        )

    app.state.table = table
    middleware = [
        Middleware(
            Gateway,
            settings=settings,
            metrics=app.state.metrics,
            guard=Guard(settings),
            table=table,
        )
    ]
    if settings.cors_origins:
        # Around the other one, for browsers ask first without a key.
        middleware.append(Middleware(Pages, origins=settings.cors_origins))
    if tracing.install(app):
        # Spans are made by a layer of FastAPI's, and are to have all that happens in them.
        app.user_middleware.extend(reversed(middleware))
    else:
        app.around = app.within
        for one, arguments, options in middleware:
            app.around = one(app.around, *arguments, **options)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    state = app.state
    state.table()  # Now, and not in the time of the first request.
    try:
        if state.engine is None:
            state.engine = Engine(state.settings, state.metrics)
        await state.engine.start()
        try:
            # Routers open what they need after this, and close it before.
            yield
        finally:
            await state.engine.close()
    except Exception as error:
        state.failure = error  # The server only says that there was one.
        raise
