"""State dicts out of files that ``torch.save`` wrote, without PyTorch and without running them.

A file of PyTorch 1.6 or newer is a ZIP archive: ``<folder>/data.pkl`` describes the tensors and
``<folder>/data/<key>`` has their elements. Only the description is a pickle, and
`freshet._torch_pickle` reads it as data.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

from freshet._file_access import Archive, failure, placed, read_bytes, shown
from freshet._torch_pickle import interpret
from freshet._torch_values import Tensor
from freshet.errors import ModelFileError

__all__ = ["read_torch_file", "without_module_prefix"]

#: The longest file that is read.
MAXIMUM_FILE_BYTES: Final = 1 << 30
#: The longest description; it has about 150 bytes for each tensor.
MAXIMUM_PICKLE_BYTES: Final = 1 << 22
_MAXIMUM_ENTRIES: Final = 1 << 14
#: Tensors may share elements, and halves become float32: so much more than the file may they take.
_MAXIMUM_AMPLIFICATION: Final = 4
_MAXIMUM_NESTING: Final = 32
_MAXIMUM_WRAPPERS: Final = 4
_WRAPPERS: Final = ("state_dict", "model_state_dict", "model", "model_state")
_MODULE_PREFIX: Final = "module."
_STATE_DICT: Final = "a dict from names to tensors, as model.state_dict() returns it"
_RESAVE: Final = "a file by torch.save(model.state_dict(), path) of PyTorch 1.6 or newer"
# Half precision is widened: both conversions are exact.
_STORED_TYPES: Final[dict[str, np.dtype[Any]]] = {
    "torch.FloatStorage": np.dtype("<f4"),
    "torch.DoubleStorage": np.dtype("<f8"),
    "torch.HalfStorage": np.dtype("<f2"),
    "torch.BFloat16Storage": np.dtype("<u2"),
}
_RESULT_TYPES: Final[dict[str, np.dtype[Any]]] = {
    "torch.FloatStorage": np.dtype(np.float32),
    "torch.DoubleStorage": np.dtype(np.float64),
    "torch.HalfStorage": np.dtype(np.float32),
    "torch.BFloat16Storage": np.dtype(np.float32),
}

_Value = TypeVar("_Value")


def read_torch_file(source: str | os.PathLike[str] | bytes) -> dict[str, npt.NDArray[Any]]:
    """The tensors of a state dict that ``torch.save`` wrote.

    The state dict may be an entry ``state_dict``, ``model_state_dict``, ``model`` or
    ``model_state`` of a dict with other plain entries, such as an optimizer's state; those are not
    returned. The prefix ``module.`` that data parallelism puts before all names is taken off.

    Nothing in the file is executed. Memory stays within a small multiple of the file's size.

    Parameters
    ----------
    source : str, path-like or bytes
        The file's path, or its content.

    Returns
    -------
    dict of str to ndarray
        In the file's order, C-contiguous copies of float32 (also of half precision) or float64.

    Raises
    ------
    ModelFileError
        With ``field`` the global, opcode, entry or tensor that is wrong:

        - ``file_missing``: there is no such file, or it cannot be opened;
        - ``file_corrupt``: the archive, its pickle or a tensor is damaged;
        - ``file_unsafe``: the pickle asks for anything but tensors and plain values, or for far
          more memory than the file has bytes;
        - ``file_mismatch``: this is something else, for example the old format of PyTorch,
          TorchScript or a dict without tensors.
    """
    if isinstance(source, bytes):
        return _read(source)
    data = read_bytes(source, MAXIMUM_FILE_BYTES)
    try:
        return _read(data)
    except ModelFileError as error:
        raise placed(error, shown(os.fspath(source))) from None


def without_module_prefix(state_dict: Mapping[str, _Value]) -> dict[str, _Value]:
    """`state_dict` without the prefix ``module.``, if all its names have it."""
    result = dict(state_dict)
    while result and all(name.startswith(_MODULE_PREFIX) for name in result):
        result = {name[len(_MODULE_PREFIX) :]: value for name, value in result.items()}
    return result


def _read(data: bytes) -> dict[str, npt.NDArray[Any]]:
    if data.startswith(b"\x80"):
        raise failure(
            "file_mismatch",
            "this is a bare pickle, perhaps of PyTorch before 1.6",
            "format",
            _RESAVE,
        )
    archive = Archive(data, maximum_entries=_MAXIMUM_ENTRIES)
    folder = _folder(archive)
    program = archive.read(folder + "data.pkl", MAXIMUM_PICKLE_BYTES)
    start = folder + "data/"
    sizes = {
        name[len(start) :]: size for name, size in archive.sizes.items() if name.startswith(start)
    }
    value = interpret(bytes(program), sizes)
    _check_nesting(value)
    tensors = without_module_prefix(_state_dict(value))
    _check_memory(tensors, len(data))
    # One view of each storage, so that its checksum is computed once.
    storages = {
        key: archive.read(start + key)
        for key in dict.fromkeys(tensor.storage.key for tensor in tensors.values())
    }
    return {
        name: _array(name, tensor, storages[tensor.storage.key]) for name, tensor in tensors.items()
    }


def _folder(archive: Archive) -> str:
    """The folder of the archive that has the pickle, with its slash."""
    folders = [
        name[: -len("data.pkl")]
        for name in archive.sizes
        if name.endswith("/data.pkl") and name.count("/") == 1
    ]
    if len(folders) != 1:
        raise failure(
            "file_mismatch",
            f"the archive has {len(folders)} entries <folder>/data.pkl",
            "data.pkl",
            f"one, in {_RESAVE}",
        )
    folder = folders[0]
    script = (folder + "constants.pkl", folder + "code/")
    if any(name.startswith(script) for name in archive.sizes):
        raise failure("file_mismatch", "this is a TorchScript archive", "format", _RESAVE)
    if archive.compressed:
        name = shown(archive.compressed[0])
        raise failure("file_corrupt", f"the entry {name} is compressed", name, "stored entries")
    if folder + "byteorder" in archive.sizes:
        order = bytes(archive.read(folder + "byteorder", 64))
        if order != b"little":
            raise failure(
                "file_mismatch",
                f"the byte order is {shown(order.decode('latin-1'))}",
                "byteorder",
                "little",
            )
    return folder


def _check_nesting(root: Any) -> None:
    """Refuse values nested too deeply: level by level, as recursion is what they would exploit."""
    level = [root]
    seen = {id(root)}
    for _ in range(_MAXIMUM_NESTING):
        below = []
        for value in level:
            children = value.values() if isinstance(value, dict) else value
            for child in children if isinstance(value, (dict, list, tuple)) else ():
                if isinstance(child, (dict, list, tuple)) and id(child) not in seen:
                    seen.add(id(child))
                    below.append(child)
        if not below:
            return
        level = below
    raise failure(
        "file_unsafe",
        "the pickle nests its values too deeply",
        "data.pkl",
        f"at most {_MAXIMUM_NESTING} levels",
    )


def _state_dict(root: Any) -> dict[str, Tensor]:
    """The state dict that `root` is or wraps."""
    value = root
    for _ in range(_MAXIMUM_WRAPPERS):
        if not isinstance(value, dict):
            raise failure(
                "file_mismatch",
                f"the file has a value of type {type(value).__name__}",
                "state_dict",
                _STATE_DICT,
            )
        # The name of an architecture or a dict of settings may be under such a key, too.
        wrappers = [key for key in _WRAPPERS if _may_hold_tensors(value.get(key))]
        if len(wrappers) > 1:
            raise failure(
                "file_mismatch",
                f"the file has state dicts under {' and '.join(wrappers)}",
                wrappers[1],
                "one state dict",
            )
        if not wrappers:
            return _only_tensors(value)
        value = value[wrappers[0]]
    raise failure(
        "file_mismatch",
        "the state dict is within too many dicts",
        "state_dict",
        f"at most {_MAXIMUM_WRAPPERS - 1}",
    )


def _may_hold_tensors(value: Any) -> bool:
    return isinstance(value, dict) and (
        any(isinstance(child, Tensor) for child in value.values())
        or any(isinstance(value.get(key), dict) for key in _WRAPPERS)
    )


def _only_tensors(value: dict[Any, Any]) -> dict[str, Tensor]:
    if not value:
        raise failure("file_mismatch", "the state dict is empty", "state_dict", _STATE_DICT)
    for name, tensor in value.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise failure(
                "file_mismatch",
                f"the entry {shown(name)} is of type {type(tensor).__name__}",
                shown(name),
                _STATE_DICT,
            )
    return value


def _check_memory(tensors: Mapping[str, Tensor], n_file_bytes: int) -> None:
    """Refuse tensors that repeat their elements until a short file fills the memory."""
    maximum = _MAXIMUM_AMPLIFICATION * n_file_bytes
    total = 0
    for name, tensor in tensors.items():
        # A size of 0 must not hide the others, which NumPy multiplies as well.
        n_elements = math.prod(max(size, 1) for size in tensor.shape)
        total += n_elements * _RESULT_TYPES[tensor.storage.type].itemsize
        if total > maximum:
            raise failure(
                "file_unsafe",
                f"with {shown(name)} the tensors would take more memory than the file explains",
                shown(name),
                f"at most {maximum} bytes",
            )


def _array(name: str, tensor: Tensor, elements: memoryview) -> npt.NDArray[Any]:
    stored = _STORED_TYPES[tensor.storage.type]
    # No step is taken along a size of 1, so its stride may be anything, even beyond what NumPy has.
    strides = tuple(
        stride * stored.itemsize if size > 1 else 0
        for size, stride in zip(tensor.shape, tensor.strides, strict=True)
    )
    offset = tensor.offset * stored.itemsize
    try:
        view: npt.NDArray[Any] = np.ndarray(
            tensor.shape, stored, buffer=elements, offset=offset, strides=strides
        )
    except (ValueError, TypeError, OverflowError):
        # The bounds are known to hold; what is left are the strides of tensors without elements.
        raise failure(
            "file_corrupt",
            f"the tensor {shown(name)} has no valid layout",
            shown(name),
            "strides that fit the sizes",
        ) from None
    if tensor.storage.type == "torch.BFloat16Storage":
        # bfloat16 is the upper half of a float32.
        wide = np.left_shift(view.astype(np.uint32, order="C"), 16, dtype=np.uint32)
        return np.asarray(wide).view(np.float32)
    return view.astype(_RESULT_TYPES[tensor.storage.type], order="C")
