"""freshet.plot and plot_explanation: what is in the pictures."""

import datetime
import pickle
import subprocess
import sys

import freshet
import numpy as np
import pandas as pd
import polars as pl
import pytest
from freshet.errors import ConfigurationError, DataError, NotReadyError
from freshet.plotting import draw_explanation
from freshet_testing import stream
from IPython.core.formatters import PNGFormatter
from matplotlib.figure import Figure

N = 300


@pytest.fixture(scope="module")
def rows():
    return stream(N, 2)


@pytest.fixture(scope="module")
def verdicts(rows):
    return freshet.StreamingDetector("ecod", retrain="inline").process_many(rows)


def texts(figure):
    return {text.get_text() for text in figure.findobj(match=lambda a: hasattr(a, "get_text"))}


def crosses(axes):
    """The rows that are marked, and where."""
    (line,) = (line for line in axes.lines if line.get_marker() == "x")
    return line.get_xdata(), line.get_ydata()


# ---- results of a detector -----------------------------------------------------------------------


def test_verdicts_alone_are_a_panel_of_scores(verdicts):
    figure = freshet.plot(verdicts)
    (axes,) = figure.axes
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), verdicts.score)
    np.testing.assert_array_equal(axes.lines[0].get_xdata(), np.arange(N))
    found = np.flatnonzero(verdicts.is_anomaly)
    np.testing.assert_array_equal(crosses(axes), (found, verdicts.score[found]))
    assert {"score", "row", "v1", "v3", "cold start (not scored)"} <= texts(figure)
    assert not any("threshold" in text for text in texts(figure))


def test_the_series_is_above_with_the_same_rows_marked(verdicts, rows):
    figure = freshet.plot(verdicts, rows, columns=["heat", "load"], threshold=0.5, title="both")
    heat, load, scores = figure.axes
    assert [axes.get_ylabel() for axes in figure.axes] == ["heat", "load", "score"]
    found = np.flatnonzero(verdicts.is_anomaly)
    for axes, values in ((heat, rows[:, 0]), (load, rows[:, 1])):
        np.testing.assert_array_equal(axes.lines[0].get_ydata(), values)
        np.testing.assert_array_equal(crosses(axes), (found, values[found]))
    assert {"both", "threshold 0.5", "anomalous row"} <= texts(figure)
    assert any(line.get_linestyle() == "--" for line in scores.lines)


@pytest.mark.parametrize("frame", [pd.DataFrame, lambda rows, columns: pl.DataFrame(rows, columns)])
def test_a_data_frame_has_names(verdicts, rows, frame):
    figure = freshet.plot(verdicts, frame(rows, columns=["heat", "load"]))
    assert [axes.get_ylabel() for axes in figure.axes] == ["heat", "load", "score"]


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_categories_of_a_data_frame_are_left_out(verdicts, rows, frame):
    table = frame({"host": ["a"] * N, "heat": rows[:, 0], "up": [True] * N})
    figure = freshet.plot(verdicts, table)
    assert [axes.get_ylabel() for axes in figure.axes] == ["heat", "up", "score"]
    with pytest.raises(DataError, match="host: str, expected a finite number"):
        freshet.plot(verdicts, table[["host"]])


def test_a_series_has_its_name(verdicts, rows):
    figure = freshet.plot(verdicts, pd.Series(rows[:, 0], name="heat"))
    assert figure.axes[0].get_ylabel() == "heat"
    assert freshet.plot(verdicts, rows[:, 0]).axes[0].get_ylabel() == "value"


def test_the_dates_of_an_index_are_the_axis(verdicts, rows):
    index = pd.date_range("2026-01-01", periods=N, freq="1h")
    figure = freshet.plot(verdicts, pd.DataFrame(rows, index=index, columns=["heat", "load"]))
    assert figure.axes[0].lines[0].get_xdata()[1] == np.datetime64("2026-01-01T01:00:00")
    windows = [(index[200], index[220])]
    figure = freshet.plot(verdicts, timestamps=index, windows=windows)
    assert "labelled window" in figure.axes[0].get_legend_handles_labels()[1]


def test_dates_of_python_are_in_utc(verdicts):
    zone = datetime.timezone(datetime.timedelta(hours=2))
    begin = datetime.datetime(2026, 1, 1, 2, tzinfo=zone)
    dates = [begin + datetime.timedelta(minutes=i) for i in range(N)]
    figure = freshet.plot(verdicts, timestamps=dates)
    assert figure.axes[0].lines[0].get_xdata()[0] == np.datetime64("2026-01-01T00:00:00")


def test_of_many_columns_eight_are_drawn():
    rows = stream(120, 11)
    verdicts = freshet.StreamingDetector("hbos", retrain="inline").process_many(rows)
    figure = freshet.plot(verdicts, rows, title="many")
    assert len(figure.axes) == 9
    assert "many (3 more columns not drawn)" in texts(figure)


def test_a_part_keeps_its_rows(verdicts):
    figure = freshet.plot(verdicts[100:200])
    assert figure.axes[0].lines[0].get_xdata()[[0, -1]].tolist() == [100, 199]


# ---- estimators and scores -----------------------------------------------------------------------


def test_an_estimator_is_drawn_with_its_threshold(rows):
    model = freshet.HBOS(contamination=0.02).fit(rows)
    figure = freshet.plot(model, rows[:, 0])
    np.testing.assert_array_equal(crosses(figure.axes[1])[0], np.flatnonzero(model.labels_))
    assert f"threshold {model.threshold_:g}" in texts(figure)


def test_the_error_of_a_window_is_at_its_last_row(rows):
    model = freshet.LSTMAutoencoder(window=8, hidden_size=2, epochs=1).fit(rows)
    scores = freshet.plot(model, rows).axes[-1].lines[0].get_ydata()
    np.testing.assert_array_equal(scores, model.score_rows(rows))
    assert len(freshet.plot(model).axes[0].lines[0].get_ydata()) == N - 7


def test_scores_of_anything_will_do():
    scores = np.array([np.nan, 1.0, 5.0, 2.0])
    figure = freshet.plot(scores, threshold=4.0)
    np.testing.assert_array_equal(crosses(figure.axes[0]), ([2], [5.0]))
    assert crosses(freshet.plot(scores.tolist()).axes[0])[0].size == 0
    assert len(freshet.plot([]).axes) == 1


# ---- where it is drawn ---------------------------------------------------------------------------


def test_axes_of_the_caller_are_drawn_into(verdicts, rows):
    figure = Figure()
    axes = figure.subplots(3, 1)
    assert freshet.plot(verdicts, rows, ax=axes, title="mine") is figure
    assert [one.get_ylabel() for one in axes] == ["f0", "f1", "score"]
    assert axes[0].get_title() == "mine"
    part = Figure().subfigures(1, 2)[0]
    assert freshet.plot(verdicts, ax=part.subplots()) is part.figure


def test_nothing_global_changes():
    code = (
        "import sys, freshet, numpy as np\n"
        "assert 'matplotlib' not in sys.modules\n"
        "figure = freshet.plot(np.arange(9.0), threshold=4.0)\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
        "import matplotlib\n"
        "def settings():\n"
        "    return {k: matplotlib.rcParams[k] for k in matplotlib.rcParams if k != 'backend'}\n"
        "before = settings()\n"
        "detector = freshet.StreamingDetector(min_samples=5, retrain='inline')\n"
        "detector.process_many(np.arange(20.0)[:, None])\n"
        "detector.plot_explanation([3.0])\n"
        "assert settings() == before\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_notebook_shows_it_without_pyplot(verdicts):
    # What IPython asks of the last value of a cell.
    formatter = PNGFormatter()
    assert formatter(freshet.plot(verdicts)).startswith(b"\x89PNG")
    assert formatter(Figure()) is None


def test_a_figure_can_be_pickled(verdicts):
    figure = pickle.loads(pickle.dumps(freshet.plot(verdicts)))
    assert figure.axes[0].get_ylabel() == "score"


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"values": np.zeros((5, 2))}, DataError, "5 values, expected 300"),
        ({"values": np.zeros((300, 2, 2))}, DataError, "3 dimensions"),
        ({"values": np.zeros((300, 2)), "columns": ["a"]}, DataError, "1 columns, expected 2"),
        ({"values": [["a"]] * 300}, DataError, "expected"),
        ({"timestamps": [1, 2]}, DataError, "2 timestamps, expected 300"),
        ({"timestamps": ["soon"] * 300}, DataError, "expected a number or a date"),
        ({"ax": np.empty(2, dtype=object)}, ConfigurationError, "2 axes, expected 1 axes"),
        ({"result": freshet.ECOD()}, NotReadyError, "ECOD is not fitted"),
        ({"result": np.zeros((3, 3))}, DataError, "expected one score for each row"),
    ],
)
def test_what_cannot_be_drawn_is_refused(verdicts, arguments, error, message):
    with pytest.raises(error, match=message):
        freshet.plot(**{"result": verdicts} | arguments)


# ---- explanations --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def detector():
    columns = [f"sensor {i}" for i in range(30)]
    detector = freshet.StreamingDetector("copod", columns=columns, retrain="inline")
    detector.process_many(stream(N, 30))
    return detector


def test_an_explanation_is_a_bar_for_each_column_the_largest_on_top(detector):
    row = np.zeros(30)
    row[4] = 9.0
    explained = detector.explain(row)
    (axes,) = detector.plot_explanation(row, max_columns=30).axes
    names = [label.get_text() for label in axes.get_yticklabels()]
    widths = [bar.get_width() for bar in axes.patches]
    assert dict(zip(names, widths, strict=True)) == dict(explained)
    assert names[0] == "sensor 4"
    assert [abs(one) for one in widths] == sorted(map(abs, widths), reverse=True)
    assert axes.yaxis_inverted()
    assert {text.get_text() for text in axes.texts} == {f"{one:+.3g}" for one in widths}
    verdict = "an anomaly" if explained.is_anomaly else "no anomaly"
    assert f"score {explained.score:.3g}, {verdict}; raw" in axes.get_title("left")


def test_the_smallest_contributions_are_one_bar(detector):
    row = np.arange(30.0)
    explained = detector.explain(row)
    (axes,) = detector.plot_explanation(row, max_columns=5).axes
    widths = [bar.get_width() for bar in axes.patches]
    assert axes.get_yticklabels()[-1].get_text() == "25 more columns"
    assert len(widths) == 6
    assert sum(widths) == pytest.approx(explained.raw_score)


def test_what_lowers_a_score_differs_by_more_than_colour(detector):
    score = detector.score(np.zeros(30))
    (axes,) = draw_explanation(freshet.Explanation(score, {"up": 3.0, "down": -4.0}, {})).axes
    down, up = axes.patches
    assert (down.get_hatch(), up.get_hatch()) == ("///", "")
    assert [text.get_text() for text in axes.texts] == ["-4", "+3"]
    assert axes.get_xlabel() == "contribution to the raw score (hatched: lowers it)"


def test_an_explanation_is_drawn_where_it_is_asked_to(detector):
    figure = Figure()
    axes = figure.subplots()
    assert detector.plot_explanation(np.zeros(30), ax=axes) is figure
    (axes,) = draw_explanation(detector.explain(np.zeros(30)), title="why").axes
    assert axes.get_title("left") == "why"


def test_without_a_model_there_is_no_explanation():
    with pytest.raises(NotReadyError):
        freshet.StreamingDetector().plot_explanation([1.0])


@pytest.mark.parametrize("name", ["$_cost_$", "a$^b$", "_value", "5$ and 6$"])
def test_names_are_shown_as_they_are(verdicts, rows, name, tmp_path):
    frame = pd.DataFrame({name: rows[:, 0], "other": rows[:, 1]})
    figure = freshet.plot(verdicts, frame, title=name)
    figure.savefig(tmp_path / "many.png")  # Formulas that are none fail here.
    assert name in figure.axes[0].get_ylabel().replace(r"\$", "$")
    alone = freshet.plot(verdicts, frame[[name]])
    alone.savefig(tmp_path / "alone.png")
    legend = [text.get_text().strip().replace(r"\$", "$") for text in alone.legends[0].get_texts()]
    assert name in legend
    detector = freshet.StreamingDetector(min_samples=30, columns=[name, "other"])
    detector.process_many(rows[:100, :2])
    explained = draw_explanation(detector.explain(rows[100, :2]), title=name)
    explained.savefig(tmp_path / "explained.png")
