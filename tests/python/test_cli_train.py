"""freshet train: what it takes, what it prints, and how it ends."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import freshet
import numpy as np
import pytest
import yaml
from cli_testing import N_ROWS, PROGRAM, TINY, run, run_program, series, write_csv, write_nab
from freshet.cli import _progress, inspect, score, train
from freshet.cli._config import ModelConfig, TrainingConfig, read_config

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FRESHET_DATA", str(tmp_path / "nab"))
    return tmp_path


@pytest.fixture
def data():
    return write_csv(Path("data.csv"))


def configured(**fields):
    """Write a configuration of a tiny training, with these fields; None leaves one out."""
    model = {"hidden_size": 4, "epochs": 2, "n_threads": 1}
    fields = {"data": "data.csv", "window": 8, "model": model, "out": "bundle"} | fields
    path = Path("train.yaml")
    path.write_text(yaml.safe_dump({k: v for k, v in fields.items() if v is not None}))
    return path


def entries():
    return sorted(path.name for path in Path().iterdir())


# ---- what it makes -------------------------------------------------------------------------------


def test_a_configuration_becomes_the_bundle_that_the_estimator_makes(data):
    result = run("train", "--config", configured(percentile=90, columns=["load", "heat"]))
    assert (result.exit_code, result.stderr) == (0, "")
    expected = freshet.LSTMAutoencoder(window=8, hidden_size=4, epochs=2, n_threads=1)
    expected.fit(series()[:, ::-1], column_names=["load", "heat"]).set_percentile(90)
    bundle = freshet.LSTMAutoencoder.load("bundle")
    assert bundle.feature_names_in_.tolist() == ["load", "heat"]
    np.testing.assert_array_equal(bundle.decision_scores_, expected.decision_scores_)
    assert (bundle.threshold_, bundle.percentile_) == (expected.threshold_, 90)


def test_the_summary_says_what_was_trained(data):
    lines = run("train", "--config", configured()).stdout.splitlines()
    told = dict(line.split(maxsplit=1) for line in lines)
    bundle = freshet.LSTMAutoencoder.load("bundle")
    history, best = bundle.history_, bundle.history_["best_epoch"]
    assert lines[0] == f"trained on  data.csv: {N_ROWS} rows of heat, load"
    assert told["windows"] == "113 of 8 rows"
    assert lines[2] == f"best epoch  {best} of 2"
    assert told["losses"] == (
        f"training loss {history['training_loss'][best - 1]:.4g}, "
        f"validation loss {history['validation_loss'][best - 1]:.4g}"
    )
    assert told["threshold"] == f"{bundle.threshold_:.6g}, percentile 85 of the errors"
    assert lines[5] == "above it    17 training windows, 15.0%"
    assert told["bundle"] == "bundle"
    assert float(told["seconds"]) >= 0.0


def test_without_validation_there_is_one_loss(data):
    config = configured(model={"hidden_size": 4, "epochs": 1, "validation_fraction": 0})
    result = run("train", "--config", config)
    assert result.exit_code == 0
    assert "validation" not in result.stdout


def test_options_alone_will_do(data):
    result = run("train", "--data", data, "--column", "load", "--out", "deep/bundle", *TINY)
    assert result.exit_code == 0
    bundle = freshet.LSTMAutoencoder.load("deep/bundle")
    assert bundle.feature_names_in_.tolist() == ["load"]
    assert bundle.percentile_ == 85


def test_options_override_the_configuration(data):
    arguments = ("--epochs", 3, "--seed", 5, "--percentile", 50, "--window", 6, "--out", "other")
    assert run("train", "--config", configured(), *arguments).exit_code == 0
    bundle = freshet.LSTMAutoencoder.load("other")
    assert (bundle.epochs, bundle.window, bundle.hidden_size) == (3, 6, 4)
    assert bundle.percentile_ == 50
    assert not Path("bundle").exists()
    other_seed = ("--epochs", 3, "--seed", 6, "--window", 6, "--out", "third")
    assert run("train", "--config", configured(), *other_seed).exit_code == 0
    third = freshet.LSTMAutoencoder.load("third")
    assert not np.array_equal(bundle.decision_scores_, third.decision_scores_)


def test_a_dataset_can_be_trained_on(here):
    write_nab(here / "nab")
    assert run("train", "--dataset", "small", "--out", "bundle", *TINY).exit_code == 0
    assert freshet.LSTMAutoencoder.load("bundle").feature_names_in_.tolist() == ["value"]
    # The option takes the place of the file that the configuration names.
    assert run("train", "--config", configured(), "--dataset", "small").exit_code == 0


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"columns": ["heat"]}, 'the dataset small has no numbers in a column "heat"'),
        ({"timestamp_column": "at"}, 'the dataset small has no timestamps in a column "at"'),
        ({"dataset": "large"}, "FRESHET_DATA is"),
    ],
)
def test_a_dataset_that_is_not_as_configured_is_a_message(here, fields, message):
    write_nab(here / "nab")
    result = run("train", "--config", configured(**{"data": None, "dataset": "small"} | fields))
    assert result.exit_code == 1
    assert result.stderr.startswith(f"freshet: {message}")


def test_data_is_relative_to_the_configuration_and_out_to_here(here, monkeypatch):
    write_csv(here / "data.csv")
    configured()
    (here / "elsewhere").mkdir()
    monkeypatch.chdir(here / "elsewhere")
    assert run("train", "--config", "../train.yaml").exit_code == 0
    assert (here / "elsewhere" / "bundle" / "manifest.json").is_file()


def test_two_columns_and_a_window_of_two_are_a_series(data):
    assert run("train", "--data", data, "--out", "bundle", *TINY, "--window", 2).exit_code == 0
    assert freshet.LSTMAutoencoder.load("bundle").feature_names_in_.tolist() == ["heat", "load"]


def test_standard_input_can_be_trained_on(data):
    result = run("train", "--data", "-", "--out", "bundle", *TINY, text=data.read_text())
    assert result.exit_code == 0
    assert result.stdout.startswith("trained on  standard input: 120 rows of heat, load\n")


def test_an_older_bundle_is_replaced(data):
    assert run("train", "--config", configured()).exit_code == 0
    before = Path("bundle/manifest.json").read_bytes()
    assert run("train", "--config", configured(), "--epochs", 1).exit_code == 0
    assert Path("bundle/manifest.json").read_bytes() != before


def test_the_example_is_the_default_configuration():
    config = read_config(ROOT / "examples" / "train.yaml")
    assert config.model == ModelConfig()
    assert (config.dataset, config.window, config.percentile) == ("nyc_taxi", 48, 85)
    assert config.out == "models/nyc_taxi"
    document = yaml.safe_load((ROOT / "examples" / "train.yaml").read_text())
    assert document["model"].keys() == ModelConfig.model_fields.keys()
    assert document.keys() == TrainingConfig.model_fields.keys() - {"data"}


def test_the_defaults_are_those_of_the_estimator():
    parameters = TrainingConfig().estimator().get_params()
    assert parameters == freshet.LSTMAutoencoder().get_params()


@pytest.mark.parametrize("command", [train, score, inspect], ids=lambda module: module.__name__)
def test_the_help_has_examples_on_lines_of_their_own(command):
    result = run(command.__name__.rpartition(".")[2], "--help")
    assert result.exit_code == 0
    for example in command.EXAMPLES:
        assert f"    {example}\n" in result.stdout


# ---- progress ------------------------------------------------------------------------------------


def test_every_epoch_has_a_line_on_request(data):
    result = run("train", "--config", configured(), "--verbose")
    lines = result.stderr.splitlines()
    assert [line.split(":")[0] for line in lines] == ["epoch 1/2", "epoch 2/2"]
    assert all("training loss" in line and "validation loss" in line for line in lines)
    assert len(run("train", "--config", configured(verbose=True)).stderr.splitlines()) == 2


def test_a_bar_shows_progress_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    model = freshet.LSTMAutoencoder(window=8, hidden_size=4, epochs=2, n_threads=1)
    with _progress.showing_training(is_verbose=True) as on_progress:
        model.fit(series(), on_progress=on_progress)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "epoch 2/2, training loss" in shown.err
    assert "epoch 1/2: training loss" in shown.err


# ---- configurations that are wrong ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("window: 8\nepochs: 3", ["train.yaml, line 2, epochs: there is no such field, expected"]),
        ("model:\n  epoch: 3", ["train.yaml, line 2, model.epoch: there is no such field"]),
        ("model:\n  window: 3", ["train.yaml, line 2, model.window: there is no such field"]),
        ("model:\n  epochs: many", ["train.yaml, line 2, model.epochs: 'many', expected an int"]),
        ("model:\n  epochs: true", ["train.yaml, line 2, model.epochs: True, expected an int"]),
        ("model:\n  epochs: 0", ["train.yaml, line 2, model.epochs: 0, expected an integer from"]),
        ("model:\n  seed: -1", ["train.yaml, line 2, model.seed: -1, expected an integer from 0"]),
        ("model:\n  dtype: int", ["model.dtype: 'int', expected 'float32' or 'float64'"]),
        ("model:\n  learning_rate: x", ["model.learning_rate: 'x', expected a number"]),
        ("model: 3", ["train.yaml, line 1, model: 3, expected fields with values"]),
        ("window: 1", ["train.yaml, line 1, window: 1, expected an integer from 2 to"]),
        ("percentile: 101", ["train.yaml, line 1, percentile: 101, expected from 0 to 100"]),
        ("percentile: .nan", ["train.yaml, line 1, percentile: nan, expected from 0 to 100"]),
        ("columns: []", ["train.yaml, line 1, columns: [], expected at least one"]),
        ("columns:\n- a\n- 3", ["train.yaml, line 3, columns.1: 3, expected a text"]),
        ("timestamp_column: no", ["line 1, timestamp_column: False, expected a text"]),
        ("5: x", ["train.yaml, line 1, 5: 5, expected a text as the name of a field"]),
        ("data: a\ndataset: b", ["train.yaml, line 2, dataset: data is given too"]),
        ("out: bundle", ["train.yaml, data or dataset: missing, expected here or as --data"]),
        ("data: data.csv", ["train.yaml, out: missing, expected here or as --out"]),
        ("data: [a\nb: }", ["train.yaml, line 2, column 2: expected"]),
        ("data: a\ndata: b", ['train.yaml, line 2, column 1: the field "data" comes twice']),
        ("[a]: b", ["train.yaml, line 1, column 1: found unhashable key"]),
        ("data: \a", ["train.yaml is no YAML: unacceptable character"]),
        ("", ["train.yaml is empty, expected fields of data, dataset, columns"]),
        ("- data", ["train.yaml holds ['data'], expected fields of data"]),
        (
            "window: x\nmodel: {epochs: 1.5}\nmore: 1",
            [
                "line 1, window: 'x', expected an integer",
                "line 2, model.epochs: 1.5, expected an integer",
                "line 3, more: there is no such field",
            ],
        ),
    ],
)
def test_a_wrong_configuration_names_file_field_and_what_was_expected(text, messages):
    Path("train.yaml").write_text(text)
    result = run("train", "--config", "train.yaml")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("freshet: train.yaml")
    lines = result.stderr.splitlines()
    assert len(lines) == len(messages)
    for line, message in zip(lines, messages, strict=True):
        assert message in line
    assert entries() == ["train.yaml"]


def test_errors_of_a_configuration_can_be_handled():
    Path("train.yaml").write_text("model:\n  epochs: x")
    with pytest.raises(freshet.ConfigurationError) as caught:
        read_config(Path("train.yaml"))
    error = caught.value
    assert (error.id, error.field, error.expected) == (
        "parameter_type",
        "model.epochs",
        "an integer",
    )


def test_a_missing_configuration_is_a_message():
    result = run("train", "--config", "nowhere.yaml")
    assert (result.exit_code, result.stderr) == (
        1,
        "freshet: nowhere.yaml: No such file or directory\n",
    )


@pytest.mark.parametrize("number", ["3e-3", "0.003", "3.0e-3", "+3E-3", "30e-4"])
def test_numbers_are_written_as_people_write_them(number):
    Path("train.yaml").write_text(f"model: {{learning_rate: {number}}}")
    assert read_config(Path("train.yaml")).estimator().learning_rate == 0.003


def test_no_timestamps_are_looked_for_where_there_are_none():
    # Found by its name, "time" is no column to learn; told that there are no timestamps, it is.
    write_csv(Path("data.csv"), names="time,heat,load", stamp="{i}")
    path = configured()
    assert "rows of heat, load\n" in run("train", "--config", path).stdout
    path.write_text(path.read_text() + "timestamp_column: null\n")
    assert "rows of time, heat, load\n" in run("train", "--config", path).stdout


# ---- options and data that are wrong -------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--data or --dataset"),
        (["--data", "data.csv"], "--out"),
        (["--data", "data.csv", "--dataset", "nyc_taxi"], "not both"),
        (["--percentile", 101], "--percentile"),
        (["--epochs", "many"], "--epochs"),
    ],
)
def test_a_usage_error_ends_with_2(data, arguments, message):
    result = run("train", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--epochs", 0], "epochs must be an integer from 1 to 100000"),
        (["--window", 200], "data.csv has 120 rows, expected at least 200, the window"),
        (["--column", "cold"], 'data.csv has no column "cold", only at, heat, load'),
        (["--data", "nowhere.csv"], "nowhere.csv: No such file or directory"),
        (["--learning-rate", 1e30], "data.csv: the training diverged in epoch 1"),
        (["--out", "."], "cannot write .: the directory holds files but no manifest.json"),
        (["--out", "data.csv"], "cannot write data.csv: it exists and is no directory"),
        (["--out", "data.csv/sub"], "cannot write data.csv/sub: "),
    ],
)
def test_what_cannot_be_trained_is_a_message(data, arguments, message):
    result = run("train", "--data", data, "--out", "bundle", *TINY, *arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"freshet: {message}")
    assert result.stderr.count("\n") == 1
    assert entries() == ["data.csv"]


def test_a_wrong_value_is_found_by_file_line_and_column(data):
    data.write_text(data.read_text().replace(",9.0,", ",nan,"))
    result = run("train", "--config", configured())
    assert result.exit_code == 1
    assert result.stderr.startswith("freshet: data.csv, line 92, column \"heat\": 'nan'")


def test_a_value_that_is_too_large_is_found_by_file_row_and_column(data):
    data.write_text(data.read_text().replace(",9.0,", ",1e200,"))
    result = run("train", "--config", configured())
    assert result.exit_code == 1
    assert result.stderr == "freshet: data.csv: row 90, column heat: magnitude above 1e100\n"


# ---- interrupted ---------------------------------------------------------------------------------


def test_an_interrupt_leaves_nothing_behind(data, monkeypatch):
    def interrupt(step, show):
        raise KeyboardInterrupt

    monkeypatch.setattr(_progress, "_print_epoch", interrupt)
    result = run("train", "--data", data, "--out", "deep/bundle", *TINY, "--verbose")
    assert (result.exit_code, result.stdout, result.stderr) == (130, "", "")
    assert entries() == ["data.csv"]


def test_the_program_ends_at_an_interrupt(data):
    command = [PROGRAM, "train", "--data", data, "--out", "bundle", "--verbose"]
    command += map(str, (*TINY, "--epochs", 100_000))
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as program:
        assert program.stderr.readline().startswith(b"epoch 1/")
        program.send_signal(signal.SIGINT)
        output, errors = program.communicate(timeout=60)
    assert (program.returncode, output) == (130, b"")
    assert b"Traceback" not in errors
    assert entries() == ["data.csv"]


def test_the_program_trains(data):
    done = run_program("train", "--data", data, "--out", "bundle", *TINY)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("trained on  data.csv")
    assert json.loads(Path("bundle/manifest.json").read_bytes())["columns"] == ["heat", "load"]
