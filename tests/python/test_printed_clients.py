"""Clients that documents of other services print work as they are, but for host and port.

The documents are not part of the repository: the environment variable CLIENT_DOCUMENTS
names a directory of them, and without it conftest.py leaves these tests out.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import random
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from bundle_testing import WINDOW, trained
from freshet.server import create_app
from server_testing import listening, settings

DOCUMENTS = Path(os.environ["CLIENT_DOCUMENTS"])
LOCAL = re.compile(r"http://localhost:(14345|8000)")

#: How deep the lines of the scripts are indented, which the documents have lost.
SENSOR = "0000112233333443444444333456343 01".replace(" ", "")
BUFFERS = "001222332233443334444334445554"


def text() -> str:
    """All documents, one after another."""
    return "\n".join(path.read_text() for path in sorted(DOCUMENTS.glob("*.txt")))


def commands() -> list[str]:
    """The curl commands, each with all of its lines."""
    found = []
    lines = iter(text().splitlines())
    for line in lines:
        if not line.startswith("curl "):
            continue
        command = line
        while subprocess.run(["bash", "-n", "-c", command], capture_output=True).returncode or (
            command.endswith("\\")
        ):
            command += "\n" + next(lines)
        found.append(command)
    return found


def script(number: int, depths: str) -> str:
    """The Python scripts, as they were before they were printed."""
    lines = text().splitlines()
    start = [i for i, line in enumerate(lines) if line == "import httpx"][number]
    depth = iter(depths)
    indented = []
    for line in lines[start:]:
        if line and (level := next(depth, None)) is None:
            break
        indented.append("    " * int(level) + line if line else "")
    assert next(depth, None) is None
    return "\n".join(indented)


def run_script(code: str, url: str, **names: Any) -> str:
    """Run a script against the service; return what it prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(LOCAL.sub(url, code), "printed", "exec"), {"__name__": "__main__", **names})
    return printed.getvalue()


@pytest.fixture
def url(tmp_path: Path):
    with listening(create_app(settings(tmp_path))) as found:
        yield found


def test_the_curl_commands(url: str) -> None:
    asked = [one for one in commands() if "predict_point" not in one]
    assert len(asked) >= 9
    for command in asked:
        done = subprocess.run(
            ["bash", "-c", LOCAL.sub(url, command).replace("curl ", "curl -s ", 1)],
            capture_output=True,
            check=True,
        )
        answer = json.loads(done.stdout)
        if "my-detector" in command:  # which no command before it has made
            assert answer["status"] == 404
        elif "-d" in command:
            assert answer["object"] == "streaming_result"
            assert answer["status"] == "collecting"
            assert [one["score"] for one in answer["results"]] == [None] * len(answer["results"])
        else:
            assert "urn:freshet:problem" not in done.stdout.decode()


def test_the_curl_command_of_points(tmp_path: Path) -> None:
    (command,) = (one for one in commands() if "predict_point" in one)
    (tmp_path / "models").mkdir()
    trained(1).save(tmp_path / "models" / "taxi")
    app = create_app(settings(tmp_path / "data", models_dir=tmp_path / "models"))
    with listening(app) as url:
        for i in range(WINDOW + 1):
            printed = LOCAL.sub(url, command).replace("curl ", "curl -s ", 1)
            done = subprocess.run(["bash", "-c", printed], capture_output=True, check=True)
            answer = json.loads(done.stdout)
            assert answer["stream_id"] == "default"
            assert answer["samples_until_ready"] == max(WINDOW - 2 - i, 0)
            is_scored = i >= WINDOW - 1  # the last of the window is
            assert (answer["error"] is not None) == is_scored
            assert answer["label"] in (("normal", "anomaly") if is_scored else ("warmup",))


def test_the_sensor_script(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    random.seed(2)
    sleep = asyncio.sleep
    monkeypatch.setattr(asyncio, "sleep", lambda seconds: sleep(min(seconds, 0.001)))
    printed = run_script(script(0, SENSOR), url).splitlines()
    assert [line for line in printed if "Injecting" in line] == [
        f"Injecting anomaly at sample {i}" for i in (50, 100, 150)
    ]
    assert printed[0] == "Collecting... 29 samples until ready"
    found = [int(re.findall(r"sample (\d+):", line)[0]) for line in printed if "score=" in line]
    # At the other two a training may be running, and then the script takes the verdict for none.
    assert 50 in found


def test_the_buffer_script(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    import httpx

    points = [{"temperature": 70.0 + i % 7, "humidity": 40.0 + i % 5} for i in range(12)]
    names: dict[str, Any] = {"data_stream": points, "asyncio": asyncio}
    run_script(script(1, BUFFERS) + "\nasyncio.run(advanced_streaming())", url, **names)
    info = httpx.get(f"{url}/v1/ml/anomaly/stream/custom-enhanced").json()
    assert info["total_processed"] == len(points)
    buffer = httpx.get(f"{url}/v1/ml/polars/buffers/custom-features").json()
    assert buffer["size"] == len(points)
