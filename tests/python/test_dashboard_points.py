"""What is shown of points, without a browser: parts, ranges, words, colours, files, charts."""

import csv
import io
import json

import numpy as np
import pytest
from dashboard_testing import NEW_YEAR, SECOND, points
from freshet.dashboard import export, ranges, sentences
from freshet.dashboard.charts import ANOMALIES, MOST_MARKERS, contribution_chart, stream_chart
from freshet.dashboard.contributions import Contributions, UnexplainedError, rebuilt
from freshet.dashboard.downsampling import uncovered
from freshet.dashboard.palette import DARK, LIGHT, contrast, palette
from freshet.dashboard.points import Points
from freshet.dashboard.sources.verdicts import VerdictSource
from hypothesis import given
from hypothesis import strategies as st

NAN = np.nan
THEMES = pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])


def mixed(**given):
    """Five cold rows, then three models, with two anomalies."""
    scores = [NAN] * 5 + [0.1, 0.2, 0.9, 0.1, 0.3, 0.8, 0.2, 0.1]
    versions = np.array([0] * 5 + [1, 1, 1, 2, 2, 2, 3, 3])
    return points(scores, **{"model_versions": versions} | given)


# ---- parts ---------------------------------------------------------------------------------------


def test_models_swaps_and_cold_start_are_found():
    shown = mixed()
    assert shown.model_spans() == [(5, 8, 1), (8, 11, 2), (11, 13, 3)]
    assert shown.swaps() == [8, 11]
    assert [span[:2] for span in shown.cold_spans()] == [(0, 5)]
    assert shown.n_anomalies == 2
    assert shown.rate == 2 / 8
    assert Points.none().rate is None
    assert Points.none().model_spans() == Points.none().cold_spans() == []


def test_a_reset_is_a_second_cold_start_and_the_first_model_no_swap():
    scores = [NAN, 0.1, 0.1, NAN, NAN, 0.1]
    shown = points(scores, model_versions=np.array([0, 1, 1, 0, 0, 1]))
    assert [span[:2] for span in shown.cold_spans()] == [(0, 1), (3, 5)]
    assert shown.swaps() == []


@given(st.lists(st.sampled_from([NAN, 0.1, 0.9]), min_size=1, max_size=300), st.booleans())
def test_the_rates_of_parts_add_up_to_the_whole(scores, by_time):
    shown = points(scores)
    rates = shown.rates("time" if by_time else "row")
    assert rates.n_scored.sum() == shown.is_scored.sum()
    n_found = np.nansum(rates.shares * rates.n_scored)
    assert n_found == pytest.approx(shown.n_anomalies)


def test_rows_that_come_later_follow_with_their_columns():
    first = points([0.1, 0.2])
    later = points([0.9], columns=("y", "z"), values=np.array([[7.0, 8.0]]))
    joined = Points.joined([first, later])
    assert joined.columns == ("x", "y", "z")
    np.testing.assert_array_equal(joined.ids, [0, 1, 2])
    np.testing.assert_array_equal(joined.values[2], [NAN, 7.0, 8.0])
    np.testing.assert_array_equal(joined.values[:2, 2], [NAN, NAN])
    assert joined.position(2) == 2
    assert joined.take(slice(1, None)).position(0) is None
    assert Points.joined([Points.none(), first]) is first
    assert len(Points.joined([])) == 0


@pytest.mark.parametrize(
    ("given", "is_dated"),
    [
        ({}, True),
        ({"times": None}, False),
        ({"times": None, "received": NEW_YEAR + np.arange(13) * SECOND}, True),
        # Requests of many rows, times that go back, times that are missing.
        ({"times": None, "received": NEW_YEAR + np.repeat([0, 1], [7, 6]) * SECOND}, False),
        ({"times": NEW_YEAR - np.arange(13) * SECOND}, False),
        ({"times": np.full(13, np.datetime64("NaT", "us"))}, False),
    ],
)
def test_time_is_the_axis_where_it_tells_rows_apart(given, is_dated):
    shown = mixed(**given)
    assert (shown.clock is not None) == is_dated
    assert shown.along("row").tolist() == list(range(13))


# ---- ranges --------------------------------------------------------------------------------------


def test_ranges_end_at_the_newest_point():
    shown = points(np.full(20_000, 0.1))
    names = ranges.choices(shown)
    assert names[0] == ranges.ALL
    assert "Last hour" in names
    assert "Last week" not in names  # It would be all.
    assert len(ranges.in_view(shown, "Last 1,000 rows")) == 1000
    hour = ranges.in_view(shown, "Last hour")
    assert len(hour) == 3601
    assert hour.ids[-1] == 19_999
    between = ((NEW_YEAR + 10 * SECOND).item(), (NEW_YEAR + 20 * SECOND).item())
    assert ranges.in_view(shown, ranges.BETWEEN, between).ids.tolist() == list(range(10, 21))
    assert len(ranges.in_view(shown, ranges.BETWEEN, between[::-1])) == 0
    assert len(ranges.in_view(shown, ranges.ALL)) == 20_000


def test_without_times_there_are_ranges_of_rows_only():
    assert ranges.choices(points([0.1] * 1500, times=None)) == [ranges.ALL, "Last 1,000 rows"]


# ---- words ---------------------------------------------------------------------------------------


def test_charts_are_told_in_words():
    shown = mixed()
    said = sentences.about_series(shown, ("y",), "time")
    assert "13 points from 2024-01-01 00:00 to 2024-01-01 00:00:12" in said
    assert "2 anomalies, the last at 2024-01-01 00:00:10" in said
    assert "y 0 to 12" in said
    assert sentences.about_scores(shown) == (
        "Score: 0.1 to 0.9, threshold 0.5. 5 points not scored, in cold start."
    )
    assert sentences.about_models(shown) == "Models: from version 1 to 3, 2 swaps."
    assert "25.0% of the scored points" in sentences.about_rate(shown, "row")


def test_words_of_nothing_scored():
    shown = points([NAN, NAN], thresholds=np.full(2, NAN))
    assert "none yet" in sentences.about_scores(shown)
    assert "no point is scored yet" in sentences.about_rate(shown, "row")
    assert "none has scored" in sentences.about_models(shown)
    assert "0 anomalies." in sentences.about_series(shown, ("x",), "row")


def test_unknown_thresholds_are_called_so():
    assert "threshold unknown" in sentences.about_scores(points([0.1], thresholds=np.array([NAN])))


@pytest.mark.parametrize(
    ("share", "said"),
    [(None, "none"), (0.0, "0.00%"), (2e-5, "under 0.01%"), (0.0123, "1.23%"), (0.5, "50.0%")],
)
def test_shares_are_readable(share, said):
    assert sentences.percent(share) == said


def test_names_are_no_markdown():
    assert sentences.plain("a*b_[x](y) $1$ `c`") == r"a\*b\_\[x\](y) \$1\$ \`c\`"


# ---- colours -------------------------------------------------------------------------------------


@THEMES
def test_colours_can_be_told_from_the_background(colours):
    for text in (colours.text, colours.threshold):
        assert contrast(text, colours.background) >= 4.5
    for band in (colours.version_odd, colours.version_even):
        assert contrast(colours.version_text, band) >= 4.5
    for line in (*colours.series, colours.score, colours.anomaly, colours.chosen):
        assert contrast(line, colours.background) >= 3.0


def test_contrast_is_that_of_wcag():
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)  # Its own example.
    assert palette("dark") is DARK
    assert palette(None) is LIGHT


# ---- charts --------------------------------------------------------------------------------------


def named(figure, name):
    return [trace for trace in figure.data if trace.name == name]


@THEMES
def test_the_chart_has_every_anomaly_in_every_lane(colours):
    shown = mixed()
    figure = stream_chart(shown, ("x", "y"), "time", colours, chosen=7)
    assert len(named(figure, ANOMALIES)) == 3  # x, y and the score
    for trace in named(figure, ANOMALIES):
        assert len(trace.x) == 2
        assert trace.marker.symbol == "x"
        assert trace.customdata.tolist() == [7, 10]
        assert trace.marker.size == 6  # Or it would be below the line.
    assert [len(trace.x) for trace in named(figure, "chosen row")] == [1, 1, 1]
    (swaps,) = named(figure, "model swap")
    assert list(swaps.text) == ["version 2 takes over", "version 3 takes over"]
    assert sum(shape.type == "rect" for shape in figure.layout.shapes) == 3
    assert [note.yref for note in figure.layout.annotations if note.text == "cold start"] == [
        "y domain"
    ]
    (threshold,) = named(figure, "threshold")
    assert threshold.line.dash == "dash"
    texts = [note.text for note in figure.layout.annotations]
    assert "threshold 0.5" in texts
    json.loads(figure.to_json())


def test_many_models_are_all_drawn_and_some_named():
    n = 10_000
    shown = points(np.full(n, 0.1), model_versions=1 + np.arange(n) // 10)
    figure = stream_chart(shown, ("x",), "row", LIGHT)
    bands = [trace for trace in named(figure, "model") if trace.mode == "lines"]
    corners = sum(np.isfinite(trace.x).sum() for trace in bands)
    assert corners == 4 * 1000
    (texts,) = [trace for trace in named(figure, "model") if trace.mode == "text"]
    at = np.array([x for x, text in zip(texts.x, texts.text, strict=True) if text])
    # Seven pixels for each of up to four characters, in a chart of 300.
    assert len(at) >= 6
    assert np.diff(at).min() >= n * 4 * 7 / 300
    assert 200 <= len(texts.x) <= 225  # and the others' signs for the pointer
    (swaps,) = named(figure, "model swap")
    assert 150 <= len(swaps.x) <= 200


def test_a_chart_of_very_many_points_is_small_and_has_its_spikes():
    n = 100_000
    random = np.random.default_rng(0)
    scores = random.uniform(0, 0.4, n)
    anomalous = random.choice(n, MOST_MARKERS, replace=False)
    scores[anomalous] = 0.9
    shown = points(scores)
    shown.values[777, 0] = 1e6  # No anomaly, but not to be lost.
    figure = stream_chart(shown, ("x",), "time", LIGHT)
    assert len(figure.to_json()) < 1_000_000
    line, marks = (
        set(((np.asarray(trace.x, "datetime64[ms]") - NEW_YEAR) // SECOND).tolist())
        for trace in figure.data[:2]
    )
    assert 777 in line
    assert set(anomalous.tolist()) == marks
    assert marks <= line


def test_of_too_many_anomalies_none_is_left_out_that_no_other_covers():
    n = 50_000
    shown = points(np.random.default_rng(0).uniform(0.6, 1, n))
    trace = stream_chart(shown, ("x",), "row", LIGHT).data[1]
    assert MOST_MARKERS < len(trace.x) < 10_000
    x, y = trace.x, np.asarray(trace.y)
    values = shown.values[:, 0]
    order = np.argsort(x)
    x, y = np.asarray(x)[order], y[order]
    height = values.max() - values.min()
    for i in range(0, n, 97):
        near = np.abs(x - i) <= n / 200
        assert (np.abs(y[near] - values[i]) <= height / 25).any()


@given(
    st.lists(
        st.tuples(st.integers(0, 99), st.one_of(st.just(NAN), st.floats(-1e308, 1e308))),
        max_size=80,
    ),
    st.integers(1, 9),
    st.integers(1, 9),
)
def test_covered_markers_have_one_in_their_cell(pairs, n_across, n_up):
    x = np.array([x for x, _ in pairs], float)
    y = np.array([y for _, y in pairs], float)
    kept = uncovered(x, y, n_across, n_up)
    known = np.flatnonzero(~np.isnan(y))
    assert set(kept.tolist()) <= set(known.tolist())
    assert len(kept) <= n_across * n_up
    assert (len(kept) > 0) == (len(known) > 0)
    if len(known):
        wide = np.ptp(x[known]) / n_across
        high = np.ptp(y[known] / 1e3) / n_up
        for i in known:
            is_near = np.abs(x[kept] - x[i]) <= wide * 1.0001
            is_near &= np.abs(y[kept] / 1e3 - y[i] / 1e3) <= high * 1.0001
            assert is_near.any()


def test_columns_that_are_called_like_tags_are_no_tags():
    shown = points([0.1], columns=("<b>x</b>", "y"))
    figure = stream_chart(shown, ("<b>x</b>",), "row", LIGHT)
    said = [figure.layout.yaxis.title.text]
    for trace in figure.data:
        said += [trace.name, (trace.hovertemplate or "").removesuffix("<extra></extra>")]
    given = Contributions({"<b>x</b>": 1.0}, 1.0, 0.5, "", is_exact=True)
    bars = contribution_chart(given, LIGHT)
    said += [*bars.layout.yaxis.ticktext, *bars.data[0].customdata]
    left = " ".join(said)
    for tag in ("<br>", "<b>anomaly</b>"):  # our own
        left = left.replace(tag, "")
    assert left.count("&lt;b>x&lt;/b>") >= 5
    assert "<" not in left


def test_columns_that_begin_alike_have_bars_of_their_own():
    names = [f"temperature_sensor_of_room_{i}" for i in range(3)]
    amounts = dict(zip(names, (3.0, -2.0, 1.0), strict=True))
    figure = contribution_chart(Contributions(amounts, 2.0, 0.5, "", is_exact=True), LIGHT)
    (bars,) = figure.data
    assert dict(zip(bars.customdata, bars.x, strict=True)) == amounts
    assert len(set(bars.y)) == 3
    assert figure.layout.yaxis.tickvals == bars.y


def test_contributions_are_sorted_signed_and_patterned():
    given = Contributions({"a": 1.0, "b": -3.0, "c": 0.5}, -1.5, 0.7, "", is_exact=True)
    figure = contribution_chart(given, LIGHT)
    (bars,) = figure.data
    assert list(figure.layout.yaxis.ticktext)[::-1] == ["b", "a", "c"]
    assert list(bars.text)[::-1] == ["-3", "+1", "+0.5"]
    assert list(bars.marker.pattern.shape)[::-1] == ["/", "", ""]
    assert sentences.about_contributions(given) == (
        "Contributions to the raw score of -1.5: b -3, a +1, c +0.5."
    )


# ---- explanations --------------------------------------------------------------------------------


def test_a_detector_is_rebuilt_from_the_rows_before():
    import freshet

    random = np.random.default_rng(3)
    values = random.normal(size=(300, 2))
    values[250, 1] = 9.0
    shown = points(np.full(300, 0.7), values=values, ids=np.arange(1000, 1300))
    found = rebuilt(shown, 1250, "ecod", 0.01)
    detector = freshet.StreamingDetector(
        "ecod", min_samples=250, window_size=250, contamination=0.01, columns=["x", "y"]
    )
    detector.process_many(values[:250])
    expected = detector.explain(values[250])
    assert dict(found.by_column) == dict(expected)
    assert found.ranked()[0][0] == "y"
    assert not found.is_exact
    assert "250 rows before" in found.how
    assert "the source says 0.7" in found.how


@pytest.mark.parametrize(
    ("identity", "said"), [(20, "only 20 rows"), (999, "no longer"), (60, "no numbers")]
)
def test_what_cannot_be_explained_says_why(identity, said):
    shown = points(np.full(100, 0.7))
    shown.values[60] = NAN
    with pytest.raises(UnexplainedError, match=said):
        rebuilt(shown, identity, "ecod", 0.01)


# ---- files ---------------------------------------------------------------------------------------


def test_what_is_exported_is_read_again(tmp_path):
    shown = mixed()
    for name, write in (("out.csv", export.to_csv), ("out.jsonl", export.to_json_lines)):
        path = tmp_path / name
        path.write_bytes(write(shown))
        again = VerdictSource(path).feed("out", 1000).points
        np.testing.assert_array_equal(again.scores, shown.scores)
        np.testing.assert_array_equal(again.is_anomaly, shown.is_anomaly)
        np.testing.assert_array_equal(again.model_versions, shown.model_versions)
        np.testing.assert_array_equal(again.values, shown.values)
        np.testing.assert_array_equal(again.times, shown.times)
        np.testing.assert_array_equal(again.thresholds, shown.thresholds)
        assert again.columns == shown.columns


def test_exports_keep_the_names_of_the_series():
    shown = mixed(columns=("score", "label"))
    rows = list(csv.DictReader(io.StringIO(export.to_csv(shown).decode())))
    assert rows[7]["freshet_label"] == "anomaly"
    assert float(rows[7]["freshet_score"]) == 0.9
    assert float(rows[7]["label"]) == 7.0
    assert rows[0]["freshet_score"] == ""
    records = list(map(json.loads, export.to_json_lines(shown).splitlines()))
    assert records[0]["freshet_score"] is None
    assert records[7]["timestamp"] == "2024-01-01T00:00:07.000000"


def test_categories_of_digits_are_no_numbers():
    from freshet.dashboard.sources.predictions import _values

    rows = [{"zip": "8001", "x": 1.0}, {"zip": "12", "x": None}, {"zip": None, "x": 2.0}]
    columns, texts, matrix = _values(rows)
    assert (columns, texts) == (("x",), ("zip",))
    np.testing.assert_array_equal(matrix[:, 0], [1.0, NAN, 2.0])


def test_a_column_without_numbers_in_one_part_is_drawn():
    first = points([0.1, 0.2], columns=("v", "w"))
    second = points([0.3], columns=("v",), values=np.ones((1, 1)), texts=("w",))
    joined = Points.joined([first, second])
    assert joined.columns == ("v", "w")
    assert joined.texts == ()
