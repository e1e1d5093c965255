"""Programs in C++ that use what Python made."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
from pathlib import Path

import freshet
import numpy as np
import pytest
from cli_testing import TINY, run, series, write_csv

ROOT = Path(__file__).resolve().parents[2]
COMPILER = os.environ.get("CXX") or shutil.which("c++") or "c++"


@pytest.fixture(scope="module")
def read_bundle(tmp_path_factory):
    program = tmp_path_factory.mktemp("read_bundle") / "read_bundle"
    source = ROOT / "examples" / "cpp" / "read_bundle.cpp"
    command = [COMPILER, "-std=c++20", "-O0", "-pthread", "-I", str(ROOT / "include")]
    command += ["-isystem", "/usr/include/eigen3", str(source), "-o", str(program)]
    subprocess.run(command, check=True)

    def score(bundle, table):
        return subprocess.run(
            [program, bundle],
            input=table.read_bytes(),
            check=False,
            capture_output=True,
            timeout=60,
        )

    return score


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    directory = tmp_path_factory.mktemp("trained")
    table = write_csv(directory / "pump.csv")
    assert run("train", "--data", table, "--out", directory / "pump.bundle", *TINY).exit_code == 0
    return directory


def test_a_bundle_trained_in_python_scores_alike_in_cpp(trained, read_bundle):
    done = read_bundle(trained / "pump.bundle", trained / "pump.csv")
    assert (done.returncode, done.stderr) == (0, b"")
    rows = list(csv.DictReader(done.stdout.decode().splitlines()))
    assert [int(row["row"]) for row in rows] == list(range(len(series())))
    model = freshet.LSTMAutoencoder.load(trained / "pump.bundle")
    expected = model.score_rows(series())
    errors = np.array([float(row["error"] or "nan") for row in rows])
    np.testing.assert_allclose(errors, expected, rtol=1e-6, atol=1e-6)
    warmup = model.window - 1
    assert [row["label"] for row in rows] == ["warmup"] * warmup + [
        "anomaly" if error > model.threshold_ else "normal" for error in expected[warmup:]
    ]


def test_columns_are_found_by_name(trained, read_bundle, tmp_path):
    # The timestamps last, and the columns the other way round.
    swapped = tmp_path / "swapped.csv"
    lines = (trained / "pump.csv").read_text().splitlines()
    swapped.write_text("".join(",".join(line.split(",")[::-1]) + "\r\n" for line in lines))
    done = read_bundle(trained / "pump.bundle", swapped)
    assert done.returncode == 0
    assert done.stdout == read_bundle(trained / "pump.bundle", trained / "pump.csv").stdout


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("heat", "cold", b"the table has no column heat"),
        (",0.0,", ",warm,", b"line 2: field 2 is no number"),
        (",0.0,", ",nan,", b"line 2: row 0, column heat: NaN"),
    ],
)
def test_what_cannot_be_scored_is_said(trained, read_bundle, tmp_path, old, new, message):
    table = tmp_path / "wrong.csv"
    table.write_text((trained / "pump.csv").read_text().replace(old, new, 1))
    done = read_bundle(trained / "pump.bundle", table)
    assert done.returncode == 1
    assert message in done.stderr


def test_a_damaged_bundle_is_refused(trained, read_bundle, tmp_path):
    damaged = shutil.copytree(trained / "pump.bundle", tmp_path / "damaged.bundle")
    weights = damaged / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x00")
    done = read_bundle(damaged, trained / "pump.csv")
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"weights.safetensors" in done.stderr
