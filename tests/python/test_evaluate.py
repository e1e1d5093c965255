"""Measures of detections, against programs that do nothing cleverly; and what runs them."""

import dataclasses
import gzip
import json
import math

import freshet
import numpy as np
import pytest
from cli_testing import run
from freshet.evaluate import (
    PROFILES,
    Configuration,
    Findings,
    Labelled,
    Profile,
    by_ranges,
    by_rows,
    detect,
    evaluate,
    load_series,
    nab,
    nab_score,
    probation,
    read_scores,
    rows_of,
    to_pandas,
    to_polars,
    vus_pr,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, f1_score, precision_score, recall_score


@st.composite
def labelled(draw, max_rows=60):
    n = draw(st.integers(8, max_rows))
    edges = sorted(draw(st.sets(st.integers(0, n - 1), max_size=6)))
    windows = [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=False)]
    scores = draw(st.lists(st.integers(0, 6), min_size=n, max_size=n))
    return Labelled(np.array(scores) / 6.0, windows)


def sigmoid(x):
    return -1.0 if x >= 3.0 else 2.0 / (1.0 + math.exp(5.0 * x)) - 1.0


def plain_total(file, profile, threshold):
    """NAB's raw score and what a perfect one and saying nothing would be, row by row."""
    n = len(file.scores)
    total, perfect, nothing = 0.0, 0.0, 0.0
    flagged = [i for i in range(probation(n), n) if file.scores[i] >= threshold]
    for first, last in file.windows:
        if last < probation(n):
            continue
        perfect += profile.true_positive
        nothing -= profile.false_negative
        width = last - first + 1
        hits = [sigmoid(-(last - i + 1) / width) for i in flagged if first <= i <= last]
        if hits:
            total += profile.true_positive * max(hits) / sigmoid(-1.0)
        else:
            total -= profile.false_negative
    for i in flagged:
        if any(first <= i <= last for first, last in file.windows):
            continue
        before = [(first, last) for first, last in file.windows if last < i]
        if not before:
            total -= profile.false_positive
            continue
        first, last = before[-1]
        distance = (i - last) / (last - first) if last > first else 3.0
        total += profile.false_positive * sigmoid(distance)
    return total, perfect, nothing


class TestNab:
    @given(st.lists(labelled(), min_size=1, max_size=3), st.sampled_from([*PROFILES.values()]))
    def test_is_what_a_plain_program_finds(self, files, profile):
        def plain(threshold):
            parts = [plain_total(file, profile, threshold) for file in files]
            total, perfect, nothing = map(sum, zip(*parts, strict=True))
            return 100.0 * (total - nothing) / (perfect - nothing)

        if not any(last >= probation(len(one.scores)) for one in files for _, last in one.windows):
            with pytest.raises(freshet.DataError):
                nab_score(files, profile)
            return
        thresholds = sorted({score for file in files for score in file.scores.tolist()})
        for threshold in (*thresholds, 0.08, 2.0):
            found = nab_score(files, profile, threshold)
            assert found.threshold == threshold
            assert found.score == pytest.approx(plain(threshold), abs=1e-9)
        best = nab_score(files, profile)
        assert best.score == pytest.approx(max(0.0, *map(plain, thresholds)), abs=1e-9)
        if best.threshold is not None:
            assert best.score == pytest.approx(plain(best.threshold), abs=1e-9)

    def test_saying_nothing_is_0_and_the_first_rows_of_all_windows_100(self):
        scores = np.zeros(100)
        windows = [(30, 40), (60, 60), (90, 99)]
        nothing = nab_score([Labelled(np.full(100, np.nan), windows)])
        assert (nothing.score, nothing.threshold, nothing.n_detected) == (0.0, None, 0)
        scores[[30, 60, 90]] = 1.0
        perfect = nab_score([Labelled(scores, windows)])
        assert perfect.score == pytest.approx(100.0)
        assert (perfect.threshold, perfect.n_detected, perfect.n_false_positives) == (1.0, 3, 0)

    def test_harm_is_negative_and_then_it_is_best_to_say_nothing(self):
        scores = np.ones(100)
        scores[50:60] = 0.0
        file = Labelled(scores, [(50, 59)])
        assert nab_score([file], threshold=0.5).score < 0.0
        # All rows: the window is met, at the price of all the others.
        assert nab_score([file], Profile(false_positive=0.001)).n_detected == 1
        assert nab_score([file]).threshold is None

    @pytest.mark.parametrize("windows", [[(5, 3)], [(3, 8), (8, 9)], [(95, 100)], [(-1, 4)]])
    def test_windows_are_checked(self, windows):
        with pytest.raises(freshet.DataError) as caught:
            Labelled(np.zeros(100), windows)
        assert caught.value.field == "windows"

    def test_windows_of_time_are_rows(self):
        times = np.arange("2020-01-01", "2020-01-11", dtype="datetime64[D]")
        windows = [("2020-01-02", "2020-01-03"), ("2020-01-04T06", "2020-01-04T07")]
        moments = [(np.datetime64(begin), np.datetime64(end)) for begin, end in windows]
        assert rows_of(times, moments) == [(1, 2)]


def runs(flags):
    found, i = [], 0
    while i < len(flags):
        if flags[i]:
            j = i
            while j + 1 < len(flags) and flags[j + 1]:
                j += 1
            found.append((i, j))
            i = j + 1
        else:
            i += 1
    return found


def plain_overlap(ranges, others):
    worth = 0.0
    for first, last in ranges:
        rows = set(range(first, last + 1))
        met = [rows & set(range(a, b + 1)) for a, b in others]
        met = [one for one in met if one]
        if met:
            worth += sum(map(len, met)) / len(rows) / len(met)
    return worth / len(ranges) if ranges else 0.0


def plain_vus(scores, windows, buffer):
    n = len(scores)
    areas = []
    for width in range(buffer + 1):
        labels = np.zeros(n)
        for first, last in windows:
            labels[first : last + 1] = 1.0
        for first, last in windows:
            for i in range(n):
                if last < i < last + width // 2:
                    labels[i] += math.sqrt(1.0 - (i - last) / width)
                if first - width // 2 <= i < first:
                    labels[i] += math.sqrt(1.0 - (first - i) / width)
        labels = np.minimum(labels, 1.0)
        n_labelled = sum(last - first + 1 for first, last in windows)
        area = before = 0.0
        for threshold in sorted(set(scores.tolist()), reverse=True):
            flagged = scores >= threshold
            right = float((labels * flagged).sum())
            ranges = runs(labels > 0.0)
            met = sum(bool(flagged[a : b + 1].any()) for a, b in ranges) / len(ranges)
            recall = min(right / ((n_labelled + labels.sum()) / 2.0), 1.0) * met
            area += (recall - before) * right / flagged.sum()
            before = recall
        areas.append(area)
    return float(np.mean(areas))


class TestMeasures:
    @given(labelled())
    def test_rows_are_counted_as_by_scikit_learn(self, file):
        flagged = file.scores > 0.5
        labels = np.zeros(len(flagged), dtype=bool)
        for first, last in file.windows:
            labels[first : last + 1] = True
        found = by_rows(flagged, labels)
        assert found.precision == pytest.approx(precision_score(labels, flagged, zero_division=0))
        assert found.recall == pytest.approx(recall_score(labels, flagged, zero_division=0))
        assert found.f1 == pytest.approx(f1_score(labels, flagged, zero_division=0))

    @given(labelled())
    def test_ranges_are_what_a_plain_program_finds(self, file):
        flagged = file.scores > 0.5
        found = by_ranges(flagged, file.windows)
        assert found.precision == pytest.approx(plain_overlap(runs(flagged), file.windows))
        assert found.recall == pytest.approx(plain_overlap(file.windows, runs(flagged)))

    def test_ranges_that_are_met_in_pieces_are_worth_less(self):
        flagged = np.zeros(20, dtype=bool)
        flagged[[4, 5, 8, 9]] = True
        found = by_ranges(flagged, [(0, 9)])
        assert (found.precision, found.recall) == (1.0, 0.2)

    @settings(deadline=None)
    @given(labelled(max_rows=40), st.integers(0, 12))
    def test_the_volume_is_what_a_plain_program_finds(self, file, buffer):
        if file.windows:
            found = vus_pr(file.scores, file.windows, buffer)
            assert found == pytest.approx(plain_vus(file.scores, file.windows, buffer))

    def test_without_a_buffer_a_single_row_is_average_precision(self):
        rng = np.random.default_rng(0)
        for _ in range(20):
            scores = rng.normal(size=50)
            labels = np.zeros(50)
            labels[31] = 1.0
            expected = average_precision_score(labels, scores)
            assert vus_pr(scores, [(31, 31)], buffer=0) == pytest.approx(expected)

    def test_perfect_scores_have_no_volume_missing_but_for_the_buffer(self):
        labels = np.zeros(200)
        labels[80:100] = 1.0
        assert vus_pr(labels, [(80, 99)], buffer=0) == pytest.approx(1.0)
        assert 0.85 < vus_pr(labels, [(80, 99)]) < 1.0


@pytest.fixture
def directory(tmp_path):
    """Three series with a peak each, one of them without a label."""
    labels = {}
    rng = np.random.default_rng(1)
    for number in range(3):
        values = rng.normal(size=400)
        values[300:303] += 12.0
        name = f"group/series-{number}.csv"
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        stamps = np.arange("2020-01-01T00", 400, dtype="datetime64[h]").astype("datetime64[s]")
        lines = [f"{str(at).replace('T', ' ')},{x}" for at, x in zip(stamps, values, strict=True)]
        path.write_text("\n".join(["timestamp,value", *lines]) + "\n")
        window = [str(stamps[i]).replace("T", " ") + ".000000" for i in (295, 310)]
        labels[name] = [window] if number else []
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "combined_windows.json").write_text(json.dumps(labels))
    return tmp_path


class TestRunning:
    def test_a_peak_is_found_and_the_number_of_threads_does_not_matter(self, directory):
        series = load_series(directory)
        assert [one.name for one in series] == [f"group/series-{i}.csv" for i in range(3)]
        assert [one.windows for one in series] == [[], [(295, 310)], [(295, 310)]]
        seen = []
        one, many = (
            detect(
                [Configuration("a", {"backend": "ecod"}), Configuration("b", {"backend": "hbos"})],
                series,
                n_jobs=n_jobs,
                on_progress=lambda done, total: seen.append((done, total)),
            )
            for n_jobs in (1, 4)
        )
        assert seen[:6] == [(done, 6) for done in range(1, 7)]
        for a, b in zip(one, many, strict=True):
            for name in a.scores:
                np.testing.assert_array_equal(a.scores[name], b.scores[name])
        found = evaluate(one[0], series)
        assert found.nab["standard"].score > 60.0
        assert found.nab["standard"].n_detected == found.nab["standard"].n_windows == 2
        assert found.n_rows == 1200
        assert found == dataclasses.replace(evaluate(many[0], series), seconds=found.seconds)
        alone = nab(directory, "ecod")
        assert alone.nab == found.nab

    def test_nothing_is_scored_before_the_end_of_probation(self, directory):
        (series, *_) = load_series(directory)
        scores = Configuration("a", {"backend": "ecod"}).scores(series)
        assert np.flatnonzero(np.isfinite(scores))[0] == probation(400) == 60

    def test_a_window_that_was_asked_for_does_not_grow(self, directory):
        (series, *_) = load_series(directory)
        small = Configuration("a", {"backend": "ecod", "window_size": 40}).scores(series)
        assert np.flatnonzero(np.isfinite(small))[0] == 40
        with pytest.raises(freshet.ConfigurationError, match="window_size"):
            Configuration("a", {"window_size": 40, "min_samples": 50}).scores(series)
        large = Configuration("a", {"min_samples": 1500}).scores(series)
        assert np.isnan(large).all()

    @pytest.mark.parametrize("name", ["min_samples", "window_size", "shingle"])
    def test_what_is_null_is_not_given(self, directory, name):
        (series, *_) = load_series(directory)
        expected = Configuration("a").scores(series)
        np.testing.assert_array_equal(Configuration("a", {name: None}).scores(series), expected)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("min_samples", "abc"),
            ("min_samples", math.inf),
            ("min_samples", 10**400),
            ("window_size", "many"),
            ("window_size", -1),
            ("shingle", "x"),
            ("shingle", 2.5),
            ("shingle", 10**400),
        ],
    )
    def test_settings_of_another_type_are_refused_by_name(self, directory, name, value):
        (series, *_) = load_series(directory)
        with pytest.raises(freshet.ConfigurationError) as caught:
            Configuration("a", {name: value}).scores(series)
        assert caught.value.field == name

    def test_evaluations_as_tables(self, directory):
        evaluations = [nab(directory, name) for name in ("ecod", "hbos")]
        pandas_rows = to_pandas(evaluations).to_dict("records")
        assert pandas_rows == to_polars(iter(evaluations)).to_dicts()
        for row, one in zip(pandas_rows, evaluations, strict=True):
            standard = one.nab["standard"]
            assert row["name"] == one.name
            assert row["nab_standard"] == standard.score
            assert row["nab_reward_low_FN_rate"] == one.nab["reward_low_FN_rate"].score
            assert (row["threshold"], row["n_detected"]) == (
                standard.threshold,
                standard.n_detected,
            )
            assert (row["rows_f1"], row["ranges_recall"]) == (one.rows.f1, one.ranges.recall)
            assert (row["vus_pr"], row["seconds"]) == (one.vus_pr, one.seconds)

    def test_errors_name_detector_and_series(self, directory):
        with pytest.raises(freshet.ConfigurationError, match=r"^mine, group/series-\d\.csv: "):
            detect(
                [Configuration("mine", {"backend": "ecod", "shingle": 0})], load_series(directory)
            )

    def test_scores_of_others(self, directory, tmp_path):
        series = load_series(directory)
        lines = ["file,row,anomaly_score"]
        lines += [f"{one.name},{row},{row == 296:d}" for one in series for row in range(100, 400)]
        lines.append("elsewhere.csv,0,1.0")
        path = tmp_path / "peer.csv.gz"
        path.write_bytes(gzip.compress("\n".join(lines).encode()))
        scores = read_scores(path, series)
        assert np.isnan(scores[series[0].name][:100]).all()
        found = evaluate(Findings("peer", scores), series)
        assert (found.seconds, found.settings) == (None, None)
        standard = found.nab["standard"]
        assert (standard.n_detected, standard.n_false_positives) == (2, 1)
        path.write_bytes(gzip.compress(b"file,row,anomaly_score\ngroup/series-0.csv,400,1\n"))
        with pytest.raises(freshet.Error, match="line 2"):
            read_scores(path, series)
        path.write_text("file,row,anomaly_score\ngroup/series-0.csv,3,1\n")
        with pytest.raises(freshet.Error, match="series-1"):
            read_scores(path, series)


class TestCommand:
    def test_prints_a_table_and_writes_reports(self, directory, tmp_path):
        done = run(
            "evaluate", "--data", directory, "--backend", "ecod", "--rolling", "5,10",
            "--set", "contamination=0.01",
            "--detector", "mine={backend: hbos, backend_params: {n_bins: 20}}",
            "--json", tmp_path / "out.json", "--html", tmp_path / "out.html",
        )  # fmt: skip
        assert done.exit_code == 0, done.output
        lines = done.stdout.splitlines()
        assert [line.split()[0] for line in lines] == ["detector", "mine", "ecod"]
        report = json.loads((tmp_path / "out.json").read_text())
        assert report["series"] == [f"group/series-{i}.csv" for i in range(3)]
        mine, ecod = report["evaluations"]
        common = {"rolling_windows": [5, 10], "contamination": 0.01}
        assert mine["settings"] == {**common, "backend": "hbos", "backend_params": {"n_bins": 20}}
        assert ecod["settings"] == {**common, "backend": "ecod"}
        assert f"{ecod['nab']['standard']['score']:.2f}" in lines[2]
        assert set(ecod["rows"]) == {"precision", "recall", "f1"}
        text = (tmp_path / "out.html").read_text()
        assert text.count("<img ") == 6
        assert "<h2>group/series-2.csv by mine</h2>" in text

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (("--rolling", "5,x"), "5,10,20"),
            (("--set", "contamination"), "NAME=VALUE"),
            (("--set", "columns=[1"), "no YAML"),
            (("--detector", "mine"), "NAME=SETTINGS"),
            (("--detector", "mine={backend: ["), "no YAML"),
            (("--detector", "mine=hbos"), "expected settings, for example {backend: hbos}"),
        ],
    )
    def test_options_are_checked(self, directory, options, message):
        done = run("evaluate", "--data", directory, *options)
        assert done.exit_code == 2
        assert message in done.output

    @pytest.mark.parametrize(
        "setting", ["min_samples=abc", "window_size=x", "shingle=x", "min_samples=.inf"]
    )
    def test_a_setting_of_another_type_is_a_message(self, directory, setting):
        done = run("evaluate", "--data", directory, "--set", setting)
        assert done.exit_code == 1
        assert done.stderr.startswith("freshet: ecod, group/series-")
        assert setting.split("=")[0] in done.stderr

    def test_a_setting_that_is_unknown_is_told(self, directory):
        done = run("evaluate", "--data", directory, "--set", "neighbours=3")
        assert done.exit_code == 1
        assert "neighbours" in done.output

    def test_data_are_needed(self, monkeypatch, tmp_path):
        monkeypatch.delenv("FRESHET_DATA", raising=False)
        assert run("evaluate").exit_code == 2
        done = run("evaluate", "--data", tmp_path)
        assert done.exit_code == 1
        assert "has no series" in done.output
