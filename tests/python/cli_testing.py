"""Small series and the program that is tried on them."""

import subprocess
import sysconfig
from pathlib import Path

import numpy as np
from freshet.cli import app
from typer.testing import CliRunner

PROGRAM = Path(sysconfig.get_path("scripts")) / "freshet"
N_ROWS = 120
#: The options of a training that takes a moment.
TINY = ("--window", 8, "--hidden-size", 4, "--epochs", 2, "--threads", 1)


def run(*arguments, text=None):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=text)


def run_program(*arguments, **options):
    command = [str(PROGRAM), *map(str, arguments)]
    return subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=60, **options
    )


def series():
    """Two columns with a peak in the first one."""
    time = np.arange(N_ROWS)
    values = np.column_stack([np.sin(0.5 * time), 100.0 * np.cos(0.5 * time)])
    values[90, 0] = 9.0
    return values


def write_csv(path, values=None, names="at,heat,load", stamp="2024-01-{day:02} {hour:02}:00:00"):
    """Write a file with timestamps, then the values."""
    lines = [names]
    for i, row in enumerate((series() if values is None else values).tolist()):
        at = stamp.format(day=1 + i // 24, hour=i % 24, i=i)
        lines.append(",".join([at, *map(repr, row)]))
    path.write_text("\n".join(lines) + "\n")
    return path


def write_nab(directory):
    """Write a copy of NAB with one series, which has one labelled window."""
    (directory / "data" / "own").mkdir(parents=True)
    (directory / "labels").mkdir()
    write_csv(directory / "data" / "own" / "small.csv", series()[:, :1], "timestamp,value")
    (directory / "labels" / "combined_windows.json").write_text(
        '{"own/small.csv": [["2024-01-04 17:00:00.000000", "2024-01-04 19:00:00.000000"]]}'
    )
    return directory
