"""The commands of docs/cli.md are run as they stand there."""

import json
import os
import re
import subprocess

import pytest
import typer
from cli_testing import PROGRAM, run, series, write_csv, write_nab
from freshet.cli import app
from test_docs import ROOT, blocks

PAGE = ROOT / "docs" / "cli.md"
COMMANDS = [
    (line + i, text)
    for line, block in blocks(PAGE, "sh")
    for i, text in enumerate(block.splitlines())
    if text.startswith("freshet ")
]


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """A directory with the files that the page speaks of; what commands write stays in it."""
    path = tmp_path_factory.mktemp("cli")
    write_csv(path / "data.csv", names="timestamp,heat,load")
    rows = [f"{'ab'[i % 2]},{i % 7}" for i in range(120)]
    (path / "hosts.csv").write_text("\n".join(["host,cpu", *rows]) + "\n")
    lines = [
        json.dumps({"at": 60.0 * i, "host": "a", "cpu": cpu, "memory": memory})
        for i, (cpu, memory) in enumerate(series().tolist())
    ]
    (path / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    nab = write_nab(path / "nab")
    (nab / "data" / "realTraffic").mkdir()
    write_csv(nab / "data" / "realTraffic" / "speed_6005.csv", series()[:, :1], "timestamp,value")
    labels = json.loads((nab / "labels" / "combined_windows.json").read_text())
    labels["realTraffic/speed_6005.csv"] = [next(iter(labels.values()))[0]]
    (nab / "labels" / "combined_windows.json").write_text(json.dumps(labels))
    for language in ("toml", "yaml"):
        for _, block in blocks(PAGE, language):
            name = re.match(r"# (\S+)\n", block)
            if name:
                (path / name.group(1)).write_text(block)
    return path


# In the order of the page: a later command may read what an earlier one wrote.
@pytest.mark.parametrize(
    "command", [pytest.param(text, id=f"{line}: {text}") for line, text in COMMANDS]
)
def test_a_command_of_the_page_runs(directory, command):
    environment = {
        **os.environ,
        "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}",
        "HOME": str(directory),
        "XDG_CACHE_HOME": str(directory / "cache"),
        "FRESHET_DATA": str(directory / "nab"),
        "SHELL": "/bin/bash",
    }
    done = subprocess.run(
        # In a function, so that bash stays the parent, whose completion is installed.
        ["bash", "-c", f"set -o pipefail; run() {{ {command}; }}; run; exit $?"],
        cwd=directory, env=environment, stdin=subprocess.DEVNULL, check=False,
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


def test_every_command_is_on_the_page():
    text = PAGE.read_text()
    for name in typer.main.get_command(app).commands:
        assert re.search(rf"freshet {name}\b", text), name


def test_every_option_of_a_detector_is_on_the_page():
    page = PAGE.read_text()
    commands = typer.main.get_command(app).commands
    for name in ("detect", "stream"):
        for option in commands[name].params:
            if option.param_type_name == "option" and option.name != "help":
                assert max(option.opts, key=len) in page, option.opts


def test_the_fields_that_the_page_lists_are_those_that_are_written(directory):
    head = run("detect", directory / "data.csv", "--columns", "heat").stdout.partition("\n")[0]
    row, timestamp, heat, *verdict = head.split(",")
    assert (row, timestamp, heat) == ("row", "timestamp", "heat")
    assert ", ".join(verdict) in PAGE.read_text()
    answer = json.loads(run("stream", text="[1]\n").stdout)
    assert ["values", "line", *verdict] == list(answer)
