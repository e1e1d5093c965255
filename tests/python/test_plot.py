"""The picture of a stream."""

import subprocess
import sys

import numpy as np
import pytest
from freshet.plotting import StreamPicture, draw_stream


@pytest.fixture
def picture():
    n = 500
    scores = np.full(n, np.nan)
    scores[100:] = np.linspace(0.1, 0.9, n - 100)
    times = np.datetime64("2020-01-01T00:00:00") + np.arange(n) * np.timedelta64(1, "h")
    return {
        "timestamps": times,
        "values": np.sin(np.arange(n) / 10.0),
        "scores": scores,
        "is_anomaly": scores > 0.5,
        "threshold": 0.5,
        "model_versions": np.where(np.arange(n) < 100, 0, 1 + np.arange(n) // 200),
        "windows": [(times[300], times[350])],
        "alarms": [(times[320], times[330], True), (times[400], times[410], False)],
        "notes": [(times[400], "a note")],
        "title": "the title",
        "value_label": "the values",
    }


def texts(figure):
    return {text.get_text() for text in figure.findobj(match=lambda a: hasattr(a, "get_text"))}


def test_everything_is_in_the_picture(picture, tmp_path):
    figure = draw_stream(StreamPicture(**picture))
    figure.savefig(tmp_path / "stream.png")
    assert (tmp_path / "stream.png").read_bytes().startswith(b"\x89PNG")
    assert len(figure.axes) == 2
    for text in (
        "the title", "the values", "score", "anomalous row", "labelled window", "a note", "v1",
        "v3", "threshold 0.5", "cold start (not scored)", "alarm in a labelled window",
        "alarm outside (false)",
    ):  # fmt: skip
        assert text in texts(figure)


def test_a_feature_gets_a_panel_of_its_own(picture):
    figure = draw_stream(
        StreamPicture(**picture, feature=np.arange(500.0), feature_label="the feature")
    )
    assert len(figure.axes) == 3
    assert "the feature" in texts(figure)


def test_the_same_input_gives_the_same_bytes(picture, tmp_path):
    for name in ("one.png", "two.png"):
        draw_stream(StreamPicture(**picture)).savefig(tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_a_stream_that_was_never_scored_can_be_drawn(picture, tmp_path):
    picture |= {
        "scores": np.full(500, np.nan),
        "is_anomaly": np.zeros(500, dtype=bool),
        "model_versions": np.zeros(500, dtype=int),
        "windows": [],
        "alarms": [],
        "notes": [],
        "timestamps": np.arange(500),
        "values": np.ones(500),
    }
    draw_stream(StreamPicture(**picture)).savefig(tmp_path / "cold.png")


def test_pyplot_stays_out_of_it():
    code = (
        "import sys, numpy as np\n"
        "from freshet.plotting import StreamPicture, draw_stream\n"
        "n = np.arange(9.0)\n"
        "draw_stream(StreamPicture(n, n, n, n > 5, 5.0, np.ones(9, dtype=int)))\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
