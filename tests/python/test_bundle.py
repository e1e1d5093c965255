"""Bundles: what is saved is what is loaded, and whatever is wrong is said."""

from __future__ import annotations

import hashlib
import json
import os
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import freshet
import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import safetensors.numpy
from freshet import LSTMAutoencoder, ModelFileError
from freshet_testing import stream
from hypothesis import given, settings
from hypothesis import strategies as st

MANIFEST = "manifest.json"
FILES = ["scaler.json", "threshold.json", "training_scores.safetensors", "weights.safetensors"]
NAMES = ["load", "heat", "Fluß"]
X = stream(80)

VARIANTS: list[dict[str, Any]] = [
    {},
    {"dtype": "float64", "scaler": "robust", "contamination": 0.03},
    {"num_layers": 2, "latent_size": 3, "validation_fraction": 0.0, "contamination": 1 / 3},
    {"scaler": "none", "contamination": 1e-13},
]


def fitted(**params: Any) -> LSTMAutoencoder:
    defaults = {"window": 6, "hidden_size": 4, "epochs": 2, "batch_size": 32, "n_threads": 1}
    return LSTMAutoencoder(**{**defaults, **params}).fit(pd.DataFrame(X, columns=NAMES))


MODEL = fitted()


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    MODEL.save(tmp_path / "bundle", created="2026-01-31T12:00:00Z")
    return tmp_path / "bundle"


def contents(directory: Path) -> dict[str, bytes]:
    return {entry.name: entry.read_bytes() for entry in directory.iterdir()}


def arrays_of(model: LSTMAutoencoder) -> dict[str, npt.NDArray[Any]]:
    return {name: np.asarray(value) for name, value in model.to_torch_state_dict().items()}


def refused(directory: Path, id_: str, *mentioned: str) -> ModelFileError:
    with pytest.raises(ModelFileError) as caught:
        LSTMAutoencoder.load(directory)
    error = caught.value
    assert error.id == id_
    assert error.field
    assert error.expected
    assert len(str(error)) < 1000
    for text in mentioned:
        assert text in f"{error} {error.field}"
    with pytest.raises(ModelFileError) as again:
        freshet.StreamingDetector.from_bundle(directory)
    assert (again.value.id, str(again.value)) == (error.id, str(error))
    return error


def write(directory: Path, name: str, content: bytes) -> None:
    """Replaces a file, and its hash in the manifest."""
    (directory / name).write_bytes(content)
    manifest = json.loads((directory / MANIFEST).read_bytes())
    record = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    manifest["files"][name] = record
    (directory / MANIFEST).write_text(json.dumps(manifest))


def edit(directory: Path, name: str, change: Callable[[Any], object]) -> None:
    """Changes what a JSON file says."""
    document = json.loads((directory / name).read_bytes())
    change(document)
    content = json.dumps(document).encode()
    if name == MANIFEST:
        (directory / name).write_bytes(content)
    else:
        write(directory, name, content)


def edit_tensors(directory: Path, name: str, change: Callable[[Any], object]) -> None:
    tensors = safetensors.numpy.load((directory / name).read_bytes())
    change(tensors)
    write(directory, name, safetensors.numpy.save(tensors))


def put(path: str, value: Any) -> Callable[[Any], None]:
    """Sets a member; dots lead into objects."""

    def change(document: Any) -> None:
        *parents, last = path.split(".")
        for parent in parents:
            document = document[parent]
        document[last] = value

    return change


def drop(path: str) -> Callable[[Any], None]:
    def change(document: Any) -> None:
        *parents, last = path.split(".")
        for parent in parents:
            document = document[parent]
        del document[last]

    return change


# ---- there and back ----


@pytest.mark.parametrize("params", VARIANTS)
def test_all_comes_back_to_the_bit(params: dict[str, Any], tmp_path: Path) -> None:
    model = fitted(**params)
    model.save(tmp_path / "bundle")
    loaded = LSTMAutoencoder.load(tmp_path / "bundle")
    for method in ("decision_function", "score_rows", "explain", "reconstruct", "predict"):
        ours = getattr(model, method)(X)
        assert getattr(loaded, method)(X).tobytes() == ours.tobytes()
    assert loaded.decision_scores_.tobytes() == model.decision_scores_.tobytes()
    assert loaded.labels_.tolist() == model.labels_.tolist()
    assert loaded.threshold_ == model.threshold_
    assert loaded.percentile_ == model.percentile_
    assert loaded.feature_names_in_.tolist() == NAMES
    assert repr(loaded.history_) == repr(model.history_)  # NaN is the same as NaN
    assert loaded.statistics_ == model.statistics_
    assert loaded.n_rows_ == model.n_rows_ == 80
    ignored = {"contamination", "seed"}
    found = {name: value for name, value in loaded.get_params().items() if name not in ignored}
    assert found == {k: v for k, v in model.get_params().items() if k not in ignored}
    if params.get("contamination", 0.1) > 1e-12:
        assert loaded.contamination == pytest.approx(model.contamination, abs=1e-12)


@pytest.mark.parametrize("params", VARIANTS)
def test_saved_again_all_bytes_are_the_same(params: dict[str, Any], tmp_path: Path) -> None:
    fitted(**params).save(tmp_path / "first")
    LSTMAutoencoder.load(tmp_path / "first").save(tmp_path / "second")
    first = contents(tmp_path / "first")
    assert sorted(first) == sorted([MANIFEST, *FILES])
    assert contents(tmp_path / "second") == first
    # Over itself, too.
    LSTMAutoencoder.load(tmp_path / "first").save(str(tmp_path / "first"))
    assert contents(tmp_path / "first") == first


def test_the_manifest_says_what_is_there(bundle: Path) -> None:
    manifest = json.loads((bundle / MANIFEST).read_bytes())
    assert set(manifest["files"]) == set(FILES)
    for name in FILES:
        data = (bundle / name).read_bytes()
        assert manifest["files"][name] == {
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
        }
    assert (manifest["format"], manifest["format_version"]) == ("freshet-bundle", 1)
    assert manifest["library_version"] == freshet.__version__
    assert manifest["created"] == "2026-01-31T12:00:00Z"
    assert (manifest["backend"], manifest["window"]) == ("lstm_autoencoder", 6)
    assert manifest["columns"] == NAMES
    training = manifest["training"]
    assert (training["n_rows"], training["n_windows"]) == (80, 75)
    for j, column in enumerate(training["columns"]):
        values = X[:, j]
        assert (column["min"], column["max"]) == (values.min(), values.max())
        assert column["mean"] == pytest.approx(values.mean(), rel=1e-12)
        assert column["std"] == pytest.approx(values.std(), rel=1e-12)
    history = MODEL.history_
    assert training["best_epoch"] == history["best_epoch"]
    assert [one["training_loss"] for one in training["epochs"]] == history["training_loss"]
    assert [one["validation_loss"] for one in training["epochs"]] == history["validation_loss"]


@pytest.mark.parametrize("params", VARIANTS)
def test_the_tensors_are_what_others_read(params: dict[str, Any], tmp_path: Path) -> None:
    model = fitted(**params)
    model.save(tmp_path / "bundle")
    stored = safetensors.numpy.load_file(tmp_path / "bundle" / "weights.safetensors")
    expected = arrays_of(model)
    assert stored.keys() == expected.keys()
    for name, value in expected.items():
        assert (stored[name].dtype, stored[name].shape) == (value.dtype, value.shape)
        assert stored[name].tobytes() == value.tobytes()
    scores = safetensors.numpy.load_file(tmp_path / "bundle" / "training_scores.safetensors")
    np.testing.assert_array_equal(scores["training_scores"], model.decision_scores_)
    scaler = json.loads((tmp_path / "bundle" / "scaler.json").read_bytes())
    assert scaler["center"] == model._model.center().tolist()
    assert scaler["scale"] == model._model.scale().tolist()
    threshold = json.loads((tmp_path / "bundle" / "threshold.json").read_bytes())
    assert threshold == {"value": model.threshold_, "percentile": model.percentile_}
    # A file that another writer has made of the same tensors is as good.
    edit_tensors(tmp_path / "bundle", "weights.safetensors", lambda tensors: None)
    loaded = LSTMAutoencoder.load(tmp_path / "bundle")
    assert loaded.score_rows(X).tobytes() == model.score_rows(X).tobytes()


def test_created_is_now_unless_told(tmp_path: Path) -> None:
    MODEL.save(tmp_path / "bundle")
    created = json.loads((tmp_path / "bundle" / MANIFEST).read_bytes())["created"]
    age = pd.Timestamp.now("UTC") - pd.Timestamp(created)
    assert pd.Timedelta(0) <= age < pd.Timedelta(hours=1)


def test_what_is_set_after_training_is_not_the_models(tmp_path: Path) -> None:
    model = fitted()
    model.set_params(window=9, hidden_size=16, dtype="float64", scaler="none", epochs=7)
    model.save(tmp_path / "bundle")
    loaded = LSTMAutoencoder.load(tmp_path / "bundle")
    assert (loaded.window, loaded.hidden_size, loaded.epochs) == (6, 4, 2)
    assert loaded.score_rows(X).tobytes() == model.score_rows(X).tobytes()
    # What is set of a loaded one is not, either.
    loaded.set_params(hidden_size=16).save(tmp_path / "again")
    assert LSTMAutoencoder.load(tmp_path / "again").hidden_size == 4


def test_thresholds_that_were_set(tmp_path: Path) -> None:
    model = fitted().set_percentile(98.5)
    model.save(tmp_path / "bundle")
    loaded = LSTMAutoencoder.load(tmp_path / "bundle")
    assert (loaded.threshold_, loaded.percentile_) == (model.threshold_, 98.5)
    assert loaded.contamination == pytest.approx(0.015, abs=1e-12)
    assert loaded.labels_.tolist() == model.labels_.tolist()
    model.threshold_ = 0.25
    model.save(tmp_path / "bundle")
    assert LSTMAutoencoder.load(tmp_path / "bundle").threshold_ == 0.25


def test_a_loaded_model_can_be_trained_further(bundle: Path) -> None:
    loaded = LSTMAutoencoder.load(bundle)
    loaded.fit(X, warm_start=True)
    expected = fitted()
    expected.fit(X, warm_start=True)
    assert loaded.decision_scores_.tobytes() == expected.decision_scores_.tobytes()
    assert loaded.decision_scores_.tobytes() != MODEL.decision_scores_.tobytes()
    assert not hasattr(loaded, "feature_names_in_")


# ---- what is wrong with a bundle ----


@pytest.mark.parametrize("name", [MANIFEST, *FILES])
def test_a_missing_file(bundle: Path, name: str) -> None:
    (bundle / name).unlink()
    refused(bundle, "file_missing", name)
    (bundle / name).mkdir()
    with pytest.raises(ModelFileError, match=name):
        LSTMAutoencoder.load(bundle)


def test_no_bundle(tmp_path: Path) -> None:
    refused(tmp_path / "nowhere", "file_missing", "nowhere")
    (tmp_path / "file").write_bytes(b"{}")
    refused(tmp_path / "file", "file_missing", "file")
    refused(tmp_path, "file_missing", MANIFEST)


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_bit(bundle: Path, name: str) -> None:
    data = (bundle / name).read_bytes()
    for position in (0, len(data) // 2, len(data) - 1):
        damaged = bytearray(data)
        damaged[position] ^= 1
        (bundle / name).write_bytes(damaged)
        error = refused(bundle, "file_hash", name)
        assert hashlib.sha256(damaged).hexdigest() in str(error)
        assert hashlib.sha256(data).hexdigest() in str(error)


@pytest.mark.parametrize("name", FILES)
def test_another_length(bundle: Path, name: str) -> None:
    data = (bundle / name).read_bytes()
    for damaged in (b"", data[:-1], data + b"\0"):
        (bundle / name).write_bytes(damaged)
        with pytest.raises(ModelFileError, match=name) as caught:
            LSTMAutoencoder.load(bundle)
        assert caught.value.id in ("file_hash", "file_corrupt")


def test_links_are_not_followed(bundle: Path, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    (bundle / "scaler.json").rename(target)
    (bundle / "scaler.json").symlink_to(target)
    with pytest.raises(ModelFileError, match=r"scaler\.json"):
        LSTMAutoencoder.load(bundle)


MANIFEST_FAULTS: list[tuple[Callable[[Any], object], str, str]] = [
    (put("window", 7), "file_mismatch", "window"),
    (put("window", "6"), "file_corrupt", "window"),
    (put("window", -6), "file_corrupt", "window"),
    (put("backend_params.window", 7), "file_mismatch", "window"),
    (put("backend_params.hidden_size", 5), "file_mismatch", "weights"),
    (put("backend_params.hidden_size", 4096), "file_mismatch", "weights"),
    (put("backend_params.hidden_size", 10**9), "file_mismatch", "hidden_size"),
    (put("backend_params.hidden_size", 2**63), "file_mismatch", "hidden_size"),
    (put("backend_params.hidden_size", 4.0), "file_mismatch", "hidden_size"),
    (put("backend_params.num_layers", 2), "file_mismatch", "weights"),
    (put("backend_params.num_layers", 10**6), "file_mismatch", "num_layers"),
    (put("backend_params.latent_size", 4), "file_mismatch", "weights"),
    (put("backend_params.latent_size", 4096), "file_mismatch", "weights"),
    (put("backend_params.dtype", "float64"), "file_mismatch", "F64"),
    (put("backend_params.dtype", "float16"), "file_mismatch", "dtype"),
    (put("backend_params.epochs", 0), "file_mismatch", "epochs"),
    (put("backend_params.learning_rate", -1.0), "file_mismatch", "learning_rate"),
    (put("backend_params.units", 3), "file_mismatch", "units"),
    (put("backend_params", [1]), "file_mismatch", "backend_params"),
    (put("backend", "ecod"), "file_mismatch", "ecod"),
    (put("backend", 5), "file_corrupt", MANIFEST),
    (put("format", "other-bundle"), "file_corrupt", "other-bundle"),
    (put("format_version", 2), "file_version", "format_version is 2"),
    (put("format_version", 0), "file_version", "format_version is 0"),
    (put("format_version", "1"), "file_corrupt", "format_version"),
    (put("columns", NAMES[:2]), "file_mismatch", "columns"),
    (put("columns", [*NAMES, "more"]), "file_mismatch", "columns"),
    (put("columns", []), "file_mismatch", "columns"),
    (put("columns", ["a", "b", "b"]), "file_mismatch", "columns"),
    (put("columns", [1, 2, 3]), "file_corrupt", MANIFEST),
    (put("training.n_windows", 74), "file_mismatch", "n_windows"),
    (put("training.n_rows", -1), "file_corrupt", "n_rows"),
    (put("training.columns", [{"min": 0, "max": 0, "mean": 0, "std": 0}]), "file_mismatch", "stat"),
    (put("training.columns", [{}]), "file_corrupt", MANIFEST),
    (put("training.epochs", 3), "file_corrupt", MANIFEST),
    (put("training.best_epoch", None), "file_corrupt", "best_epoch"),
    (put("files.weights.txt", {}), "file_corrupt", "files"),
    (drop("format"), "file_corrupt", "format"),
    (drop("format_version"), "file_corrupt", "format_version"),
    (drop("backend"), "file_corrupt", MANIFEST),
    (drop("backend_params"), "file_corrupt", MANIFEST),
    (drop("columns"), "file_corrupt", MANIFEST),
    (drop("training"), "file_corrupt", MANIFEST),
    (drop("created"), "file_corrupt", MANIFEST),
    (drop("files"), "file_corrupt", "files"),
]


@pytest.mark.parametrize(("change", "id_", "mentioned"), MANIFEST_FAULTS)
def test_an_edited_manifest(
    bundle: Path, change: Callable[[Any], object], id_: str, mentioned: str
) -> None:
    if mentioned == "files" and id_ == "file_corrupt":
        manifest = json.loads((bundle / MANIFEST).read_bytes())
        manifest["files"]["weights.txt"] = manifest["files"]["scaler.json"]
        (bundle / MANIFEST).write_text(json.dumps(manifest))
        refused(bundle, "file_corrupt", "weights.txt")
        del manifest["files"]
        (bundle / MANIFEST).write_text(json.dumps(manifest))
        refused(bundle, id_, mentioned)
        return
    edit(bundle, MANIFEST, change)
    refused(bundle, id_, mentioned)


@pytest.mark.parametrize("name", FILES)
def test_a_manifest_that_does_not_name_a_file(bundle: Path, name: str) -> None:
    edit(bundle, MANIFEST, lambda document: document["files"].pop(name))
    refused(bundle, "file_missing", name)


@pytest.mark.parametrize(
    "text",
    [b"", b"[]", b"{", b"null", b"{}", b'{"format": "\xff"}', b"[" * 100_000, b"\0" * 10],
)
def test_a_manifest_that_is_none(bundle: Path, text: bytes) -> None:
    (bundle / MANIFEST).write_bytes(text)
    refused(bundle, "file_corrupt", MANIFEST)


def test_a_member_that_comes_twice(bundle: Path) -> None:
    text = (bundle / MANIFEST).read_text()
    (bundle / MANIFEST).write_text(text.replace('"window": 6', '"window": 6, "window": 6', 1))
    refused(bundle, "file_corrupt", "window")


SCALER_FAULTS: list[tuple[str, Any, str, str]] = [
    ("center", [0.0, 0.0], "file_mismatch", "scale"),
    ("center", [0.0] * 4, "file_mismatch", "scale"),
    ("scale", [1.0, 0.0, 1.0], "file_mismatch", "scale"),
    ("scale", [1.0, -1.0, 1.0], "file_mismatch", "scale"),
    ("center", [None, 0.0, 0.0], "file_corrupt", ""),
    ("center", 0.0, "file_corrupt", ""),
]


@pytest.mark.parametrize(("member", "value", "id_", "mentioned"), SCALER_FAULTS)
def test_another_scaler(bundle: Path, member: str, value: Any, id_: str, mentioned: str) -> None:
    edit(bundle, "scaler.json", put(member, value))
    refused(bundle, id_, mentioned)


@pytest.mark.parametrize("value", [None, "0.5", [0.5]])
def test_a_threshold_that_is_no_number(bundle: Path, value: Any) -> None:
    edit(bundle, "threshold.json", put("value", value))
    refused(bundle, "file_corrupt")
    edit(bundle, "threshold.json", drop("value"))
    refused(bundle, "file_corrupt")


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"value": NaN, "percentile": 90}', b"\xff"])
@pytest.mark.parametrize("name", ["scaler.json", "threshold.json"])
def test_json_that_is_none(bundle: Path, name: str, text: bytes) -> None:
    write(bundle, name, text)
    with pytest.raises(ModelFileError) as caught:
        LSTMAutoencoder.load(bundle)
    assert caught.value.id == "file_corrupt"


@pytest.mark.parametrize("percentile", [99.99999999999999, 50.0, 100.0, 0.0, None])
def test_any_percentile_can_be_loaded(bundle: Path, percentile: float | None) -> None:
    edit(bundle, "threshold.json", put("percentile", percentile))
    loaded = LSTMAutoencoder.load(bundle)
    assert loaded.percentile_ == percentile
    assert loaded.threshold_ == MODEL.threshold_


BIAS = "output.bias"
TENSOR_FAULTS: list[tuple[str, Callable[[Any], object], str]] = [
    ("nan", lambda t: t[BIAS].__setitem__(1, np.nan), BIAS),
    ("infinity", lambda t: t["decoder.weight_hh_l0"].__setitem__((3, 1), np.inf), "decoder"),
    ("missing", lambda t: t.pop(BIAS), "weights"),
    ("extra", lambda t: t.update(more=np.zeros(3, np.float32)), "weights"),
    ("empty extra", lambda t: t.update(more=np.zeros(0, np.float32)), "more"),
    ("renamed", lambda t: t.update({"output.offset": t.pop(BIAS)}), "output"),
    ("one double", lambda t: t.update({BIAS: t[BIAS].astype(np.float64)}), BIAS),
    ("half", lambda t: t.update({BIAS: t[BIAS].astype(np.float16)}), BIAS),
    ("integers", lambda t: t.update({BIAS: t[BIAS].astype(np.int32)}), BIAS),
    ("cube", lambda t: t.update({BIAS: t[BIAS].reshape(1, 1, 3)}), BIAS),
    ("transposed", lambda t: t.update({"output.weight": t["output.weight"].T.copy()}), "weight"),
    ("scalar", lambda t: t.update({BIAS: np.array(1, np.float32)}), BIAS),
    ("none", lambda t: t.clear(), "weights"),
]


@pytest.mark.parametrize(
    ("change", "mentioned"), [f[1:] for f in TENSOR_FAULTS], ids=[f[0] for f in TENSOR_FAULTS]
)
def test_other_weights(bundle: Path, change: Callable[[Any], object], mentioned: str) -> None:
    edit_tensors(bundle, "weights.safetensors", change)
    refused(bundle, "file_mismatch", mentioned)


def test_other_training_scores(bundle: Path) -> None:
    name = "training_scores.safetensors"
    before = (bundle / name).read_bytes()
    edit_tensors(bundle, name, lambda t: t.update(training_scores=t["training_scores"][:-1].copy()))
    refused(bundle, "file_mismatch", "n_windows")
    edit_tensors(bundle, name, lambda t: t.update(scores=t.pop("training_scores")))
    refused(bundle, "file_mismatch", "training_scores")
    write(bundle, name, before[:-1])
    refused(bundle, "file_corrupt", "training_scores")
    write(bundle, name, b"")
    refused(bundle, "file_corrupt", "training_scores")


@pytest.mark.parametrize("name", ["weights.safetensors", "training_scores.safetensors"])
def test_a_header_that_asks_for_all_memory(bundle: Path, name: str) -> None:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    data = (bundle / name).read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    first = next(iter(header))
    for shape in ([2**40], [2**32, 2**32], [2**63], [2**64 - 1, 3]):
        header[first]["shape"] = shape
        text = json.dumps(header).encode()
        write(bundle, name, len(text).to_bytes(8, "little") + text + data[8 + size :])
        refused(bundle, "file_corrupt", first)
    write(bundle, name, (2**62).to_bytes(8, "little") + data[8:])
    refused(bundle, "file_corrupt", name)
    for hidden_size in (4096, 2**62):
        MODEL.save(bundle)
        edit(bundle, MANIFEST, put("backend_params.hidden_size", hidden_size))
        edit(bundle, MANIFEST, put("backend_params.num_layers", 16))
        refused(bundle, "file_mismatch")
    # The weights of that network would take 8 GB.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 256 << 10


# ---- damage anywhere ----


@pytest.fixture(scope="module")
def spare(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, bytes]]:
    directory = tmp_path_factory.mktemp("spare") / "bundle"
    MODEL.save(directory)
    return directory, contents(directory)


@settings(max_examples=200, deadline=None)
@given(data=st.data(), name=st.sampled_from([MANIFEST, *FILES]), fix_hash=st.booleans())
def test_damaged_bytes_are_refused_or_harmless(
    spare: tuple[Path, dict[str, bytes]], data: st.DataObject, name: str, fix_hash: bool
) -> None:
    directory, whole = spare
    for file, content in whole.items():
        (directory / file).write_bytes(content)
    damaged = bytearray(whole[name])
    # The numbers of the tensors may be others once their hash is right: only their headers differ.
    end = len(damaged)
    if fix_hash and name.endswith(".safetensors"):
        end = 8 + int.from_bytes(damaged[:8], "little")
    for _ in range(data.draw(st.integers(1, 3))):
        position = data.draw(st.integers(0, min(end, len(damaged)) - 1))
        action = data.draw(st.sampled_from(["set", "flip", "insert", "cut"]))
        if action == "set":
            damaged[position] = data.draw(st.sampled_from(b'0919-"{}[],:e.\x00\xff'))
        elif action == "flip":
            damaged[position] ^= 1 << data.draw(st.integers(0, 7))
        elif action == "insert":
            damaged.insert(position, data.draw(st.integers(0, 255)))
        else:
            del damaged[position]
    if fix_hash and name != MANIFEST:
        write(directory, name, bytes(damaged))
    else:
        (directory / name).write_bytes(damaged)
    loaded, refusal = None, None
    try:
        loaded = LSTMAutoencoder.load(directory)
    except ModelFileError as error:
        refusal = error
    if loaded is None:
        assert refusal is not None
        assert refusal.field
        known = ("file_missing", "file_corrupt", "file_hash", "file_version", "file_mismatch")
        assert refusal.id in known
        return
    if name in ("scaler.json", "threshold.json") and fix_hash:
        return  # another number is as good as the one before
    loaded.n_threads = 1
    assert loaded.decision_function(X).tobytes() == MODEL.decision_function(X).tobytes()
    assert loaded.threshold_ == MODEL.threshold_


# ---- writing ----


def test_a_bundle_is_replaced_as_a_whole(bundle: Path, tmp_path: Path) -> None:
    (bundle / "notes.txt").write_text("of the old one")
    other = fitted(seed=1)
    other.save(bundle)
    assert sorted(contents(bundle)) == sorted([MANIFEST, *FILES])
    loaded = LSTMAutoencoder.load(bundle)
    assert loaded.score_rows(X).tobytes() == other.score_rows(X).tobytes()
    assert loaded.score_rows(X).tobytes() != MODEL.score_rows(X).tobytes()
    assert os.listdir(tmp_path) == ["bundle"]


def test_what_cannot_be_saved_leaves_the_old_one(bundle: Path, tmp_path: Path) -> None:
    before = contents(bundle)
    faulty = fitted(seed=1)
    for threshold in (float("nan"), float("inf")):
        faulty.threshold_ = threshold
        with pytest.raises(freshet.ConfigurationError) as caught:
            faulty.save(bundle)
        assert caught.value.field == "threshold"
    del faulty.threshold_
    with pytest.raises(freshet.NotReadyError):
        faulty.save(bundle)
    with pytest.raises(freshet.NotReadyError):
        LSTMAutoencoder().save(bundle)
    twice = fitted()
    twice.feature_names_in_ = np.array(["a", "b", "b"], dtype=object)
    with pytest.raises(freshet.ConfigurationError) as caught:
        twice.save(bundle)
    assert caught.value.field == "columns"
    assert contents(bundle) == before
    assert os.listdir(tmp_path) == ["bundle"]
    assert LSTMAutoencoder.load(bundle).score_rows(X).tobytes() == MODEL.score_rows(X).tobytes()


def test_only_bundles_are_replaced(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("all of it")
    (tmp_path / "file").write_text("precious")
    (tmp_path / "empty").mkdir()
    for target in ("full", "file", "file/below"):
        with pytest.raises(ModelFileError) as caught:
            MODEL.save(tmp_path / target)
        assert caught.value.id == "file_unwritable"
        assert target.partition("/")[0] in str(caught.value)
    assert contents(tmp_path / "full") == {"thesis.txt": b"all of it"}
    assert (tmp_path / "file").read_text() == "precious"
    MODEL.save(tmp_path / "empty")
    assert LSTMAutoencoder.load(tmp_path / "empty").threshold_ == MODEL.threshold_
    assert sorted(os.listdir(tmp_path)) == ["empty", "file", "full"]
