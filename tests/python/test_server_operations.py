"""Running the service: is it alive, is it ready, how does it do, and how does it end."""

import contextlib
import http.client
import json
import math
import re
import signal
import socket
import subprocess
import sys
import time
from urllib.parse import urlsplit

import freshet
import httpx
import pytest
from cli_testing import run_program
from freshet.server import create_app, running
from freshet.server.keys import KeyFile
from freshet.server.metrics import Metrics
from prometheus_client.parser import text_string_to_metric_families
from server_testing import answer, asking, listening, settings


@pytest.fixture(autouse=True)
def only_operations(monkeypatch):
    monkeypatch.setattr("freshet.server.app.ROUTES", ("operations",))


class Program:
    """The service as a process of its own; its log goes to a file."""

    def __init__(self, process, log):
        self.process = process
        self.log = log

    def lines(self, event=None):
        lines = []
        for line in self.log.read_text().splitlines(keepends=True):
            if line.startswith("{") and line.endswith("\n"):
                lines.append(json.loads(line))
        return [line for line in lines if event in (None, line["event"])]

    def wait_for(self, event, n_lines=1):
        while len(self.lines(event)) < n_lines:
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.01)
        return self.lines(event)[n_lines - 1]

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(60)


@contextlib.contextmanager
def started(directory, *options, code=None):
    """Run ``freshet serve`` on a port of its own, or code that does more."""
    command = ["-m", "freshet.cli"] if code is None else ["-c", code]
    command += ["serve", "--port", "0", "--data-dir", str(directory / "data"), *options]
    log = directory / "log"
    with (
        log.open("w") as errors,
        subprocess.Popen([sys.executable, *command], stderr=errors) as process,
    ):
        program = Program(process, log)
        try:
            program.url = program.wait_for("serving")["url"]
            yield program
        finally:
            if process.poll() is None:
                process.kill()


#: A service with routes that take their time.
SLOW = """
import asyncio, sys
import freshet.server.app, freshet.server.running as running
from fastapi import Request
from freshet.server.bodies import json_response
from freshet.server.openapi import operation
from starlette.responses import Response

def create_app(settings, create_app=freshet.server.app.create_app):
    app = create_app(settings)

    @app.get("/until-stopped", **operation("read"))
    async def until_stopped(request: Request) -> Response:
        print('{"event": "waiting"}', file=sys.stderr, flush=True)
        while not app.state.is_stopping:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        ready = app.state.engine.ready()[0]
        return json_response({"is_stopping": app.state.is_stopping, "engine": ready})

    @app.get("/for-ever", **operation("read"))
    async def for_ever(request: Request) -> Response:
        print('{"event": "waiting"}', file=sys.stderr, flush=True)
        await asyncio.Event().wait()

    return app

running.create_app = create_app
from freshet.cli import main
sys.exit(main())
"""


#: A service that is told to stop in the middle of a line of its log, as a slow pipe makes likely.
INTERRUPTED = """
import signal, sys
from freshet.cli import main

class Log:
    def __init__(self, file):
        self.file = file

    def write(self, text):
        self.file.write(text)
        if '"serving"' in text:
            signal.raise_signal(signal.SIGTERM)

    def __getattr__(self, name):
        return getattr(self.file, name)

sys.stderr = Log(sys.stderr)
sys.exit(main())
"""


def begin(url, path):
    """Send a request and leave its answer for later."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
    connection.request("GET", path)
    return connection


# ---- health and readiness ------------------------------------------------------------------------


class Engine:
    """Stands in for the streams: what readiness asks of them."""

    def __init__(self, *, is_ready=True):
        self.is_ready = is_ready

    def ready(self):
        return self.is_ready, {"store": "sqlite", "error": "disk full"}


def ask_ready(app, *, engine, is_stopping=False):
    async def question(client):
        own, app.state.engine = app.state.engine, engine
        app.state.is_stopping = is_stopping
        try:
            return await client.get("/ready"), await client.get("/health")
        finally:
            app.state.engine = own

    return asking(app, question)


def test_a_service_that_runs_is_alive_and_ready(tmp_path):
    app = create_app(settings(tmp_path))

    async def question(client):
        return await client.get("/health"), await client.get("/ready")

    health, ready = asking(app, question)
    assert health.json() == {"status": "ok", "version": freshet.__version__}
    assert (ready.status_code, ready.json()["status"]) == (200, "ready")


def test_a_service_whose_store_fails_is_alive_and_not_ready(tmp_path):
    ready, health = ask_ready(create_app(settings(tmp_path)), engine=Engine(is_ready=False))
    assert (ready.status_code, ready.json()["id"]) == (503, "service_not_ready")
    assert ready.json()["checks"] == {"store": "sqlite", "error": "disk full"}
    assert ready.headers["retry-after"] == "1"
    assert health.status_code == 200


def test_a_service_that_stops_is_not_ready(tmp_path):
    app = create_app(settings(tmp_path))
    ready, health = ask_ready(app, engine=Engine(), is_stopping=True)
    assert (ready.status_code, ready.json()["id"]) == (503, "service_stopping")
    assert health.status_code == 200


# ---- metrics -------------------------------------------------------------------------------------

FAMILIES = {
    "freshet_predictions",
    "freshet_anomaly_rate",
    "freshet_request_seconds",
    "freshet_requests",
    "freshet_requests_in_progress",
    "freshet_retrain_seconds",
    "freshet_retrain_failures",
    "freshet_streams",
    "freshet_model_version_max",
    "freshet_queue_depth",
    "freshet_store_seconds",
    "freshet_store_failures",
    "freshet_snapshots_quarantined",
    "freshet_streams_evicted",
    "freshet_streams_restored",
    "freshet_log_lag_rows",
    "freshet_log_lag_seconds",
    "freshet_log_failures",
    "freshet_bundle_loads",
    "freshet_bundles",
    "freshet_build_info",
    "process_resident_memory_bytes",
    "process_cpu_seconds",
}


def test_the_metrics_are_what_prometheus_reads(tmp_path):
    app = create_app(settings(tmp_path))
    response = asking(app, lambda client: client.get("/metrics"))
    assert response.headers["content-type"].startswith("text/plain; version=")
    families = {family.name: family for family in text_string_to_metric_families(response.text)}
    assert set(families) >= FAMILIES
    assert families["process_resident_memory_bytes"].samples[0].value > 10_000_000
    (build,) = families["freshet_build_info"].samples
    assert (build.labels, build.value) == ({"version": freshet.__version__}, 1)
    for family in families.values():
        assert family.documentation


def test_applications_count_for_themselves(tmp_path):
    one, other = (create_app(settings(tmp_path / name)).state.metrics for name in "ab")
    one.count_predictions("default", "stream", normal=1)
    labels = {"label": "normal", "stream_class": "default", "mode": "stream"}
    assert one.registry.get_sample_value("freshet_predictions_total", labels) == 1
    assert other.registry.get_sample_value("freshet_predictions_total", labels) is None


def test_predictions_are_counted_by_label_class_and_mode(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("freshet.server.metrics.time.monotonic", lambda: now[0])
    metrics = Metrics()

    def value(name, **labels):
        return metrics.registry.get_sample_value(name, labels)

    metrics.count_predictions("pump", "stream", warmup=50)
    assert value("freshet_anomaly_rate", stream_class="pump") is None
    metrics.count_predictions("pump", "stream", normal=90, anomaly=10)
    metrics.count_predictions("fan", "batch", normal=3)
    counts = {
        (label, name, mode): value(
            "freshet_predictions_total", label=label, stream_class=name, mode=mode
        )
        for label, name, mode in [
            *(("warmup", "pump", "stream"), ("normal", "pump", "stream")),
            *(("anomaly", "pump", "stream"), ("normal", "fan", "batch")),
            ("anomaly", "fan", "batch"),
        ]
    }
    assert list(counts.values()) == [50, 90, 10, 3, None]
    assert value("freshet_anomaly_rate", stream_class="pump") == pytest.approx(0.1)
    assert value("freshet_anomaly_rate", stream_class="fan") == 0
    # An hour later what was does not count for much.
    now[0] += 3600
    metrics.count_predictions("pump", "stream", normal=1, anomaly=1)
    assert value("freshet_anomaly_rate", stream_class="pump") == pytest.approx(0.5, abs=0.001)
    # A class that gets no points any more must not be alarming for ever.
    now[0] += 1799
    assert value("freshet_anomaly_rate", stream_class="pump") == pytest.approx(0.5, abs=0.001)
    now[0] += 1
    assert math.isnan(value("freshet_anomaly_rate", stream_class="pump"))
    metrics.count_predictions("pump", "stream", anomaly=1)
    assert value("freshet_anomaly_rate", stream_class="pump") == pytest.approx(1.0, abs=0.01)


# ---- the process ---------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_program_serves_until_it_is_told_to_stop(tmp_path, number):
    with started(tmp_path) as program:
        serving = program.lines("serving")[0]
        assert (serving["version"], serving["store"]) == (freshet.__version__, "sqlite")
        assert serving["needs_keys"] is False
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", program.url)
        assert httpx.get(f"{program.url}/ready").status_code == 200
        assert program.stop(number) == 0
        events = [line["event"] for line in program.lines()]
        assert events.index("stopping") < events.index("stopped")
        assert not [line for line in program.lines() if line["level"] in ("warning", "error")]
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{program.url}/health")


def test_the_program_stops_in_the_middle_of_a_line_of_its_log(tmp_path):
    with started(tmp_path, code=INTERRUPTED) as program:
        assert program.process.wait(60) == 0
        assert [line["signal"] for line in program.lines("stopping")] == ["SIGTERM"]
        assert program.lines("stopped")


def test_requests_that_have_come_are_answered_before_the_end(tmp_path):
    with started(tmp_path, code=SLOW) as program:
        slow = [begin(program.url, "/until-stopped") for _ in range(3)]
        program.wait_for("waiting", 3)
        idle = begin(program.url, "/health")
        assert idle.getresponse().read()
        program.process.send_signal(signal.SIGTERM)
        for connection in slow:
            response = connection.getresponse()
            assert response.status == 200
            # The streams are closed after the last answer.
            assert json.load(response) == {"is_stopping": True, "engine": True}
        assert program.process.wait(60) == 0


def test_a_request_without_an_end_does_not_keep_the_service_from_ending(tmp_path):
    with started(tmp_path, "--shutdown-timeout-seconds", "0.5", code=SLOW) as program:
        slow = begin(program.url, "/for-ever")
        program.wait_for("waiting")
        assert program.stop() == 0
        response = slow.getresponse()
        assert (response.status, json.load(response)["id"]) == (503, "service_stopping")


def test_a_port_that_is_taken_is_a_message(tmp_path):
    with started(tmp_path) as program:
        port = urlsplit(program.url).port
        done = run_program("serve", "--port", port, "--data-dir", tmp_path / "other")
        assert done.returncode == 1
        last = done.stderr.splitlines()[-1]
        assert last == f"freshet: 127.0.0.1:{port}: Address already in use"
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--data-dir", "DATA", "--store", "redis://127.0.0.1:1/0"], "Redis cannot be used"),
        (["--data-dir", "DATA", "--log", "foo://x"], "the log foo://x cannot be used"),
    ],
)
def test_a_service_that_cannot_start_says_why_and_no_more(tmp_path, given, told):
    done = run_program("serve", "--port", "0", *given, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("freshet: ")
    assert told in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_directory_that_cannot_be_made_is_a_message(tmp_path):
    (tmp_path / "file").write_text("")
    done = run_program("serve", "--port", "0", "--data-dir", tmp_path / "file" / "data")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("freshet: ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("trusted", ["", "127.0.0.0/8"])
def test_only_a_trusted_proxy_says_who_the_client_is(tmp_path, trusted):
    with started(tmp_path, "--trusted-proxies", trusted) as program:
        headers = {"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https"}
        assert httpx.get(f"{program.url}/health", headers=headers).status_code == 200
        expected = "192.0.2.7" if trusted else "127.0.0.1"
        assert program.wait_for("request")["client"] == expected


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"x" * 200_000,
        b"GET / HTTP/1.1\r\nX: " + b"x" * 200_000,
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 40_000,
        b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000 + b"\r\n\r\n",
        b"GET /" + b"x" * 40_000 + b" HTTP/1.1\r\nX: " + b"x" * 40_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X:\r\n" * 4_000 + b"\r\n",
    ],
)
def test_a_head_without_an_end_is_refused(tmp_path, head):
    app = create_app(settings(tmp_path))
    with listening(app) as url:
        parts = urlsplit(url)
        with socket.create_connection((parts.hostname, parts.port), timeout=60) as connection:
            with contextlib.suppress(ConnectionError):
                connection.sendall(head)
            received = connection.recv(65536)
        assert received.startswith(b"HTTP/1.1 400 ")
        accepted = httpx.get(f"{url}/health", headers={"X": "x" * 60_000})
        assert accepted.status_code == 200


def test_a_long_head_may_come_in_pieces(tmp_path):
    with (
        listening(create_app(settings(tmp_path))) as url,
        socket.create_connection((urlsplit(url).hostname, urlsplit(url).port)) as connection,
    ):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(2):  # What came before does not count.
            parts = [
                b"GET /health HTTP/1.1\r\nHost: a\r\n",
                b"X: ",
                *[b"x" * 15_000] * 4,
                b"\r\n\r",
            ]
            for part in parts:
                connection.sendall(part)
                time.sleep(0.02)
            connection.sendall(b"\n")
            assert answer(connection)[0] == 200


def test_headers_after_a_body_have_an_end(tmp_path):
    with (
        listening(create_app(settings(tmp_path))) as url,
        socket.create_connection((urlsplit(url).hostname, urlsplit(url).port)) as connection,
    ):
        connection.settimeout(30)
        head = b"POST /health HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head + b"1\r\n{\r\n0\r\nX: ")
        with pytest.raises(ConnectionError):  # noqa: PT012 (which of them fails is up to TCP)
            for _ in range(1000):
                connection.sendall(b"x" * 15_000)
                time.sleep(0.001)


def test_for_others_the_program_needs_a_key_and_takes_a_new_one(tmp_path):
    file = KeyFile(tmp_path / "data" / "api-keys.json")
    _, key = file.create("a", ["read"])
    with started(tmp_path, "--host", "0.0.0.0") as program:
        url = program.url.replace("0.0.0.0", "127.0.0.1")
        assert httpx.get(f"{url}/metrics").status_code == 401
        assert httpx.get(f"{url}/metrics", headers={"X-API-Key": key}).status_code == 200
        _, other = file.create("b", ["read"])
        headers = {"Authorization": f"Bearer {other}"}
        while httpx.get(f"{url}/metrics", headers=headers).status_code == 401:
            time.sleep(0.05)


def test_a_misspelt_variable_is_a_warning(tmp_path, monkeypatch):
    monkeypatch.setenv("FRESHET_PROT", "1")
    with started(tmp_path) as program:
        assert program.lines("variable_unknown")[0]["variable"] == "FRESHET_PROT"


def test_a_password_is_not_in_the_log(tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(running._log, "info", lambda event, **fields: shown.append(fields))
    # Nobody listens there.
    given = settings(tmp_path, store="redis://:hunter2@127.0.0.1:1/0")
    with pytest.raises(Exception) as error:  # noqa: PT011
        running.run(given)
    assert "hunter2" not in str(error.value)
    assert "hunter2" not in str(shown)
