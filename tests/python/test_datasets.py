"""Where labelled series come from, and what is done when they cannot be had."""

import hashlib
import json
import urllib.error

import numpy as np
import pytest
from freshet import datasets

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
def offline(tmp_path, monkeypatch):
    """No directory, an empty cache, no network; returns the URLs that are asked for."""
    asked = []

    def refuse(url, timeout):
        asked.append(url)
        raise urllib.error.URLError("no network")

    monkeypatch.delenv("FRESHET_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("urllib.request.urlopen", refuse)
    return asked


class Served:
    """A network that answers with the same content every time."""

    def __init__(self, content):
        self.content = content
        self.n_requests = 0

    def __call__(self, url, timeout):
        self.n_requests += 1
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def read(self):
        return self.content


@pytest.fixture
def served(offline, monkeypatch):
    """A network that has the pinned series, with content of our own."""
    network = Served(CSV.encode())
    pinned = datasets._PINNED["nyc_taxi"]
    monkeypatch.setitem(
        datasets._PINNED,
        "nyc_taxi",
        datasets._Pinned(pinned.path, hashlib.sha256(network.content).hexdigest(), pinned.windows),
    )
    monkeypatch.setattr("urllib.request.urlopen", network)
    return network


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
    assert first.values.tolist() == second.values.tolist() == [1.5, -2.0, 300.0]
    assert len(first.windows) == 5
    assert served.n_requests == 1


def test_a_damaged_cache_is_filled_again(served):
    datasets.load_nab()
    cached = datasets._cache_directory() / datasets._PINNED["nyc_taxi"].path
    cached.write_text("timestamp,value\n2020-01-01,7\n")
    assert datasets.load_nab().values.tolist() == [1.5, -2.0, 300.0]
    assert served.n_requests == 2


def test_a_download_with_another_checksum_is_refused_and_not_kept(served):
    served.content = b"something else"
    with pytest.raises(datasets.DatasetError, match="SHA-256"):
        datasets.load_nab()
    assert not list(datasets._cache_directory().rglob("*.csv"))


def test_a_cache_that_cannot_be_written_is_done_without(served, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert len(datasets.load_nab()) == 3


def test_without_a_network_it_raises_unless_a_simulation_will_do(offline):
    with pytest.raises(datasets.DatasetError, match="FRESHET_DATA"):
        datasets.load_nab()
    assert len(offline) == 1
    assert offline[0].endswith("/data/realKnownCause/nyc_taxi.csv")
    simulated = datasets.load_nab(when_unavailable="simulate", seed=3)
    assert simulated.is_simulated
    assert "simulated" in simulated.name
    assert np.array_equal(simulated.values, datasets.simulate_taxi(3).values)


def test_a_series_without_a_checksum_is_never_downloaded(offline):
    with pytest.raises(datasets.DatasetError, match="only nyc_taxi can"):
        datasets.load_nab("ambient_temperature_system_failure")
    assert offline == []


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
