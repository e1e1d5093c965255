"""Services as processes, and the loads that ``./dev bench service`` puts on them."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

HERE = Path(__file__).resolve().parent
PATH = "/v1/ml/anomaly/stream"
HOST = "127.0.0.1"
#: What a service may take to answer its first request, and to stop.
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Load:
    """What is sent: requests of `n_rows` rows each, for several streams in turn."""

    settings: Mapping[str, Any]
    prefix: str = "stream-"
    n_streams: int = 8
    n_rows: int = 1
    n_columns: int = 5
    form: Literal["lists", "objects"] = "lists"
    n_connections: int = 32
    pause_ms: int = 0

    @property
    def streams(self) -> list[str]:
        """The names of its streams."""
        return [f"{self.prefix}{i}" for i in range(self.n_streams)]


@dataclass(frozen=True)
class Outcome:
    """How a service coped with a load."""

    requests_per_second: float
    rows_per_second: float
    latency_ms: Mapping[str, float] = field(default_factory=dict)
    cpu_ms: float = 0.0
    """What the service's process itself needed for a request, however busy the machine was."""

    @property
    def percentiles(self) -> str:
        """The latencies, in words."""
        told = self.latency_ms
        return (
            f"p50 {told['p50']:.1f}, p95 {told['p95']:.1f}, p99 {told['p99']:.1f} ms; "
            f"processor {self.cpu_ms:.2f} ms each"
        )


class Service:
    """A service that runs in a process of its own, on a free port of this machine.

    Parameters
    ----------
    command : sequence of str
        Starts it; ``--host`` and ``--port`` are added.
    log : Path
        Where its output goes.
    """

    def __init__(self, command: Iterable[str], log: Path) -> None:
        self._log = log
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            self.port = probe.getsockname()[1]
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [*command, "--host", HOST, "--port", str(self.port)],
                cwd=HERE,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def __enter__(self) -> Service:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            try:
                if self.ask("GET", "/health")[0] == 200:
                    return self
            except OSError:
                time.sleep(0.05)
        self.__exit__()
        output = self._log.read_text(encoding="utf-8", errors="replace")
        raise SystemExit(f"the service does not run; its output is:\n{output[-4000:]}")

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        connection: http.client.HTTPConnection | None = None,
    ) -> tuple[int, bytes]:
        """Return the status and the body of an answer."""
        one = connection or self.connect()
        one.request(method, path, body, {"Content-Type": "application/json"})
        answer = one.getresponse()
        content = answer.read()
        if connection is None:
            one.close()
        return answer.status, content

    def connect(self) -> http.client.HTTPConnection:
        """Return a connection to the service."""
        return http.client.HTTPConnection(HOST, self.port, timeout=600)

    def metric(self, name: str) -> float:
        """Return the sum of a metric's values over its labels."""
        text = self.ask("GET", "/metrics")[1].decode()
        values = re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", text, flags=re.MULTILINE)
        return sum(map(float, values))

    def memory_bytes(self) -> int:
        """Return how much memory the process has."""
        status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="ascii")
        return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) * 1024

    def _cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="ascii").split()
        # utime and stime; the name of the program, the second field, has no blanks.
        return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")

    # ---- loads ----

    def fill(self, load: Load, n_rows: int, n_threads: int = 2) -> None:
        """Bring the streams of a load into being with `n_rows` rows each, and see them ready."""
        rows = np.random.default_rng(0).standard_normal((1000, load.n_columns)).round(6).tolist()

        def fill_some(names: list[str]) -> None:
            connection = self.connect()
            for name in names:
                left = n_rows
                while left:
                    n = min(left, len(rows))
                    self._send(name, rows[:n], load.settings, connection)
                    left -= n
                if self._send(name, rows[:1], load.settings, connection) is None:
                    raise SystemExit(f"{name} is not ready after {n_rows} rows")
            connection.close()

        with ThreadPoolExecutor(n_threads) as threads:
            shares = [load.streams[i::n_threads] for i in range(n_threads)]
            list(threads.map(fill_some, shares))

    def time_batches(self, load: Load, n_requests: int) -> Outcome:
        """Send requests one after the other; for services that take seconds for each."""
        rows = np.random.default_rng(1).standard_normal((load.n_rows, load.n_columns))
        connection = self.connect()
        began = time.perf_counter()
        for i in range(n_requests):
            name = load.streams[i % load.n_streams]
            self._send(name, rows.round(6).tolist(), load.settings, connection)
        rate = n_requests / (time.perf_counter() - began)
        connection.close()
        return Outcome(rate, rate * load.n_rows)

    def _send(
        self,
        name: str,
        rows: list[list[float]],
        settings: Mapping[str, Any],
        connection: http.client.HTTPConnection,
    ) -> float | None:
        """Send rows of a stream; return the score of the last one."""
        body = json.dumps({"model": name, "data": rows, **settings}).encode()
        status, content = self.ask("POST", PATH, body, connection)
        if status != 200:
            raise SystemExit(f"{name}: {status} {content[:1000].decode(errors='replace')}")
        score: float | None = json.loads(content)["results"][-1]["score"]
        return score

    def press(self, load: Load, seconds: float) -> Outcome:
        """Send as much as wrk can, on one thread.

        Raises
        ------
        SystemExit
            If wrk is not installed, or a request failed.
        """
        settings = json.dumps(load.settings, separators=(",", ":"))[1:-1]
        shape = (load.prefix, load.n_streams, load.n_rows, load.n_columns, load.form, load.pause_ms)
        before = self._cpu_seconds()
        finished = subprocess.run(
            [
                *(wrk(), "--threads", "1", "--connections", str(load.n_connections)),
                *("--duration", f"{round(seconds)}s", "--timeout", "60s"),
                *("--script", str(HERE / "wrk" / "stream.lua")),
                *(f"http://{HOST}:{self.port}{PATH}", "--", *map(str, shape), settings),
            ],
            check=False,
            capture_output=True,
            text=True,
        )
        if finished.returncode:
            raise SystemExit(f"wrk failed: {finished.stdout}{finished.stderr}")
        used = self._cpu_seconds() - before
        told = json.loads(finished.stdout.splitlines()[-1])
        if told["failed"] or not told["requests"]:
            raise SystemExit(f"requests failed: {told}")
        rate = told["requests"] / told["seconds"]
        latency = {p: told[f"{p}_ms"] for p in ("p50", "p95", "p99", "max", "mean")}
        return Outcome(rate, rate * load.n_rows, latency, 1e3 * used / told["requests"])


def wrk() -> str:
    """Return where wrk is."""
    found = shutil.which("wrk")
    if found is None:
        raise SystemExit("wrk is needed to put load on services; Debian's package is wrk")
    return found


def freshet_service(directory: Path, *options: str) -> Service:
    """Return freshet's service, with a durable store in a directory."""
    directory.mkdir(parents=True)
    command = [sys.executable, "-m", "freshet.cli", "serve", "--log-level", "warning"]
    command += ["--data-dir", str(directory), "--durability", "full", *options]
    return Service(command, directory.with_suffix(".log"))


def peer_service(log: Path) -> Service:
    """Return the service that ours is held against."""
    return Service([sys.executable, str(HERE / "service_peer.py")], log)


def floor_service(log: Path) -> Service:
    """Return an application that does nothing but answer."""
    return Service([sys.executable, str(HERE / "service_floor.py")], log)


def file_system(path: Path) -> str:
    """Return the kind of file system that a path is on; what is durable depends on it."""
    mounts = Path("/proc/mounts").read_text(encoding="utf-8").splitlines()
    kinds = {fields[1]: fields[2] for fields in map(str.split, mounts)}
    real = os.path.realpath(path)
    within = [point for point in kinds if os.path.commonpath([point, real]) == point]
    return kinds[max(within, key=len)]
