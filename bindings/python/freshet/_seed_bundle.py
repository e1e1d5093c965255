"""A trained LSTM autoencoder as training scripts leave it: four files in a directory.

``lstm_ae.pth`` has the weights, ``scaler.npz`` how the columns were scaled, ``threshold.txt`` the
reconstruction error from which a window is an anomaly, and ``model_meta.json`` the window and the
columns. Scripts differ in what they call things, so the usual names are all known, and what is said
twice must agree.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from freshet._file_access import failure, placed, read_bytes, shown
from freshet._seed_scaler import read_scaler
from freshet._torch_architecture import Architecture, infer_architecture
from freshet._torch_file import MAXIMUM_FILE_BYTES, read_torch_file
from freshet.errors import ModelFileError

__all__ = ["SeedBundle", "read_seed_bundle"]

Floats = npt.NDArray[np.float64]

_WEIGHTS: Final = "lstm_ae.pth"
_THRESHOLD: Final = "threshold.txt"
_META: Final = "model_meta.json"

_MAXIMUM_TEXT_BYTES: Final = 1 << 12
_MAXIMUM_META_BYTES: Final = 1 << 20
_MAXIMUM_WINDOW: Final = 1 << 20

_WINDOW_KEYS: Final = ("window_size", "window", "seq_len", "sequence_length", "timesteps")
_COLUMN_LIST_KEYS: Final = ("columns", "features", "feature_names")
_COLUMN_KEYS: Final = ("column", "feature", "value_column")
#: What the metadata may repeat of the weights: attributes of `Architecture` and their keys.
_SIZE_KEYS: Final[dict[str, tuple[str, ...]]] = {
    "n_columns": ("n_columns", "n_features", "num_features", "input_size", "input_dim"),
    "hidden_size": ("hidden_size", "hidden_dim", "hidden_units"),
    "num_layers": ("num_layers", "n_layers"),
    "latent_size": ("latent_size", "latent_dim", "bottleneck_size", "embedding_dim"),
}


@dataclass(frozen=True, eq=False)
class SeedBundle:
    """A trained LSTM autoencoder with all that scoring needs.

    Attributes
    ----------
    tensors : dict of str to ndarray
        The weights, by the names and in the order of `freshet._torch_architecture`.
    center, scale : ndarray of float64, shape (n_columns,)
        The model reads ``(row - center) / scale``; `scale` is positive.
    threshold : float
        The reconstruction error above which a window is an anomaly, from 0.
    window : int
        Rows in a window, from 1.
    columns : list of str or None
        The names of the columns, if the bundle has them.
    meta : dict
        The whole content of ``model_meta.json``.
    architecture : Architecture
        The sizes of the model.
    """

    tensors: dict[str, npt.NDArray[Any]]
    center: Floats
    scale: Floats
    threshold: float
    window: int
    columns: list[str] | None
    meta: dict[str, Any]
    architecture: Architecture


def read_seed_bundle(directory: str | os.PathLike[str]) -> SeedBundle:
    """The model in `directory`, read without executing anything in it.

    Parameters
    ----------
    directory : str or path-like
        Has ``lstm_ae.pth``, ``scaler.npz``, ``threshold.txt`` and ``model_meta.json``.

    Returns
    -------
    SeedBundle
        The model.

    Raises
    ------
    ModelFileError
        ``file_missing``, ``file_corrupt``, ``file_unsafe`` or ``file_mismatch``; ``field`` is the
        file, or the file and the key in it, as in ``"scaler.npz/std"``.
    """
    folder = os.fspath(directory)
    meta = _read_meta(folder)
    architecture, tensors = _read_weights(folder)
    _check_sizes(meta, architecture)
    center, scale = read_scaler(folder, architecture.n_columns)
    return SeedBundle(
        tensors=tensors,
        center=center,
        scale=scale,
        threshold=_read_threshold(folder),
        window=_window(meta),
        columns=_columns(meta, architecture.n_columns),
        meta=meta,
        architecture=architecture,
    )


def _read_weights(folder: str) -> tuple[Architecture, dict[str, npt.NDArray[Any]]]:
    data = read_bytes(os.path.join(folder, _WEIGHTS), MAXIMUM_FILE_BYTES)
    try:
        return infer_architecture(read_torch_file(data))
    except ModelFileError as error:
        raise placed(error, _WEIGHTS, f"{_WEIGHTS}/{error.field}") from None


def _read_threshold(folder: str) -> float:
    content = read_bytes(os.path.join(folder, _THRESHOLD), _MAXIMUM_TEXT_BYTES)
    try:
        threshold = float(content.decode("utf-8-sig"))
    except ValueError:
        raise failure(
            "file_corrupt", f"{_THRESHOLD} has no number", _THRESHOLD, "one number"
        ) from None
    if not 0.0 <= threshold < math.inf:
        raise failure(
            "file_mismatch",
            f"{_THRESHOLD} has the number {threshold}",
            _THRESHOLD,
            "a finite number from 0",
        )
    return threshold


def _read_meta(folder: str) -> dict[str, Any]:
    content = read_bytes(os.path.join(folder, _META), _MAXIMUM_META_BYTES)
    try:
        meta = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise failure(
            "file_corrupt", f"{_META} is no JSON ({shown(error)})", _META, "a JSON object"
        ) from None
    if not isinstance(meta, dict):
        raise failure(
            "file_mismatch", f"{_META} has a {type(meta).__name__}", _META, "a JSON object"
        )
    return meta


def _integers(meta: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, int]:
    """What `meta` has under `keys`, without null."""
    present = {key: meta[key] for key in keys if meta.get(key) is not None}
    for key, value in present.items():
        if type(value) is not int or not 1 <= value <= _MAXIMUM_WINDOW:
            raise _mismatch(
                f"{key} is {shown(repr(value)) if type(value) is int else type(value).__name__}",
                _META,
                key,
                f"an integer from 1 to {_MAXIMUM_WINDOW}",
            )
    return present


def _window(meta: Mapping[str, Any]) -> int:
    present = _integers(meta, _WINDOW_KEYS)
    if not present:
        raise _mismatch(
            "the window is missing", _META, _WINDOW_KEYS[0], f"one of {', '.join(_WINDOW_KEYS)}"
        )
    first = next(iter(present))
    for key, value in present.items():
        if value != present[first]:
            raise _mismatch(f"{key} is {value}", _META, key, f"{present[first]}, as of {first}")
    return present[first]


def _check_sizes(meta: Mapping[str, Any], architecture: Architecture) -> None:
    for attribute, keys in _SIZE_KEYS.items():
        size = getattr(architecture, attribute)
        if attribute == "latent_size" and size is None:
            # Without a layer of its own, what lies between the LSTMs is the hidden state.
            size = architecture.hidden_size
        for key, value in _integers(meta, keys).items():
            if value != size:
                raise _mismatch(f"{key} is {value}", _META, key, f"{size}, as the weights have")


def _columns(meta: Mapping[str, Any], n_columns: int) -> list[str] | None:
    found: dict[str, list[Any]] = {}
    for key in _COLUMN_LIST_KEYS:
        value = meta.get(key)
        if value is not None:
            found[key] = value if isinstance(value, list) else [None]
    for key in _COLUMN_KEYS:
        if meta.get(key) is not None:
            found[key] = [meta[key]]
    for key, names in found.items():
        if not all(isinstance(name, str) and name for name in names):
            expected = "a name" if key in _COLUMN_KEYS else "a list of names"
            raise _mismatch(f"{key} has what is no name", _META, key, expected)
        if len(names) != n_columns or len(set(names)) != n_columns:
            raise _mismatch(
                f"{key} has {len(set(names))} different names of {len(names)}",
                _META,
                key,
                f"{n_columns}, as the weights have columns",
            )
        first = next(iter(found))
        if names != found[first]:
            raise _mismatch(f"{key} contradicts {first}", _META, key, "the same names")
    return next(iter(found.values()), None)


def _mismatch(message: str, file: str, key: str, expected: str) -> ModelFileError:
    return failure("file_mismatch", f"{file}: {message}", f"{file}/{key}", expected)
