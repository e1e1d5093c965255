"""--config: the options of a command from a file, and the completion of options."""

import json
import os
import subprocess
from pathlib import Path

import freshet
import pytest
import typer
import yaml
from cli_testing import PROGRAM, run, write_csv, write_nab
from freshet.cli import app, detect


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_csv(Path("data.csv"))
    return tmp_path


def write(path, text):
    Path(path).write_text(text)
    return path


OPTIONS = {
    "backend": "hbos",
    "columns": ["load"],
    "rolling": [2, 5],
    "lags": "1,2",
    "shingle": 2,
    "contamination": 0.05,
    "min-samples": 30,
    "window_size": 100,
    "retrain_interval": 20,
    "threshold": 0.6,
    "normalization": "standardization",
    "seed": 3,
    "set": {"n_bins": 7, "scaler": "standard"},
    "timestamp_column": "at",
    "retrain": "inline",
    "format": "jsonl",
}
GIVEN = [
    "--backend", "hbos", "--columns", "load", "--rolling", "2,5", "--lags", "1,2", "--shingle", 2,
    "--contamination", 0.05, "--min-samples", 30, "--window-size", 100, "--retrain-interval", 20,
    "--threshold", 0.6, "--normalization", "standardization", "--seed", 3, "--set", "n_bins=7",
    "--set", "scaler=standard", "--timestamp-column", "at", "--retrain", "inline", "--format",
    "jsonl",
]  # fmt: skip


def toml(options):
    lines = [f"{name} = {json.dumps(value)}" for name, value in options.items() if name != "set"]
    return "\n".join(
        [*lines, "[set]", *(f"{k} = {json.dumps(v)}" for k, v in options["set"].items())]
    )


@pytest.mark.parametrize(
    ("name", "text"), [("own.yaml", yaml.safe_dump(OPTIONS)), ("own.toml", toml(OPTIONS))]
)
def test_every_option_can_stand_in_a_file(name, text):
    result = run("detect", "data.csv", "--config", write(name, text))
    assert result.exit_code == 0, result.stderr
    expected = run("detect", "data.csv", *GIVEN)
    assert result.stdout == expected.stdout
    assert result.stdout != run("detect", "data.csv", "--format", "jsonl").stdout
    # All there are but those of files, which other tests have.
    options = {
        max(one.opts, key=len).lstrip("-").replace("-", "_")
        for one in typer.main.get_command(app).commands["detect"].params
        if one.param_type_name == "option"
    }
    tested = {name.replace("-", "_") for name in OPTIONS}
    assert options - tested == {"config", "out", "plot", "schema"}


def test_the_command_line_takes_precedence():
    config = write("own.toml", 'contamination = 0.3\nformat = "jsonl"\n')
    result = run("detect", "data.csv", "--contamination", 0.05, "-c", config)
    assert result.stdout == run("detect", "data.csv", *GIVEN[10:12], "--format", "jsonl").stdout


def test_files_and_categories_can_stand_in_a_file():
    write("kinds.csv", "kind,v\n" + "red,1\nblue,2\n" * 40)
    text = "schema: {kind: {encoding: onehot, max_categories: 2}}\nout: a.csv\nplot: a.png\n"
    assert run("detect", "kinds.csv", "--config", write("own.yaml", text)).exit_code == 0
    assert Path("a.csv").read_text().startswith("row,v,kind,")
    assert Path("a.png").stat().st_size > 0


def test_what_is_null_is_not_given():
    config = write("own.yaml", "backend: null\nformat: jsonl\n")
    result = run("detect", "data.csv", "--config", config)
    assert result.stdout == run("detect", "data.csv", "--format", "jsonl").stdout


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.yaml", "seed: 1\nbackends: ecod\n",
         "a.yaml, line 2, backends: there is no such option of detect, expected one of backend,"),
        ("a.toml", "seed = 1\nbackends = 'ecod'\n",
         "a.toml, backends: there is no such option of detect, expected one of backend,"),
        ("a.yaml", "config: b.yaml\n", "a.yaml, line 1, config: there is no such option"),
        ("a.yaml", "help: true\n", "a.yaml, line 1, help: there is no such option"),
        ("a.yaml", "min_samples: many\n",
         "a.yaml, line 1, min_samples: 'many', expected an integer"),
        ("a.yaml", "seed: true\n", "a.yaml, line 1, seed: True, expected an integer"),
        ("a.toml", "seed = 1.5\n", "a.toml, seed: 1.5, expected an integer"),
        ("a.toml", "threshold = '1'\n", "a.toml, threshold: '1', expected a number"),
        ("a.yaml", "out: [a]\n", "a.yaml, line 1, out: ['a'], expected a text"),
        ("a.yaml", "format: xml\n", "a.yaml, line 1, format: 'xml', expected one of table, csv,"),
        ("a.yaml", "rolling: {a: 1}\n",
         "a.yaml, line 1, rolling: {'a': 1}, expected a list, or N,N,…"),
        ("a.yaml", "set: n_bins\n",
         "a.yaml, line 1, set: 'n_bins', expected names with a value each"),
        ("a.yaml", "set: {reference: 2020-01-02}\n",
         "a.yaml, line 1, set: {'reference': datetime.date(2020, 1, 2)}, expected names with a"),
        ("a.toml", "set = {reference = 2020-01-02}\n", "a.toml, set: {'reference': datetime.date"),
        ("a.yaml", "seed: 1\nout: 2020-13-45\n", "a.yaml, line 2, column 6: '2020-13-45': month"),
        ("a.yaml", "seed: 0x_\n", "a.yaml, line 1, column 7: '0x_': invalid literal"),
        ("a.yaml", "seed: 0b_\n", "a.yaml, line 1, column 7: '0b_': invalid literal"),
        ("a.yaml", "", "a.yaml is empty, expected fields"),
        ("a.yaml", "[1, 2]", "a.yaml holds [1, 2], expected fields"),
        ("a.yaml", "a: [", "a.yaml, line 1, column 5: "),
        ("a.yaml", "seed: 1\nseed: 2\n", 'a.yaml, line 2, column 1: the field "seed" comes twice'),
        ("a.toml", "seed = \n", "a.toml is no TOML: "),
        ("a.toml", "seed = 1 # \udcff", "a.toml is no TOML: "),
    ],
)  # fmt: skip
def test_a_file_that_is_wrong_is_a_message(name, text, message):
    Path(name).write_bytes(text.encode("utf-8", "surrogateescape"))
    result = run("detect", "data.csv", "--config", name)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"freshet: {message}")
    assert result.stderr.count("\n") == 1


def test_a_file_that_is_not_there_is_a_message():
    result = run("detect", "data.csv", "--config", "nowhere.toml")
    assert result.exit_code == 1
    assert result.stderr == "freshet: nowhere.toml: No such file or directory\n"


def test_a_range_holds_for_the_file_too():
    result = run("score", "bundle", "data.csv", "-c", write("a.toml", "percentile = 120.0\n"))
    assert result.exit_code == 1
    assert result.stderr.startswith("freshet: a.toml, percentile: 120.0, expected ")
    assert "100" in result.stderr


@pytest.mark.parametrize(
    "command",
    ["detect", "stream", "score", "download", "dashboard", "evaluate", "inspect", "backends"],
)
def test_the_commands_that_have_it(command):
    config = write("own.toml", "nonsense = 1\n")
    argument = {"detect": ["data.csv"], "score": ["bundle"], "inspect": ["bundle"]}.get(command, [])
    result = run(command, *argument, "--config", config)
    assert result.stderr.startswith(
        f"freshet: own.toml, nonsense: there is no such option of {command}, expected one of "
    )


def test_a_download_is_configured():
    config = write("own.yaml", "out: x.csv\nmirror: nowhere\noverwrite: true\n")
    result = run("download", "nyc_taxi", "--config", config)
    assert (result.exit_code, result.stderr[:16]) == (1, "freshet: nowhere")


def test_backends_are_configured():
    result = run("backends", "--config", write("own.toml", 'format = "json"\n'))
    assert result.stdout == run("backends", "--format", "json").stdout


def test_every_option_of_an_evaluation_can_stand_in_a_file(here, monkeypatch):
    monkeypatch.delenv("FRESHET_DATA", raising=False)
    write_nab(here / "nab")
    rows = "".join(f"own/small.csv,{row},{row % 7 / 7}\n" for row in range(120))
    write("own.csv", f"file,row,anomaly_score\n{rows}")
    options = {
        "data": "nab",
        "backend": ["ecod", "copod"],
        "rolling": [2, 5],
        "set": {"contamination": 0.05},
        "detector": {
            "of hours": {"backend": "hbos", "backend_params": {"n_bins": 7}, "lag_periods": [1]}
        },
        "scores": ["own.csv"],
        "jobs": 1,
        "json": "a.json",
        "html": "a.html",
    }
    done = run("evaluate", "--config", write("own.yaml", yaml.safe_dump(options)))
    assert done.exit_code == 0, done.stderr
    expected = run(
        "evaluate", "--data", "nab", "-b", "ecod", "-b", "copod", "--rolling", "2,5", "--set",
        "contamination=0.05", "--detector",
        "of hours={backend: hbos, backend_params: {n_bins: 7}, lag_periods: [1]}", "--scores",
        "own.csv", "--jobs", 1, "--json", "b.json", "--html", "b.html",
    )  # fmt: skip
    assert expected.exit_code == 0, expected.stderr
    reports = [json.loads(Path(name).read_text()) for name in ("a.json", "b.json")]
    for one in reports:
        for evaluation in one["evaluations"]:
            del evaluation["seconds"]  # Each run has its own.
    assert reports[0] == reports[1]
    names = [one["name"] for one in reports[0]["evaluations"]]
    assert names == ["own", "of hours", "ecod", "copod"]
    assert Path("a.html").read_text().count("<img ") == 4
    known = typer.main.get_command(app).commands["evaluate"].params
    assert {max(one.opts, key=len)[2:] for one in known} == {*options, "config"}


def test_detectors_of_an_evaluation_are_tables_in_toml(here):
    write_nab(here / "nab")
    config = write(
        "own.toml", 'data = "nab"\n[detector."of hours"]\nbackend = "hbos"\nlag_periods = [1]\n'
    )
    done = run("evaluate", "--config", config, "--data", here / "nab")
    assert [line.split("  ")[0] for line in done.stdout.splitlines()] == ["detector", "of hours"]
    result = run("evaluate", "--config", write("own.toml", 'detector = "hbos"\n'))
    assert result.stderr.startswith("freshet: own.toml, detector: 'hbos', expected names with a")


def test_a_variable_takes_precedence_over_the_file(here, monkeypatch):
    monkeypatch.setenv("FRESHET_DATA", str(write_nab(here / "nab")))
    assert run("evaluate", "--config", write("own.toml", 'data = "nowhere"\n')).exit_code == 0


def test_a_training_is_configured_by_toml():
    text = 'data = "data.csv"\nwindow = 8\nout = "bundle"\n[model]\nhidden_size = 4\nepochs = 1\n'
    assert run("train", "--config", write("own.toml", text)).exit_code == 0
    assert freshet.LSTMAutoencoder.load("bundle").window == 8
    result = run("train", "--config", write("own.toml", text + "epoch = 1\n"))
    assert result.stderr.startswith("freshet: own.toml, model.epoch: there is no such field")


def test_values_of_set_are_the_yaml_of_files():
    # 1e-1 is a number, which it is not in YAML 1.1.
    assert detect.DetectorOptions(given=["contamination=1e-1"]).settings() == {"contamination": 0.1}


# ---- completion ----------------------------------------------------------------------------------


def completed(*words, shell="bash"):
    environment = {**os.environ, "_FRESHET_COMPLETE": f"complete_{shell}"}
    if shell == "bash":
        environment |= {"COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    else:
        environment |= {"_TYPER_COMPLETE_ARGS": " ".join(words)}
    done = subprocess.run(
        [PROGRAM], env=environment, check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["freshet", "det"], ["detect"]),
        (["freshet", "detect", "--min"], ["--min-samples"]),
        (["freshet", "detect", "--backend", "lod"], ["loda"]),
        (["freshet", "evaluate", "-b", "isol"], ["isolation_forest"]),
        (["freshet", "detect", "--format", "js"], ["jsonl"]),
        (["freshet", "train", "--dataset", "nyc"], ["nyc_taxi"]),
        (["freshet", "score", "bundle", "--dataset", "nyc"], ["nyc_taxi"]),
        (["freshet", "download", "realK"], ["realKnownCause"]),
        (["freshet", "download", "rogue"], ["rogue_agent_key_hold", "rogue_agent_key_updown"]),
        (["freshet", "serve", "--data"], ["--data-dir"]),
    ],
)
def test_words_are_completed(words, expected):
    assert completed(*words).split() == expected


def test_zsh_shows_what_a_backend_is_for():
    assert "lowest latency" in completed("freshet", "detect", "--backend", "hb", shell="zsh")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell_can_be_shown(shell):
    done = subprocess.run(
        [PROGRAM, "--show-completion", shell],
        env={**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"},
        check=True, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert f"_FRESHET_COMPLETE=complete_{shell}" in done.stdout
