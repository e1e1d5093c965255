"""Networks of PyTorch score what they score there, from whatever holds them."""

from __future__ import annotations

import builtins
import json
import shutil
import sys
import types
from collections import OrderedDict
from pathlib import Path
from typing import Any

import freshet
import numpy as np
import numpy.typing as npt
import pytest
import safetensors.numpy
from freshet import LSTMAutoencoder, ModelFileError
from freshet_testing import stream
from torch_file_testing import autoencoder, text, torch_file

GOLDEN = Path(__file__).parents[1] / "data" / "lstm"
CASES = ["uni_h16", "uni_h64", "multi_h32_l2", "multi_h32_l2_z8"]

Tensors = dict[str, npt.NDArray[Any]]


def golden(case: str, bits: int = 32) -> tuple[Tensors, Tensors]:
    """The weights that PyTorch had, and what it computed with them."""
    stored = safetensors.numpy.load_file(GOLDEN / f"{case}.f{bits}.safetensors")
    weights = {
        name.removeprefix("weight/"): value
        for name, value in stored.items()
        if name.startswith("weight/")
    }
    assert len(weights) >= 10
    return weights, {name: stored[name] for name in ("x", "y", "window_mse")}


def as_arrays(model: LSTMAutoencoder) -> Tensors:
    return {name: np.asarray(value) for name, value in model.to_torch_state_dict().items()}


def same(a: Tensors, b: Tensors) -> bool:
    return a.keys() == b.keys() and all(
        (a[name].dtype, a[name].shape, a[name].tobytes())
        == (b[name].dtype, b[name].shape, b[name].tobytes())
        for name in a
    )


class Tensor:
    """What a tensor of PyTorch offers on the way to NumPy, if gone in the right order."""

    def __init__(self, values: Any, state: str = "attached") -> None:
        self._values = values
        self._state = state

    def detach(self) -> Tensor:
        return Tensor(self._values, "detached")

    def cpu(self) -> Tensor:
        return Tensor(self._values, "at home" if self._state == "detached" else self._state)

    def numpy(self) -> Any:
        if self._state != "at home":
            raise RuntimeError("Can't call numpy() on Tensor that requires grad")
        return self._values


@pytest.mark.parametrize(("bits", "tolerance"), [(32, 1e-6), (64, 1e-12)])
@pytest.mark.parametrize("case", CASES)
def test_parity(case: str, bits: int, tolerance: float) -> None:
    weights, expected = golden(case, bits)
    x, y = expected["x"].astype(float), expected["y"].astype(float)
    model = LSTMAutoencoder.from_torch(weights, window=x.shape[1])
    assert model.dtype == f"float{bits}"
    assert model.hidden_size == weights["encoder.weight_hh_l0"].shape[1]
    np.testing.assert_allclose(
        model.reconstruct(x), y, rtol=0, atol=tolerance * float(np.abs(y).max())
    )
    np.testing.assert_allclose(
        model.decision_function(x), expected["window_mse"].astype(float), rtol=tolerance
    )
    np.testing.assert_array_equal(
        model.decision_function(x.reshape(len(x), -1)), model.decision_function(x)
    )


@pytest.mark.parametrize("case", CASES)
def test_with_a_scaler_the_units_are_the_columns(case: str) -> None:
    weights, expected = golden(case, 64)
    x, y = expected["x"], expected["y"]
    rng = np.random.default_rng(1)
    center, scale = rng.normal(size=x.shape[2]), rng.uniform(0.5, 20.0, x.shape[2])
    model = LSTMAutoencoder.from_torch(weights, window=x.shape[1], center=center, scale=scale)
    raw = x * scale + center
    np.testing.assert_allclose(model.decision_function(raw), expected["window_mse"], rtol=1e-11)
    np.testing.assert_allclose(model.reconstruct(raw), y * scale + center, rtol=0, atol=1e-10)


@pytest.mark.parametrize("case", ["uni_h16", "multi_h32_l2_z8"])
def test_wherever_the_weights_come_from(case: str, tmp_path: Path) -> None:
    weights, expected = golden(case)
    window = expected["x"].shape[1]
    model = LSTMAutoencoder.from_torch(weights, window=window)
    scores = model.decision_function(expected["x"])
    written = tmp_path / "weights.safetensors"
    safetensors.numpy.save_file(weights, written, metadata={"format": "pt"})
    parallel = tmp_path / "PARALLEL.SafeTensors"
    safetensors.numpy.save_file({f"module.{k}": v for k, v in weights.items()}, parallel)
    sources: list[Any] = [
        GOLDEN / f"{case}.pth",
        str(GOLDEN / f"{case}.pth"),
        written,
        str(written),
        parallel,
        OrderedDict(reversed(weights.items())),
        {name: Tensor(value) for name, value in weights.items()},
        {f"module.{name}": Tensor(value) for name, value in weights.items()},
    ]
    for source in sources:
        other = LSTMAutoencoder.from_torch(source, window=window)
        assert same(as_arrays(other), weights)
        np.testing.assert_array_equal(other.decision_function(expected["x"]), scores)
        assert other.get_params() == model.get_params()


def test_the_linear_layers_may_have_other_names() -> None:
    weights, expected = golden("multi_h32_l2_z8")
    renamed = {
        name.replace("output.", "fc.").replace("to_latent.", "bottleneck."): value
        for name, value in weights.items()
    }
    assert "fc.weight" in renamed
    model = LSTMAutoencoder.from_torch(renamed, window=expected["x"].shape[1])
    assert same(as_arrays(model), weights)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("num_layers", "latent_size"), [(1, None), (2, 3)])
def test_there_and_back(dtype: Any, num_layers: int, latent_size: int | None) -> None:
    X = stream(60)
    model = LSTMAutoencoder(
        window=6,
        hidden_size=5,
        num_layers=num_layers,
        latent_size=latent_size,
        epochs=1,
        dtype=dtype,
    ).fit(X)
    state = model.to_torch_state_dict()
    assert list(state) == list(autoencoder(3, 5, num_layers, latent_size))
    again = LSTMAutoencoder.from_torch(
        state, window=6, center=X.mean(axis=0), scale=X.std(axis=0), threshold=model.threshold_
    )
    assert same(as_arrays(again), as_arrays(model))
    np.testing.assert_allclose(again.decision_function(X), model.decision_function(X), rtol=1e-5)
    exact = LSTMAutoencoder.from_torch(
        state,
        window=6,
        center=model._model.center(),
        scale=model._model.scale(),
        threshold=model.threshold_,
    )
    np.testing.assert_array_equal(exact.decision_function(X), model.decision_function(X))
    np.testing.assert_array_equal(exact.predict(X), model.predict(X))
    for name in ("hidden_size", "num_layers", "latent_size", "dtype", "window"):
        assert getattr(exact, name) == getattr(model, name)


def test_later_changes_of_the_source_change_nothing() -> None:
    weights, expected = golden("uni_h16")
    model = LSTMAutoencoder.from_torch(weights, window=24)
    scores = model.decision_function(expected["x"])
    for value in weights.values():
        value[...] = 0.0
    for value in as_arrays(model).values():
        if value.flags.writeable:
            value[...] = 0.0
    np.testing.assert_array_equal(model.decision_function(expected["x"]), scores)


def test_without_a_threshold_there_are_scores_only(tmp_path: Path) -> None:
    weights, expected = golden("uni_h16")
    model = LSTMAutoencoder.from_torch(weights)
    assert model.window == 48
    model = LSTMAutoencoder.from_torch(weights, window=24)
    x = expected["x"]
    assert len(model.decision_scores_) == 0
    assert len(model.labels_) == 0
    assert model.history_["training_loss"] == []
    for call in (model.predict, model.predict_proba, lambda _: model.save(tmp_path / "bundle")):
        with pytest.raises(freshet.NotReadyError):
            call(x)
    with pytest.raises(freshet.NotReadyError):
        model.set_percentile(50.0)
    assert not (tmp_path / "bundle").exists()
    model.calibrate(x)
    assert model.threshold_ == np.percentile(model.decision_function(x), 90.0)
    np.testing.assert_array_equal(model.predict(x), model.labels_)
    assert model.labels_.sum() == 1


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"window": 0}, "window"),
        ({"window": 1}, "window"),
        ({"window": -5}, "window"),
        ({"center": [0.0]}, "center"),
        ({"scale": [1.0] * 4}, "scale"),
        ({"scale": [1.0, 0.0, 1.0]}, "scale"),
        ({"scale": [1.0, -1.0, 1.0]}, "scale"),
        ({"center": [0.0, float("nan"), 0.0]}, "center"),
        ({"scale": [1.0, float("inf"), 1.0]}, "scale"),
    ],
)
def test_settings_out_of_range(settings: dict[str, Any], field: str) -> None:
    with pytest.raises(freshet.ConfigurationError) as caught:
        LSTMAutoencoder.from_torch(golden("multi_h32_l2_z8")[0], **settings)
    assert caught.value.field == field


# ---- directories of other scripts ----


def seed_directory(directory: Path) -> tuple[Path, Tensors]:
    _, expected = golden("multi_h32_l2_z8")
    shutil.copy(GOLDEN / "multi_h32_l2_z8.pth", directory / "lstm_ae.pth")
    np.savez(directory / "scaler.npz", mean=[1.0, -2.0, 30.0], scale=[0.5, 4.0, 100.0])
    threshold = float(np.median(expected["window_mse"]))
    (directory / "threshold.txt").write_text(f"{threshold!r}\n")
    meta = {"window_size": 20, "columns": ["load", "heat", "flow"], "hidden_size": 32}
    (directory / "model_meta.json").write_text(json.dumps(meta))
    return directory, expected


def test_a_whole_directory(tmp_path: Path) -> None:
    directory, expected = seed_directory(tmp_path)
    for source in (directory, str(directory)):
        model = LSTMAutoencoder.from_torch(source)
        assert (model.window, model.n_features_in_) == (20, 3)
        assert model.feature_names_in_.tolist() == ["load", "heat", "flow"]
        assert model.threshold_ == float(np.median(expected["window_mse"]))
        raw = expected["x"] * [0.5, 4.0, 100.0] + [1.0, -2.0, 30.0]
        np.testing.assert_allclose(model.decision_function(raw), expected["window_mse"], rtol=1e-5)
        assert model.predict(raw).sum() == 2
        np.testing.assert_array_equal(
            model.predict(raw), expected["window_mse"] > np.median(expected["window_mse"])
        )
        np.testing.assert_array_equal(
            model._model.center().tolist() + model._model.scale().tolist(),
            [1.0, -2.0, 30.0, 0.5, 4.0, 100.0],
        )
    other = LSTMAutoencoder.from_torch(directory, window=10, center=[0.0] * 3, threshold=7.0)
    assert (other.window, other.threshold_) == (10, 7.0)
    assert other._model.center().tolist() == [0.0] * 3
    assert other._model.scale().tolist() == [0.5, 4.0, 100.0]
    model.save(tmp_path / "bundle")
    loaded = LSTMAutoencoder.load(tmp_path / "bundle")
    np.testing.assert_array_equal(loaded.decision_function(raw), model.decision_function(raw))
    assert loaded.threshold_ == model.threshold_
    assert loaded.percentile_ is None


@pytest.mark.parametrize("name", ["lstm_ae.pth", "scaler.npz", "threshold.txt", "model_meta.json"])
def test_a_directory_that_lacks_a_file(tmp_path: Path, name: str) -> None:
    directory, _ = seed_directory(tmp_path)
    (directory / name).unlink()
    with pytest.raises(ModelFileError) as caught:
        LSTMAutoencoder.from_torch(directory)
    assert caught.value.id == "file_missing"
    assert name in str(caught.value)


# ---- what is refused ----


def test_other_architectures() -> None:
    weights, _ = golden("multi_h32_l2_z8")

    def without(name: str) -> Tensors:
        return {key: value for key, value in weights.items() if key != name}

    wrong: list[tuple[Tensors, str]] = [
        (without(name), name) for name in weights if not name.endswith("_l1")
    ]
    wrong += [
        ({**weights, "decoder.weight_ih_l0": weights["decoder.weight_ih_l1"]}, "decoder.weight_ih"),
        ({**weights, "output.bias": weights["output.bias"][:2]}, "output.bias"),
        ({**weights, "output.bias": weights["output.bias"].astype(np.float64)}, "output.bias"),
        ({**weights, "output.bias": weights["output.bias"] * np.nan}, "output.bias"),
        ({**weights, "attention.weight": weights["output.bias"]}, "attention.weight"),
        ({**weights, "encoder.weight_ih_l0_reverse": weights["output.bias"]}, "_reverse"),
        ({**weights, "output.weight": weights["output.weight"].T}, "output.weight"),
        ({}, "encoder.weight_ih_l0"),
    ]
    for tensors, name in wrong:
        with pytest.raises(ModelFileError) as caught:
            LSTMAutoencoder.from_torch(tensors)
        assert caught.value.id == "file_mismatch"
        assert name in str(caught.value)
        assert caught.value.expected
    with pytest.raises(ModelFileError) as caught:
        LSTMAutoencoder.from_torch({**weights, "output.bias": [1.0, 2.0, 3.0]})
    assert caught.value.field == "output.bias"


def test_files_that_are_none(tmp_path: Path) -> None:
    weights, _ = golden("uni_h16")
    halves = {name: value.astype(np.float16) for name, value in weights.items()}
    safetensors.numpy.save_file(halves, tmp_path / "half.safetensors")
    safetensors.numpy.save_file({"a": np.zeros(3)}, tmp_path / "other.safetensors")
    whole = safetensors.numpy.save(weights)
    (tmp_path / "cut.safetensors").write_bytes(whole[:-1])
    (tmp_path / "empty.safetensors").write_bytes(b"")
    (tmp_path / "empty.pth").write_bytes(b"")
    (tmp_path / "cut.pth").write_bytes((GOLDEN / "uni_h16.pth").read_bytes()[:-40])
    (tmp_path / "model.onnx").write_bytes(b"")
    for name, id_ in [
        ("half.safetensors", "file_mismatch"),
        ("other.safetensors", "file_mismatch"),
        ("cut.safetensors", "file_corrupt"),
        ("empty.safetensors", "file_corrupt"),
        ("empty.pth", "file_corrupt"),
        ("cut.pth", "file_corrupt"),
        ("model.onnx", "file_mismatch"),
        ("none.pth", "file_missing"),
        ("none.safetensors", "file_missing"),
        ("none", "file_missing"),
    ]:
        with pytest.raises(ModelFileError) as caught:
            LSTMAutoencoder.from_torch(tmp_path / name)
        assert caught.value.id == id_, name


def test_nothing_in_a_pickle_is_run(tmp_path: Path) -> None:
    marker = tmp_path / "run"
    command = text(f"touch {marker}")
    for module, name in [("os", "system"), ("posix", "system"), ("subprocess", "getoutput")]:
        hostile = f"c{module}\n{name}\n(".encode() + command + b"tR"
        state: OrderedDict[str, Any] = autoencoder()
        state["output.bias"] = hostile
        path = tmp_path / "hostile.pth"
        for content in (torch_file(state), torch_file({"state_dict": autoencoder(), "x": hostile})):
            path.write_bytes(content)
            with pytest.raises(ModelFileError) as caught:
                LSTMAutoencoder.from_torch(path)
            assert caught.value.id == "file_unsafe"
            assert f"{module}.{name}" in str(caught.value)
    path.write_bytes(torch_file(autoencoder()))
    assert LSTMAutoencoder.from_torch(path).hidden_size == 3
    assert not marker.exists()


# ---- PyTorch itself ----


class Untouchable(types.ModuleType):
    def __getattribute__(self, name: str) -> Any:
        raise AssertionError(f"torch.{name} is used")


def test_torch_is_never_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights, expected = golden("uni_h16")
    safetensors.numpy.save_file(weights, tmp_path / "weights.safetensors")
    (tmp_path / "seed").mkdir()
    directory, _ = seed_directory(tmp_path / "seed")
    true_import = builtins.__import__

    def no_torch(name: str, *args: Any, **kwargs: Any) -> Any:
        assert name.partition(".")[0] != "torch", "torch is imported"
        return true_import(name, *args, **kwargs)

    monkeypatch.setitem(sys.modules, "torch", Untouchable("torch"))
    monkeypatch.setattr(builtins, "__import__", no_torch)
    for source in (
        GOLDEN / "uni_h16.pth",
        tmp_path / "weights.safetensors",
        weights,
        {name: Tensor(value) for name, value in weights.items()},
        directory,
    ):
        model = LSTMAutoencoder.from_torch(source)
    model = LSTMAutoencoder.from_torch(weights, window=24).calibrate(expected["x"])
    model.save(tmp_path / "bundle")
    LSTMAutoencoder.load(tmp_path / "bundle").predict(expected["x"])
    freshet.StreamingDetector.from_bundle(tmp_path / "bundle").process([1.0])
    # The sentinels do notice.
    with pytest.raises(AssertionError, match="torch is imported"):
        model.to_torch_state_dict()


def test_tensors_where_torch_is_installed_and_arrays_where_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    weights, _ = golden("uni_h16")
    model = LSTMAutoencoder.from_torch(weights)
    fake = types.ModuleType("torch")
    fake.from_numpy = Tensor  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch", fake)
    tensors = model.to_torch_state_dict()
    assert {type(value) for value in tensors.values()} == {Tensor}
    assert same({name: value.detach().cpu().numpy() for name, value in tensors.items()}, weights)
    monkeypatch.setitem(sys.modules, "torch", None)  # as if it were not installed
    arrays = model.to_torch_state_dict()
    assert {type(value) for value in arrays.values()} == {np.ndarray}
    assert same(arrays, weights)
