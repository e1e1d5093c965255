"""Buffers as tests see them."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from unittest import mock

import numpy as np
import polars as pl
from freshet.server import create_app
from freshet.server.buffers import Buffers
from freshet.server.buffers.store import SqliteBufferStore
from freshet_testing import stream
from server_testing import connected, settings

URL = "/v1/ml/polars/"
NAMES = ["temperature", "humidity"]
SERIES = stream(300, 2)


class Nothing:
    """Stands in for the engine, which buffers do not need."""

    async def start(self):
        pass

    async def close(self):
        pass


@asynccontextmanager
async def service(directory, **given):
    with mock.patch("freshet.server.app.ROUTES", ("buffers",)):
        app = create_app(settings(directory, **given))
    app.state.engine = Nothing()
    async with connected(app) as client:
        yield client


def ask(directory, question, **given):
    async def run():
        async with service(directory, **given) as client:
            return await question(client)

    return asyncio.run(run())


async def post(client, path, **body):
    answer = await client.post(URL + path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def get(client, path, **query):
    answer = await client.get(URL + path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def refused(client, path, *, status=422, **body):
    answer = await client.post(URL + path, json=body)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.json()


def named(values):
    return [dict(zip(NAMES, row, strict=True)) for row in np.asarray(values).tolist()]


def open_buffers(path, **limits):
    limits = {"max_buffers": 100, "max_columns": 50, "max_bytes": 2**26} | limits
    return Buffers(SqliteBufferStore(path), **limits)


@contextlib.contextmanager
def buffers_of(path, **limits):
    buffers = open_buffers(path, **limits)
    try:
        yield buffers
    finally:
        buffers.close()


def with_polars(values, names, windows, statistics, lags):
    """What Polars makes of rows, as a table in the order of the contract."""
    frame = pl.DataFrame(dict(zip(names, np.asarray(values, float).T, strict=True)))
    rolling = [
        getattr(pl.col(name), f"rolling_{statistic}")(window, min_samples=1)
        .fill_null(0.0)
        .alias(f"{name}_rolling_{statistic}_{window}")
        for name in names
        for window in windows
        for statistic in ("mean", "std", "min", "max")
        if statistic in statistics
    ]
    lagged = [
        pl.col(name).shift(lag).fill_null(0.0).alias(f"{name}_lag_{lag}")
        for name in names
        for lag in lags
    ]
    return frame.with_columns(*rolling, *lagged)


def assert_like(table, frame):
    assert table.columns == frame.columns
    ours = np.array([[row[name] for name in table.columns] for row in table.rows])
    np.testing.assert_allclose(ours, frame.to_numpy(), rtol=1e-9, atol=1e-9)


def vars_of(selection):
    return selection.windows, selection.statistics, selection.lags
