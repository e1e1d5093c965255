"""Answers in one piece are those that the server makes of two messages."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from fastapi import FastAPI, Request
from freshet.server import create_app, middleware
from freshet.server.bodies import JsonText
from freshet.server.openapi import operation
from server_testing import listening, settings
from starlette.responses import Response

#: More than the system takes from a server whose client does not read.
LONG = b'"' + b"x" * 30_000_000 + b'"'


def make_app(directory: Path, **given: Any) -> FastAPI:
    app = create_app(settings(directory, **given))

    @app.post("/echo", **operation("write"))
    async def echo(request: Request) -> Response:
        return JsonText(await request.body(), 201)

    @app.get("/later", **operation("read"))
    async def later(request: Request) -> Response:
        await asyncio.sleep(0.05)
        return JsonText(b'"later"')

    @app.get("/short", **operation("read"))
    async def short(request: Request) -> Response:
        return JsonText(b"{}")

    @app.get("/long", **operation("read"))
    async def long(request: Request) -> Response:
        return JsonText(LONG)

    return app


@pytest.fixture(autouse=True)
def only_operations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("freshet.server.app.ROUTES", ("operations",))


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Of each answer whether it was sent in one piece."""
    outcomes: list[bool] = []
    send_at_once = middleware.send_at_once

    def spy(*arguments: Any) -> bool:
        outcomes.append(send_at_once(*arguments))
        return outcomes[-1]

    monkeypatch.setattr(middleware, "send_at_once", spy)
    return outcomes


def exchange(url: str, request: bytes, before_reading: Callable[[], None] = lambda: None) -> bytes:
    """Send bytes, the last of which ask the server to close; return all that it sends."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=60) as connection:
        connection.sendall(request)
        before_reading()
        received = b""
        while part := connection.recv(2**20):
            received += part
    return received


def head(line: str, *more: str) -> bytes:
    return "\r\n".join([line, "Host: localhost", "X-Request-ID: mine", *more, "\r\n"]).encode()


GET = head("GET /short HTTP/1.1")
CLOSE = head("GET /short HTTP/1.1", "Connection: close")
REQUESTS = {
    "body": head("POST /echo HTTP/1.1", "Content-Length: 4") + b'"\xc3\xa4"',
    "empty": head("POST /echo HTTP/1.1", "Content-Length: 0"),
    "head": head("HEAD /short HTTP/1.1"),
    "two": GET + GET,
    "old": head("GET /short HTTP/1.0"),
    "chunks": head("POST /echo HTTP/1.1", "Transfer-Encoding: chunked") + b"1\r\n1\r\n0\r\n\r\n",
    "close": b"",
    "large": head("POST /echo HTTP/1.1", "Content-Length: 100000") + b"x" * 100_000,
}


@pytest.mark.parametrize("name", REQUESTS)
def test_the_bytes_are_the_same(
    tmp_path: Path, sent: list[bool], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    request = REQUESTS[name] + CLOSE
    with listening(make_app(tmp_path / "one")) as url:
        received = exchange(url, request)
    assert sent.count(True) == {"head": 1, "two": 3, "old": 1, "close": 1}.get(name, 2)
    assert sent.count(False) == (name == "head")
    monkeypatch.setattr(middleware, "send_at_once", lambda *_: False)
    with listening(make_app(tmp_path / "two")) as url:
        expected = exchange(url, request)

    def dateless(answers: bytes) -> bytes:
        return re.sub(rb"date: [^\r]*\r\n", b"", answers)

    assert dateless(received) == dateless(expected)
    assert received.count(b"date: ") == received.count(b"x-request-id: mine\r\n") >= 1


def test_a_client_that_waits_to_be_asked_for_the_body_is_asked_once(
    tmp_path: Path, sent: list[bool]
) -> None:
    request = head(
        "POST /echo HTTP/1.1", "Expect: 100-continue", "Content-Length: 1", "Connection: close"
    )
    with listening(make_app(tmp_path)) as url:
        received = exchange(url, request + b"1")
    assert sent == [True]
    assert received.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\n")
    assert received.count(b"HTTP/1.1") == 2
    assert received.endswith(b"\r\n\r\n1")


def test_answers_come_in_the_order_of_the_requests(tmp_path: Path, sent: list[bool]) -> None:
    requests = [head("POST /echo HTTP/1.1", "Content-Length: 1") + b"%d" % i for i in range(9)]
    with listening(make_app(tmp_path)) as url:
        received = exchange(url, head("GET /later HTTP/1.1") + b"".join(requests) + CLOSE)
    assert sent == [True] * 11
    bodies = re.findall(rb"\r\n\r\n([^{H]*)", received)
    assert bodies[:10] == [b'"later"', *(b"%d" % i for i in range(9))]


def test_a_client_that_does_not_read_is_waited_for(tmp_path: Path, sent: list[bool]) -> None:
    def until_the_first_was_sent() -> None:
        deadline = time.monotonic() + 60
        while not sent:
            assert time.monotonic() < deadline
            time.sleep(0.005)

    with listening(make_app(tmp_path)) as url:
        received = exchange(url, head("GET /long HTTP/1.1") + CLOSE, until_the_first_was_sent)
    # The second one not before the first was read.
    assert sent == [True, False]
    assert received.count(LONG) == 1
    assert len(re.findall(rb"HTTP/1.1 200 OK\r\n", received)) == 2


def test_a_mistake_before_anything_is_sent_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> bool:
        raise AttributeError("the server has changed")

    monkeypatch.setattr(middleware, "send_at_once", fail)
    with listening(make_app(tmp_path)) as url:
        received = exchange(url, CLOSE)
    assert received.startswith(b"HTTP/1.1 500 ")
    assert json.loads(received.partition(b"\r\n\r\n")[2])["status"] == 500
    assert b"x-request-id: mine\r\n" in received


def test_a_layer_around_the_service_sees_every_answer(tmp_path: Path, sent: list[bool]) -> None:
    origin = "https://example.org"
    request = head("GET /short HTTP/1.1", f"Origin: {origin}", "Connection: close")
    with listening(make_app(tmp_path, cors_origins=[origin])) as url:
        received = exchange(url, request)
    assert sent == [False]
    assert f"access-control-allow-origin: {origin}\r\n".encode() in received


def test_a_server_that_logs_answers_itself_does(
    tmp_path: Path,
    sent: list[bool],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Servers that other tests have started may have turned it off.
    monkeypatch.setattr(logging.getLogger("uvicorn.access"), "propagate", True)
    with (
        caplog.at_level("INFO", "uvicorn.access"),
        listening(make_app(tmp_path), access_log=True) as url,
    ):
        exchange(url, CLOSE)
    assert sent == [False]
    assert [record for record in caplog.records if '"GET /short HTTP/1.1" 200' in record.message]
