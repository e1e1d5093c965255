"""Servers that tests need, as fixtures: Redis, PostgreSQL and FerretDB, a MongoDB to its clients.

Each is started by the first test that asks for it, on a free port and in a directory of its own,
and can be stopped, killed and started again with what it has stored.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import pymongo
import pymongo.errors
import pytest
import redis

_ROOT = Path(__file__).parents[2]
_SECONDS_TO_START = 60.0
_names = itertools.count()
# Of every process that tests at the same time others; begun at random, for those beside it.
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_ports = itertools.count(15_000 + 4_000 * (_WORKER % 4) + random.randrange(2_000))


def free_port() -> int:
    """A port that nobody listens on, and that the system does not give away by itself."""
    for port in _ports:
        with socket.socket() as one, contextlib.suppress(OSError):
            one.bind(("127.0.0.1", port))
            return port
    raise AssertionError("every port is taken")


class Service:
    """A server as a process of its own; what it stores outlives it until `discard`."""

    name: str
    #: What tells the server to end in order.
    stop_signal = signal.SIGTERM
    #: What makes it end at once, as a crash would.
    kill_signal = signal.SIGKILL

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix=f"freshet-{self.name}-"))
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        raise NotImplementedError

    @property
    def user(self) -> str | None:
        """Who runs it, if that is not whoever runs the tests."""
        return None

    def identity(self) -> dict[str, Any]:
        """The options of `subprocess` that make a process that user's."""
        if self.user is None:
            return {}
        entry = pwd.getpwnam(self.user)
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}

    def command(self) -> list[str]:
        raise NotImplementedError

    def answers(self) -> bool:
        """Whether it serves requests now."""
        raise NotImplementedError

    @property
    def is_running(self) -> bool:
        """Whether there is a process; it may be frozen."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it, on the same port as before; return when it serves requests."""
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Its own group, so that signals reach its children, and Ctrl-C does not.
                start_new_session=True,
                **self.identity(),
            )
        deadline = time.monotonic() + _SECONDS_TO_START
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                told = (self.directory / "log").read_text(errors="replace")[-2000:]
                self.kill()
                pytest.fail(f"{self.name} did not start:\n{told}")
            time.sleep(0.02)

    def stop(self) -> None:
        """End it in order."""
        self._end(self.stop_signal)

    def kill(self) -> None:
        """End it as a crash would."""
        self._end(self.kill_signal)

    def restart(self) -> None:
        """End it in order and start it again."""
        self.stop()
        self.start()

    def freeze(self) -> None:
        """Let it hang: connections stay, nothing is answered."""
        self._signal(signal.SIGSTOP)
        # A process goes on for a moment after the signal was sent.
        if self._process is not None:
            os.waitid(os.P_PID, self._process.pid, os.WSTOPPED)

    def thaw(self) -> None:
        """Let it go on after `freeze`."""
        self._signal(signal.SIGCONT)

    def discard(self) -> None:
        """End it and delete what it stored."""
        if self._process is not None:
            self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(number)
        # Only then, so that one that is frozen does nothing before it ends.
        self._signal(signal.SIGCONT)
        try:
            self._process.wait(30)
        finally:
            self._signal(signal.SIGKILL)
            self._process = None


_S = TypeVar("_S", bound=Service)


class Redis(Service):
    """Redis that keeps every write it has confirmed."""

    name = "redis"

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> list[str]:
        return [
            program("redis-server"),
            *("--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.directory)),
            *("--appendonly", "yes", "--appendfsync", "always", "--save", ""),
            # So that the log has every command; see `commands`.
            *("--auto-aof-rewrite-percentage", "0"),
        ]

    def answers(self) -> bool:
        with contextlib.suppress(redis.RedisError), redis.Redis(port=self.port) as client:
            return bool(client.ping())
        return False

    def commands(self) -> Iterator[list[bytes]]:
        """All writes since the last `flush`, in order; those of scripts too."""
        found: list[list[bytes]] = []
        for path in sorted(self.directory.glob("appendonlydir/*.incr.aof")):
            with path.open("rb") as log:
                while line := log.readline():
                    parts = []
                    for _ in range(int(line[1:])):
                        parts.append(log.read(int(log.readline()[1:])))
                        log.readline()
                    if parts[0].upper() == b"FLUSHALL":
                        found.clear()
                    else:
                        found.append(parts)
        return iter(found)

    def flush(self) -> None:
        """Forget everything."""
        with redis.Redis(port=self.port) as client:
            client.flushall()


class Postgres(Service):
    """PostgreSQL."""

    name = "postgresql"
    # To it SIGTERM means to wait for clients; SIGQUIT is how it crashes without leaving children.
    stop_signal = signal.SIGINT
    kill_signal = signal.SIGQUIT

    def __init__(self) -> None:
        super().__init__()
        self._data = self.directory / "data"
        if self.user is not None:
            shutil.chown(self.directory, self.user)
        initdb = [program("initdb"), "--pgdata", str(self._data), "--username", "freshet"]
        initdb += ["--auth", "trust", "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync"]
        subprocess.run(
            initdb,
            cwd=self.directory,
            check=True,
            capture_output=True,
            **self.identity(),
        )

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://freshet:secret@127.0.0.1:{self.port}/postgres"

    @property
    def user(self) -> str | None:
        # It refuses to run as root.
        if os.geteuid() != 0:
            return None
        with contextlib.suppress(KeyError):
            return pwd.getpwnam("postgres").pw_name
        return "nobody"

    def command(self) -> list[str]:
        return [
            program("postgres"),
            *("-D", str(self._data), "-h", "127.0.0.1", "-p", str(self.port)),
            *("-k", str(self.directory), "-c", "fsync=off"),
        ]

    def answers(self) -> bool:
        with contextlib.suppress(psycopg.OperationalError), self.connect():
            return True
        return False

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user="freshet", dbname="postgres", autocommit=True
        )


class Ferret(Service):
    """FerretDB, which speaks MongoDB's protocol and keeps its data in SQLite."""

    name = "ferretdb"

    @property
    def url(self) -> str:
        return self.url_of("freshet")

    def url_of(self, database: str) -> str:
        return f"mongodb://127.0.0.1:{self.port}/{database}"

    def command(self) -> list[str]:
        return [
            program("ferretdb"),
            *("--listen-addr", f"127.0.0.1:{self.port}", "--debug-addr", "-"),
            *("--handler", "sqlite", "--sqlite-url", f"file:{self.directory}/"),
            *("--state-dir", str(self.directory), "--telemetry", "disable"),
            *("--log-level", "WARN"),
        ]

    def answers(self) -> bool:
        client: pymongo.MongoClient[dict[str, object]]
        with (
            contextlib.suppress(pymongo.errors.PyMongoError),
            pymongo.MongoClient(self.url, serverSelectionTimeoutMS=200) as client,
        ):
            return bool(client.admin.command("ping"))
        return False


def program(name: str) -> str:
    """Where a program is: on the path, where Debian has it, or where ./dev setup puts it."""
    found = shutil.which(name)
    if found is None:
        folders = [_ROOT / ".cache/tools", Path("/usr/sbin")]
        # Those of the newest version.
        folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)
        found = next((str(one / name) for one in folders if (one / name).exists()), None)
    if found is None:
        pytest.fail(f"{name} is not installed; ./dev setup does it")
    return found


def _version(folder: Path) -> float:
    return float(folder.parent.name)


@contextlib.contextmanager
def running(service: _S) -> Iterator[_S]:
    """Run a service of one's own, then delete what it stored."""
    try:
        service.start()
        yield service
    finally:
        service.discard()


@pytest.fixture(scope="session")
def redis_service() -> Iterator[Redis]:
    """Redis for all tests of the session; see `redis_server`."""
    with running(Redis()) as service:
        yield service


@pytest.fixture
def redis_server(redis_service: Redis) -> Redis:
    """Redis, empty; a test may stop and start it."""
    _start_again(redis_service)
    redis_service.flush()
    return redis_service


@pytest.fixture
def redis_url(redis_server: Redis) -> str:
    """Where an empty Redis is."""
    return redis_server.url


@pytest.fixture(scope="session")
def postgres_service() -> Iterator[Postgres]:
    """PostgreSQL for all tests of the session; see `postgres_server`."""
    with running(Postgres()) as service:
        yield service


@pytest.fixture
def postgres_server(postgres_service: Postgres) -> Postgres:
    """PostgreSQL; a test may stop and start it."""
    _start_again(postgres_service)
    return postgres_service


@pytest.fixture
def postgres_url(postgres_server: Postgres) -> str:
    """An empty schema of PostgreSQL, for SQLAlchemy."""
    schema = f"test{next(_names)}"  # made faster, and deleted faster, than a database
    with postgres_server.connect() as connection:
        connection.execute(f"CREATE SCHEMA {schema}".encode())
    return f"{postgres_server.url}?options=-csearch_path%3D{schema}"


@pytest.fixture(scope="session")
def ferretdb_service() -> Iterator[Ferret]:
    """FerretDB for all tests of the session; see `ferretdb_server`."""
    with running(Ferret()) as service:
        yield service


@pytest.fixture
def ferretdb_server(ferretdb_service: Ferret) -> Ferret:
    """FerretDB; a test may stop and start it."""
    _start_again(ferretdb_service)
    return ferretdb_service


@pytest.fixture
def mongodb_url(ferretdb_server: Ferret) -> str:
    """An empty database that speaks MongoDB's protocol."""
    return ferretdb_server.url_of(f"test{next(_names)}")


def _start_again(service: Service) -> None:
    """Bring back a service that a test has stopped, and failed before it started it again."""
    if not service.is_running:
        service.start()
    service.thaw()
