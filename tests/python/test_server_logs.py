"""Logs and traces of the service."""

import io
import json
import logging
import subprocess
import sys
import threading

import pytest
import structlog
from freshet.server import logs, tracing
from freshet.server.requests import REQUEST_ID


@pytest.fixture(autouse=True)
def as_before():
    yield
    logs.configure("warning")


def lines(file):
    return [json.loads(line) for line in file.getvalue().splitlines()]


def configured(*arguments):
    file = io.StringIO()
    logs.configure(*arguments, file=file)
    return file


def test_an_event_is_an_object_with_what_belongs_to_it():
    file = configured("info")
    structlog.get_logger("freshet.test").info("loaded", bundle="taxi", rows=3, path=io)
    (line,) = lines(file)
    assert line.pop("timestamp").endswith("Z")
    assert line.pop("path").startswith("<module 'io'")
    assert line == {
        "event": "loaded",
        "level": "info",
        "logger": "freshet.test",
        "bundle": "taxi",
        "rows": 3,
    }


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_what_is_less_important_is_left_out(level, expected):
    file = configured(level)
    log = structlog.get_logger("a")
    for name in ("debug", "info", "warning", "error"):
        getattr(log, name)("event")
    assert [line["level"] for line in lines(file)] == expected


def test_others_log_in_the_same_way_but_only_what_matters():
    file = configured("info")
    other = logging.getLogger("other.library")
    other.info("chatter")
    try:
        raise KeyError("gone")
    except KeyError:
        other.exception("failed after %d rows", 3)
    (line,) = lines(file)
    assert (line["event"], line["level"]) == ("failed after 3 rows", "error")
    assert line["logger"] == "other.library"
    assert "KeyError: 'gone'" in line["exception"]
    logging.getLogger("other.library").debug("not even now")
    assert len(lines(file)) == 1


def test_all_is_logged_where_all_is_wanted():
    file = configured("debug")
    logging.getLogger("other.library").debug("chatter")
    assert lines(file)[0]["event"] == "chatter"


def test_configuring_again_does_not_log_twice():
    configured("info")
    file = configured("info")
    logging.getLogger("other").error("once")
    assert len(lines(file)) == 1


def test_a_line_of_a_request_has_its_id_also_in_a_thread():
    import asyncio

    file = configured("info")
    log = structlog.get_logger("a")

    async def request():
        REQUEST_ID.set("mine")
        log.info("here")
        await asyncio.to_thread(log.info, "there")
        log.info("of another", request_id="other")

    asyncio.run(request())
    log.info("outside")
    assert [line.get("request_id") for line in lines(file)] == ["mine", "mine", "other", None]


def test_lines_of_threads_do_not_mix():
    file = configured("info")
    log = structlog.get_logger("a")

    def work(number):
        for i in range(200):
            log.info("event", number=number, i=i, text="x" * 500)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(lines(file)) == 800


class Broken(io.StringIO):
    def write(self, text):
        raise BrokenPipeError


def test_a_log_that_cannot_be_written_does_no_harm():
    logs.configure("info", file=Broken())
    structlog.get_logger("a").error("event")
    logging.getLogger("other").error("event")
    closed = io.StringIO()
    logs.configure("info", file=closed)
    closed.close()
    structlog.get_logger("a").error("event")


def test_people_see_values_and_tracebacks():
    file = configured("info", "console")
    try:
        raise ValueError("torn")
    except ValueError:
        structlog.get_logger("a").exception("failed", stream="pump")
    text = file.getvalue()
    assert "failed" in text
    assert "stream=pump" in text
    assert "ValueError: torn" in text
    assert "\x1b" not in text  # Colours are for terminals.


def test_a_host_that_has_its_own_log_keeps_it():
    before = structlog.get_config()
    logs.be_quiet()
    assert structlog.get_config() == before


# ---- traces --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, False),
        ({"OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_TRACES_EXPORTER": "console"}, True),
        ({"OTEL_TRACES_EXPORTER": "console", "OTEL_SDK_DISABLED": "TRUE"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_TRACES_EXPORTER": "none"}, False),
    ],
)
def test_traces_are_made_where_the_variables_ask_for_them(variables, expected, monkeypatch):
    for name in (
        "OTEL_SDK_DISABLED",
        "OTEL_TRACES_EXPORTER",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    ):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert tracing.is_wanted() is expected


CODE = """
import asyncio, sys
import httpx
import freshet.server.app
freshet.server.app.ROUTES = ("operations",)
from freshet.server import ServerSettings, create_app
from freshet.server.openapi import operation

app = create_app(ServerSettings(data_dir=sys.argv[1]))

@app.get("/items/{name}", **operation("read"))
async def item(name: str) -> dict[str, str]:
    return {"name": name}

async def main():
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
    ):
        trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        for path in ("/items/a", "/health", "/metrics"):
            response = await client.get(path, headers={"traceparent": trace})
            assert response.status_code == 200, response.text

asyncio.run(main())
"""


def traced(tmp_path, monkeypatch, code=CODE, **variables):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_request_is_a_span_of_its_route_within_the_trace_of_the_client(tmp_path, monkeypatch):
    done = traced(tmp_path, monkeypatch, OTEL_TRACES_EXPORTER="console")
    decoder, text, spans = json.JSONDecoder(), done.stdout.strip(), []
    while text:
        span, end = decoder.raw_decode(text)
        spans.append(span)
        text = text[end:].strip()
    server = [span for span in spans if span["kind"] == "SpanKind.SERVER"]
    assert len(server) == 1  # None for whoever looks after the service.
    assert server[0]["name"] == "GET /items/{name}"
    assert server[0]["context"]["trace_id"] == "0x0af7651916cd43dd8448eb211c80319c"
    assert server[0]["resource"]["attributes"]["service.name"] == "freshet"


def test_without_the_variables_there_are_no_spans(tmp_path, monkeypatch):
    for name in ("OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    assert traced(tmp_path, monkeypatch).stdout == ""


@pytest.mark.parametrize("hidden", ["opentelemetry.instrumentation.fastapi", "nothing"])
def test_where_traces_cannot_be_made_the_service_runs_and_says_so(tmp_path, monkeypatch, hidden):
    code = f"import sys\nsys.modules[{hidden!r}] = None\n{CODE}"
    exporter = "console" if hidden != "nothing" else "missing"
    done = traced(tmp_path, monkeypatch, code, OTEL_TRACES_EXPORTER=exporter)
    assert done.stdout == ""
    warnings = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["event"] for line in warnings] == ["tracing_unavailable"]
    assert warnings[0]["remedy"] == "pip install 'freshet[tracing]'"
