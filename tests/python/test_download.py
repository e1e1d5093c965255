"""Downloads: resumed, verified, kept, and put where they are asked for."""

import json
import threading

import pytest
from freshet import datasets
from freshet.datasets import DatasetError, _download, download_nab
from nab_testing import (
    CONTENT,
    LABELS_PATH,
    WINDOW,
    serving,
    use_own_cache,
    use_server,
    use_small_catalog,
    write_tree,
)

TAXI = "data/known/nyc_taxi.csv"
SIZE = len(CONTENT[TAXI])
SOME = 12 * 2**13  # A whole number of pieces.


@pytest.fixture
def cache(tmp_path, monkeypatch):
    use_small_catalog(monkeypatch)
    return use_own_cache(monkeypatch, tmp_path / "cache")


@pytest.fixture
def server(cache, monkeypatch):
    with serving() as running:
        use_server(monkeypatch, running)
        yield running


@pytest.fixture
def mirror(cache, tmp_path):
    return write_tree(tmp_path / "mirror")


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def break_off(server, out, **options):
    """Let a first attempt get no further than `SOME` bytes."""
    server.breaks_after = SOME
    with pytest.raises(DatasetError, match="broke off") as caught:
        download_nab("nyc_taxi", out, **options)
    server.breaks_after = None
    server.n_sent = 0
    server.asked.clear()
    return caught.value


# ---- what arrives --------------------------------------------------------------------------------


def test_a_series_goes_into_the_file_that_is_named(server, out):
    (done,) = download_nab("nyc_taxi", out / "deep" / "taxi.csv")
    assert done.path == out / "deep" / "taxi.csv"
    assert done.path.read_bytes() == CONTENT[TAXI]
    assert done.labels_path == out / "deep" / "combined_windows.json"
    assert json.loads(done.labels_path.read_bytes()) == {"known/nyc_taxi.csv": [list(WINDOW)] * 2}
    assert (done.name, done.n_points, done.n_windows, done.is_new) == ("nyc_taxi", 10000, 2, True)
    assert server.paths == [f"/raw/{TAXI}"]
    assert sorted(path.name for path in done.path.parent.iterdir()) == [
        "combined_windows.json",
        "taxi.csv",
    ]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("all", ["nyc_taxi", "small", "large"]),
        (["all", "small"], ["nyc_taxi", "small", "large"]),
        ("other", ["small", "large"]),
        (["large", "nyc_taxi", "large"], ["large", "nyc_taxi"]),
        ("small", ["small"]),
    ],
)
def test_several_series_go_into_a_directory(server, out, names, expected):
    done = download_nab(names, out)
    assert [download.name for download in done] == expected
    assert [download.path for download in done] == [out / f"{name}.csv" for name in expected]
    labels = json.loads((out / "combined_windows.json").read_bytes())
    assert sorted(labels) == sorted(
        f"{'known' if name == 'nyc_taxi' else 'other'}/{name}.csv" for name in expected
    )


def test_what_is_there_is_not_downloaded_again(server, out):
    download_nab("all", out)
    assert len(server.asked) == 5  # Three series, the labels, the list of files.
    times = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    again = download_nab("all", out)
    assert not any(download.is_new for download in again)
    assert [download.n_points for download in again] == [10000, 3, 10001]
    assert times == {path: path.stat().st_mtime_ns for path in out.iterdir()}
    assert all(download.is_new for download in download_nab("all", out / "elsewhere"))
    assert len(server.asked) == 5


def test_what_is_in_place_needs_no_cache(server, out, cache, monkeypatch):
    download_nab("nyc_taxi", out)
    monkeypatch.setenv("XDG_CACHE_HOME", str(out / "empty"))
    assert not download_nab("nyc_taxi", out)[0].is_new
    assert len(server.asked) == 1


def test_labels_go_where_they_are_asked_for_and_keep_those_of_before(server, out):
    labels = out / "labels" / "windows.json"
    download_nab("nyc_taxi", out, labels=labels)
    download_nab("small", out, labels=labels)
    assert json.loads(labels.read_bytes()) == {
        "known/nyc_taxi.csv": [list(WINDOW)] * 2,
        "other/small.csv": [list(WINDOW)],
    }
    assert not (out / "combined_windows.json").exists()


def test_progress_is_told_what_has_arrived(server, out):
    told = []
    download_nab("nyc_taxi", out, progress=lambda *arguments: told.append(arguments))
    assert len(told) > 1
    assert {path for path, _, _ in told} == {TAXI}
    assert {total for _, _, total in told} == {SIZE}
    assert [n for _, n, _ in told] == sorted(n for _, n, _ in told)
    assert told[-1][1] == SIZE


def test_two_at_once_download_once(server, out):
    threads = [
        threading.Thread(target=download_nab, args=("nyc_taxi", out / str(k))) for k in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.paths == [f"/raw/{TAXI}"]
    assert [(out / str(k) / "nyc_taxi.csv").stat().st_size for k in range(3)] == [SIZE] * 3


# ---- what breaks off -----------------------------------------------------------------------------


def test_a_download_goes_on_where_it_broke_off(server, out, cache):
    error = break_off(server, out)
    assert f"first {SOME:,} bytes are kept" in str(error)
    assert error.field == f"{server.url}/raw/{TAXI}"
    part = cache / f"{TAXI}.part"
    assert part.read_bytes() == CONTENT[TAXI][:SOME]
    assert not out.exists()

    assert datasets.load_nab().source == "cache"
    assert server.asked == [(f"/raw/{TAXI}", f"bytes={SOME}-")]
    assert server.n_sent == SIZE - SOME
    assert [path.name for path in part.parent.iterdir()] == ["nyc_taxi.csv"]


def test_it_may_break_off_more_than_once(server, out):
    break_off(server, out)
    break_off(server, out)
    download_nab("nyc_taxi", out)
    assert server.asked == [(f"/raw/{TAXI}", f"bytes={2 * SOME}-")]
    assert server.n_sent == SIZE - 2 * SOME


def test_a_server_without_ranges_sends_everything_again(server, out):
    break_off(server, out)
    server.has_ranges = False
    download_nab("nyc_taxi", out)
    assert server.n_sent == SIZE
    assert (out / "nyc_taxi.csv").read_bytes() == CONTENT[TAXI]


def test_a_file_that_has_changed_meanwhile_is_not_mixed_with_its_old_beginning(server, out):
    old = server.content[TAXI]
    server.content[TAXI] = old[::-1]
    break_off(server, out)
    server.content[TAXI] = old
    download_nab("nyc_taxi", out)
    assert server.n_sent == SIZE
    assert (out / "nyc_taxi.csv").read_bytes() == CONTENT[TAXI]


@pytest.mark.parametrize(
    ("has_etag", "headers"),
    [(False, {}), (False, {"ETag": 'W/"weak"'}), (True, {"Content-Encoding": "identity"})],
    ids=["none", "weak", "encoded"],
)
def test_without_a_reliable_state_the_file_is_downloaded_anew(server, out, has_etag, headers):
    server.has_etag = has_etag
    server.headers = headers
    break_off(server, out)
    download_nab("nyc_taxi", out)
    assert server.asked == [(f"/raw/{TAXI}", None)]


def test_a_complete_part_is_downloaded_anew_when_there_is_no_rest(server, out, cache):
    break_off(server, out)
    (cache / f"{TAXI}.part").write_bytes(CONTENT[TAXI])
    download_nab("nyc_taxi", out)
    assert server.asked == [(f"/raw/{TAXI}", f"bytes={SIZE}-"), (f"/raw/{TAXI}", None)]
    assert (out / "nyc_taxi.csv").read_bytes() == CONTENT[TAXI]


def test_a_rest_that_was_not_asked_for_is_not_appended(server, out):
    break_off(server, out)
    server.headers = {"Content-Range": f"bytes 5-{SIZE - 1}/{SIZE}"}
    download_nab("nyc_taxi", out)
    assert server.asked == [(f"/raw/{TAXI}", f"bytes={SOME}-"), (f"/raw/{TAXI}", None)]
    assert (out / "nyc_taxi.csv").read_bytes() == CONTENT[TAXI]


@pytest.mark.parametrize("note", [b"", b"{}", b"[]", b'{"url": "other", "validator": "x"}'])
def test_a_part_of_which_nothing_is_known_is_not_used(server, out, cache, note):
    break_off(server, out)
    (cache / f"{TAXI}.part.json").write_bytes(note)
    download_nab("nyc_taxi", out)
    assert server.asked == [(f"/raw/{TAXI}", None)]


def test_a_damaged_part_is_found_out_and_thrown_away(server, out, cache):
    break_off(server, out)
    (cache / f"{TAXI}.part").write_bytes(b"x" * SOME)
    with pytest.raises(DatasetError, match=r"SHA-256 \w{64}, expected \w{64}"):
        download_nab("nyc_taxi", out)
    assert list((cache / TAXI).parent.iterdir()) == []
    download_nab("nyc_taxi", out)
    assert (out / "nyc_taxi.csv").read_bytes() == CONTENT[TAXI]


# ---- what the server says ------------------------------------------------------------------------


def test_wrong_content_is_refused_with_what_was_expected(server, out, cache):
    server.content[TAXI] = b"timestamp,value\n2020-01-01,7\n"
    with pytest.raises(DatasetError, match=r"nyc_taxi\.csv .* SHA-256 \w{64}, expected") as caught:
        download_nab("nyc_taxi", out)
    assert caught.value.id == "file_hash"
    assert datasets._catalog.NAB["nyc_taxi"].sha256 in caught.value.expected
    assert not out.exists()
    assert not [path for path in cache.rglob("*") if "nyc_taxi" in path.name]


def test_a_passing_failure_is_retried(server, out):
    server.failures = [500, 503]
    download_nab("nyc_taxi", out)
    assert server.paths == [f"/raw/{TAXI}"] * 3


@pytest.mark.parametrize(
    ("statuses", "n_requests"), [([404], 1), ([403], 1), ([500] * 9, 4), ([206], 1)]
)
def test_a_lasting_failure_is_an_error_that_names_it(server, out, statuses, n_requests):
    server.failures = list(statuses)
    with pytest.raises(DatasetError, match=f"nyc_taxi.csv cannot be .*{statuses[0]} .*mirror"):
        download_nab("nyc_taxi", out)
    assert len(server.asked) == n_requests


def test_a_file_that_is_missing_leaves_those_before_it(server, out):
    del server.content["data/other/large.csv"]
    with pytest.raises(DatasetError, match="404"):
        download_nab("all", out)
    assert sorted(path.name for path in out.glob("*.csv")) == ["nyc_taxi.csv", "small.csv"]
    assert len(json.loads((out / "combined_windows.json").read_bytes())) == 2


@pytest.mark.parametrize("headers", [{}, {"Content-Length": "", "Connection": "close"}])
def test_too_large_a_file_is_not_kept(server, out, cache, monkeypatch, headers):
    server.headers = headers
    monkeypatch.setattr(_download, "MAX_BYTES", SOME)
    with pytest.raises(DatasetError, match="larger than 98,304 bytes"):
        download_nab("nyc_taxi", out)
    assert list((cache / TAXI).parent.iterdir()) == []


@pytest.mark.parametrize("tree", [b"<html>", b"[]", b'{"message": "no"}', b'{"tree": [{}]}'])
def test_a_list_of_files_that_is_none_is_refused(server, out, monkeypatch, tree):
    server.content["tree"] = tree
    monkeypatch.setattr(datasets._catalog, "TREE_URL", f"{server.url}/raw/tree")
    with pytest.raises(DatasetError, match="is no list of files"):
        download_nab("small", out)


# ---- mirrors -------------------------------------------------------------------------------------


def test_a_directory_can_be_the_mirror(mirror, server, out, cache):
    done = download_nab("all", out, mirror=mirror)
    assert [download.n_points for download in done] == [10000, 3, 10001]
    assert (out / "small.csv").read_bytes() == CONTENT["data/other/small.csv"]
    assert not any(download.is_new for download in download_nab("all", out, mirror=str(mirror)))
    assert server.asked == []
    assert not cache.exists()


def test_the_environment_can_name_the_mirror(mirror, server, out, monkeypatch):
    monkeypatch.setenv("FRESHET_DATA", str(mirror))
    download_nab("all", out)
    assert server.asked == []


def test_an_address_can_be_the_mirror(server, out, cache, monkeypatch):
    monkeypatch.setattr(datasets._catalog, "RAW_URL", "http://[")
    monkeypatch.setattr(datasets._catalog, "TREE_URL", "http://[")
    download_nab("all", out, mirror=f"{server.url}/raw/")
    paths = [TAXI, LABELS_PATH, "data/other/small.csv", "data/other/large.csv"]
    assert server.paths == [f"/raw/{path}" for path in paths]
    # What nothing vouches for is not kept for other runs.
    assert [path.name for path in cache.rglob("*.csv*")] == ["nyc_taxi.csv"]


def test_a_download_from_a_mirror_is_resumed_only_from_there(server, out, monkeypatch):
    break_off(server, out, mirror=f"{server.url}/raw")
    monkeypatch.setattr(datasets._catalog, "RAW_URL", f"{server.url}/raw/.")
    server.content[f"./{TAXI}"] = CONTENT[TAXI]
    download_nab("nyc_taxi", out)
    assert [wanted for _, wanted in server.asked] == [None]


@pytest.mark.parametrize("is_address", [False, True])
def test_a_mirror_with_other_content_is_refused_by_name(mirror, server, out, is_address):
    other = b"timestamp,value\n2020-01-01,7\n"
    server.content[TAXI] = other
    (mirror / TAXI).write_bytes(other)
    where = f"{server.url}/raw" if is_address else str(mirror)
    with pytest.raises(DatasetError, match="is not the file that NAB has") as caught:
        download_nab("nyc_taxi", out, mirror=where)
    assert caught.value.field == f"{where}/{TAXI}"
    assert not out.exists()


@pytest.mark.parametrize("path", ["data/other/small.csv", LABELS_PATH])
@pytest.mark.parametrize("content", [None, b"<html>", b"\xff"])
def test_what_a_mirror_lacks_is_an_error_that_names_the_file(mirror, out, path, content):
    (mirror / path).unlink()
    if content is not None:
        (mirror / path).write_bytes(content)
    with pytest.raises(DatasetError) as caught:
        download_nab("small", out, mirror=mirror)
    assert str(mirror / path) in str(caught.value)
    assert caught.value.field == str(mirror / path)
    assert not out.exists()


@pytest.mark.parametrize("mirror", ["http://[", "https://127.0.0.1:0", "http://"])
def test_an_address_that_leads_nowhere_is_an_error_that_names_it(cache, out, mirror, monkeypatch):
    monkeypatch.setattr(_download, "BACKOFF_S", 0.0)
    with pytest.raises(DatasetError) as caught:
        download_nab("nyc_taxi", out, mirror=mirror)
    assert mirror.rstrip("/") in str(caught.value)


# ---- what is in the way --------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["server", "mirror"])
@pytest.mark.parametrize("name", ["nyc_taxi", "small"])
def test_another_file_is_replaced_only_on_request(server, mirror, out, name, source):
    options = {} if source == "server" else {"mirror": mirror}
    out.mkdir()
    path = out / f"{name}.csv"
    path.write_text("timestamp,value\n2020-01-01,7\n")
    with pytest.raises(DatasetError, match="is there with other content") as caught:
        download_nab(name, out, **options)
    assert caught.value.field == str(path)
    assert path.read_text() == "timestamp,value\n2020-01-01,7\n"
    (done,) = download_nab(name, out, overwrite=True, **options)
    assert done.is_new
    assert path.stat().st_size > 60


@pytest.mark.parametrize("content", ["", "[]", "no json"])
def test_a_file_that_holds_no_labels_is_left_alone(server, out, content):
    out.mkdir()
    (out / "combined_windows.json").write_text(content)
    with pytest.raises(DatasetError, match=r"combined_windows\.json is there but holds no label"):
        download_nab("nyc_taxi", out, overwrite=True)
    assert (out / "combined_windows.json").read_text() == content


def test_other_windows_are_replaced_only_on_request(server, out):
    out.mkdir()
    labels = out / "combined_windows.json"
    labels.write_text('{"known/nyc_taxi.csv": [], "mine.csv": []}')
    with pytest.raises(DatasetError, match=r"the windows of known/nyc_taxi\.csv"):
        download_nab("nyc_taxi", out)
    download_nab("nyc_taxi", out, overwrite=True)
    assert json.loads(labels.read_bytes()) == {
        "known/nyc_taxi.csv": [list(WINDOW)] * 2,
        "mine.csv": [],
    }


def test_one_file_cannot_take_several_series(server, out):
    with pytest.raises(DatasetError, match="one file, but 2 series") as caught:
        download_nab("other", out / "x.csv")
    assert caught.value.field == "out"
    assert server.asked == []


def test_a_directory_may_look_like_a_file(server, out):
    (out / "x.csv").mkdir(parents=True)
    assert download_nab("nyc_taxi", out / "x.csv")[0].path == out / "x.csv" / "nyc_taxi.csv"


def test_a_place_that_cannot_be_written_is_the_systems_error(server, out):
    out.write_text("")
    with pytest.raises(OSError, match="out"):
        download_nab("nyc_taxi", out / "deep")
