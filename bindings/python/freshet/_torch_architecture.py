"""What the names and shapes of a state dict say about the LSTM autoencoder they belong to.

The model is PyTorch's: an ``nn.LSTM`` encoder, whose last hidden state of the top layer may pass
an ``nn.Linear``, repeated over the window as input of an ``nn.LSTM`` decoder and an ``nn.Linear``
output. The gates of an LSTM are in the order input, forget, cell, output.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from freshet._file_access import failure, shown
from freshet._torch_file import without_module_prefix
from freshet.errors import ModelFileError

__all__ = ["Architecture", "as_numpy_state_dict", "expected_shapes", "infer_architecture"]

_N_GATES: Final = 4
_LSTM_NAME: Final = re.compile(r"(encoder|decoder)\.(weight|bias)_(ih|hh)_l(0|[1-9][0-9]{0,2})")
_HEADS: Final[dict[str, tuple[str, ...]]] = {
    "to_latent": ("to_latent", "latent", "bottleneck", "hidden_to_latent"),
    "output": ("output", "output_layer", "fc", "linear", "head", "out"),
}
_HEAD_OF_ALIAS: Final = {alias: head for head, aliases in _HEADS.items() for alias in aliases}
_FIRST: Final = "encoder.weight_ih_l0"
_LATENT: Final = "to_latent.weight"


@dataclass(frozen=True)
class Architecture:
    """The sizes of an LSTM autoencoder.

    Attributes
    ----------
    n_columns : int
        Columns of a row, from 1.
    hidden_size : int
        Units of each LSTM layer, from 1.
    num_layers : int
        Layers of the encoder, and of the decoder, from 1.
    latent_size : int or None
        Units between encoder and decoder; None without that layer, when the decoder reads the
        hidden state itself.
    dtype : {"float32", "float64"}
        The type of all weights.
    """

    n_columns: int
    hidden_size: int
    num_layers: int
    latent_size: int | None
    dtype: Literal["float32", "float64"]


def expected_shapes(architecture: Architecture) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor of an autoencoder, by its name and in the order of a state dict."""
    hidden_size = architecture.hidden_size
    latent_size = architecture.latent_size
    gates = _N_GATES * hidden_size
    shapes: dict[str, tuple[int, ...]] = {}

    def add_lstm(part: str, input_size: int) -> None:
        for layer in range(architecture.num_layers):
            shapes[f"{part}.weight_ih_l{layer}"] = (gates, hidden_size if layer else input_size)
            shapes[f"{part}.weight_hh_l{layer}"] = (gates, hidden_size)
            shapes[f"{part}.bias_ih_l{layer}"] = (gates,)
            shapes[f"{part}.bias_hh_l{layer}"] = (gates,)

    add_lstm("encoder", architecture.n_columns)
    if latent_size is not None:
        shapes[_LATENT] = (latent_size, hidden_size)
        shapes["to_latent.bias"] = (latent_size,)
    add_lstm("decoder", hidden_size if latent_size is None else latent_size)
    shapes["output.weight"] = (architecture.n_columns, hidden_size)
    shapes["output.bias"] = (architecture.n_columns,)
    return shapes


def infer_architecture(
    tensors: Mapping[str, npt.NDArray[Any]],
) -> tuple[Architecture, dict[str, npt.NDArray[Any]]]:
    """The architecture of a state dict, and its tensors by the names used here.

    Parameters
    ----------
    tensors : mapping of str to ndarray
        A state dict. The linear layers may go by other usual names: ``output`` also by
        ``output_layer``, ``fc``, ``linear``, ``head`` or ``out``, and ``to_latent`` by ``latent``,
        ``bottleneck`` or ``hidden_to_latent``.

    Returns
    -------
    Architecture
        The sizes.
    dict of str to ndarray
        The names and the order of `expected_shapes`; C-contiguous, finite and in native byte
        order. Arrays that are all that already are not copied.

    Raises
    ------
    ModelFileError
        ``file_mismatch`` if a tensor is unknown, missing, of another shape or type, or not finite;
        ``field`` is its name.
    """
    arrays, given_names = _by_canonical_name(tensors)
    dtype = _common_type(arrays, given_names)
    architecture = _sizes(arrays, given_names, dtype)
    result: dict[str, npt.NDArray[Any]] = {}
    for name, shape in expected_shapes(architecture).items():
        array = _required(arrays, name, shape)
        given = given_names[name]
        if array.shape != shape:
            raise _mismatch(f"{shown(given)} has the shape {array.shape}", given, f"{shape}")
        if not np.isfinite(array).all():
            raise _mismatch(f"{shown(given)} has a value that is not finite", given, "numbers")
        result[name] = np.ascontiguousarray(array, dtype=dtype)
    # A layer of the decoder beyond the encoder's, or one behind a gap.
    for name in arrays:
        if name not in result:
            raise _mismatch(
                f"{shown(name)} belongs to no layer",
                name,
                f"{architecture.num_layers} layers numbered from 0, as the encoder has",
            )
    return architecture, result


def as_numpy_state_dict(state_dict: Mapping[str, Any]) -> dict[str, npt.NDArray[Any]]:
    """`state_dict` with NumPy arrays for its tensors; PyTorch is not imported.

    Parameters
    ----------
    state_dict : mapping of str to ndarray or torch.Tensor
        For example what ``model.state_dict()`` returns. The prefix ``module.`` is taken off if all
        names have it.

    Returns
    -------
    dict of str to ndarray
        Copies, which later training of the model does not change.

    Raises
    ------
    ModelFileError
        ``file_mismatch`` if this is no such mapping or a value cannot become an array; ``field``
        is its name.
    """
    if not isinstance(state_dict, Mapping):
        raise _mismatch(
            f"the state dict is of type {type(state_dict).__name__}",
            "state_dict",
            "a mapping from names to arrays or tensors",
        )
    result: dict[str, npt.NDArray[Any]] = {}
    for name, value in state_dict.items():
        if not isinstance(name, str):
            raise _mismatch(
                f"the state dict has the name {shown(name)}", shown(name), "names of type str"
            )
        array = value
        if not isinstance(value, np.ndarray) and hasattr(value, "detach"):
            try:
                array = value.detach().cpu().numpy()
            except (AttributeError, TypeError, RuntimeError, ValueError) as error:
                raise _mismatch(
                    f"{shown(name)} cannot become an array ({shown(error)})",
                    name,
                    "a dense tensor of float32 or float64",
                ) from error
        if not isinstance(array, np.ndarray):
            raise _mismatch(
                f"{shown(name)} is of type {type(value).__name__}",
                name,
                "a NumPy array or a PyTorch tensor",
            )
        result[name] = array.copy()
    return without_module_prefix(result)


def _by_canonical_name(
    tensors: Mapping[str, npt.NDArray[Any]],
) -> tuple[dict[str, npt.NDArray[Any]], dict[str, str]]:
    """The arrays by canonical name, and what each was called; refuses names without one."""
    arrays: dict[str, npt.NDArray[Any]] = {}
    given_names: dict[str, str] = {}
    for given, array in tensors.items():
        name = _canonical_name(given)
        if name in arrays:
            raise _mismatch(
                f"{shown(given)} and {shown(given_names[name])} are the same layer",
                given,
                "every layer once",
            )
        arrays[name] = array
        given_names[name] = given
    return arrays, given_names


def _canonical_name(given: str) -> str:
    if not isinstance(given, str):
        raise _mismatch(f"a tensor has the name {shown(given)}", shown(given), "names of type str")
    if _LSTM_NAME.fullmatch(given):
        return given
    if given.endswith("_reverse"):
        raise _mismatch(
            f"{shown(given)} belongs to a bidirectional LSTM", given, "bidirectional=False"
        )
    if "weight_hr_l" in given:
        raise _mismatch(f"{shown(given)} belongs to a projected LSTM", given, "proj_size=0")
    layer, _, kind = given.rpartition(".")
    if kind in ("weight", "bias") and layer in _HEAD_OF_ALIAS:
        return f"{_HEAD_OF_ALIAS[layer]}.{kind}"
    raise _mismatch(
        f"{shown(given)} is no tensor of an LSTM autoencoder",
        given,
        "encoder.*, decoder.*, to_latent.* and output.* only",
    )


def _common_type(
    arrays: Mapping[str, npt.NDArray[Any]], given_names: Mapping[str, str]
) -> Literal["float32", "float64"]:
    common: Literal["float32", "float64"] | None = None
    for name, array in arrays.items():
        given = given_names[name]
        kind = array.dtype.newbyteorder("=") if isinstance(array, np.ndarray) else None
        if kind not in (np.float32, np.float64):
            what = type(array).__name__ if kind is None else kind
            raise _mismatch(f"{shown(given)} is of type {what}", given, "float32 or float64")
        this: Literal["float32", "float64"] = "float32" if kind == np.float32 else "float64"
        if common not in (None, this):
            raise _mismatch(f"{shown(given)} is of type {this}", given, f"{common}, as the others")
        common = this
    return common or "float32"


def _sizes(
    arrays: Mapping[str, npt.NDArray[Any]],
    given_names: Mapping[str, str],
    dtype: Literal["float32", "float64"],
) -> Architecture:
    first = _required(arrays, _FIRST, ("4 * hidden_size", "n_columns"))
    if first.ndim != 2 or first.shape[0] % _N_GATES or 0 in first.shape:
        raise _mismatch(
            f"{_FIRST} has the shape {first.shape}",
            given_names[_FIRST],
            "(4 * hidden_size, n_columns)",
        )
    hidden_size = first.shape[0] // _N_GATES
    num_layers = 1
    while f"encoder.weight_ih_l{num_layers}" in arrays:
        num_layers += 1
    latent_size = None
    if _LATENT in arrays or "to_latent.bias" in arrays:
        latent = _required(arrays, _LATENT, ("latent_size", hidden_size))
        if latent.ndim != 2 or latent.shape[0] == 0:
            raise _mismatch(
                f"{shown(given_names[_LATENT])} has the shape {latent.shape}",
                given_names[_LATENT],
                f"(latent_size, {hidden_size})",
            )
        latent_size = latent.shape[0]
    return Architecture(first.shape[1], hidden_size, num_layers, latent_size, dtype)


def _required(
    arrays: Mapping[str, npt.NDArray[Any]], name: str, shape: tuple[int | str, ...]
) -> npt.NDArray[Any]:
    if name not in arrays:
        sizes = ", ".join(str(size) for size in shape)
        raise _mismatch(f"{name} is missing", name, f"a tensor of shape ({sizes})")
    return arrays[name]


def _mismatch(message: str, field: str, expected: str) -> ModelFileError:
    return failure("file_mismatch", message, shown(field), expected)
