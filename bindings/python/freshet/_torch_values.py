"""What the pickle of a PyTorch file is made of, beside plain values: globals, storages, tensors.

None of them is the real thing. A global is its name; a storage knows its entry in the archive, and
a tensor its place in a storage. All are checked when they are made, before anything is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from freshet._file_access import failure, shown
from freshet.errors import ModelFileError

__all__ = [
    "ITEM_SIZES",
    "REBUILD_TENSOR",
    "Global",
    "Storage",
    "Tensor",
    "corrupt",
    "storage_of",
    "tensor_of",
    "unsafe",
]

_MAXIMUM_DIMENSIONS: Final = 16
_SAVE_STATE_DICT: Final = "a state dict as torch.save(model.state_dict(), path) writes it"

REBUILD_TENSOR: Final = "torch._utils._rebuild_tensor_v2"
#: Types of storage and the bytes of one element.
ITEM_SIZES: Final[dict[str, int]] = {
    "torch.FloatStorage": 4,
    "torch.DoubleStorage": 8,
    "torch.HalfStorage": 2,
    "torch.BFloat16Storage": 2,
}


@dataclass(frozen=True)
class Global:
    """A global of the allow-list: a name, not what it names."""

    name: str


@dataclass(frozen=True)
class Storage:
    """Elements in a row: the archive's entry ``data/<key>``.

    Attributes
    ----------
    type : str
        The global that names the type, for example ``"torch.FloatStorage"``.
    key : str
        The name of the entry below ``data/``.
    n_elements : int
        How many elements there are; the entry was found to have just their bytes.
    """

    type: str
    key: str
    n_elements: int


@dataclass(frozen=True)
class Tensor:
    """A view of a storage, inside whose bounds it was found to be.

    Attributes
    ----------
    storage : Storage
        The elements.
    offset : int
        The first element of the view.
    shape, strides : tuple of int
        The sizes, and the steps in elements; none is negative.
    """

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def storage_of(identifier: Any, sizes: Mapping[str, int]) -> Storage:
    """The storage of a persistent id, checked against the `sizes` of the entries, in bytes.

    Raises
    ------
    ModelFileError
        ``file_unsafe`` if it is the id of anything else, ``file_corrupt`` if its entry is missing
        or has another size.
    """
    if not isinstance(identifier, tuple) or len(identifier) != 5 or identifier[0] != "storage":
        raise unsafe("the pickle refers to what is no storage", "BINPERSID")
    _, kind, key, _, n_elements = identifier
    item_size = ITEM_SIZES.get(kind.name) if isinstance(kind, Global) else None
    if item_size is None:
        raise unsafe("the pickle has a storage of no known type", "BINPERSID")
    if not isinstance(key, str) or not _is_size(n_elements):
        raise corrupt("a storage has no key or no size", "a text and a number")
    n_bytes = sizes.get(key)
    if n_bytes is None:
        raise corrupt(f"the storage {shown(key)} is missing", "its entry", f"data/{key}")
    if n_bytes != n_elements * item_size:
        raise corrupt(
            f"the storage {shown(key)} has {n_bytes} bytes",
            f"{n_elements * item_size} bytes",
            f"data/{key}",
        )
    return Storage(kind.name, key, n_elements)


def tensor_of(arguments: tuple[Any, ...]) -> Tensor:
    """The tensor of ``_rebuild_tensor_v2(*arguments)``, checked against its storage.

    Raises
    ------
    ModelFileError
        ``file_corrupt`` if there is no shape or it does not lie within the storage,
        ``file_unsafe`` if there are hooks or metadata, which would change the values.
    """
    if len(arguments) not in (6, 7) or not isinstance(arguments[0], Storage):
        raise corrupt("a tensor has unknown arguments", "those of _rebuild_tensor_v2")
    storage, offset, shape, strides, _, hooks = arguments[:6]
    # The seventh may ask for the negated or conjugated values: not to be ignored.
    if hooks or any(arguments[6:]):
        raise unsafe("a tensor has hooks or metadata", REBUILD_TENSOR)
    if not _is_size(offset) or not _are_sizes(shape) or not _are_sizes(strides):
        raise corrupt(
            "a tensor has no shape", f"at most {_MAXIMUM_DIMENSIONS} sizes and strides from 0"
        )
    if len(shape) != len(strides):
        raise corrupt(f"a tensor has {len(shape)} sizes", f"{len(strides)}, as of its strides")
    end = offset
    if 0 not in shape:
        steps = zip(shape, strides, strict=True)
        end += 1 + sum((size - 1) * stride for size, stride in steps)
    if end > storage.n_elements:
        raise corrupt(
            f"a tensor reaches to element {end} of the storage {shown(storage.key)}",
            f"at most {storage.n_elements} elements",
            f"data/{storage.key}",
        )
    return Tensor(storage, offset, shape, strides)


def _is_size(value: Any) -> bool:
    return type(value) is int and value >= 0


def _are_sizes(values: Any) -> bool:
    # The length first: one long tuple may stand for the shapes of many tensors.
    return (
        isinstance(values, tuple)
        and len(values) <= _MAXIMUM_DIMENSIONS
        and all(_is_size(value) for value in values)
    )


def corrupt(message: str, expected: str, field: str = "data.pkl") -> ModelFileError:
    """The error of bytes that do not follow the format."""
    return failure("file_corrupt", message, shown(field), expected)


def unsafe(message: str, field: str) -> ModelFileError:
    """The error of a pickle that asks for more than tensors."""
    return failure("file_unsafe", message, field, _SAVE_STATE_DICT)
