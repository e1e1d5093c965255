"""What happens around every request: ids, limits, counts and lines in the log."""

import asyncio
import contextlib
import http.client
import json
import socket
import threading
from urllib.parse import urlsplit

import pytest
from fastapi import Request
from freshet.server import create_app, logs
from freshet.server.bodies import json_response, read_json
from freshet.server.openapi import operation
from freshet.server.requests import REQUEST_ID
from pydantic import BaseModel
from server_testing import answer, asking, listening, settings
from starlette.responses import Response, StreamingResponse


class Body(BaseModel):
    text: str = ""


@pytest.fixture(autouse=True)
def only_operations(monkeypatch):
    monkeypatch.setattr("freshet.server.app.ROUTES", ("operations",))
    yield
    logs.configure("warning")


def make_app(directory, **given):
    app = create_app(settings(directory, **given))

    @app.post("/text", **operation("write", body=Body))
    async def text(request: Request) -> Response:
        body = await read_json(request, Body)
        return json_response({"length": len(body.text), "request_id": REQUEST_ID.get()})

    @app.get("/items/{name}", **operation("read"))
    async def item(name: str) -> dict[str, str]:
        return {"name": name}

    return app


def ask(app, method, path, **options):
    return asking(app, lambda client: client.request(method, path, **options))


def metrics(text):
    """Return the values of a page of metrics, by name and labels."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


@contextlib.contextmanager
def connected(url):
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=60) as connection:
        yield connection


# ---- ids -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", ["abc", "A.b-c_d:1", "0" * 128])
def test_the_id_of_a_request_is_that_of_the_client(tmp_path, given):
    headers = {"X-Request-ID": given, "Content-Type": "application/json"}
    response = ask(make_app(tmp_path), "POST", "/text", headers=headers, content="{}")
    assert response.headers["x-request-id"] == given
    assert response.json()["request_id"] == given


@pytest.mark.parametrize("given", ["", " ", "a b", "a\tb", "-a", '"', "<a>", "é", "0" * 129, None])
def test_an_id_that_could_do_harm_is_replaced(tmp_path, given):
    headers = {} if given is None else {"X-Request-ID": given.encode()}
    app = make_app(tmp_path)
    ids = [ask(app, "GET", path, headers=headers) for path in ("/health", "/items/a", "/nothing")]
    ids = [response.headers.get_list("x-request-id") for response in ids]
    assert len({one for (one,) in ids}) == 3
    for (one,) in ids:
        assert one != given
        assert len(one) == 32


# ---- sizes ---------------------------------------------------------------------------------------


def body_of(n_bytes):
    return b'{"text": "' + b"x" * (n_bytes - 12) + b'"}'


@pytest.mark.parametrize(("n_bytes", "status"), [(1000, 200), (1001, 413)])
def test_a_body_may_be_as_long_as_the_limit(tmp_path, n_bytes, status):
    app = make_app(tmp_path, max_body_bytes=1000)
    content = body_of(n_bytes)

    async def chunks():
        for i in range(0, len(content), 100):
            yield content[i : i + 100]

    for sent in (content, chunks()):
        headers = {"Content-Type": "application/json"}
        response = ask(app, "POST", "/text", content=sent, headers=headers)
        assert response.status_code == status
        if status == 413:
            assert response.json()["id"] == "body_too_large"
            assert response.json()["expected"] == "1000 bytes at most"


HEAD = b"POST /text HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


def test_a_body_that_is_declared_too_long_is_refused_before_it_comes(tmp_path):
    with listening(make_app(tmp_path, max_body_bytes=1000)) as url, connected(url) as connection:
        connection.sendall(HEAD + b"Content-Length: 1000000000000\r\n\r\n")
        status, body = answer(connection)
        assert (status, json.loads(body)["id"]) == (413, "body_too_large")


def test_a_body_without_an_end_is_refused_when_it_is_too_long(tmp_path):
    app = make_app(tmp_path, max_body_bytes=1000)
    with listening(app, timeout_keep_alive=3600) as url:
        with connected(url) as connection:
            connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
            connection.sendall(b"3e8\r\n" + b" " * 1000 + b"\r\n")
            connection.sendall(b"1\r\n \r\n")  # And no more: the answer comes before the end.
            status, body = answer(connection)
            assert (status, json.loads(body)["id"]) == (413, "body_too_large")
            assert connection.recv(1) == b""  # What is still to come is not waited for.
        with connected(url) as connection:
            connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
            connection.sendall(b"c\r\n" + body_of(12) + b"\r\n0\r\n\r\n")
            assert answer(connection)[0] == 200


@pytest.mark.parametrize("length", ["-1", "many", "1e3", "٣"])
def test_a_length_that_is_no_number_is_refused(tmp_path, length):
    app = make_app(tmp_path)
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/text",
        "raw_path": b"/text",
        "query_string": b"",
        "headers": [(b"content-length", length.encode())],
    }
    sent = []

    async def call():
        async def send(message):
            sent.append(message)

        await app(scope, None, send)

    asyncio.run(call())
    assert sent[0]["status"] == 400


# ---- how many ------------------------------------------------------------------------------------


def test_more_requests_than_may_wait_are_sent_away_and_none_is_lost(tmp_path):
    app = make_app(tmp_path, max_queued_requests=2)
    leave = asyncio.Event()

    @app.get("/wait", **operation("read"))
    async def wait(request: Request) -> Response:
        await leave.wait()
        return json_response({})

    async def question(client):
        waiting = [asyncio.create_task(client.get("/wait")) for _ in range(2)]
        await until(lambda: value(app, "freshet_requests_in_progress") == 2)
        refused = await client.get("/items/a")
        health = await client.get("/health")
        leave.set()
        answered = [await task for task in waiting]
        return refused, health, answered, await client.get("/items/a")

    refused, health, answered, after = asking(app, question)
    assert (refused.status_code, refused.json()["id"]) == (503, "overloaded")
    assert refused.headers["retry-after"] == "1"
    assert health.status_code == 200
    assert [response.status_code for response in answered] == [200, 200]
    assert after.status_code == 200


async def until(condition):
    while not condition():
        await asyncio.sleep(0.001)


# ---- counts --------------------------------------------------------------------------------------


def test_requests_are_counted_by_route_and_by_nothing_that_a_client_can_invent(tmp_path):
    app = make_app(tmp_path)

    async def question(client):
        await client.get("/health")  # The first look sets what is there.
        await client.get("/items/first")
        await client.get("/nothing")
        await client.request("BREW", "/health")
        before = metrics((await client.get("/metrics")).text)
        for i in range(50):
            await client.get(f"/items/{i}")
            await client.get(f"/nothing/{i}")
            await client.request(f"BREW{i}", "/health")
            await client.head("/health", headers={"X-Request-ID": f"id{i}"})
        return before, metrics((await client.get("/metrics")).text)

    before, after = asking(app, question)
    name = 'freshet_requests_total{method="GET",route="/items/{name}",status="200"}'
    assert (before[name], after[name]) == (1, 51)
    name = 'freshet_request_seconds_count{method="GET",route="/items/{name}"}'
    assert (before[name], after[name]) == (1, 51)
    assert after['freshet_requests_total{method="GET",route="unknown",status="404"}'] == 51
    assert after['freshet_requests_total{method="unknown",route="unknown",status="405"}'] == 51
    assert not [n for n in after if n.startswith("freshet_request_seconds") and "unknown" in n]
    own = {name for name in after if "/metrics" not in name}
    assert own == {name for name in before if "/metrics" not in name}
    assert after["freshet_requests_in_progress"] == 1  # This one.


def test_a_client_that_goes_away_leaves_nothing_behind(tmp_path, capfd):
    logs.configure("info")
    app = make_app(tmp_path)
    with listening(app) as url:
        with connected(url) as connection:
            connection.sendall(HEAD + b"Content-Length: 100\r\n\r\n{")
            wait_for(lambda: value(app, "freshet_requests_in_progress") == 1)
        wait_for(lambda: value(app, "freshet_requests_in_progress") == 0)
        with connected(url) as connection:
            connection.sendall(HEAD + b"Content-Length: 12\r\n\r\n" + body_of(12))
            assert answer(connection)[0] == 200
    labels = {"method": "POST", "route": "/text", "status": "499"}
    assert app.state.metrics.registry.get_sample_value("freshet_requests_total", labels) == 1
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert [line["status"] for line in lines if line["event"] == "request"] == [499, 200]
    assert not [line for line in lines if line["level"] not in ("info", "debug")]


def value(app, name):
    return app.state.metrics.registry.get_sample_value(name)


def wait_for(condition):
    ready = threading.Event()
    while not condition():
        ready.wait(0.005)


# ---- answers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/health", "/items/a"])
def test_the_head_of_an_answer_is_that_of_the_answer(tmp_path, path):
    app = make_app(tmp_path)
    whole, head = (ask(app, method, path) for method in ("GET", "HEAD"))
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == whole.headers["content-length"] != "0"
    with listening(app) as url, connected(url) as connection:
        request = f"{path} HTTP/1.1\r\nHost: localhost\r\n\r\n"
        connection.sendall(f"HEAD {request}GET {request}".encode())
        received = b""
        while not received.endswith(b"}"):
            received += connection.recv(65536)
    assert received.count(b"HTTP/1.1 200 OK") == 2
    assert received.count(b"{") == 1


def test_an_answer_that_breaks_off_cannot_be_taken_for_a_whole_one(tmp_path):
    app = make_app(tmp_path)

    @app.get("/broken", **operation("read"))
    async def broken(request: Request) -> Response:
        async def parts():
            yield b"first"
            raise RuntimeError("broken")

        return StreamingResponse(parts())

    with listening(app) as url:
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
        connection.request("GET", "/broken")
        response = connection.getresponse()
        assert response.status == 200
        with pytest.raises(http.client.IncompleteRead):
            response.read()
        connection.close()


# ---- lines in the log ----------------------------------------------------------------------------


def logged(capfd):
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    return [line for line in lines if line["event"] == "request"]


def test_every_request_is_a_line_in_json(tmp_path, capfd):
    logs.configure("info")
    app = make_app(tmp_path)
    response = ask(app, "GET", "/items/a%0Ab%22?secret=1", headers={"X-Request-ID": "mine"})
    assert response.json() == {"name": 'a\nb"'}
    (line,) = logged(capfd)
    assert line.pop("milliseconds") > 0
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "request",
        "level": "info",
        "request_id": "mine",
        "method": "GET",
        "path": "/items/a%0Ab%22",
        "status": 200,
        "client": "127.0.0.1",
        "key": None,
    }


def test_a_line_names_the_key_but_does_not_hold_it(tmp_path, capfd):
    from freshet.server.keys import KeyFile

    key, text = KeyFile(tmp_path / "api-keys.json").create("a", ["read"])
    logs.configure("info")
    app = make_app(tmp_path, auth="required")
    ask(app, "GET", "/items/a", headers={"X-API-Key": text})
    ask(app, "GET", "/items/a", headers={"X-API-Key": f"{text}x"})
    lines = logged(capfd)
    assert [(line["status"], line["key"]) for line in lines] == [(200, key.id), (401, None)]
    assert text not in str(lines)


@pytest.mark.parametrize("layout", ["json", "console"])
def test_a_log_of_warnings_has_no_requests(tmp_path, capfd, layout):
    logs.configure("warning", layout)
    ask(make_app(tmp_path), "GET", "/items/a")
    assert capfd.readouterr().err == ""


def test_for_people_a_request_is_a_line_too(tmp_path, capfd):
    logs.configure("info", "console")
    ask(make_app(tmp_path), "GET", "/items/a%0Ab")
    errors = capfd.readouterr().err
    assert "path=/items/a%0Ab " in errors
    assert len([line for line in errors.splitlines() if " request " in line]) == 1
