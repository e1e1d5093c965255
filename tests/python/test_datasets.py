"""Where labelled series come from, and what is done when they cannot be had."""

import json
import re
import socket
import subprocess
import sys

import numpy as np
import pytest
from freshet import datasets
from nab_testing import blob_id, serving, use_own_cache, use_server, use_small_catalog

CSV = "timestamp,value\n2020-01-01 00:00:00,1.5\n2020-01-01 00:30:00,-2\n2020-01-01 01:00:00,3e2\n"


@pytest.fixture
def nab(tmp_path, monkeypatch):
    """A directory laid out as NAB is, with one series."""
    (tmp_path / "data" / "group").mkdir(parents=True)
    (tmp_path / "labels").mkdir()
    (tmp_path / "data" / "group" / "small.csv").write_text(CSV)
    labels = {"group/small.csv": [["2020-01-01 00:00:00.000000", "2020-01-01 00:30:00.000000"]]}
    (tmp_path / "labels" / "combined_windows.json").write_text(json.dumps(labels))
    monkeypatch.setenv("FRESHET_DATA", str(tmp_path))
    return tmp_path


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """No directory and an empty cache."""
    use_small_catalog(monkeypatch)
    return use_own_cache(monkeypatch, tmp_path / "cache")


@pytest.fixture
def served(cache, monkeypatch):
    """A network that has a small NAB of our own."""
    with serving() as server:
        use_server(monkeypatch, server)
        yield server


@pytest.fixture
def offline(cache, monkeypatch):
    """No network: nobody listens at the port."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setattr(datasets._catalog, "RAW_URL", url)
        monkeypatch.setattr(datasets._catalog, "TREE_URL", url)
        monkeypatch.setattr(datasets._download, "BACKOFF_S", 0.0)
        yield url


def test_a_series_of_the_directory_has_its_values_and_windows(nab):
    small = datasets.load_nab("small")
    assert (small.name, small.source, small.is_simulated) == ("small", "FRESHET_DATA", False)
    assert small.values.tolist() == [1.5, -2.0, 300.0]
    assert small.values.dtype == np.float64
    assert small.timestamps.dtype == np.dtype("datetime64[s]")
    assert small.timestamps[1] == np.datetime64("2020-01-01T00:30:00")
    assert small.windows == (
        (np.datetime64("2020-01-01T00:00:00"), np.datetime64("2020-01-01T00:30:00")),
    )
    assert len(small) == 3


def test_a_series_that_the_directory_lacks_is_an_error_that_names_those_it_has(nab):
    with pytest.raises(datasets.DatasetError, match=r"no 'nyc_taxi' but small"):
        datasets.load_nab("nyc_taxi", when_unavailable="simulate")


@pytest.mark.parametrize("labels", ["{}", "not json", None])
def test_missing_or_damaged_labels_are_an_error(nab, labels):
    path = nab / "labels" / "combined_windows.json"
    path.unlink() if labels is None else path.write_text(labels)
    with pytest.raises(datasets.DatasetError, match="has no labels for 'small'"):
        datasets.load_nab("small")


@pytest.mark.parametrize(
    "text",
    [
        "timestamp,value\n",
        "a,b\n1,2\n",
        "timestamp,value\n2020-01-01,x\n",
        "timestamp,value\nx,1\n",
    ],
)
def test_a_damaged_series_is_an_error(nab, text):
    (nab / "data" / "group" / "small.csv").write_text(text)
    with pytest.raises(datasets.DatasetError):
        datasets.load_nab("small")


def test_the_download_happens_once(served):
    first = datasets.load_nab()
    second = datasets.load_nab()
    assert first.source == second.source == "cache"
    assert first.values.tolist() == second.values.tolist() == list(range(10000))
    assert len(first.windows) == 2
    assert served.paths == ["/raw/data/known/nyc_taxi.csv"]


def test_a_series_that_is_not_pinned_comes_with_its_windows(served):
    small = datasets.load_nab("small")
    assert small.values.tolist() == [1.5, -2.0, 300.0]
    assert small.windows == (
        (np.datetime64("2020-01-01T00:00:00"), np.datetime64("2020-01-01T00:30:00")),
    )
    paths = ["/tree", "/raw/data/other/small.csv", "/raw/labels/combined_windows.json"]
    assert served.paths == paths
    assert len(datasets.load_nab("small")) == 3
    assert served.paths == paths


@pytest.mark.parametrize("name", ["nyc_taxi", "small"])
def test_a_damaged_cache_is_filled_again(served, cache, name):
    values = datasets.load_nab(name).values
    n_requests = len(served.asked)
    (cached,) = cache.rglob("*.csv")
    cached.write_text("timestamp,value\n2020-01-01,7\n")
    assert np.array_equal(datasets.load_nab(name).values, values)
    assert len(served.asked) == n_requests + 1


@pytest.mark.parametrize(("name", "algorithm"), [("nyc_taxi", "SHA-256"), ("small", "Git blob id")])
def test_a_download_with_another_checksum_is_refused_and_not_kept(served, cache, name, algorithm):
    served.content = dict.fromkeys(served.content, b"something else")
    with pytest.raises(datasets.DatasetError, match=rf"{name}.*{algorithm} \w+, expected \w+"):
        datasets.load_nab(name)
    assert not list(cache.rglob("*.csv*"))


def test_the_list_of_files_is_asked_for_again_when_a_file_has_changed(served):
    content = served.content["data/other/small.csv"] = b"timestamp,value\n2020-01-01,7\n"
    with pytest.raises(datasets.DatasetError, match="Git blob id"):
        datasets.load_nab("small")
    served.listed["data/other/small.csv"] = blob_id(content)
    assert datasets.load_nab("small").values.tolist() == [7.0]
    assert served.paths.count("/tree") == 2


def test_a_list_without_the_file_is_an_error_that_names_it(served):
    del served.listed["data/other/small.csv"]
    with pytest.raises(datasets.DatasetError, match=r"does not list data/other/small\.csv"):
        datasets.load_nab("small")


def test_a_cache_that_cannot_be_written_is_done_without(served, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert len(datasets.load_nab()) == 10000
    assert len(datasets.load_nab("small")) == 3


def test_without_a_network_it_raises_unless_a_simulation_will_do(offline):
    with pytest.raises(datasets.DatasetError, match="FRESHET_DATA") as caught:
        datasets.load_nab()
    assert caught.value.field == f"{offline}/data/known/nyc_taxi.csv"
    assert isinstance(caught.value, RuntimeError)
    simulated = datasets.load_nab(when_unavailable="simulate", seed=3)
    assert simulated.is_simulated
    assert "simulated" in simulated.name
    assert np.array_equal(simulated.values, datasets.simulate_taxi(3).values)


def test_only_the_taxi_can_be_simulated(offline):
    with pytest.raises(datasets.DatasetError, match="cannot be downloaded"):
        datasets.load_nab("small", when_unavailable="simulate")


def test_a_series_that_nab_does_not_have_is_an_error_that_names_similar_ones(served):
    with pytest.raises(datasets.DatasetError, match="'nyc_tax'; similar: nyc_taxi"):
        datasets.load_nab("nyc_tax", when_unavailable="simulate")
    assert served.asked == []


def test_the_catalog_has_all_of_nab():
    groups = datasets.list_nab()
    sizes = {group: len(names) for group, names in groups.items()}
    assert sizes == {
        "realKnownCause": 7,
        "realAWSCloudwatch": 17,
        "realAdExchange": 6,
        "realTraffic": 7,
        "realTweets": 10,
        "artificialNoAnomaly": 5,
        "artificialWithAnomaly": 6,
    }
    entries = datasets._catalog.NAB.values()
    assert len(entries) == 58  # No name comes twice, so names without groups are enough.
    pinned = [entry for entry in entries if entry.sha256 is not None]
    assert len(pinned) == 24
    assert set(datasets._pins.SHA256) == {entry.name for entry in pinned}
    assert set(datasets._pins.WINDOWS) < set(datasets._pins.SHA256)
    for entry in pinned:
        assert re.fullmatch(r"[0-9a-f]{64}", entry.sha256)
        assert all(begin < end for begin, end in entry.labels)
    assert all(entry.labels is None for entry in entries if entry.sha256 is None)
    taxi = datasets._series.to_windows(datasets._catalog.NAB["nyc_taxi"].labels)
    assert taxi[0] == (np.datetime64("2014-10-30T15:30:00"), np.datetime64("2014-11-03T22:30:00"))


def test_the_package_is_imported_without_more_than_numpy():
    code = (
        "import sys, freshet.datasets; "
        "print({'requests', 'urllib3', 'typer', 'rich', 'matplotlib'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "set()"


def test_a_download_without_requests_says_how_to_get_it(served, monkeypatch):
    monkeypatch.setitem(sys.modules, "requests", None)
    with pytest.raises(datasets.DatasetError, match=r"pip install 'freshet\[cli\]'"):
        datasets.load_nab()
    assert datasets.load_nab(when_unavailable="simulate").is_simulated


def test_the_simulation_depends_on_nothing_but_its_seed():
    one, same, other = (datasets.simulate_taxi(seed) for seed in (1, 1, 2))
    assert np.array_equal(one.values, same.values)
    assert not np.array_equal(one.values, other.values)
    assert one.windows == other.windows


def test_the_simulation_looks_like_rides():
    rides = datasets.simulate_taxi()
    assert len(rides) == 215 * 48
    assert (np.diff(rides.timestamps) == np.timedelta64(30, "m")).all()
    assert (rides.values > 0).all()
    assert (rides.values == np.round(rides.values)).all()
    begins, ends = zip(*rides.windows, strict=True)
    assert len(begins) == 5
    assert all(begin < end for begin, end in rides.windows)
    assert all(end < begin for end, begin in zip(ends, begins[1:], strict=False))
    assert rides.timestamps[0] + np.timedelta64(28, "D") < begins[0]
    assert ends[-1] <= rides.timestamps[-1]


def test_too_short_a_simulation_is_refused():
    with pytest.raises(ValueError, match="at least 84"):
        datasets.simulate_taxi(n_days=83)
    assert len(datasets.simulate_taxi(n_days=84).windows) == 5
