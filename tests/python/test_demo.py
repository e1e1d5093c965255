"""The demo: what it finds, what it says and what it leaves behind."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from freshet import datasets
from freshet.dashboard.sources.verdicts import VerdictSource, holds_verdicts
from freshet.demo import __main__ as demo
from freshet.demo import evaluation, pipeline, report


@pytest.fixture
def simulated(monkeypatch, tmp_path):
    """No data, no network."""
    monkeypatch.delenv("FRESHET_DATA", raising=False)
    monkeypatch.setattr(
        datasets, "_cached", lambda _: (_ for _ in ()).throw(datasets.DatasetError("none"))
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def series(values, windows=()):
    times = np.datetime64("2020-01-01T00:00:00") + np.arange(len(values)) * np.timedelta64(30, "m")
    spans = tuple((times[begin], times[end]) for begin, end in windows)
    return datasets.Dataset("test", times, np.asarray(values, dtype=float), spans, "cache")


def verdicts(n, anomalous, cold=10):
    scores = np.full(n, 0.2)
    scores[:cold] = np.nan
    scores[anomalous] = 0.9
    return pipeline.Run(
        comparisons=np.zeros(n),
        scores=scores,
        is_anomaly=np.isin(np.arange(n), anomalous),
        model_versions=np.ones(n, dtype=np.int64),
        latencies_us=np.ones(n),
        threshold=0.5,
        n_features=1,
    )


def test_the_series_at_hand_is_read_well(capsys, tmp_path):
    # NAB's own where FRESHET_DATA or the cache has it, else the simulated one.
    assert demo.main(["--json", "--out", str(tmp_path / "taxi.png")]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["source"] in ("FRESHET_DATA", "cache", "simulated")
    assert (found["source"] == "FRESHET_DATA") == bool(os.environ.get("FRESHET_DATA"))
    assert found["n_points"] == 10320
    assert found["n_found"] >= 4
    assert found["n_false_alarms"] <= (8 if found["simulated"] else 3)
    assert found["n_model_versions"] == 27
    assert (tmp_path / "taxi.png").stat().st_size > 10_000


def test_two_runs_agree_in_everything_but_time(capsys, tmp_path):
    runs = []
    for _ in range(2):
        assert demo.main(["--json", "--out", str(tmp_path / "taxi.png")]) == 0
        runs.append(json.loads(capsys.readouterr().out))
    for run in runs:
        for measured in ("seconds", "points_per_second", "process_latency_us"):
            del run[measured]
    assert runs[0] == runs[1]


def test_the_verdicts_are_left_for_the_dashboard(simulated, capsys, monkeypatch):
    # pytest's standard input and output are no terminals.
    monkeypatch.setattr(demo, "_show", lambda _: pytest.fail("nobody looks"))
    assert demo.main([]) == 0
    assert "demo-output/nyc_taxi.csv" in capsys.readouterr().out
    path = simulated / "demo-output" / "nyc_taxi.csv"
    assert holds_verdicts(path)
    shown = VerdictSource(path).feed("nyc_taxi", 100_000).points
    assert shown.columns == ("rides",)
    assert len(shown) == 10_320
    assert shown.n_anomalies > 0
    assert len(shown.swaps()) == 26
    assert np.flatnonzero(shown.is_scored)[0] == 4 * pipeline.ROWS_PER_WEEK
    assert shown.clock is not None


@pytest.mark.parametrize(
    ("terminal", "variable", "options", "is_shown"),
    [
        (True, "", [], True),
        (True, "", ["--no-dashboard"], False),
        (True, "true", [], False),
        (False, "", [], False),
    ],
)
def test_the_dashboard_opens_for_people_only(
    simulated, monkeypatch, terminal, variable, options, is_shown
):
    shown = []
    monkeypatch.setattr(demo, "_show", shown.append)
    monkeypatch.setattr("sys.stdin.isatty", lambda: terminal, raising=False)
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal, raising=False)
    monkeypatch.setenv("CI", variable)
    assert demo.main(options) == 0
    assert bool(shown) == is_shown


def test_a_simulation_says_so_everywhere(simulated, capsys):
    assert demo.main([]) == 0
    said = capsys.readouterr()
    assert "SIMULATED" in said.err
    assert said.out.startswith("*** SIMULATED DATA")
    assert "5 of 5 found" in said.out
    assert "demo-output/nyc_taxi.png" in said.out
    assert (simulated / "demo-output" / "nyc_taxi.png").is_file()


@pytest.mark.parametrize("backend", ["ecod", "copod", "hbos", "loda"])
def test_every_backend_runs(simulated, capsys, backend):
    assert demo.main(["--json", "--backend", backend, "--out", "deep/er/plot.png"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["backend"] == backend
    assert found["simulated"] is True
    assert found["n_found"] >= 1
    assert (simulated / "deep" / "er" / "plot.png").is_file()


def test_the_seed_makes_the_simulation(simulated, capsys):
    ends = []
    for seed in ("0", "0", "7"):
        demo.main(["--json", "--seed", seed])
        ends.append(json.loads(capsys.readouterr().out)["alarms"])
    assert ends[0] == ends[1] != ends[2]


def test_help_names_the_options():
    command = [sys.executable, "-m", "freshet.demo", "--help"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    for option in ("--backend", "--seed", "--out", "--json"):
        assert option in said


def test_a_directory_without_the_series_is_a_clear_error(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("FRESHET_DATA", str(tmp_path))
    assert demo.main([]) == 1
    assert "FRESHET_DATA" in capsys.readouterr().err


def test_the_usual_is_the_median_of_the_same_half_hour():
    usual = pipeline.UsualWeek()
    week = pipeline.ROWS_PER_WEEK
    weeks = np.arange(week) + np.array([[0.0], [100.0], [10.0], [1000.0], [20.0], [0.0]])
    answers = np.array(
        [usual.compare(value) for value in weeks.ravel().tolist()], dtype=float
    ).reshape(weeks.shape)
    assert np.isnan(answers[0]).all()
    expected = [np.median(weeks[max(0, k - 4) : k], axis=0) for k in range(1, 6)]
    np.testing.assert_allclose(answers[1:], np.log1p(weeks[1:]) - np.log1p(expected), rtol=1e-12)


def test_anomalous_rows_become_alarms_that_a_quiet_day_ends():
    day = pipeline.ROWS_PER_DAY
    rows = [50, 51, 51 + day, 51 + day + day + 1]
    result = evaluation.evaluate(series(np.zeros(400)), verdicts(400, rows))
    assert [alarm.n_anomalies for alarm in result.alarms] == [3, 1]
    assert not any(alarm.is_true for alarm in result.alarms)


def test_windows_are_found_by_anomalous_rows_inside_them():
    dataset = series(np.zeros(1000), windows=[(100, 120), (500, 540), (800, 820)])
    result = evaluation.evaluate(dataset, verdicts(1000, [99, 110, 500, 700]))
    assert result.n_found == 2
    first, second, third = result.windows
    assert first.found == dataset.timestamps[110]
    assert second.found == dataset.timestamps[500]
    assert third.found is None
    # 99 and 110 are one alarm, which a row in the window makes a true one.
    assert [alarm.is_true for alarm in result.alarms] == [True, True, False]
    assert result.weeks_scored == pytest.approx(989 / pipeline.ROWS_PER_WEEK)
    assert result.false_alarms_per_week == pytest.approx(1 / result.weeks_scored)


def test_a_window_in_cold_start_is_missed_and_reported():
    dataset = series(np.zeros(300), windows=[(2, 8)])
    run = verdicts(300, [])
    result = evaluation.evaluate(dataset, run)
    assert result.n_found == 0
    whole = report.Report(dataset, "hbos", 0, run, result, seconds=1.0)
    assert "missed" in report.to_text(whole, "x.png")
    assert report.to_dict(whole, "x.png")["windows"][0]["peak_score"] is None
    json.dumps(report.to_dict(whole, "x.png"), allow_nan=False)
