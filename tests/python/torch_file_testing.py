"""Files as torch.save writes them, and as it never would, made without PyTorch."""

from __future__ import annotations

import io
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

STORAGES = {"<f4": "FloatStorage", "<f8": "DoubleStorage", "<f2": "HalfStorage"}
STOP = b"."


@dataclass(frozen=True, eq=False)
class Strided:
    """A tensor by its storage; `layout` is what the file claims of it."""

    elements: npt.NDArray[Any]
    offset: int
    shape: tuple[Any, ...]
    strides: tuple[Any, ...]
    storage: str = ""
    n_elements: int | None = None
    parameter: bool = False


def text(value: str) -> bytes:
    encoded = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def integer(value: int) -> bytes:
    if 0 <= value < 256:
        return b"K" + bytes([value])
    if -(2**31) <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    encoded = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(encoded)]) + encoded


class Encoder:
    """Pickles of `protocol` 2 or 4, and the storages that they refer to."""

    def __init__(self, protocol: int = 2) -> None:
        self.protocol = protocol
        self.storages: list[npt.NDArray[Any]] = []

    def program(self, value: Any) -> bytes:
        return b"\x80" + bytes([self.protocol]) + self.encode(value) + STOP

    def global_(self, module: str, name: str) -> bytes:
        if self.protocol >= 4:
            parts = (part.encode() for part in (module, name))
            return b"".join(b"\x8c" + bytes([len(part)]) + part for part in parts) + b"\x93"
        return f"c{module}\n{name}\n".encode()

    def encode(self, value: Any) -> bytes:
        if isinstance(value, bytes):  # opcodes already
            return value
        if isinstance(value, np.ndarray):
            contiguous = np.ascontiguousarray(value).reshape(value.shape)
            steps = tuple(step // value.itemsize for step in contiguous.strides)
            return self.tensor(Strided(contiguous.reshape(-1), 0, value.shape, steps))
        if isinstance(value, Strided):
            return self.tensor(value)
        if isinstance(value, OrderedDict):
            made = self.global_("collections", "OrderedDict") + b")R"
            return made + self.items(value) + self.metadata()
        if isinstance(value, dict):
            return b"}" + self.items(value)
        if isinstance(value, list):
            return b"](" + b"".join(map(self.encode, value)) + b"e"
        if isinstance(value, tuple):
            return b"(" + b"".join(map(self.encode, value)) + b"t"
        if value is None or isinstance(value, bool):
            return {None: b"N", True: b"\x88", False: b"\x89"}[value]
        if isinstance(value, int):
            return integer(value)
        if isinstance(value, float):
            return b"G" + struct.pack(">d", value)
        return text(value)

    def items(self, value: Mapping[Any, Any]) -> bytes:
        pairs = (self.encode(key) + self.encode(item) for key, item in value.items())
        return b"(" + b"".join(pairs) + b"u"

    def metadata(self) -> bytes:
        versions = self.global_("collections", "OrderedDict") + b")R" + self.items({"": {}})
        return b"}" + text("_metadata") + versions + b"sb"

    def tensor(self, value: Strided) -> bytes:
        keys = [key for key, known in enumerate(self.storages) if known is value.elements]
        if not keys:
            keys = [len(self.storages)]
            self.storages.append(value.elements)
        kind = value.storage or STORAGES[value.elements.dtype.str]
        size = value.elements.size if value.n_elements is None else value.n_elements
        storage = b"(" + text("storage") + self.global_("torch", kind) + text(str(keys[0]))
        storage += text("cpu") + integer(size) + b"tQ"
        hooks = self.global_("collections", "OrderedDict") + b")R"
        layout = integer(value.offset) + self.encode(value.shape) + self.encode(value.strides)
        made = self.global_("torch._utils", "_rebuild_tensor_v2") + b"(" + storage + layout
        made += b"\x89" + hooks + b"tR"
        if value.parameter:
            rebuild = self.global_("torch._utils", "_rebuild_parameter")
            made = rebuild + b"(" + made + b"\x88" + hooks + b"tR"
        return made


def archive(
    program: bytes,
    storages: Mapping[str, bytes] | None = None,
    extra: Mapping[str, bytes] | None = None,
    *,
    folder: str = "archive",
    compression: int = zipfile.ZIP_STORED,
) -> bytes:
    """The ZIP archive of a pickle, its storages by key and further entries."""
    records = {"data.pkl": program}
    records |= {f"data/{key}": content for key, content in (storages or {}).items()}
    records |= {"version": b"3\n"} | dict(extra or {})
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as target:
        for name, content in records.items():
            target.writestr(f"{folder}/{name}", content)
    return file.getvalue()


def torch_file(value: Any, *, protocol: int = 2, **options: Any) -> bytes:
    """A file of `value`: of dicts, lists, tuples, plain values, arrays and `Strided` tensors."""
    encoder = Encoder(protocol)
    program = encoder.program(value)
    storages = {str(key): array.tobytes() for key, array in enumerate(encoder.storages)}
    return archive(program, storages, **options)


def autoencoder(
    n_columns: int = 2,
    hidden_size: int = 3,
    num_layers: int = 1,
    latent_size: int | None = None,
    dtype: str = "<f4",
) -> OrderedDict[str, npt.NDArray[Any]]:
    """A state dict with values of its own in every tensor."""
    rng = np.random.default_rng(0)
    tensors: OrderedDict[str, npt.NDArray[Any]] = OrderedDict()
    gates = 4 * hidden_size

    def add(name: str, *shape: int) -> None:
        tensors[name] = rng.normal(size=shape).astype(dtype)

    def add_lstm(part: str, input_size: int) -> None:
        for layer in range(num_layers):
            add(f"{part}.weight_ih_l{layer}", gates, hidden_size if layer else input_size)
            add(f"{part}.weight_hh_l{layer}", gates, hidden_size)
            add(f"{part}.bias_ih_l{layer}", gates)
            add(f"{part}.bias_hh_l{layer}", gates)

    add_lstm("encoder", n_columns)
    if latent_size is not None:
        add("to_latent.weight", latent_size, hidden_size)
        add("to_latent.bias", latent_size)
    add_lstm("decoder", latent_size or hidden_size)
    add("output.weight", n_columns, hidden_size)
    add("output.bias", n_columns)
    return tensors
