"""The service as a process of its own, to be killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
from services_testing import free_port

#: What nobody answers when the service is gone, or is about to be.
FAILURES = (httpx.TransportError,)


class ServiceProcess:
    """``freshet serve`` on a port that stays the same from start to start.

    Parameters
    ----------
    data_dir : Path
    options
        Settings of the service.
    """

    def __init__(self, data_dir: Path, **options: Any) -> None:
        self.data_dir = data_dir
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log_path = data_dir.with_suffix(".log")
        self._options = {"data_dir": data_dir, "port": self.port, "log_level": "warning"} | options
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        arguments = [f"--{name.replace('_', '-')}={value}" for name, value in self._options.items()]
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "freshet.cli", "serve", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={k: v for k, v in os.environ.items() if not k.startswith("FRESHET_")},
            )
        while not self.is_ready():
            assert self._process.poll() is None, self.log()
            time.sleep(0.02)

    def is_ready(self) -> bool:
        """Whether it says so."""
        with contextlib.suppress(*FAILURES):
            return httpx.get(f"{self.url}/ready", timeout=5.0).status_code == 200
        return False

    def kill(self) -> None:
        """End it at once, as ``kill -9`` does."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """End it as it wants to be ended; return its exit status."""
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(60)

    def log(self) -> str:
        """All that it has logged."""
        return self.log_path.read_text()

    def __enter__(self) -> ServiceProcess:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()
