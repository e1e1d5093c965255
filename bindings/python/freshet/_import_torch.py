"""A model trained in PyTorch, from whatever holds it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from freshet import _core
from freshet._file_access import failure, read_bytes, shown
from freshet._seed_bundle import read_seed_bundle
from freshet._torch_architecture import Architecture, as_numpy_state_dict, infer_architecture
from freshet._torch_file import read_torch_file, without_module_prefix

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["TorchModel", "read_torch_model"]

_LARGEST_FILE_BYTES = 1 << 30


@dataclass(frozen=True)
class TorchModel:
    """A network's parameters and what its directory says besides."""

    architecture: Architecture
    tensors: dict[str, npt.NDArray[Any]]
    window: int | None = None
    center: npt.NDArray[np.float64] | None = None
    scale: npt.NDArray[np.float64] | None = None
    threshold: float | None = None
    columns: list[str] | None = None


def read_torch_model(source: str | os.PathLike[str] | Mapping[str, Any]) -> TorchModel:
    """Read a state dict, a file that holds one, or a directory of another training script.

    Raises
    ------
    ModelFileError
        If it cannot be read, is unsafe to read, or holds another architecture.
    """
    if isinstance(source, Mapping):
        return TorchModel(*infer_architecture(as_numpy_state_dict(source)))
    path = os.fspath(source)
    if os.path.isdir(path):
        bundle = read_seed_bundle(path)
        return TorchModel(
            bundle.architecture,
            bundle.tensors,
            window=bundle.window,
            center=bundle.center,
            scale=bundle.scale,
            threshold=bundle.threshold,
            columns=bundle.columns,
        )
    suffix = os.path.splitext(path)[1].lower()
    if suffix == ".safetensors":
        tensors = _core.read_safetensors(read_bytes(path, _LARGEST_FILE_BYTES), path)
        return TorchModel(*infer_architecture(without_module_prefix(tensors)))
    if suffix in (".pth", ".pt", ".bin"):
        return TorchModel(*infer_architecture(read_torch_file(path)))
    expected = "a .pth, .pt or .safetensors file, or a directory"
    raise failure(
        "file_missing" if not os.path.exists(path) else "file_mismatch",
        f"{shown(path)} is not {expected}",
        path,
        expected,
    )
