"""Where the dashboard reads verdicts, and what it says if it cannot."""

import csv
import sqlite3
import subprocess
import sys
from contextlib import closing

import httpx
import numpy as np
import pytest
import requests
from cli_testing import TINY, run
from dashboard_testing import entries, write_spikes
from freshet.dashboard import running
from freshet.dashboard.contributions import UnexplainedError
from freshet.dashboard.options import DetectorOptions, Options
from freshet.dashboard.problems import ServiceError, as_problem
from freshet.dashboard.sources import open_source, preload
from freshet.dashboard.sources.log import open_log
from freshet.dashboard.sources.predictions import PredictionFeed
from freshet.dashboard.sources.series import SeriesSource
from freshet.dashboard.sources.service import ServiceSource
from freshet.dashboard.sources.verdicts import VerdictSource, holds_verdicts
from freshet.errors import ConfigurationError, DataError
from freshet.server.engine.changes import StoreError
from freshet.server.engine.journal import Journal
from freshet.server.keys import KeyFile
from freshet.server.prediction_log.sinks import LogUnavailableError, open_sink
from freshet.server.prediction_log.spool import blocks_after
from freshet.streaming import StreamingDetector
from service_process import ServiceProcess
from services_testing import free_port

DEFAULTS = DetectorOptions()


@pytest.fixture
def journal(tmp_path):
    """The journal of a service that runs, with two streams."""
    with closing(Journal(tmp_path / "data" / "freshet.sqlite")) as one:
        one.write([*entries(300, anomalies=(120, 250)), *entries(60, "other")])
        yield one


def assert_shows_the_stream(source):
    assert source.streams() == ["other", "sensor"]
    shown = source.feed("sensor", 1000).points
    assert shown.columns == ("heat", "load")
    assert shown.rows.tolist() == list(range(300))
    assert np.flatnonzero(shown.is_anomaly).tolist() == [120, 250]
    assert np.flatnonzero(~shown.is_scored).tolist() == list(range(50))
    assert [span.version for span in shown.model_spans()] == [1, 2, 3]
    assert set(shown.thresholds.tolist()) == {0.5}
    np.testing.assert_allclose(np.delete(shown.values[:, 0], [120, 250]), np.delete(
        np.sin(np.arange(300) / 9), [120, 250]
    ))  # fmt: skip
    assert shown.times[1] - shown.times[0] == np.timedelta64(1, "s")
    assert source.feed("sensor", 40).points.rows.tolist() == list(range(260, 300))


# ---- logs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["data", "data/freshet.sqlite"])
def test_a_data_directory_is_read_beside_its_service(journal, tmp_path, place):
    before = {one.name for one in (tmp_path / "data").iterdir()}
    assert_shows_the_stream(open_log(str(tmp_path / place)))
    assert {one.name for one in (tmp_path / "data").iterdir()} == before


def test_an_sql_database_is_read(journal, tmp_path):
    url = f"sqlite:///{tmp_path / 'log.sqlite'}"
    sink = open_sink(url)
    sink.write(blocks_after(journal, 0, 10**9, 10**9))
    sink.close()
    assert_shows_the_stream(open_log(url))


def test_postgresql_is_read(journal, postgres_url):
    sink = open_sink(postgres_url)
    sink.write(blocks_after(journal, 0, 10**9, 10**9))
    sink.close()
    source = open_log(postgres_url)
    assert_shows_the_stream(source)


def test_mongodb_is_read(journal, mongodb_url):
    sink = open_sink(mongodb_url)
    sink.write(blocks_after(journal, 0, 10**9, 10**9))
    sink.close()
    assert_shows_the_stream(open_log(mongodb_url))


def test_reading_makes_no_table(tmp_path):
    path = tmp_path / "empty.sqlite"
    path.touch()
    source = open_log(f"sqlite:///{path}")
    with pytest.raises(OSError, match="predictions"):
        source.streams()
    assert path.stat().st_size == 0


def test_what_comes_is_added_and_ids_stay(journal, tmp_path):
    feed = open_log(str(tmp_path / "data")).feed("sensor", 305)
    first = feed.points
    feed.refresh()
    assert feed.points is first
    journal.write(entries(20, first=300, anomalies=(310,)))
    feed.refresh()
    assert feed.points.rows.tolist() == list(range(15, 320))
    assert feed.points.ids.tolist() == list(range(15, 320))
    assert feed.points.is_anomaly[310 - 15]
    journal.write(entries(10, "other", first=60))
    held = feed.points
    feed.refresh()
    assert feed.points is held


def test_what_comes_late_is_not_missed(journal, tmp_path):
    feed = open_log(str(tmp_path / "data")).feed("sensor", 10_000)
    # Of a request that came a second before the last one that was seen.
    journal.write([one._replace(incarnation="0") for one in entries(10, first=280)])
    feed.refresh()
    assert len(feed.points) == 310
    assert (np.diff(feed.points.received.astype(np.int64)) >= 0).all()
    assert (np.diff(feed.points.ids) == 1).all()


def test_a_stream_that_begins_later_appears(journal, tmp_path):
    feed = open_log(str(tmp_path / "data")).feed("new", 100)
    assert len(feed.points) == 0
    journal.write(entries(10, "new"))
    feed.refresh()
    assert len(feed.points) == 10


def test_a_feed_reads_pages_that_are_short(journal, tmp_path):
    source = open_log(str(tmp_path / "data"))
    whole = source.feed("sensor", 1000)

    def read(since, is_descending, cursor, limit):
        return whole._read(since, is_descending, cursor, min(limit, 7))

    feed = PredictionFeed(read, 1000)
    np.testing.assert_array_equal(feed.points.rows, whole.points.rows)
    journal.write(entries(20, first=300))
    feed.refresh()
    assert feed.points.rows.tolist() == list(range(320))


def test_texts_are_not_drawn_but_named(tmp_path):
    from prediction_testing import entry

    with closing(Journal(tmp_path / "freshet.sqlite")) as one:
        rows = [{"kind": "blue", "n": 3}, {"kind": "red", "n": 4.5}]
        one.write([entry([0.1, 0.9], values=rows)])
        shown = open_log(str(tmp_path)).feed("a", 10).points
    assert shown.columns == ("n",)
    assert shown.texts == ("kind",)
    assert shown.values.tolist() == [[3.0], [4.5]]


# ---- the service ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """A service that wants keys, with a stream of 80 rows, and texts of keys by name."""
    data_dir = tmp_path_factory.mktemp("service") / "data"
    file = KeyFile(data_dir / "api-keys.json")
    data_dir.mkdir()
    _, writer = file.create("all", ["read", "write"])
    _, narrow = file.create("narrow", ["read"], ["other-"])
    _, blind = file.create("blind", ["write"])
    with ServiceProcess(data_dir, auth="required") as process:
        random = np.random.default_rng(0)
        rows = [{"heat": heat, "load": load} for heat, load in random.normal(size=(80, 2)).tolist()]
        rows[70] = {"heat": 50.0, "load": 50.0}
        answer = httpx.post(
            f"{process.url}/v1/ml/anomaly/stream",
            json={"model": "pump", "data": rows},
            headers={"Authorization": f"Bearer {writer}"},
            timeout=30,
        )
        assert answer.status_code == 200, answer.text
        yield process.url, {"all": writer, "narrow": narrow, "blind": blind}


def test_a_service_is_asked(service):
    url, keys = service
    source = ServiceSource(url + "/", keys["all"])
    assert source.name == url
    assert source.streams() == ["pump"]
    shown = source.feed("pump", 1000).points
    assert shown.rows.tolist() == list(range(80))
    assert shown.is_anomaly[70]
    assert shown.values[70, 0] == 50.0
    # One request, so that times would show nothing.
    assert shown.clock is None
    found = source.explain(shown, 70, DEFAULTS)
    assert set(found.by_column) == {"heat", "load"}
    assert not found.is_exact


def test_what_comes_to_a_service_is_added(service):
    url, keys = service
    feed = ServiceSource(url, keys["all"]).feed("grows", 1000)
    for n in (1, 2):
        httpx.post(
            f"{url}/v1/ml/anomaly/stream",
            json={"model": "grows", "data": {"x": float(n)}},
            headers={"Authorization": f"Bearer {keys['all']}"},
            timeout=30,
        ).raise_for_status()
        feed.refresh()
        assert feed.points.values[:, 0].tolist() == list(range(1, n + 1))


@pytest.mark.parametrize(
    ("key", "status", "said"),
    [(None, 401, "--api-key"), ("nonsense", 401, "--api-key"), ("blind", 403, "scope read")],
)
def test_a_service_that_refuses_is_no_permission(service, key, status, said):
    url, keys = service
    with pytest.raises(ServiceError) as caught:
        ServiceSource(url, keys.get(key, key)).streams()
    assert caught.value.status == status
    problem = as_problem(caught.value, url)
    assert problem.title == "No permission"
    assert said in problem.next_step


def test_a_key_for_other_streams_sees_none(service):
    url, keys = service
    source = ServiceSource(url, keys["narrow"])
    assert source.streams() == []
    with pytest.raises(ServiceError) as caught:
        source.feed("pump", 10)
    assert as_problem(caught.value, url).kind == "forbidden"


def test_a_service_that_is_away_is_told():
    with pytest.raises(requests.ConnectionError) as caught:
        ServiceSource(f"http://127.0.0.1:{free_port()}").streams()
    problem = as_problem(caught.value, "the service")
    assert (problem.title, problem.what) == ("No answer", "the service cannot be reached.")


# ---- series --------------------------------------------------------------------------------------


def test_a_series_gets_the_verdicts_of_the_library(tmp_path):
    path = write_spikes(tmp_path / "spikes.csv", n=4100, at=(250, 3500))
    source = open_source(Options(file=str(path)), DEFAULTS)
    assert isinstance(source, SeriesSource)
    shown = source.feed("spikes", 10_000).points
    detector = StreamingDetector("ecod", contamination=0.01, retrain="inline")
    batch = detector.process_many(shown.values)
    np.testing.assert_array_equal(shown.scores, batch.score)
    np.testing.assert_array_equal(shown.is_anomaly, batch.is_anomaly)
    np.testing.assert_array_equal(shown.model_versions, batch.model_version)
    assert shown.is_anomaly[[250, 3500]].all()
    assert shown.columns == ("heat", "load")
    assert shown.times[1] - shown.times[0] == np.timedelta64(60, "s")


@pytest.mark.parametrize("row", [51, 250, 1999, 2000, 3500])
def test_a_row_is_explained_by_the_model_that_scored_it(tmp_path, row):
    path = write_spikes(tmp_path / "spikes.csv", n=4100, at=(250, 3500))
    source = SeriesSource(path, DetectorOptions(rolling_windows=(5,)))
    shown = source.feed("spikes", 10_000).points
    found = source.explain(shown, row, DEFAULTS)
    assert found.is_exact
    assert found.score == shown.scores[row]
    assert sum(found.by_column.values()) == pytest.approx(shown.raw_scores[row])


def test_a_row_in_cold_start_has_no_explanation(tmp_path):
    source = SeriesSource(write_spikes(tmp_path / "spikes.csv"), DEFAULTS)
    shown = source.feed("spikes", 1000).points
    with pytest.raises(UnexplainedError, match="cannot explain"):
        source.explain(shown, 10, DEFAULTS)


def test_a_file_that_changes_is_read_again(tmp_path):
    path = write_spikes(tmp_path / "spikes.csv", n=100, at=())
    feed = SeriesSource(path, DEFAULTS).feed("spikes", 1000)
    held = feed.points
    feed.refresh()
    assert feed.points is held
    with path.open("a") as file:
        file.write("2024-01-02 00:00:00,50,50\n")
    feed.refresh()
    assert len(feed.points) == 101
    assert feed.points.is_anomaly[100]


def test_a_bundle_scores_a_series(tmp_path):
    path = write_spikes(tmp_path / "spikes.csv", n=200, at=(150,))
    assert run("train", "--data", path, "--out", tmp_path / "bundle", *TINY).exit_code == 0
    scored = run("score", tmp_path / "bundle", path)
    options = Options(file=str(path), bundle=str(tmp_path / "bundle"))
    source = open_source(options, DEFAULTS)
    shown = source.feed("spikes", 1000).points
    rows = list(csv.DictReader(scored.stdout.splitlines()))
    errors = np.array([float(row["error"] or "nan") for row in rows])
    np.testing.assert_allclose(shown.scores, errors, rtol=1e-6)
    assert source.explain(shown, 150, DEFAULTS).is_exact


# ---- verdicts ------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_what_freshet_score_writes_is_shown(tmp_path, form):
    path = write_spikes(tmp_path / "spikes.csv", n=200, at=(150,))
    assert run("train", "--data", path, "--out", tmp_path / "bundle", *TINY).exit_code == 0
    out = tmp_path / f"scores.{form}"
    command = ("score", tmp_path / "bundle", path, "--format", form, "--out", out)
    assert run(*command).exit_code == 0
    source = open_source(Options(file=str(out)), DEFAULTS)
    assert isinstance(source, VerdictSource)
    shown = source.feed("scores", 1000).points
    assert shown.columns == ("heat", "load")
    assert np.flatnonzero(~shown.is_scored).tolist() == list(range(7))
    assert shown.is_anomaly.any()
    assert shown.is_anomaly.sum() == out.read_text().count("anomaly")
    assert not source.explain(shown, 150, DEFAULTS).is_exact


def test_what_a_result_batch_writes_is_shown(tmp_path):
    detector = StreamingDetector("ecod", contamination=0.01, retrain="inline")
    values = np.random.default_rng(0).normal(size=(200, 1))
    batch = detector.process_many(values)
    frame = batch.to_pandas()
    frame.insert(1, "x", values[:, 0])
    frame.to_csv(tmp_path / "batch.csv", index=False)
    shown = VerdictSource(tmp_path / "batch.csv").feed("batch", 1000).points
    np.testing.assert_array_equal(shown.scores, batch.score)
    np.testing.assert_array_equal(shown.is_anomaly, batch.is_anomaly)
    np.testing.assert_array_equal(shown.model_versions, batch.model_version)
    assert shown.columns == ("x",)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("t,x\n1,2\n", False),
        ("x,score,label\n1,0.5,1\n", False),  # Labels of its own.
        ("x,score,label\n1,0.5,normal\n", True),
        ("x,error,label\n1,,warmup\n", True),
        ("x,score,is_anomaly\n1,0.5,True\n", True),
        ("", False),
    ],
)
def test_verdicts_are_told_from_series(tmp_path, text, holds):
    path = tmp_path / "file.csv"
    path.write_text(text)
    assert holds_verdicts(path) == holds


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.jsonl", '{"score": 1, "label": "normal"}\n[1]\n', "line 2: no JSON object"),
        ("a.jsonl", '{"x": 1}\n', "no verdicts, only x"),
        ("a.csv", "x,score,label\n1,0.5,normal\n1,2,3,4\n", "line 3"),
    ],
)
def test_files_that_are_none_say_what_is_wrong(tmp_path, name, text, said):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(DataError, match=said) as caught:
        open_source(Options(file=str(path)), DEFAULTS).feed("a", 10)
    assert as_problem(caught.value, str(path)).title == "Not readable"


# ---- problems ------------------------------------------------------------------------------------


def test_what_is_not_there_is_missing_and_nothing_is_made(tmp_path):
    for where in (str(tmp_path / "data"), f"sqlite:///{tmp_path / 'none.sqlite'}"):
        with pytest.raises(FileNotFoundError) as caught:
            open_log(where)
        problem = as_problem(caught.value, where)
        assert problem.title == "Nothing there"
        assert str(tmp_path) in problem.what
    assert list(tmp_path.iterdir()) == []


def test_what_may_not_be_read_is_no_permission():
    problem = as_problem(PermissionError(13, "Permission denied", "x.csv"), "x.csv")
    assert problem.title == "No permission"
    assert "chmod" in problem.next_step


def test_a_file_that_is_no_journal_is_not_readable(tmp_path):
    (tmp_path / "freshet.sqlite").write_bytes(b"nonsense" * 1000)
    with pytest.raises(OSError, match="not a database") as caught:
        open_log(str(tmp_path)).streams()
    assert as_problem(caught.value, "x").title == "Not readable"


def test_passwords_are_not_shown():
    url = f"postgresql+psycopg://me:geheim@127.0.0.1:{free_port()}/x"
    source = open_log(url)
    with pytest.raises(LogUnavailableError) as caught:
        source.streams()
    problem = as_problem(caught.value, source.name)
    assert problem.title == "No answer"
    assert "geheim" not in source.name + problem.what + problem.next_step


@pytest.mark.parametrize(
    ("status", "title"),
    [(401, "No permission"), (403, "No permission"), (404, "Nothing there"), (418, "Not readable"),
     (429, "No answer"), (503, "No answer")],
)  # fmt: skip
def test_answers_of_the_service_are_states(status, title):
    assert as_problem(ServiceError(status, "so it says"), "x").title == title


@pytest.mark.parametrize(
    ("error", "title"),
    [
        (ConfigurationError("no such driver"), "Not readable"),
        (ImportError("no module", name="pymongo"), "Not readable"),
        (TimeoutError(), "No answer"),
        (sqlite3.DatabaseError("malformed"), "Not readable"),
        (StoreError("the log: permission denied for table predictions"), "No permission"),
    ],
)
def test_errors_are_states(error, title):
    problem = as_problem(error, "x")
    assert problem.title == title
    assert problem.next_step


def test_bugs_are_no_states():
    assert as_problem(ZeroDivisionError(), "x") is None


# ---- the command ---------------------------------------------------------------------------------


def started(monkeypatch, *arguments):
    """What the command would start."""
    found = {}
    monkeypatch.setattr(running, "run", lambda options, **rest: found.update(rest, options=options))
    result = run("dashboard", *arguments)
    return result, found


def test_the_command_says_what_to_show(monkeypatch, tmp_path):
    _, found = started(
        monkeypatch, "bundle", "x.csv", "--columns", "a,b", "--rolling", "5,10",
        "--backend", "hbos", "--contamination", 0.02, "--port", 9, "--no-browser",
    )  # fmt: skip
    assert found["options"] == Options(
        file="x.csv",
        bundle="bundle",
        columns=("a", "b"),
        detector=DetectorOptions("hbos", 0.02, (5, 10)),
    )
    assert (found["host"], found["port"], found["has_browser"]) == ("127.0.0.1", 9, False)


def test_a_column_with_a_comma_is_quoted(monkeypatch):
    _, found = started(monkeypatch, "x.csv", "--columns", '"a,b",c', "--contamination", 0.0001)
    assert found["options"].columns == ("a,b", "c")
    assert found["options"].detector.contamination == 0.0001


def test_options_survive_the_environment(monkeypatch):
    options = Options(file="x", columns=("a",), detector=DetectorOptions("hbos", 0.2, (5,)))
    monkeypatch.setenv("FRESHET_DASHBOARD", "")
    options.to_environment()
    assert Options.from_environment() == options
    monkeypatch.delenv("FRESHET_DASHBOARD")
    assert Options.from_environment() == Options()


def test_the_key_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("FRESHET_API_KEY", "secret")
    _, found = started(monkeypatch, "--url", "http://x")
    assert found["api_key"] == "secret"
    assert "secret" not in str(found["options"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["a", "b", "c"], "BUNDLE and a FILE"),
        (["x.csv", "--log", "data"], "one of FILE, --log and --url"),
        (["--backend", "lstm"], "ecod"),
        (["--contamination", "0.9"], "at most 0.5"),
        (["--contamination", "0.00005"], "at least 0.0001"),
        (["--contamination", "nan"], "at least 0.0001"),
        (["--rolling", "5,x"], "5,10,20"),
        (["--rolling", "5,0"], "1 or more"),
        (["."], "--log ."),
    ],
)
def test_what_makes_no_sense_is_refused(monkeypatch, arguments, said):
    result, found = started(monkeypatch, *arguments)
    assert result.exit_code == 2
    assert said in result.output
    assert not found


@pytest.mark.parametrize("package", ["pandas", "plotly", "streamlit"])
def test_without_the_extra_the_program_says_how_to_install_it(package):
    code = (
        f"import sys; sys.modules[{package!r}] = None; sys.argv[1:] = ['dashboard', 'x.csv']; "
        "from freshet._command import main; sys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "freshet: the dashboard needs more packages: pip install 'freshet[dashboard]'\n"
    )


def test_without_the_packages_of_the_service_the_page_says_how_to_install_them(monkeypatch):
    for name in [one for one in sys.modules if one.startswith("freshet.dashboard.sources.log")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "freshet.server.prediction_log.sinks", None)
    options = Options(log="data")
    preload(options)
    with pytest.raises(ImportError) as caught:
        open_source(options, DEFAULTS)
    assert "freshet[dashboard,server]" in as_problem(caught.value, "data").next_step


def test_nothing_is_told_to_anybody():
    arguments = running.streamlit_arguments("127.0.0.1", 8501, has_browser=False)
    assert "--browser.gatherUsageStats=false" in arguments
    assert "--server.address=127.0.0.1" in arguments
    assert "--server.headless=true" in arguments
