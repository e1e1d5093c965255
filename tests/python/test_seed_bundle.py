"""Bundles of other people's training scripts: any usual name is understood, no mistake is."""

from __future__ import annotations

import io
import json
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from freshet import ModelFileError
from freshet._seed_bundle import read_seed_bundle
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_file_testing import autoencoder, torch_file

STATE = autoencoder(n_columns=2, hidden_size=3, num_layers=2, latent_size=1)
META = {"window_size": 24, "columns": ["load", "heat"]}
MEAN = np.array([1.0, -2.0])
STD = np.array([0.5, 4.0])
FILES = ("lstm_ae.pth", "scaler.npz", "threshold.txt", "model_meta.json")


def npz(save: Callable[..., None] = np.savez, **arrays: Any) -> bytes:
    file = io.BytesIO()
    save(file, **arrays)
    return file.getvalue()


def npz_of(records: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as target:
        for name, content in records.items():
            target.writestr(name, content)
    return file.getvalue()


def bundle(directory: Path, **contents: bytes | str | None) -> Path:
    """Four files that fit, but for those of `contents`; None leaves one out."""
    files: dict[str, bytes | str | None] = {
        "lstm_ae": torch_file(STATE),
        "scaler": npz(mean=MEAN, std=STD),
        "threshold": "0.125\n",
        "model_meta": json.dumps(META),
    } | contents
    for name, content in zip(FILES, files.values(), strict=True):
        if content is None:
            (directory / name).unlink(missing_ok=True)
        else:
            data = content.encode() if isinstance(content, str) else content
            (directory / name).write_bytes(data)
    return directory


def refused(directory: Path) -> ModelFileError:
    """The error of reading, which may take little memory only."""
    tracemalloc.start()
    try:
        with pytest.raises(ModelFileError) as caught:
            read_seed_bundle(directory)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 64 << 20
    error = caught.value
    assert error.field
    file = error.field.partition("/")[0]
    assert file in FILES
    assert file in str(error)
    assert error.expected
    assert error.expected in str(error)
    assert len(str(error)) < 700
    return error


def test_a_bundle(tmp_path: Path) -> None:
    for directory in (bundle(tmp_path), str(tmp_path)):
        seed = read_seed_bundle(directory)
        assert list(seed.tensors) == list(STATE)
        assert all(np.array_equal(seed.tensors[name], STATE[name]) for name in STATE)
        assert (seed.center.tolist(), seed.scale.tolist()) == (MEAN.tolist(), STD.tolist())
        assert (seed.center.dtype, seed.scale.dtype) == (np.float64, np.float64)
        assert (seed.threshold, seed.window, seed.columns) == (0.125, 24, ["load", "heat"])
        assert seed.meta == META
        assert (seed.architecture.n_columns, seed.architecture.latent_size) == (2, 1)


MAXIMUM = MEAN + STD
SCALERS: list[dict[str, Any]] = [
    {"mean": MEAN, "std": STD},
    {"mean": MEAN, "scale": STD},
    {"mean": MEAN, "scale": STD, "std": STD.astype(np.float32)},
    {"mean_": MEAN, "scale_": STD, "var_": STD**2, "n_samples_seen_": 100},
    {"mean_": MEAN, "std_": STD},
    {"center": MEAN, "scale": STD},
    {"center_": MEAN, "scale_": STD},
    {"mu": MEAN, "sigma": STD},
    {"median": MEAN, "iqr": STD},
    {"min": MEAN, "max": MAXIMUM},
    {"data_min": MEAN, "data_max": MAXIMUM},
    {"data_min_": MEAN, "data_max_": MAXIMUM},
    {"min_": -MEAN / STD, "scale_": 1 / STD},
    {"min_": -MEAN / STD, "scale_": 1 / STD, "data_min_": MEAN, "data_max_": MAXIMUM},
    {"mean": MEAN.astype(np.float32), "std": STD.astype(">f4")},
    {"mean": MEAN[None], "std": STD[:, None]},
    {"mean": MEAN.astype(int), "std": STD, "names": np.array(["a", "b"])},
]


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("arrays", SCALERS, ids=lambda arrays: "-".join(arrays))
def test_scalers(tmp_path: Path, save: Callable[..., None], arrays: dict[str, Any]) -> None:
    seed = read_seed_bundle(bundle(tmp_path, scaler=npz(save, **arrays)))
    np.testing.assert_allclose(seed.center, MEAN, rtol=1e-12)
    np.testing.assert_allclose(seed.scale, STD, rtol=1e-12)


def test_scalars_hold_for_all_columns(tmp_path: Path) -> None:
    for mean, std in ((3.0, 2.0), (np.float32(3), [2]), ([[3]], np.int64(2))):
        seed = read_seed_bundle(bundle(tmp_path, scaler=npz(mean=mean, std=std)))
        assert (seed.center.tolist(), seed.scale.tolist()) == ([3.0, 3.0], [2.0, 2.0])


def test_constant_columns_keep_their_scale(tmp_path: Path) -> None:
    for arrays in (
        {"mean": MEAN, "std": [0.0, 4.0]},
        {"min": MEAN, "max": MEAN + STD * [0.0, 1.0]},
    ):
        seed = read_seed_bundle(bundle(tmp_path, scaler=npz(**arrays)))
        assert seed.scale.tolist() == [1.0, 4.0]


def test_the_training_scalers_of_scikit_learn(tmp_path: Path) -> None:
    from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

    rows = np.random.default_rng(1).normal(5.0, [0.1, 30.0], (50, 2))
    for scaler in (StandardScaler(), RobustScaler(), MinMaxScaler(), MinMaxScaler((-1, 1))):
        scaler.fit(rows)
        saved = {
            name: value
            for name, value in vars(scaler).items()
            if name.endswith("_") and isinstance(value, np.ndarray)
        }
        if getattr(scaler, "feature_range", None) == (-1, 1):
            # The extremes alone would say another range than the factor.
            assert refused(bundle(tmp_path, scaler=npz(**saved))).field == "scaler.npz/data_max_"
            del saved["data_min_"], saved["data_max_"]
        seed = read_seed_bundle(bundle(tmp_path, scaler=npz(**saved)))
        np.testing.assert_allclose(
            (rows - seed.center) / seed.scale, scaler.transform(rows), rtol=1e-9, atol=1e-9
        )


def header(text: str, content: bytes = b"") -> bytes:
    """An .npy file with any text as its header."""
    line = text.encode("latin-1") + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(line)) + line + content


def described(descr: str, shape: str, content: bytes = b"") -> bytes:
    return header(f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}", content)


def scaler_of(mean: bytes) -> bytes:
    file = io.BytesIO()
    np.save(file, STD)
    return npz_of({"mean.npy": mean, "std.npy": file.getvalue()})


def understated() -> bytes:
    """A compressed entry much longer than the directory says."""
    data = bytearray(npz(np.savez_compressed, mean=np.zeros(1 << 23), std=STD))
    at = data.index(b"PK\x01\x02")
    data[at + 24 : at + 28] = struct.pack("<I", 144)
    return bytes(data)


OBJECTS = np.array([print, None], dtype=object)
BAD_SCALERS: list[tuple[Callable[[], bytes], str, str]] = [
    (lambda: b"", "file_corrupt", ""),
    (lambda: b"mean,std", "file_corrupt", ""),
    (lambda: npz(mean=MEAN, std=STD)[:-30], "file_corrupt", ""),
    (lambda: npz(mean=MEAN, std=STD) + bytes(5 << 20), "file_mismatch", ""),
    (lambda: npz(), "file_corrupt", ""),
    (lambda: npz(mean=MEAN), "file_mismatch", ""),
    (lambda: npz(mean=MEAN, max=STD), "file_mismatch", ""),
    (lambda: npz(mean=OBJECTS, std=STD), "file_corrupt", "mean"),
    (lambda: npz(mean=np.array(["1", "2"]), std=STD), "file_mismatch", "mean"),
    (lambda: npz(mean=MEAN + 1j, std=STD), "file_mismatch", "mean"),
    (lambda: npz(mean=MEAN > 0, std=STD), "file_mismatch", "mean"),
    (lambda: npz(mean=np.zeros(3), std=STD), "file_mismatch", "mean"),
    (lambda: npz(mean=MEAN, std=np.zeros((2, 2))), "file_mismatch", "std"),
    (lambda: npz(mean=np.zeros(0), std=STD), "file_mismatch", "mean"),
    (lambda: npz(mean=[np.nan, 0.0], std=STD), "file_mismatch", "mean"),
    (lambda: npz(mean=MEAN, std=[np.inf, 1.0]), "file_mismatch", "std"),
    (lambda: npz(mean=MEAN, std=-STD), "file_mismatch", "std"),
    (lambda: npz(min=MEAN, max=MEAN - STD), "file_mismatch", "max"),
    (lambda: npz(min=[-1e308, 0.0], max=[1e308, 1.0]), "file_mismatch", "max"),
    (lambda: npz(min_=MEAN, scale_=[0.0, 1.0]), "file_mismatch", "scale_"),
    (lambda: npz(min_=MEAN, scale_=[5e-324, 1.0]), "file_mismatch", "scale_"),
    (lambda: npz(mean=MEAN, std=STD, scale=2 * STD), "file_mismatch", "scale"),
    (lambda: npz(mean=MEAN, std=STD, mean_=-MEAN, scale_=STD), "file_mismatch", "scale_"),
    # Bombs: long arrays, and headers or directories that say something else than is there.
    (lambda: npz(np.savez_compressed, mean=np.zeros(1 << 23), std=STD), "file_unsafe", "mean"),
    (understated, "file_corrupt", "mean"),
    (lambda: scaler_of(described("'<f8'", "(1000000000000,)")), "file_corrupt", "mean"),
    (lambda: scaler_of(described("'<f8'", "(-2,)", bytes(16))), "file_corrupt", "mean"),
    (lambda: scaler_of(described("'|V2147483647'", "()")), "file_corrupt", "mean"),
    (lambda: scaler_of(described("'<f8'", "(2,)")), "file_corrupt", "mean"),
    (lambda: scaler_of(described("'|O'", "(2,)", bytes(16))), "file_corrupt", "mean"),
    (lambda: scaler_of(described("print('a')", "(2,)", bytes(16))), "file_corrupt", "mean"),
    (lambda: scaler_of(described("'<f8'", "('a',)", bytes(16))), "file_corrupt", "mean"),
    (lambda: scaler_of(header("(" * 5000)), "file_corrupt", "mean"),
    (lambda: scaler_of(header("{")), "file_corrupt", "mean"),
    (lambda: scaler_of(b"\x93NUMPY\x09\x00"), "file_corrupt", "mean"),
    (lambda: scaler_of(b"\x80\x02cos\nsystem\nX\x01\x00\x00\x00aR."), "file_corrupt", "mean"),
    (lambda: scaler_of(b""), "file_corrupt", "mean"),
    (lambda: npz_of({"mean.npy": b"", "std.npy": b""}, zipfile.ZIP_BZIP2), "file_corrupt", ""),
    (lambda: npz_of({f"{i}.npy": b"" for i in range(300)}), "file_corrupt", ""),
]


@pytest.mark.parametrize(("make", "id_", "key"), BAD_SCALERS, ids=lambda value: "")
def test_scalers_that_are_refused(
    tmp_path: Path, make: Callable[[], bytes], id_: str, key: str
) -> None:
    error = refused(bundle(tmp_path, scaler=make()))
    assert (error.id, error.field) == (id_, f"scaler.npz/{key}" if key else "scaler.npz")


@pytest.mark.parametrize("content", ["0.125", " 1.25e-1\r\n", "\ufeff0.125\n"])
def test_thresholds(tmp_path: Path, content: str) -> None:
    assert read_seed_bundle(bundle(tmp_path, threshold=content)).threshold == 0.125


@pytest.mark.parametrize(
    ("content", "id_"),
    [
        ("", "file_corrupt"),
        ("threshold = 0.1", "file_corrupt"),
        ("0.1 0.2", "file_corrupt"),
        ("0.1\n0.2\n", "file_corrupt"),
        (b"\xff\xfe0", "file_corrupt"),
        ("nan", "file_mismatch"),
        ("inf", "file_mismatch"),
        ("1e999", "file_mismatch"),
        ("-0.1", "file_mismatch"),
        ("1" * 5000, "file_mismatch"),
    ],
)
def test_thresholds_that_are_refused(tmp_path: Path, content: str | bytes, id_: str) -> None:
    error = refused(bundle(tmp_path, threshold=content))
    assert (error.id, error.field) == (id_, "threshold.txt")


@pytest.mark.parametrize(
    "key", ["window_size", "window", "seq_len", "sequence_length", "timesteps"]
)
def test_windows(tmp_path: Path, key: str) -> None:
    seed = read_seed_bundle(bundle(tmp_path, model_meta=json.dumps({key: 7})))
    assert (seed.window, seed.columns) == (7, None)


@pytest.mark.parametrize("key", ["columns", "features", "feature_names"])
def test_columns(tmp_path: Path, key: str) -> None:
    meta = json.dumps({"window": 7, key: ["b", "a"], "column": None})
    assert read_seed_bundle(bundle(tmp_path, model_meta=meta)).columns == ["b", "a"]


@pytest.mark.parametrize("key", ["column", "feature", "value_column"])
def test_a_single_column(tmp_path: Path, key: str) -> None:
    meta = json.dumps({"window": 7, key: "load", "columns": ["load"], "n_features": 1})
    weights = torch_file({"state_dict": autoencoder(n_columns=1)})
    scaler = npz(mean=1.0, std=2.0)
    seed = read_seed_bundle(bundle(tmp_path, lstm_ae=weights, scaler=scaler, model_meta=meta))
    assert seed.columns == ["load"]
    assert seed.architecture.latent_size is None


SIZES = {"n_features": 2, "hidden_size": 3, "num_layers": 2, "latent_size": 1}
OTHER_SIZES = {"input_size": 2, "hidden_dim": 3, "n_layers": 2, "latent_dim": 1, "dropout": 0.1}


@pytest.mark.parametrize("sizes", [SIZES, OTHER_SIZES, SIZES | OTHER_SIZES])
def test_sizes_that_agree(tmp_path: Path, sizes: dict[str, Any]) -> None:
    meta = META | sizes
    assert read_seed_bundle(bundle(tmp_path, model_meta=json.dumps(meta))).meta == meta


def test_a_latent_size_without_a_layer_is_that_of_the_hidden_state(tmp_path: Path) -> None:
    weights = torch_file(autoencoder(n_columns=2, hidden_size=3))
    for size in (3, None):
        meta = json.dumps(META | {"latent_dim": size})
        read_seed_bundle(bundle(tmp_path, lstm_ae=weights, model_meta=meta))
    meta = json.dumps(META | {"latent_dim": 2})
    error = refused(bundle(tmp_path, lstm_ae=weights, model_meta=meta))
    assert error.field == "model_meta.json/latent_dim"


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"window_size": None}, "window_size"),
        ({"window_size": 0}, "window_size"),
        ({"window_size": -3}, "window_size"),
        ({"window_size": "24"}, "window_size"),
        ({"window_size": 24.0}, "window_size"),
        ({"window_size": True}, "window_size"),
        ({"window_size": [24]}, "window_size"),
        ({"window_size": 10**400}, "window_size"),
        ({"seq_len": 25}, "seq_len"),
        ({"hidden_size": 4}, "hidden_size"),
        ({"hidden_dim": "3"}, "hidden_dim"),
        ({"num_layers": 1}, "num_layers"),
        ({"latent_dim": 3}, "latent_dim"),
        ({"n_features": 3}, "n_features"),
        ({"columns": ["load"]}, "columns"),
        ({"columns": ["load", "load"]}, "columns"),
        ({"columns": ["load", ""]}, "columns"),
        ({"columns": ["load", 2]}, "columns"),
        ({"columns": ["load", ["heat"]]}, "columns"),
        ({"columns": "load"}, "columns"),
        ({"columns": {"load": 1, "heat": 2}}, "columns"),
        ({"features": 2}, "features"),
        ({"features": ["heat", "load"]}, "features"),
        ({"value_column": "load"}, "value_column"),
        ({"value_column": 3}, "value_column"),
    ],
)
def test_metadata_that_does_not_fit(tmp_path: Path, change: dict[str, Any], key: str) -> None:
    error = refused(bundle(tmp_path, model_meta=json.dumps(META | change)))
    assert (error.id, error.field) == ("file_mismatch", f"model_meta.json/{key}")


@pytest.mark.parametrize(
    ("content", "id_"),
    [
        ("", "file_corrupt"),
        ("{'window': 3}", "file_corrupt"),
        ('{"window": 3', "file_corrupt"),
        (b'{"window": "\xff"}', "file_corrupt"),
        ("[" * 10**5, "file_corrupt"),
        ('{"window": ' + "9" * 10**4 + "}", "file_corrupt"),
        (" " * (2 << 20), "file_mismatch"),
        ("[24]", "file_mismatch"),
        ("24", "file_mismatch"),
    ],
    ids=lambda value: "",
)
def test_metadata_that_is_none(tmp_path: Path, content: str | bytes, id_: str) -> None:
    error = refused(bundle(tmp_path, model_meta=content))
    assert (error.id, error.field) == (id_, "model_meta.json")


@pytest.mark.parametrize("name", FILES)
def test_files_that_are_missing(tmp_path: Path, name: str) -> None:
    error = refused(bundle(tmp_path, **{name.partition(".")[0]: None}))
    assert (error.id, error.field) == ("file_missing", name)
    (tmp_path / name).mkdir()
    error = refused(tmp_path)
    assert (error.id, error.field) == ("file_mismatch", name)


def test_a_directory_that_is_missing(tmp_path: Path) -> None:
    assert refused(tmp_path / "none").id == "file_missing"
    (tmp_path / "file").write_bytes(b"")
    assert refused(tmp_path / "file").id == "file_missing"


@pytest.mark.parametrize(
    ("weights", "id_", "field"),
    [
        (b"", "file_corrupt", "archive"),
        (torch_file({"a": b"cos\nsystem\nX\x01\x00\x00\x00a\x85R"}), "file_unsafe", "os.system"),
        (torch_file({}), "file_mismatch", "state_dict"),
        (torch_file({"fc.bias": STD}), "file_mismatch", "encoder.weight_ih_l0"),
        (torch_file(dict(STATE) | {"fc2.bias": STD}), "file_mismatch", "fc2.bias"),
    ],
    ids=lambda value: "",
)
def test_weights_that_are_refused(tmp_path: Path, weights: bytes, id_: str, field: str) -> None:
    error = refused(bundle(tmp_path, lstm_ae=weights))
    assert (error.id, error.field) == (id_, f"lstm_ae.pth/{field}")


@settings(max_examples=300, deadline=None)
@given(
    compressed=st.booleans(),
    changes=st.lists(
        st.tuples(st.integers(0, 10**4), st.integers(0, 3), st.binary(max_size=4)),
        min_size=1,
        max_size=5,
    ),
)
def test_any_scaler_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory,
    compressed: bool,
    changes: list[tuple[int, int, bytes]],
) -> None:
    data = npz(np.savez_compressed if compressed else np.savez, mean=MEAN, std=STD)
    if not compressed:
        # The checksums would find all changes of the arrays; changed inside, those are found.
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            mean = file.read("mean.npy")
        for at, n_removed, inserted in changes:
            at %= len(mean) + 1
            mean = mean[:at] + inserted + mean[at + n_removed :]
        data = scaler_of(mean)
    else:
        for at, n_removed, inserted in changes:
            at %= len(data) + 1
            data = data[:at] + inserted + data[at + n_removed :]
    directory = bundle(tmp_path_factory.getbasetemp(), scaler=data)
    error: ModelFileError | None = None
    tracemalloc.start()
    try:
        seed = read_seed_bundle(directory)
    except ModelFileError as caught:
        error = caught
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 64 << 20
    if error is not None:
        assert error.field
        assert error.field.startswith("scaler.npz")
    else:
        assert np.isfinite(seed.center).all()
        assert (seed.scale > 0.0).all()


@settings(max_examples=200, deadline=None)
@given(content=st.one_of(st.binary(max_size=60), st.text(max_size=60).map(str.encode)))
def test_any_text_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    directory = tmp_path_factory.getbasetemp()
    error = refused(bundle(directory, model_meta=content))
    assert error.id in ("file_corrupt", "file_mismatch")
    try:
        read_seed_bundle(bundle(directory, threshold=content))
    except ModelFileError as caught:
        error = caught
    assert error.field in ("threshold.txt", "model_meta.json")
