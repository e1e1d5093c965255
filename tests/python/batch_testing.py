"""The batch API as tests see it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from unittest import mock

import numpy as np
from freshet.server import create_app
from freshet_testing import table
from server_testing import connected, settings

URL = "/v1/ml/anomaly/"
ROWS = table("gaussian", 200, 3)
NEW = np.vstack([table("gaussian", 40, 3, seed=3), ROWS.mean(axis=0) + 30.0])


class Log:
    """Stands in for the engine: remembers what is to be logged."""

    def __init__(self):
        self.calls = []

    async def start(self):
        pass

    async def close(self):
        pass

    async def log_predictions(self, **call):
        self.calls.append(call)


@asynccontextmanager
async def service(directory, **given):
    with mock.patch("freshet.server.app.ROUTES", ("batch", "backends")):
        app = create_app(settings(directory, **given))
    app.state.engine = Log()
    async with connected(app) as client:
        client.app, client.log = app, app.state.engine
        yield client


def ask(directory, question, **given):
    """Return the answer of `await question(client)` with a service of a directory."""

    async def run():
        async with service(directory, **given) as client:
            return await question(client)

    return asyncio.run(run())


async def post(client, path, **body):
    answer = await client.post(URL + path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def refused(client, path, *, status=422, **body):
    answer = await client.post(URL + path, json=body)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.json()


def fitting(**given):
    return {"model": "sensors", "backend": "ecod", "data": ROWS.tolist(), **given}
