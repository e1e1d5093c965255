"""freshet score and freshet inspect: what they print, and how they end."""

import csv
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import freshet
import numpy as np
import pytest
from cli_testing import N_ROWS, PROGRAM, TINY, run, run_program, series, write_csv, write_nab
from freshet.cli._data import Data
from freshet.plotting import ErrorPicture, draw_errors

WINDOW = TINY[1]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A bundle of two columns and the file that it was trained on."""
    directory = tmp_path_factory.mktemp("trained")
    data = write_csv(directory / "data.csv")
    assert run("train", "--data", data, "--out", directory / "bundle", *TINY).exit_code == 0
    return directory


@pytest.fixture
def here(trained, tmp_path, monkeypatch):
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def errors_of(rows):
    return np.array([float(row["error"] or "nan") for row in rows])


def entries():
    return sorted(path.name for path in Path().iterdir())


# ---- what is written -----------------------------------------------------------------------------


def test_every_row_gets_the_error_that_the_estimator_gives(here):
    result = run("score", "bundle", "data.csv")
    assert result.exit_code == 0
    model = freshet.LSTMAutoencoder.load("bundle")
    errors = model.score_rows(series())
    rows = rows_of(result.stdout)
    assert list(rows[0]) == ["row", "timestamp", "heat", "load", "error", "label"]
    np.testing.assert_array_equal(errors_of(rows), errors)
    assert [int(row["row"]) for row in rows] == list(range(N_ROWS))
    assert rows[25]["timestamp"] == "2024-01-02 01:00:00"
    values = [[float(row["heat"]), float(row["load"])] for row in rows]
    np.testing.assert_array_equal(values, series())
    labels = [row["label"] for row in rows]
    assert labels[: WINDOW - 1] == ["warmup"] * (WINDOW - 1)
    assert labels[WINDOW - 1 :] == [
        "anomaly" if error > model.threshold_ else "normal" for error in errors[WINDOW - 1 :]
    ]
    assert rows[90]["label"] == "anomaly"


def test_the_summary_counts_the_labels(here):
    result = run("score", "bundle", "data.csv")
    labels = [row["label"] for row in rows_of(result.stdout)]
    n = {label: labels.count(label) for label in ("anomaly", "normal", "warmup")}
    threshold = freshet.LSTMAutoencoder.load("bundle").threshold_
    assert result.stderr == (
        f"120 rows: {n['anomaly']} anomalies ({n['anomaly'] / 113:.1%}), {n['normal']} normal, "
        f"{n['warmup']} in warm-up; threshold {threshold:.6g}\n"
    )


def test_json_lines_say_the_same(here):
    expected = rows_of(run("score", "bundle", "data.csv").stdout)
    lines = run("score", "bundle", "data.csv", "--format", "jsonl").stdout.splitlines()
    records = [json.loads(line) for line in lines]
    assert [list(record) for record in records] == [list(row) for row in expected]
    assert [record["error"] for record in records[: WINDOW - 1]] == [None] * (WINDOW - 1)
    errors = [record["error"] for record in records[WINDOW - 1 :]]
    assert errors == errors_of(expected)[WINDOW - 1 :].tolist()
    assert [record["label"] for record in records] == [row["label"] for row in expected]


def test_columns_are_matched_by_name(here):
    expected = rows_of(run("score", "bundle", "data.csv").stdout)
    swapped = np.column_stack([series()[:, 1], np.zeros(N_ROWS), series()[:, 0]])
    write_csv(Path("swapped.csv"), swapped, "at,load,other,heat")
    assert rows_of(run("score", "bundle", "swapped.csv").stdout) == expected


def test_without_timestamps_there_is_no_such_column(here):
    lines = ["heat,load", *(f"{heat!r},{load!r}" for heat, load in series().tolist())]
    result = run("score", "bundle", "-", text="\n".join(lines))
    assert result.exit_code == 0
    assert list(rows_of(result.stdout)[0]) == ["row", "heat", "load", "error", "label"]


def test_the_column_of_timestamps_can_be_named(here):
    names = "n,heat,load"
    write_csv(Path("numbered.csv"), names=names, stamp="{i}")
    assert "timestamp" not in rows_of(run("score", "bundle", "numbered.csv").stdout)[0]
    result = run("score", "bundle", "numbered.csv", "--timestamp-column", "n")
    assert rows_of(result.stdout)[7]["timestamp"] == "7"


def test_a_column_of_the_data_keeps_its_name(here):
    write_csv(Path("odd.csv"), names="at,row,error")
    assert run("train", "--data", "odd.csv", "--out", "odd", *TINY).exit_code == 0
    rows = rows_of(run("score", "odd", "odd.csv").stdout)
    assert list(rows[0]) == [
        "freshet_row", "timestamp", "row", "error", "freshet_error", "label",
    ]  # fmt: skip
    assert float(rows[90]["row"]) == 9.0


def test_too_few_rows_are_all_warm_up(here):
    write_csv(Path("short.csv"), series()[:3])
    result = run("score", "bundle", "short.csv")
    assert [row["label"] for row in rows_of(result.stdout)] == ["warmup"] * 3
    assert result.stderr.startswith("3 rows: 0 anomalies, 0 normal, 3 in warm-up")


def test_more_rows_than_are_written_at_once(here):
    write_csv(Path("long.csv"), np.tile(series(), (40, 1)), stamp="{i}")
    result = run("score", "bundle", "long.csv", "--timestamp-column", "at")
    rows = rows_of(result.stdout)
    assert [row["row"] for row in rows] == [row["timestamp"] for row in rows]
    expected = freshet.LSTMAutoencoder.load("bundle").score_rows(np.tile(series(), (40, 1)))
    np.testing.assert_array_equal(errors_of(rows), expected)


def test_the_threshold_can_be_another(here):
    errors = errors_of(rows_of(run("score", "bundle", "data.csv").stdout))
    for options, threshold in (
        (("--threshold", 1.5), 1.5),
        (("--percentile", 50), np.percentile(errors[WINDOW - 1 :], 50)),
        (("--percentile", 100), np.nanmax(errors)),
    ):
        rows = rows_of(run("score", "bundle", "data.csv", *options).stdout)
        found = [row["label"] == "anomaly" for row in rows]
        assert found == (errors > threshold).tolist()


def test_a_file_is_written_whole(here):
    expected = run("score", "bundle", "data.csv").stdout
    result = run("score", "bundle", "data.csv", "--out", "deep/scores.csv")
    assert result.stdout == ""
    assert Path("deep/scores.csv").read_bytes() == expected.encode()
    assert [path.name for path in Path("deep").iterdir()] == ["scores.csv"]


def test_a_file_that_cannot_be_finished_leaves_the_older_one(here, monkeypatch):
    def fail(columns, n_rows):
        yield (0, "now", 1.0, 2.0, None, "warmup")
        raise KeyboardInterrupt

    monkeypatch.setattr("freshet.cli._rows._rows", fail)
    Path("scores.csv").write_text("older")
    before = entries()
    assert run("score", "bundle", "data.csv", "--out", "scores.csv").exit_code == 130
    assert Path("scores.csv").read_text() == "older"
    assert entries() == before


def test_devices_and_links_stay_what_they_are(here):
    assert run("score", "bundle", "data.csv", "--out", "/dev/null").exit_code == 0
    assert Path("/dev/null").is_char_device()
    Path("link.csv").symlink_to("target.csv")
    assert run("score", "bundle", "data.csv", "--out", "link.csv").exit_code == 0
    assert Path("link.csv").is_symlink()
    assert Path("target.csv").read_text().startswith("row,")


def test_the_program_scores_what_comes_through_a_pipe(here):
    expected = run("score", "bundle", "data.csv").stdout
    done = run_program("score", "bundle", "-", input=Path("data.csv").read_text())
    assert (done.returncode, done.stdout) == (0, expected)
    assert done.stderr.startswith("120 rows: ")


def test_a_reader_that_has_had_enough_is_no_error(here):
    write_csv(Path("long.csv"), np.tile(series(), (40, 1)), stamp="{i}")
    command = [PROGRAM, "score", "bundle", "long.csv"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as program:
        program.stdout.close()
        assert program.stderr.read() == b""


# ---- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["bundle"], "expected a FILE or --dataset"),
        (["bundle", "data.csv", "--dataset", "small"], "expected a FILE or --dataset"),
        (["bundle", "data.csv", "--threshold", 1, "--percentile", 9], "expected one of the two"),
        (["bundle", "data.csv", "--threshold", "nan"], "expected a finite number"),
        (["bundle", "data.csv", "--percentile", 101], "--percentile"),
        (["bundle", "data.csv", "--format", "xml"], "--format"),
        (["bundle", "data.csv", "--plot", "plot.docx"], "'plot.docx' has none of the endings"),
    ],
)
def test_a_usage_error_ends_with_2(here, arguments, message):
    result = run("score", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere", "data.csv"], "cannot open the directory nowhere: No such file or directory"),
        (["bundle", "nowhere.csv"], "nowhere.csv: No such file or directory"),
        (["bundle", "other.csv"], 'other.csv has no column "load", only at, heat, cold'),
        (["bundle", "wrong.csv"], "wrong.csv, line 3, column \"load\": 'much' is no finite number"),
        (["bundle", "huge.csv"], "huge.csv: row 1, column load: magnitude above 1e100"),
        (["bundle", "data.csv", "--timestamp-column", "x"], 'data.csv has no column "x", only'),
        (["bundle", "data.csv", "--out", "bundle"], "bundle: Is a directory"),
    ],
)
def test_what_cannot_be_scored_is_a_message(here, arguments, message):
    write_csv(Path("other.csv"), names="at,heat,cold")
    Path("wrong.csv").write_text("heat,load\n1,2\n1,much\n")
    Path("huge.csv").write_text("heat,load\n1,2\n1,1e200\n")
    result = run("score", *arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"freshet: {message}")
    assert result.stderr.count("\n") == 1


# ---- the plot ------------------------------------------------------------------------------------


def pixels(path):
    from matplotlib.image import imread

    return imread(path)[..., :3]


def has_colour(image, colour):
    wanted = np.array([int(colour[i : i + 2], 16) / 255.0 for i in (1, 3, 5)])
    return bool((np.abs(image - wanted).max(axis=-1) < 0.02).any())


def test_the_plot_shows_series_errors_and_anomalies(here):
    result = run("score", "bundle", "data.csv", "--plot", "deep/plot.png", "--out", "scores.csv")
    assert result.exit_code == 0
    assert Path("deep/plot.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    image = pixels("deep/plot.png")
    assert min(image.shape[:2]) > 500
    assert has_colour(image, "#3a3a3a")  # the series
    assert has_colour(image, "#0072b2")  # the errors
    assert has_colour(image, "#d55e00")  # the anomalies
    assert [path.name for path in Path("deep").iterdir()] == ["plot.png"]


def test_a_dataset_is_scored_and_drawn_with_its_labelled_windows(here, monkeypatch):
    monkeypatch.setenv("FRESHET_DATA", str(write_nab(here / "nab")))
    assert run("train", "--dataset", "small", "--out", "small", *TINY).exit_code == 0
    figures = []

    def draw(picture):
        figures.append(draw_errors(picture))
        return figures[-1]

    monkeypatch.setattr("freshet.plotting.draw_errors", draw)
    result = run("score", "small", "--dataset", "small", "--plot", "plot.png")
    rows = rows_of(result.stdout)
    assert list(rows[0]) == ["row", "timestamp", "value", "error", "label"]
    assert rows[24]["timestamp"] == "2024-01-02 00:00:00"
    labels = figures[0].axes[0].get_legend_handles_labels()[1]
    assert labels == ["value", "anomalous row", "labelled window", "warm-up (not scored)"]
    expected = run("score", "small", "nab/data/own/small.csv").stdout
    assert result.stdout == expected


def test_other_kinds_of_plots_go_by_the_name(here):
    assert run("score", "bundle", "data.csv", "--plot", "plot.SVG").exit_code == 0
    assert b"<svg" in Path("plot.SVG").read_bytes()


def test_without_matplotlib_the_program_says_how_to_install_it(here, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.backends.backend_agg", None)
    result = run("score", "bundle", "data.csv", "--plot", "plot.png")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "freshet: --plot needs Matplotlib: pip install 'freshet[plot]'\n"


def test_more_columns_than_there_is_room_for_are_named():
    n = 30
    picture = ErrorPicture(
        timestamps=np.arange(n),
        columns=[f"c{i}" for i in range(10)],
        values=np.zeros((n, 10)),
        errors=np.full(n, np.nan),
        is_anomaly=np.zeros(n, dtype=bool),
        threshold=1.0,
        title="wide",
    )
    figure = draw_errors(picture)
    assert len(figure.axes) == 9
    assert figure.get_suptitle() == "wide (2 more columns not drawn)"
    assert figure.axes[-1].get_xlabel() == "row"


@pytest.mark.parametrize(
    ("stamps", "expected"),
    [
        (None, [0, 1]),
        (["2024-01-01 00:00:00", "2024-01-02"], ["2024-01-01T00", "2024-01-02T00"]),
        (["2024-01-01T00:00:00Z", "2024-01-01T03:00:00+01:00"], ["2024-01-01T00", "2024-01-01T02"]),
        (["1.5", "2"], [1.5, 2.0]),
        (["nan", "2"], [0, 1]),
        (["2", "1"], [0, 1]),
        (["Monday", "Tuesday"], [0, 1]),
    ],
)
def test_the_axis_is_of_dates_or_numbers_or_rows(stamps, expected):
    times = Data("x", ["a"], np.zeros((2, 1)), stamps).times()
    wanted = np.array(expected)
    if wanted.dtype.kind == "U":
        wanted = wanted.astype("datetime64[us]")
    assert times.dtype == wanted.dtype
    np.testing.assert_array_equal(times, wanted)


# ---- inspect -------------------------------------------------------------------------------------


def test_everything_in_the_bundle_can_be_had_as_json(here):
    result = run("inspect", "bundle", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    about = json.loads(result.stdout)
    manifest = json.loads(Path("bundle/manifest.json").read_bytes())
    assert {name: about[name] for name in manifest} == manifest
    model = freshet.LSTMAutoencoder.load("bundle")
    assert about["verified"] is True
    assert about["n_weights"] == sum(t.size for t in model.to_torch_state_dict().values())
    assert about["threshold"] == {"value": model.threshold_, "percentile": 85.0}
    assert about["scaler"] == json.loads(Path("bundle/scaler.json").read_bytes())
    assert set(about["files"]) == {path.name for path in Path("bundle").iterdir()} - {
        "manifest.json"
    }


def test_everything_in_the_bundle_is_readable(here):
    result = run("inspect", "bundle")
    about = json.loads(run("inspect", "bundle", "--json").stdout)
    assert (result.exit_code, result.stderr) == (0, "")
    text = result.stdout
    lines = text.splitlines()
    assert "format      freshet-bundle 1, verified" in lines
    assert f"written by  freshet {freshet.__version__}, {about['created']}" in lines
    assert "trained on  120 rows, 113 windows" in lines
    assert f"{about['n_weights']:,} weights of float32" in text
    for name in about["backend_params"]:
        assert f"\n  {name} " in text
    for one in about["files"].values():
        assert f"{one['sha256']}  verified" in text
    heat = about["training"]["columns"][0]
    assert f"{heat['min']:.6g}" in text
    for epoch in about["training"]["epochs"]:
        assert f"{epoch['training_loss']:.6g}" in text


def test_what_a_bundle_does_not_know_is_not_made_up(here):
    state = freshet.LSTMAutoencoder.load("bundle").to_torch_state_dict()
    freshet.LSTMAutoencoder.from_torch(state, window=8, threshold=0.5).save("imported")
    result = run("inspect", "imported")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert "trained on  not known" in lines
    assert "threshold   0.5, set by hand" in lines
    assert lines[lines.index("losses") + 1] == "  not known"
    assert lines[lines.index("columns") + 1].split() == ["NAME", "CENTER", "SCALE"]
    assert run("score", "imported", "data.csv").exit_code == 1  # of columns f0, f1
    result = run("score", "imported", "data.csv", "--percentile", 50)
    assert result.stderr.startswith("freshet: there are no training scores")


def damage(name, change):
    path = Path("bundle") / name
    path.write_bytes(change(path.read_bytes()))


@pytest.mark.parametrize("command", [["inspect", "bundle"], ["score", "bundle", "data.csv"]])
@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("weights.safetensors", lambda data: data + b"x", "bundle/weights.safetensors has "),
        (
            "weights.safetensors",
            lambda data: data[:-1] + bytes([data[-1] ^ 1]),
            "bundle/weights.safetensors has the SHA-256 ",
        ),
        (
            "manifest.json",
            lambda data: data.replace(b'"format_version": 1', b'"format_version": 2'),
            "bundle/manifest.json",
        ),
        ("manifest.json", lambda data: data[:50], "bundle/manifest.json"),
    ],
)
def test_a_damaged_bundle_is_refused(here, command, name, change, message):
    damage(name, change)
    result = run(*command)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"freshet: {message}")
    assert result.stderr.count("\n") == 1


def test_a_bundle_without_a_file_is_refused(here):
    Path("bundle/scaler.json").unlink()
    result = run("inspect", "bundle", "--json")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "bundle/scaler.json" in result.stderr
