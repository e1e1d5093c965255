"""Models of the batch API in their directory: what is saved is what is read, or is refused."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import freshet
import numpy as np
import pytest
from freshet.errors import ConfigurationError, ModelFileError
from freshet.server.models import model_file
from freshet.server.models.batch_model import BatchModel
from freshet.server.models.names import base_name, name_without_stamp, parse_filename, stamped
from freshet.server.models.registry import ModelRegistry
from freshet.server.models.training import Training, estimator_type, train
from freshet.server.problems import Problem
from freshet_testing import table

BACKENDS = [one.backend for one in freshet.backends()]
ROWS = table("gaussian", 120, 3)
NEW_ROWS = table("gaussian", 60, 3, seed=5).tolist()
BAD_NAMES = [
    "../x",
    "/etc/passwd",
    "a/b",
    "..",
    ".hidden",
    "",
    "a\0b",
    "a" * 129,
    "ü",
    "a b",
    "a\n",
]


def trained(name: str = "sensors", backend: str = "ecod", **given: object) -> BatchModel:
    training = Training(name, backend, epochs=2, **given)  # type: ignore[arg-type]
    return train(training, ROWS.tolist(), max_columns=100)


def registry_of(directory: object, **limits: int) -> ModelRegistry:
    return ModelRegistry(directory, **limits)  # type: ignore[arg-type]


# ---- what is saved is what is read ----


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_model_survives_to_the_bit(backend, tmp_path):
    model = trained(backend=backend, contamination=0.2, normalization="zscore", description="d")
    registry_of(tmp_path).save(model)
    read = registry_of(tmp_path).load("sensors", backend).model
    assert replace(read, estimator=model.estimator) == model
    assert read.estimator.get_params() == model.estimator.get_params()
    ours, theirs = read.score(NEW_ROWS), model.score(NEW_ROWS)
    np.testing.assert_array_equal(ours.raw_scores, theirs.raw_scores)
    np.testing.assert_array_equal(ours.scores, theirs.scores)
    assert ours.threshold == theirs.threshold


def test_every_backend_has_an_estimator_and_others_are_named():
    assert [estimator_type(name)._backend for name in BACKENDS] == BACKENDS
    with pytest.raises(ConfigurationError) as caught:
        estimator_type("no_such_backend")
    assert (caught.value.id, caught.value.field) == ("backend_unknown", "backend")
    assert caught.value.expected == "one of " + ", ".join(BACKENDS)


def test_a_model_is_of_its_backend(tmp_path):
    registry = registry_of(tmp_path)
    registry.save(trained(backend="ecod"))
    registry.save(trained(backend="hbos"))
    assert registry.load("sensors", "ecod").model.backend == "ecod"
    assert registry.load("sensors").model.backend == "hbos"  # trained last
    with pytest.raises(ModelFileError, match="sensors of the backend loda") as caught:
        registry.load("sensors", "loda")
    assert caught.value.id == "file_missing"


def test_a_model_replaces_the_one_of_its_name(tmp_path):
    registry = registry_of(tmp_path)
    registry.save(trained(contamination=0.1))
    registry.save(trained(contamination=0.3))
    assert [file.filename for file in registry.files()] == ["sensors.ecod.model"]
    for one in (registry, registry_of(tmp_path)):
        assert one.load("sensors").model.estimator.contamination == 0.3


# ---- versions ----


def test_versions_stand_beside_each_other_and_the_latest_is_found(tmp_path):
    registry = registry_of(tmp_path)
    saved = [
        registry.save(trained(contamination=share), is_new_version=True)
        for share in (0.1, 0.2, 0.3)
    ]
    names = [one.model.name for one in saved]
    assert len(set(names)) == 3
    assert {name_without_stamp(name) for name in names} == {"sensors"}
    assert registry.load("sensors-latest").model.estimator.contamination == 0.3
    assert registry.load(names[0]).model.estimator.contamination == 0.1
    with pytest.raises(ModelFileError, match="no model sensors"):
        registry.load("sensors")
    # What was trained last counts, not what was written last.
    os.utime(tmp_path / saved[0].filename, (2e9, 2e9))
    assert registry_of(tmp_path).load("sensors-latest").model.name == names[2]
    registry.save(trained(contamination=0.4))
    assert registry.load("sensors-latest").model.name == "sensors"
    registry.save(trained("sensors2", contamination=0.5))
    assert registry.load("sensors-latest").model.name == "sensors"


def test_versions_made_at_the_same_moment_do_not_replace_each_other(tmp_path, monkeypatch):
    registry = registry_of(tmp_path)
    moments = iter([1.0, 1.0, 1.0, 1.0, 1.000001, 1.000002])
    monkeypatch.setattr(
        "freshet.server.models.registry._now",
        lambda: datetime.fromtimestamp(next(moments), timezone.utc),
    )
    registry.save(trained(), is_new_version=True)
    registry.save(trained(), is_new_version=True)
    assert len(list(registry.files())) == 2


def test_a_damaged_latest_version_is_refused_rather_than_passed_over(tmp_path):
    registry = registry_of(tmp_path)
    registry.save(trained(), is_new_version=True)
    newest = tmp_path / registry.save(trained(), is_new_version=True).filename
    newest.write_bytes(newest.read_bytes()[:10])
    os.utime(newest, (2e9, 2e9))
    with pytest.raises(ModelFileError) as caught:
        registry.load("sensors-latest")
    assert caught.value.id == "file_corrupt"


# ---- names ----


@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_that_are_none_reach_no_file(name, tmp_path):
    directory = tmp_path / "models"
    registry = registry_of(directory)
    model = trained(name)
    before = sorted(tmp_path.rglob("*"))
    for attempt in (
        lambda: registry.save(model),
        lambda: registry.save(model, is_new_version=True),
        lambda: registry.load(name),
        lambda: registry.load(name, "ecod"),
        lambda: registry.load((name or " ") + "-latest", "ecod"),
    ):
        with pytest.raises(ConfigurationError) as caught:
            attempt()
        assert caught.value.field == "model"
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("backend", ["../../x", "ecod/../../../x", "", "Ecod", "a" * 65, "ecod\n"])
def test_backends_that_are_none_reach_no_file(backend, tmp_path):
    (tmp_path / "x.model").write_bytes(model_file.encode(trained()))
    registry = registry_of(tmp_path / "a" / "b")
    with pytest.raises(ConfigurationError) as caught:
        registry.load("sensors", backend)
    assert caught.value.field == "backend"


@pytest.mark.parametrize(
    "filename",
    ["../secret.ecod.model", "secret.txt", "", ".", "..", "sensors.ecod.model\n", ".x.ecod.model"],
)
def test_only_models_can_be_deleted(filename, tmp_path):
    secrets = [tmp_path / "secret.ecod.model", tmp_path / "models" / "secret.txt"]
    registry = registry_of(tmp_path / "models")
    for secret in secrets:
        secret.write_text("x")
    with pytest.raises(ModelFileError) as caught:
        registry.delete(filename)
    assert caught.value.id == "file_missing"
    assert all(secret.exists() for secret in secrets)


def test_the_longest_name_can_be_saved_but_not_as_a_version(tmp_path):
    registry = registry_of(tmp_path)
    registry.save(trained("a" * 128))
    assert registry.load("a" * 128).model.name == "a" * 128
    with pytest.raises(ConfigurationError, match="is no name of a model"):
        registry.save(trained("a" * 128), is_new_version=True)


def test_no_model_is_called_latest(tmp_path):
    with pytest.raises(ConfigurationError, match="latest version of sensors") as caught:
        registry_of(tmp_path).save(trained("sensors-latest"))
    assert caught.value.expected == "a name that does not end in -latest"
    assert not list(tmp_path.iterdir())


def test_names_and_files_belong_together():
    assert parse_filename("a.b-c_d.ecod.model") == ("a.b-c_d", "ecod")
    assert base_name("a-latest-latest") == "a-latest"
    assert base_name("-latest") == "-latest"
    moment = datetime(2026, 1, 31, 12, 5, 6, 7, timezone.utc)
    assert stamped("a", moment) == "a_20260131_120506_000007"
    assert name_without_stamp("a_20260131_120506_000007") == "a"
    assert name_without_stamp("a_20260131") == "a_20260131"


# ---- damage ----


def test_every_damaged_byte_is_noticed(tmp_path):
    data = model_file.encode(trained("m"))
    whole = bytearray(data)
    for place in range(0, len(data), 7):
        whole[place] ^= 0x20
        with pytest.raises(ModelFileError) as caught:
            model_file.decode(bytes(whole), "m.ecod.model")
        assert caught.value.id in ("file_hash", "file_corrupt")
        assert caught.value.field == "m.ecod.model"
        whole[place] ^= 0x20
    for end in range(0, len(data), 11):
        with pytest.raises(ModelFileError):
            model_file.decode(data[:end], "m.ecod.model")
    model_file.decode(bytes(whole), "m.ecod.model")


def test_a_damaged_file_is_refused_and_can_be_replaced(tmp_path):
    registry = registry_of(tmp_path)
    path = tmp_path / registry.save(trained()).filename
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ModelFileError, match="its checksum is wrong") as caught:
        registry.load("sensors")  # not the intact one in memory
    assert (caught.value.id, caught.value.field) == ("file_hash", "sensors.ecod.model")
    registry.save(trained())
    assert registry.load("sensors").model.samples == len(ROWS)


def test_a_model_of_another_version_is_refused():
    model = trained()
    data = model_file.encode(model)
    for old, new, id_ in (
        (b'"format":1', b'"format":2', "file_version"),
        (b'"backend":"ecod"', b'"backend":"ecob"', "file_mismatch"),
        (b'"variant":"pyod"', b'"variant":"pyot"', "file_mismatch"),
        (b'"variant":"pyod"', b'"varianz":"pyod"', "file_mismatch"),
        (b'"samples":120', b'"samples":"x"', "file_corrupt"),
    ):
        assert old in data
        assert len(old) == len(new)
        changed = data[: -model_file._DIGEST_SIZE].replace(old, new)
        changed += model_file.hashlib.sha256(changed).digest()
        with pytest.raises(ModelFileError) as caught:
            model_file.decode(changed, "sensors.ecod.model")
        assert caught.value.id == id_, str(caught.value)


def test_a_file_that_is_no_model_is_refused(tmp_path):
    registry = registry_of(tmp_path)
    for content in (b"", b"freshet", b"\x80\x04pickle", b"freshet batch model\n\xff\xff\xff\xff"):
        (tmp_path / "sensors.ecod.model").write_bytes(content)
        for name in ("sensors", "sensors-latest"):
            with pytest.raises(ModelFileError) as caught:
                registry.load(name)
            assert caught.value.id in ("file_corrupt", "file_hash")
    (tmp_path / "sensors.ecod.model").unlink()
    (tmp_path / "sensors.ecod.model").mkdir()
    with pytest.raises(ModelFileError):
        registry.load("sensors", "ecod")


def test_what_cannot_be_written_is_told_and_changes_nothing(tmp_path, monkeypatch):
    registry = registry_of(tmp_path)
    before = registry.save(trained(contamination=0.1))

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ModelFileError, match="No space left on device") as caught:
        registry.save(trained(contamination=0.3))
    assert caught.value.id == "file_unwritable"
    assert os.listdir(tmp_path) == ["sensors.ecod.model"]
    assert registry.load("sensors") is before


# ---- memory, limits and threads ----


def test_models_used_last_stay_in_memory(tmp_path):
    registry = registry_of(tmp_path, max_models=2)
    saved = {name: registry.save(trained(name)) for name in "abc"}
    assert registry.load("c") is saved["c"]
    assert registry.load("b") is saved["b"]
    again = registry.load("a")
    assert again is not saved["a"]
    assert registry.load("b") is saved["b"]
    assert registry.load("c") is not saved["c"]


def test_the_memory_of_models_is_bounded(tmp_path):
    size = registry_of(tmp_path / "x").save(trained("a")).size
    registry = registry_of(tmp_path / "y", max_bytes=2 * size + 10)
    saved = {name: registry.save(trained(name)) for name in "abc"}
    assert registry.load("c") is saved["c"]
    assert registry.load("a") is not saved["a"]
    small = registry_of(tmp_path / "z", max_bytes=size - 1)
    saved["d"] = small.save(trained("d"))
    assert small.load("d") is not saved["d"]


def test_the_number_of_files_is_bounded(tmp_path):
    registry = registry_of(tmp_path, max_files=2)
    registry.save(trained("a"))
    registry.save(trained("b"))
    with pytest.raises(Problem) as caught:
        registry.save(trained("c"))
    assert (caught.value.status, caught.value.id) == (429, "too_many_models")
    registry.save(trained("a"))
    registry.delete("b.ecod.model")
    registry.save(trained("c"))


def test_what_another_process_does_is_seen(tmp_path):
    ours, theirs = registry_of(tmp_path), registry_of(tmp_path)
    ours.save(trained(contamination=0.1))
    theirs.save(trained(contamination=0.3))
    assert ours.load("sensors", "ecod").model.estimator.contamination == 0.3
    theirs.delete("sensors.ecod.model")
    with pytest.raises(ModelFileError) as caught:
        ours.load("sensors", "ecod")
    assert caught.value.id == "file_missing"


def test_a_revision_does_not_replace_a_newer_model(tmp_path):
    registry = registry_of(tmp_path)
    registry.save(trained(contamination=0.1))
    seen = []

    def change(model):
        seen.append(model.estimator.contamination)
        if len(seen) == 1:
            registry.save(trained(contamination=0.3))
        return replace(model, description="revised")

    revised = registry.revise("sensors", None, change)
    assert seen == [0.1, 0.3]
    read = registry_of(tmp_path).load("sensors").model
    assert (read.estimator.contamination, read.description) == (0.3, "revised")
    assert revised.model.estimator.contamination == 0.3


def test_a_revision_does_not_bring_a_deleted_model_back(tmp_path):
    registry = registry_of(tmp_path)
    registry.save(trained())

    def change(model):
        registry.delete("sensors.ecod.model")
        return replace(model, description="revised")

    with pytest.raises(ModelFileError) as caught:
        registry.revise("sensors", None, change)
    assert caught.value.id == "file_missing"
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_replaced_while_it_is_opened_is_read_whole(tmp_path, monkeypatch):
    registry = registry_of(tmp_path)
    path = tmp_path / registry.save(trained()).filename
    shorter = path.read_bytes()
    longer = registry.save(replace(trained(), description="longer" * 100)).filename
    longer = (tmp_path / longer).read_bytes()
    assert len(longer) > len(shorter)
    path.write_bytes(shorter)

    def opened_late(path_, mode):
        assert Path(path_) == path
        path.write_bytes(longer)
        return path.open(mode)

    monkeypatch.setattr("freshet._file_access.open", opened_late, raising=False)
    assert model_file.read(path) == longer


def test_concurrent_saves_leave_one_of_them_whole(tmp_path):
    registry = registry_of(tmp_path)
    models = [trained(contamination=0.1 + 0.01 * i) for i in range(8)]
    versions = []
    failures = []

    def save(model):
        try:
            for _ in range(5):
                registry.save(model)
                versions.append(registry.save(model, is_new_version=True).filename)
                registry.load("sensors", "ecod")
                registry.load("sensors-latest")
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=save, args=(model,)) for model in models]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(set(versions)) == len(versions) == 40
    files = {file.filename for file in registry.files()}
    assert files == {*versions, "sensors.ecod.model"}
    assert {path.name for path in tmp_path.iterdir()} == files  # nothing temporary is left
    held = registry.load("sensors", "ecod").model.estimator.contamination
    assert registry_of(tmp_path).load("sensors", "ecod").model.estimator.contamination == held


def test_files_that_were_never_finished_are_removed_once_old(tmp_path):
    registry_of(tmp_path)
    old, young = tmp_path / ".0123456789abcdef.tmp", tmp_path / ".fedcba9876543210.tmp"
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (1e9, 1e9))
    registry = registry_of(tmp_path)
    assert os.listdir(tmp_path) == [young.name]
    assert not list(registry.files())
