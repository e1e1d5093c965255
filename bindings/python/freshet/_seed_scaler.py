"""How the columns of a model were scaled: ``scaler.npz``, by whatever names its writer chose."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from freshet._file_access import Archive, failure, placed, read_bytes, shown
from freshet.errors import ModelFileError

__all__ = ["read_scaler"]

Floats = npt.NDArray[np.float64]

_SCALER: Final = "scaler.npz"
_MAXIMUM_SCALER_BYTES: Final = 1 << 22
_MAXIMUM_ARRAY_BYTES: Final = 1 << 20
_MAXIMUM_ARRAYS: Final = 256
#: How far, in units of the scale, two ways to say the same scaling may differ.
_ROUNDING: Final = 1e-3


def _center_and_scale(first: Floats, second: Floats) -> tuple[Floats, Floats]:
    return first, second


def _minimum_and_maximum(first: Floats, second: Floats) -> tuple[Floats, Floats]:
    return first, second - first


def _offset_and_factor(first: Floats, second: Floats) -> tuple[Floats, Floats]:
    # scikit-learn's MinMaxScaler: x * factor + offset.
    return -first / second, 1.0 / second


_Meaning = Callable[[Floats, Floats], tuple[Floats, Floats]]
_SCALER_PAIRS: Final[tuple[tuple[str, str, _Meaning], ...]] = (
    *(
        (center, scale, _center_and_scale)
        for center, scale in (
            ("mean", "std"),
            ("mean", "scale"),
            ("mean_", "scale_"),
            ("mean_", "std_"),
            ("center", "scale"),
            ("center_", "scale_"),
            ("mu", "sigma"),
            ("median", "iqr"),
        )
    ),
    ("min_", "scale_", _offset_and_factor),
    ("min", "max", _minimum_and_maximum),
    ("data_min", "data_max", _minimum_and_maximum),
    ("data_min_", "data_max_", _minimum_and_maximum),
)


def read_scaler(folder: str, n_columns: int) -> tuple[Floats, Floats]:
    """The centers and the scales in the ``scaler.npz`` of `folder`.

    Parameters
    ----------
    folder : str
        Has ``scaler.npz`` with a pair of arrays such as ``mean`` and ``std`` or ``min`` and
        ``max``, each of one value or one for each column.
    n_columns : int
        How many columns the model has.

    Returns
    -------
    center, scale : ndarray of float64, shape (n_columns,)
        What to subtract, and what to divide by after that: positive, with 1 for a scale of 0.

    Raises
    ------
    ModelFileError
        ``file_missing``, ``file_corrupt``, ``file_unsafe`` or ``file_mismatch``; ``field`` is
        ``"scaler.npz"`` or, for an array, ``"scaler.npz/<key>"``.
    """
    content = read_bytes(os.path.join(folder, _SCALER), _MAXIMUM_SCALER_BYTES)
    try:
        archive = Archive(content, maximum_entries=_MAXIMUM_ARRAYS)
    except ModelFileError as error:
        raise placed(error, _SCALER, _SCALER) from None
    pairs = [
        pair
        for pair in _SCALER_PAIRS
        if f"{pair[0]}.npy" in archive.sizes and f"{pair[1]}.npy" in archive.sizes
    ]
    if not pairs:
        known = ", ".join(f"{first}/{second}" for first, second, _ in _SCALER_PAIRS)
        raise failure("file_mismatch", f"{_SCALER} has no known pair of keys", _SCALER, known)
    results = [_scaling(archive, pair, n_columns) for pair in pairs]
    center, scale = results[0]
    for (first, second, _), (other_center, other_scale) in zip(pairs, results, strict=True):
        difference = np.maximum(abs(other_center - center), abs(other_scale - scale))
        if (difference > _ROUNDING * scale).any():
            raise _mismatch(
                f"{first} and {second} contradict {pairs[0][0]} and {pairs[0][1]}",
                _SCALER,
                second,
                "one scaling",
            )
    return center, scale


def _scaling(
    archive: Archive, pair: tuple[str, str, _Meaning], n_columns: int
) -> tuple[Floats, Floats]:
    first, second, meaning = pair
    values = [_read_array(archive, key, n_columns) for key in (first, second)]
    if meaning is _offset_and_factor and not (values[1] > 0.0).all():
        raise _mismatch(f"{second} has a factor that is not positive", _SCALER, second, "factors")
    with np.errstate(over="ignore", invalid="ignore"):
        center, scale = meaning(*values)
    if not (np.isfinite(center).all() and np.isfinite(scale).all() and (scale >= 0.0).all()):
        raise _mismatch(
            f"{first} and {second} give a negative or infinite scale",
            _SCALER,
            second,
            "scales from 0",
        )
    # A constant column: scikit-learn leaves its spread of 0 as it is, too.
    return center, np.where(scale == 0.0, 1.0, scale)


def _read_array(archive: Archive, key: str, n_columns: int) -> Floats:
    """The array `key`, of a value or one for each column, as one for each column."""
    try:
        content = bytes(archive.read(f"{key}.npy", _MAXIMUM_ARRAY_BYTES))
    except ModelFileError as error:
        raise placed(error, _SCALER, f"{_SCALER}/{key}") from None
    try:
        _check_header(content)
        array = np.load(io.BytesIO(content), allow_pickle=False)
    except Exception as error:  # NumPy evaluates the header, so there is no end of possible errors
        raise failure(
            "file_corrupt",
            f"{_SCALER}: {key} cannot be read ({shown(error)})",
            f"{_SCALER}/{key}",
            "an array of numbers",
        ) from None
    if array.dtype.kind not in "fiu":
        raise _mismatch(f"{key} is of type {shown(array.dtype)}", _SCALER, key, "numbers")
    if array.size not in (1, n_columns):
        raise _mismatch(
            f"{key} has the shape {array.shape}", _SCALER, key, f"1 or {n_columns} values"
        )
    values = np.broadcast_to(array.reshape(-1), (n_columns,)).astype(np.float64)
    if not np.isfinite(values).all():
        raise _mismatch(f"{key} has a value that is not finite", _SCALER, key, "finite numbers")
    return values


def _check_header(content: bytes) -> None:
    """Refuse an array whose header claims more than there is: np.load allocates by the header."""
    file = io.BytesIO(content)
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    else:
        raise ValueError(f"version {version} of the format")
    n_bytes = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or n_bytes != len(content) - file.tell():
        raise ValueError("the size is not the header's")


def _mismatch(message: str, file: str, key: str, expected: str) -> ModelFileError:
    return failure("file_mismatch", f"{file}: {message}", f"{file}/{key}", expected)
