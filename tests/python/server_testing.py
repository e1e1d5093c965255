"""The service as tests see it: in this process, or listening on a port of its own."""

import asyncio
import contextlib
import http.client
import threading

import httpx
import uvicorn
from freshet.server import ServerSettings, create_app
from freshet.server.protocol import Protocol


def settings(directory, **given):
    """Return settings that keep everything in a directory."""
    return ServerSettings(data_dir=directory, **{"port": 0, **given})


@contextlib.asynccontextmanager
async def connected(app, **options):
    """Yield a client of an application that runs in this event loop."""
    # httpx leaves the lifespan to us.
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        options = {"base_url": "http://localhost", **options}
        async with httpx.AsyncClient(transport=transport, **options) as client:
            yield client


def asking(app, question, **options):
    """Run `await question(client)` with a client of an application; return its answer."""

    async def ask():
        async with connected(app, **options) as client:
            return await question(client)

    return asyncio.run(ask())


def answer(connection):
    """Return the status and the body of an answer that comes on a socket."""
    response = http.client.HTTPResponse(connection)
    response.begin()
    return response.status, response.read()


@contextlib.contextmanager
def listening(app_or_settings, **options):
    """Yield the URL of an application that listens on a free port, in a thread."""
    app = app_or_settings
    if isinstance(app, ServerSettings):
        app = create_app(app)
    # As `freshet serve` has it.
    quiet = {"log_config": None, "access_log": False}
    options = {"host": "127.0.0.1", "port": 0, "http": Protocol} | quiet | options
    server = uvicorn.Server(uvicorn.Config(app, **options))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            thread.join(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(60)
