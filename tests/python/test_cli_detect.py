"""freshet detect: what it prints, and how it ends."""

import csv
import io
import json
import os
import sys
from pathlib import Path

import freshet
import numpy as np
import pytest
from cli_testing import N_ROWS, run, run_program, series, write_csv
from freshet.cli import _progress, detect

COLUMNS = ["row", "timestamp", "heat", "load", "score", "raw_score", "is_anomaly", "alarm"]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_csv(Path("data.csv"))
    return tmp_path


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def expected(values=None, **settings):
    detector = freshet.StreamingDetector(retrain="inline", **settings)
    return detector.process_many(series() if values is None else values)


# ---- what is written -----------------------------------------------------------------------------


def test_every_row_gets_the_verdict_of_a_detector_that_goes_row_by_row():
    result = run("detect", "data.csv", "--rolling", "2,5", "--contamination", 0.02)
    assert result.exit_code == 0
    rows = rows_of(result.stdout)
    assert list(rows[0]) == [*COLUMNS, "status", "model_version"]
    detector = freshet.StreamingDetector(
        retrain="inline", rolling_windows=[2, 5], contamination=0.02
    )
    verdicts = [detector.process(row).to_dict() for row in series()]
    for row, verdict in zip(rows, verdicts, strict=True):
        for name in ("score", "raw_score"):
            assert (float(row[name]) if row[name] else None) == verdict[name]
        flag = {None: "", True: "true", False: "false"}[verdict["is_anomaly"]]
        assert (row["is_anomaly"], row["alarm"]) == (flag, flag)
        assert row["status"] == verdict["status"]
        assert int(row["model_version"]) == verdict["model_version"]
    assert rows[90]["is_anomaly"] == "true"
    assert rows[25]["timestamp"] == "2024-01-02 01:00:00"
    n = sum(verdict["is_anomaly"] is True for verdict in verdicts)
    assert result.stderr == (
        f"120 rows: {n} anomalies ({n / 70:.1%}), {70 - n} normal, 50 not scored; "
        "model version 1, threshold 0.5\n"
    )


def test_json_lines_say_the_same():
    rows = rows_of(run("detect", "data.csv").stdout)
    lines = run("detect", "data.csv", "--format", "jsonl").stdout.splitlines()
    records = [json.loads(line) for line in lines]
    assert [list(record) for record in records] == [list(row) for row in rows]
    assert records[0]["score"] is None
    assert records[0]["is_anomaly"] is None
    assert [record["score"] for record in records[50:]] == [
        float(row["score"]) for row in rows[50:]
    ]
    assert [str(record["is_anomaly"]).lower() for record in records[50:]] == [
        row["is_anomaly"] for row in rows[50:]
    ]


def test_the_table_has_the_anomalies_and_the_summary():
    result = run("detect", "data.csv", "--format", "table", "--contamination", 0.02)
    assert (result.exit_code, result.stderr) == (0, "")
    head, *rows, empty, summary = result.stdout.splitlines()
    verdicts = expected(contamination=0.02)
    assert head.split() == [
        "ROW", "TIMESTAMP", "heat", "load", "SCORE", "RAW", "SCORE", "MODEL",
    ]  # fmt: skip
    assert [int(row.split()[0]) for row in rows] == np.flatnonzero(verdicts.is_anomaly).tolist()
    assert any(row.startswith("90 ") and "  9  " in row for row in rows)
    assert (empty, summary[:9]) == ("", "120 rows:")


def test_a_table_is_limited_to_the_highest_scores(monkeypatch):
    monkeypatch.setattr(detect, "_MAX_ANOMALIES", 3)
    lines = run("detect", "data.csv", "--format", "table", "--contamination", 0.4).stdout
    *_, first, second, third, left, _, _ = lines.splitlines()
    verdicts = expected(contamination=0.4)
    highest = sorted(np.argsort(-np.nan_to_num(verdicts.score, nan=-1.0), kind="stable")[:3])
    assert [int(line.split()[0]) for line in (first, second, third)] == highest
    n_left = int(verdicts.is_anomaly.sum()) - 3
    assert left == f"and {n_left} with lower scores, which --format csv shows"


def test_without_anomalies_the_table_is_the_summary():
    result = run("detect", "data.csv", "--format", "table", "--threshold", 1)
    assert result.stdout.startswith("120 rows: 0 anomalies (0.0%), 70 normal, 50 not scored")
    assert result.stdout.count("\n") == 1


def test_on_a_terminal_it_is_a_table_and_in_a_file_what_its_name_says(monkeypatch):
    assert detect._format_for(None) is detect.Format.csv
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert detect._format_for(None) is detect.Format.table
    assert run("detect", "data.csv", "--out", "deep/a.jsonl").stdout == ""
    assert json.loads(Path("deep/a.jsonl").read_text().splitlines()[0])["row"] == 0
    run("detect", "data.csv", "--out", "a.txt")
    assert Path("a.txt").read_text() == run("detect", "data.csv", "--format", "csv").stdout


def test_standard_input_is_read_like_a_file():
    piped = run_program("detect", "-", input=Path("data.csv").read_text())
    assert piped.returncode == 0
    assert piped.stdout == run("detect", "data.csv").stdout


def test_more_rows_than_are_processed_at_once_are_one_stream():
    values = np.tile(series(), (6, 1))
    write_csv(Path("long.csv"), values, stamp="{i}")
    rows = rows_of(run("detect", "long.csv", "--columns", "heat,load").stdout)
    scores = [float(row["score"] or "nan") for row in rows]
    np.testing.assert_array_equal(scores, expected(values).score)


# ---- settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "settings"),
    [
        (["--backend", "hbos", "--set", "n_bins=7"], {"backend_params": {"n_bins": 7}}),
        (["-b", "hbos", "--set", "backend_params={n_bins: 7}"], {"backend_params": {"n_bins": 7}}),
        (["-b", "hbos", "--lags", "1,3", "--shingle", 2], {"lag_periods": [1, 3], "shingle": 2}),
        (["-b", "hbos", "--set", "lag_periods=[1]"], {"lag_periods": [1]}),
        (["-b", "hbos", "--set", "contamination=5e-2"], {"contamination": 0.05}),
        (
            ["-b", "hbos", "--min-samples", 20, "--window-size", 40, "--retrain-interval", 7],
            {"min_samples": 20, "window_size": 40, "retrain_interval": 7},
        ),
        (
            ["-b", "hbos", "--normalization", "zscore", "--threshold", 1.5],
            {"normalization": "zscore", "threshold": 1.5},
        ),
        (["-b", "hbos", "--set", "scaler=robust"], {"scaler": "robust"}),
    ],
)
def test_options_are_the_settings_of_the_detector(arguments, settings):
    rows = rows_of(run("detect", "data.csv", *arguments).stdout)
    verdicts = expected(backend="hbos", **settings)
    scores = [float(row["score"] or "nan") for row in rows]
    np.testing.assert_array_equal(scores, verdicts.score)
    flags = [row["is_anomaly"] == "true" for row in rows]
    assert flags == verdicts.is_anomaly.tolist()


def test_the_seed_counts():
    arguments = ("detect", "data.csv", "--backend", "loda")
    one, again = (run(*arguments, "--seed", 1).stdout for _ in range(2))
    assert one == again
    assert one != run(*arguments, "--seed", 2).stdout


def test_columns_are_chosen_by_name():
    rows = rows_of(run("detect", "data.csv", "--columns", "load").stdout)
    assert list(rows[0])[:3] == ["row", "timestamp", "load"]
    scores = [float(row["score"] or "nan") for row in rows]
    np.testing.assert_array_equal(scores, expected(series()[:, 1:]).score)


def test_a_name_with_a_comma_is_quoted():
    write_csv(Path("odd.csv"), names='at,"a,b",load')
    rows = rows_of(run("detect", "odd.csv", "--columns", 'load,"a,b"').stdout)
    assert list(rows[0])[2:4] == ["load", "a,b"]


def test_categories_are_encoded():
    kinds = ["red", "blue", "red", "green"]
    lines = ["kind,load", *(f"{kinds[i % 4]},{i % 7}" for i in range(N_ROWS))]
    Path("kinds.csv").write_text("\n".join(lines))
    result = run("detect", "kinds.csv", "--schema", "kind=onehot")
    rows = rows_of(result.stdout)
    assert list(rows[0])[:3] == ["row", "load", "kind"]
    detector = freshet.StreamingDetector(
        retrain="inline", columns=["load", "kind"], schema={"kind": "onehot"}
    )
    for i, row in enumerate(rows):
        score = detector.process({"load": float(i % 7), "kind": kinds[i % 4]}).score
        assert (float(row["score"]) if row["score"] else None) == score
    assert rows[5]["kind"] == "blue"
    table = run("detect", "kinds.csv", "--schema", "kind=hash", "--columns", "kind", "--format",
                "table", "--threshold", 0)  # fmt: skip
    assert table.stdout.split()[:2] == ["ROW", "kind"]


def test_rows_out_of_order_matter_only_on_request():
    Path("late.csv").write_text("time,v\n1,5\n3,6\n2,7\n4,8\n")
    assert run("detect", "late.csv").exit_code == 0
    result = run("detect", "late.csv", "--set", "out_of_order=error")
    assert result.exit_code == 1
    assert result.stderr.startswith("freshet: late.csv: row 2")
    result = run("detect", "late.csv", "--set", "out_of_order=drop", "--min-samples", 2)
    assert [row["status"] for row in rows_of(result.stdout)][1:3] == ["ready", "ready"]
    assert [row["score"] == "" for row in rows_of(result.stdout)] == [True, True, True, False]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("v\n1\n2\n", "no timestamps, which out_of_order is about"),
        ("time,v\nmonday,1\ntuesday,2\n", "timestamps of no known form, which out_of_order is"),
    ],
)
def test_an_order_that_cannot_be_checked_is_an_error(text, message):
    Path("own.csv").write_text(text)
    assert run("detect", "own.csv").exit_code == 0
    result = run("detect", "own.csv", "--set", "out_of_order=error")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"freshet: own.csv: {message}")


# ---- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing argument"),
        (["data.csv", "--rolling", "5;10"], "expected numbers of rows, for example 5,10,20"),
        (["data.csv", "--set", "n_bins"], "expected NAME=VALUE, not 'n_bins'"),
        (["data.csv", "--set", "n_bins=["], "is no YAML"),
        (["data.csv", "--set", "n_bins=0x_"], "'0x_' is no YAML"),
        (["data.csv", "--set", "n_bins=2020-13-45"], "'2020-13-45' is no YAML"),
        (["data.csv", "--set", "columns=[heat]"], "for columns there is --columns"),
        (["data.csv", "--format", "xml"], "--format"),
        (["data.csv", "--plot", "a.docx"], "has none of the endings"),
    ],
)
def test_a_usage_error_ends_with_2(arguments, message):
    result = run("detect", *arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.csv"], "nowhere.csv: No such file or directory"),
        (["data.csv", "--backend", "nonsense"], 'unknown backend "nonsense"'),
        (["nowhere.csv", "--min-samples", 1], "min_samples must be at least 2"),
        (["data.csv", "--set", "n_bin=3"], "there is no setting n_bin, expected one of backend,"),
        (["data.csv", "--columns", "cold"], 'data.csv has no column "cold", only at, heat, load'),
        (["data.csv", "--schema", "kind=hash"], 'data.csv has no column "kind"'),
        (["data.csv", "--schema", "heat=nonsense"], "schema.heat"),
        (["wrong.csv"], "wrong.csv, line 3, column \"load\": 'much' is no finite number"),
    ],
)
def test_what_cannot_be_done_is_a_message(arguments, message):
    Path("wrong.csv").write_text("heat,load\n1,2\n3,much\n")
    result = run("detect", *arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert message in result.stderr
    assert "Traceback" not in result.stderr


# ---- pictures and progress -----------------------------------------------------------------------


def test_the_plot_is_of_what_was_found():
    assert run("detect", "data.csv", "--plot", "deep/data.svg").exit_code == 0
    assert Path("deep/data.svg").read_text().lstrip().startswith("<?xml")
    # Of categories alone there is no series to draw.
    Path("kinds.csv").write_text("kind\n" + "red\nblue\n" * 40)
    arguments = ("--schema", "kind=hash", "--plot", "kinds.png")
    assert run("detect", "kinds.csv", *arguments).exit_code == 0
    assert Path("kinds.png").read_bytes().startswith(b"\x89PNG")


def test_a_bar_shows_progress_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    with _progress.showing_steps(10, "rows") as on_progress:
        on_progress(4)
    assert "4/10" in capsys.readouterr().err


def test_nothing_is_shown_where_there_is_no_terminal(capsys):
    with _progress.showing_steps(10, "rows") as on_progress:
        on_progress(4)
    assert capsys.readouterr().err == ""


def test_names_of_columns_are_utf_8_whatever_the_locale(here):
    write_csv(here / "data.csv")
    text = (here / "data.csv").read_text(encoding="utf-8")
    (here / "data.csv").write_text(text.replace("heat", "größe"), encoding="utf-8")
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    ended = run_program("detect", "data.csv", env=os.environ | locale, encoding="utf-8", cwd=here)
    assert ended.returncode == 0, ended.stderr
    assert "größe" in ended.stdout.splitlines()[0]
