"""The directory of bundles: whole ones serve, others change nothing."""

import shutil
import threading
import time

import pytest
import structlog
import watchfiles
from bundle_testing import trained
from freshet import LSTMAutoencoder
from freshet.server.metrics import Metrics
from freshet.server.models import bundle as bundle_module
from freshet.server.models.bundles import BundleDirectory

SETTLING = 5.0
MODELS = {seed: trained(seed) for seed in (1, 2)}


@pytest.fixture
def bundles(tmp_path):
    """Bundles 1 and 2, finished, outside of the directory that is watched."""
    (tmp_path / "finished").mkdir()
    for seed, model in MODELS.items():
        model.save(tmp_path / "finished" / str(seed))
    return {seed: tmp_path / "finished" / str(seed) for seed in MODELS}


@pytest.fixture
def directory(tmp_path):
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


class Watched:
    """A BundleDirectory whose clock and scans are the test's."""

    def __init__(self, path, **options):
        self.metrics = Metrics()
        self.now = 100.0
        self.bundles = BundleDirectory(
            path, self.metrics, settling_seconds=SETTLING, **{"poll_seconds": 0.01, **options}
        )
        self.scan()

    def scan(self, seconds=0.0):
        """Let time pass, look, and return what was logged."""
        self.now += seconds
        with structlog.testing.capture_logs() as events:
            self.bundles.scan(self.now)
        return [event for event in events if event["log_level"] != "info"]

    def settle(self):
        return self.scan() + self.scan(SETTLING)

    def version(self, name="taxi"):
        return self.bundles.serving[name].version

    def count(self, result):
        return self.metrics.registry.get_sample_value(
            "freshet_bundle_loads_total", {"result": result}
        )


@pytest.fixture
def watched(directory):
    return Watched(directory)


def version_of(path, name="taxi"):
    return bundle_module.load_bundle(name, path).version


def damage(path):
    weights = path / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)


# ---- what serves ----


def test_an_empty_directory_serves_nothing(watched):
    assert dict(watched.bundles.serving) == {}
    assert watched.bundles.default() is None
    assert watched.count("loaded") == watched.count("refused") == 0


def test_a_bundle_that_is_moved_there_serves_with_all_that_is_in_it(watched, directory, bundles):
    expected = version_of(bundles[1])
    bundles[1].rename(directory / "taxi")
    assert watched.scan() == []
    found = watched.bundles.serving["taxi"]
    assert found.version == expected
    assert found.version.startswith("taxi@")
    assert found.columns == ("f0",)
    assert found.threshold == MODELS[1].threshold_
    assert found.window == MODELS[1].window
    assert watched.count("loaded") == watched.metrics.registry.get_sample_value("freshet_bundles")
    assert watched.count("loaded") == 1


def test_versions_are_those_of_the_content(watched, directory, bundles):
    assert version_of(bundles[1]) != version_of(bundles[2])
    shutil.copytree(bundles[1], directory / "taxi")
    watched.scan()
    assert watched.version() == version_of(bundles[1])
    # Another process, or this one after a restart, calls it the same.
    assert Watched(directory).version() == watched.version()


def test_what_takes_a_bundle_s_place_is_swapped_in(watched, directory, bundles):
    shutil.copytree(bundles[1], directory / "taxi")
    watched.scan()
    before, serving = watched.bundles.serving["taxi"], watched.bundles.serving
    LSTMAutoencoder.load(bundles[2]).save(directory / "taxi")
    watched.scan()
    after = watched.bundles.serving["taxi"]
    assert after.version == version_of(directory / "taxi")
    assert after.generation > before.generation
    # Whoever has the old ones finishes with them.
    assert serving["taxi"] is before
    assert before.version == version_of(bundles[1])
    with pytest.raises(TypeError):
        serving["taxi"] = after


def test_a_bundle_that_is_touched_or_copied_anew_is_the_same(watched, directory, bundles):
    shutil.copytree(bundles[1], directory / "taxi")
    watched.scan()
    before = watched.bundles.serving["taxi"]
    shutil.rmtree(directory / "taxi")
    shutil.copytree(bundles[1], directory / "taxi")
    assert watched.scan() == []
    assert watched.bundles.serving["taxi"] is before
    assert watched.count("loaded") == 1


def test_a_removed_bundle_serves_on_until_the_process_ends(watched, directory, bundles):
    shutil.copytree(bundles[1], directory / "taxi")
    watched.scan()
    shutil.rmtree(directory / "taxi")
    (event,) = watched.settle()
    assert (event["event"], event["bundle"]) == ("bundle_removed", "taxi")
    assert watched.bundles.default().name == "taxi"
    assert Watched(directory).bundles.default() is None
    # The whole volume, too.
    directory.rename(directory.with_name("elsewhere"))
    (event,) = watched.settle()
    assert event["event"] == "models_dir_unreadable"
    assert watched.bundles.default().name == "taxi"


def test_a_directory_may_come_later(tmp_path, bundles):
    watched = Watched(tmp_path / "mounted" / "later")
    assert watched.bundles.default() is None
    (tmp_path / "mounted").mkdir()
    shutil.copytree(bundles[1].parent, tmp_path / "mounted" / "later")
    assert watched.scan() == []
    assert set(watched.bundles.serving) == {"1", "2"}


def test_who_serves_requests_that_name_no_bundle(watched, directory, bundles):
    shutil.copytree(bundles[1], directory / "a")
    watched.scan()
    assert watched.bundles.default().name == "a"
    shutil.copytree(bundles[2], directory / "b")
    watched.scan()
    assert watched.bundles.default() is None
    assert Watched(directory, default="b").bundles.default().name == "b"
    assert Watched(directory, default="c").bundles.default() is None
    # Under its old name a bundle that was renamed serves only those who ask for it.
    (directory / "a").rename(directory / "c")
    shutil.rmtree(directory / "b")
    watched.scan()
    assert watched.bundles.default().name == "c"
    assert set(watched.bundles.serving) == {"a", "b", "c"}


def test_what_cannot_be_a_bundle_s_name_is_none(watched, directory, bundles):
    for name in (".taxi", "..data", "two words", "a\nb", "ü", "x" * 129):
        shutil.copytree(bundles[1], directory / name)
    (directory / "manifest.json").write_text("{}")
    assert watched.settle() == []
    assert dict(watched.bundles.serving) == {}


# ---- what does not ----


def test_a_damaged_bundle_is_refused_once_with_its_reason_and_the_old_one_serves_on(
    watched, directory, bundles
):
    shutil.copytree(bundles[1], directory / "taxi")
    watched.scan()
    old = watched.version()
    damage(bundles[2])
    shutil.rmtree(directory / "taxi")
    bundles[2].rename(directory / "taxi")
    assert watched.scan() == []
    (event,) = watched.scan(SETTLING)
    assert event["event"] == "bundle_refused"
    assert event["id"] == "file_hash"
    assert "SHA-256" in event["reason"]
    assert event["serving"] == watched.version() == old
    assert watched.count("refused") == 1
    for _ in range(3):
        assert watched.settle() == []
    assert watched.count("refused") == 1
    # And once it is mended, it serves.
    damage(directory / "taxi")
    assert watched.scan() == []
    assert watched.version() == version_of(directory / "taxi") != old


@pytest.mark.parametrize("is_manifest_first", [True, False])
def test_a_bundle_that_is_copied_file_by_file_serves_when_it_is_whole(
    watched, directory, bundles, is_manifest_first
):
    shutil.copytree(bundles[1], directory / "taxi")
    watched.scan()
    old = watched.version()
    files = sorted(bundles[2].iterdir(), key=lambda f: f.name == "manifest.json")
    if is_manifest_first:
        files.reverse()
    for file in files:
        assert watched.version() == old
        content = file.read_bytes()
        for end in (0, len(content) // 2, len(content)):
            # Slowly: each part just before the directory would be refused.
            (directory / "taxi" / file.name).write_bytes(content[:end])
            assert watched.scan(SETTLING - 0.1) == []
    assert watched.version() == version_of(bundles[2]) != old
    assert watched.count("refused") == 0


def test_a_copy_that_stops_half_way_is_refused_and_serves_when_it_goes_on(
    watched, directory, bundles
):
    (directory / "taxi").mkdir()
    shutil.copy(bundles[1] / "manifest.json", directory / "taxi")
    (event,) = watched.settle()
    assert event["id"] == "file_missing"
    assert watched.bundles.default() is None
    shutil.copytree(bundles[1], directory / "taxi", dirs_exist_ok=True)
    assert watched.scan() == []
    assert watched.version() == version_of(bundles[1])


def test_what_is_replaced_while_it_is_read_is_never_half_of_each(
    watched, directory, bundles, monkeypatch
):
    load = LSTMAutoencoder.load
    shutil.copytree(bundles[1], directory / "taxi")

    def replaced_meanwhile(path):
        monkeypatch.undo()
        LSTMAutoencoder.load(bundles[2]).save(path)
        return load(path)

    monkeypatch.setattr(LSTMAutoencoder, "load", replaced_meanwhile)
    watched.scan()
    assert dict(watched.bundles.serving) == {}
    assert watched.scan() == []
    assert watched.version() == version_of(directory / "taxi")


def test_links_lead_nowhere_else(watched, directory, bundles):
    (directory / "outside").symlink_to(bundles[1])
    # A directory within is fine: this is how volumes of secrets are exchanged at once.
    shutil.copytree(bundles[1], directory / "..2026_01_31")
    (directory / "inside").symlink_to("..2026_01_31")
    shutil.copytree(bundles[1], directory / "file")
    (directory / "file" / "weights.safetensors").unlink()
    (directory / "file" / "weights.safetensors").symlink_to(bundles[1] / "weights.safetensors")
    (directory / "broken").symlink_to("nowhere")
    events = {event["bundle"]: event for event in watched.settle()}
    assert set(watched.bundles.serving) == {"inside"}
    assert set(events) == {"outside", "file"}
    assert "leads out" in events["outside"]["reason"]
    # The link is turned to another one.
    shutil.copytree(bundles[2], directory / "..2026_02_28")
    (directory / "next").symlink_to("..2026_02_28")
    (directory / "next").rename(directory / "inside")
    assert watched.settle() == []
    assert watched.version("inside") == version_of(bundles[2], "inside")


def test_a_bundle_that_cannot_be_looked_at_is_no_obstacle_to_others(
    watched, directory, bundles, monkeypatch
):
    for name in ("a", "b", "c"):
        shutil.copytree(bundles[1], directory / name)
    load = bundle_module.load_bundle

    def fails(name, *arguments):
        if name == "b":
            raise MemoryError("too large")
        return load(name, *arguments)

    monkeypatch.setattr("freshet.server.models.bundles.load_bundle", fails)
    events = watched.settle()
    assert {event["event"] for event in events} == {"bundle_failed", "bundle_refused"}
    assert set(watched.bundles.serving) == {"a", "c"}


# ---- watching ----


def until(condition):
    """Wait; pytest's timeout is the end of it."""
    while not condition():
        time.sleep(0.005)


def test_changes_are_noticed(directory, bundles):
    # Looked at anyway only every hour.
    watching = BundleDirectory(directory, Metrics(), poll_seconds=3600.0)
    watching.start()
    try:
        time.sleep(0.2)  # until the system has been told what to watch
        bundles[1].rename(directory / "taxi")
        until(lambda: "taxi" in watching.serving)
        before = watching.serving["taxi"].version
        LSTMAutoencoder.load(bundles[2]).save(directory / "taxi")
        until(lambda: watching.serving["taxi"].version != before)
    finally:
        watching.close()


def test_where_changes_cannot_be_noticed_the_directory_is_polled(directory, bundles, monkeypatch):
    def refuses(*_, **__):
        raise OSError("no more watches")

    monkeypatch.setattr(watchfiles, "watch", refuses)
    watching = BundleDirectory(directory, Metrics(), poll_seconds=0.01)
    with structlog.testing.capture_logs() as events:
        watching.start()
        try:
            bundles[1].rename(directory / "taxi")
            until(lambda: "taxi" in watching.serving)
            until(lambda: any(one["event"] == "bundles_not_watched" for one in events))
        finally:
            watching.close()
    assert [one["event"] for one in events].count("bundles_not_watched") == 1


def test_closing_does_not_wait_for_the_next_look(directory):
    watching = BundleDirectory(directory, Metrics(), poll_seconds=3600.0)
    watching.start()
    watching.close()  # pytest's timeout would tell


def test_a_bundle_is_read_by_nobody_but_the_watching_thread(directory, bundles, monkeypatch):
    threads = set()
    load = bundle_module.load_bundle

    def noted(*arguments):
        threads.add(threading.current_thread().name)
        return load(*arguments)

    monkeypatch.setattr("freshet.server.models.bundles.load_bundle", noted)
    watching = BundleDirectory(directory, Metrics(), poll_seconds=0.01)
    watching.start()
    try:
        bundles[1].rename(directory / "taxi")
        until(lambda: "taxi" in watching.serving)
    finally:
        watching.close()
    assert threads == {"freshet-bundles"}
