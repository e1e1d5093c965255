"""Files of PyTorch: what they hold is read to the bit, and nothing in them is ever run."""

from __future__ import annotations

import io
import os
import struct
import tracemalloc
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from freshet import ModelFileError
from freshet._torch_architecture import (
    Architecture,
    as_numpy_state_dict,
    expected_shapes,
    infer_architecture,
)
from freshet._torch_file import read_torch_file
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch_file_testing import (
    STOP,
    Encoder,
    Strided,
    archive,
    autoencoder,
    integer,
    text,
    torch_file,
)

GOLDEN = Path(__file__).parents[1] / "data" / "lstm"
STATE = autoencoder(latent_size=2)
VALID = torch_file(STATE)
MEMORY_BOUND = 64 << 20


def same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    """Whether names, order, types, shapes and bits agree."""
    return list(a) == list(b) and all(
        (x.dtype, x.shape, x.tobytes()) == (y.dtype, y.shape, y.tobytes())
        for x, y in zip(a.values(), b.values(), strict=True)
    )


def refused(call: Callable[[], Any]) -> ModelFileError:
    """The error of a call that may take little memory only."""
    tracemalloc.start()
    try:
        with pytest.raises(ModelFileError) as caught:
            call()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < MEMORY_BOUND
    error = caught.value
    assert error.id in ("file_missing", "file_corrupt", "file_unsafe", "file_mismatch")
    assert error.field
    assert error.expected
    assert error.expected in str(error)
    assert len(str(error)) < 600
    str(error).encode("ascii", "strict")
    return error


@pytest.mark.parametrize(
    ("name", "architecture"),
    [
        ("uni_h16", Architecture(1, 16, 1, None, "float32")),
        ("multi_h32_l2_z8", Architecture(3, 32, 2, 8, "float32")),
    ],
)
def test_what_pytorch_wrote(name: str, architecture: Architecture) -> None:
    tensors = read_torch_file(GOLDEN / f"{name}.pth")
    with np.load(GOLDEN / f"{name}.f32.npz") as file:
        weights = {
            key.removeprefix("weight/"): file[key] for key in file if key.startswith("weight/")
        }
    assert same(tensors, weights)
    inferred, canonical = infer_architecture(tensors)
    assert inferred == architecture
    assert same(canonical, weights)


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("dtype", ["<f4", "<f8"])
@pytest.mark.parametrize("latent_size", [None, 2])
def test_what_the_encoder_wrote(
    tmp_path: Path, protocol: int, dtype: str, latent_size: int | None
) -> None:
    state = autoencoder(num_layers=2, latent_size=latent_size, dtype=dtype)
    data = torch_file(state, protocol=protocol)
    path = tmp_path / "model.pt"
    path.write_bytes(data)
    for source in (data, path, str(path)):
        tensors = read_torch_file(source)
        assert same(tensors, state)
        assert all(tensor.flags.c_contiguous for tensor in tensors.values())
        assert all(tensor.flags.writeable for tensor in tensors.values())


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"state_dict": state},
        lambda state: {"epoch": 3, "model_state_dict": state, "loss": [0.5, float("nan")]},
        lambda state: {"model": state, "optimizer": {"state": {0: {"step": np.float32([1])}}}},
        lambda state: {"model": "lstm", "state_dict": state, "window": (24, None, True)},
        lambda state: {"model": {"hidden_size": 3}, "state_dict": state},
        lambda state: {"model": {"state_dict": state}, "threshold": np.float32([0.1])},
        lambda state: OrderedDict((f"module.{name}", value) for name, value in state.items()),
        lambda state: {"model": {f"module.{name}": value for name, value in state.items()}},
        dict,
    ],
)
def test_wrappers_and_prefixes(wrap: Callable[[Any], Any]) -> None:
    assert same(read_torch_file(torch_file(wrap(STATE))), STATE)


def test_layouts() -> None:
    elements = np.arange(24, dtype="<f4")
    matrix = elements.reshape(4, 6)
    tensors = read_torch_file(
        torch_file(
            {
                "whole": Strided(elements, 0, (4, 6), (6, 1)),
                "transposed": Strided(elements, 0, (6, 4), (1, 6)),
                "part": Strided(elements, 8, (2, 3), (6, 1)),
                "every other": Strided(elements, 1, (4, 3), (6, 2)),
                "parameter": Strided(elements, 0, (24,), (1,), parameter=True),
                "expanded": Strided(elements, 5, (2, 2), (0, 0)),
                "scalar": Strided(elements, 23, (), ()),
                "empty": Strided(elements, 24, (0, 7), (7, 1)),
                "one row": Strided(elements, 0, (1, 6), (2**62, 1)),
            }
        )
    )
    views = [
        matrix,
        matrix.T,
        matrix[1:3, 2:5],
        matrix[:, 1::2],
        elements,
        np.full((2, 2), 5, np.float32),
        np.float32(23).reshape(()),
        np.empty((0, 7), np.float32),
        matrix[:1],
    ]
    for tensor, view in zip(tensors.values(), views, strict=True):
        assert (tensor.dtype, tensor.shape) == (np.float32, view.shape)
        assert np.array_equal(tensor, view)
    tensors["whole"][:] = 0
    assert np.array_equal(tensors["parameter"], elements)


def test_half_precision_is_widened() -> None:
    half = np.array([1.5, -0.0, 6e-8, 65504], dtype="<f2")
    upper = np.array([0x3FC0, 0x8000, 0x0001, 0x7F7F], dtype="<u2")
    brain = Strided(upper, 0, (4,), (1,), storage="BFloat16Storage")
    tensors = read_torch_file(torch_file({"half": half, "brain": brain}))
    assert tensors["half"].tobytes() == half.astype(np.float32).tobytes()
    assert tensors["brain"].tobytes() == (upper.astype(np.uint32) << 16).tobytes()
    assert tensors["brain"][0] == 1.5


def test_byte_order() -> None:
    assert same(read_torch_file(torch_file(STATE, extra={"byteorder": b"little"})), STATE)
    error = refused(lambda: read_torch_file(torch_file(STATE, extra={"byteorder": b"big"})))
    assert (error.id, error.field) == ("file_mismatch", "byteorder")


def test_files_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path, id_ in (
        (tmp_path / "none.pth", "file_missing"),
        (f"{tmp_path}/a\0b", "file_missing"),
        (tmp_path, "file_mismatch"),
        (pipe, "file_mismatch"),
        (Path("/dev/zero"), "file_mismatch"),
    ):
        assert refused(lambda path=path: read_torch_file(path)).id == id_
    monkeypatch.chdir(tmp_path)
    Path("broken.pth").write_bytes(VALID[:-9])
    assert "broken.pth" in str(refused(lambda: read_torch_file("broken.pth")))


def stored(records: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as target:
        for name, content in records.items():
            target.writestr(name, content)
    return file.getvalue()


def twice() -> bytes:
    file = io.BytesIO(VALID)
    with zipfile.ZipFile(file, "a") as target, pytest.warns(UserWarning, match="Duplicate"):
        target.writestr("archive/data/0", bytes(8))
    return file.getvalue()


def without(name: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(VALID)) as file:
        return stored({entry: file.read(entry) for entry in file.namelist() if entry != name})


def lying_size() -> bytes:
    """The directory says that the last entry is much longer than the file."""
    data = bytearray(VALID)
    at = data.rindex(b"PK\x01\x02")
    data[at + 20 : at + 28] = struct.pack("<II", 0x7FFFFFFF, 0x7FFFFFFF)
    return bytes(data)


def encrypted() -> bytes:
    data = bytearray(VALID)
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


ARCHIVES: list[tuple[str, Callable[[], bytes], str]] = [
    ("empty", lambda: b"", "file_corrupt"),
    ("text", lambda: b"weights", "file_corrupt"),
    ("legacy", lambda: b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "file_mismatch"),
    ("truncated", lambda: VALID[: len(VALID) // 2], "file_corrupt"),
    ("no directory", lambda: VALID[:100], "file_corrupt"),
    ("prefixed", lambda: b"#!/bin/sh\n" + VALID, "file_corrupt"),
    ("other archive", lambda: stored({"mean.npy": b""}), "file_mismatch"),
    ("two pickles", lambda: stored({"a/data.pkl": b"", "b/data.pkl": b""}), "file_mismatch"),
    (
        "script",
        lambda: torch_file(STATE, extra={"constants.pkl": b"\x80\x02)."}),
        "file_mismatch",
    ),
    (
        "script's code",
        lambda: torch_file(
            STATE, extra={"code/a.py": b"#" * 500}, compression=zipfile.ZIP_DEFLATED
        ),
        "file_mismatch",
    ),
    ("compressed", lambda: torch_file(STATE, compression=zipfile.ZIP_DEFLATED), "file_corrupt"),
    ("rare", lambda: torch_file(STATE, compression=zipfile.ZIP_LZMA), "file_corrupt"),
    (
        "bomb",
        lambda: torch_file({"a": np.zeros(1 << 22, "<f4")}, compression=zipfile.ZIP_DEFLATED),
        "file_corrupt",
    ),
    ("twice", twice, "file_corrupt"),
    ("missing storage", lambda: without("archive/data/3"), "file_corrupt"),
    ("missing pickle", lambda: without("archive/data.pkl"), "file_mismatch"),
    ("lying size", lying_size, "file_corrupt"),
    ("encrypted", encrypted, "file_corrupt"),
    (
        "checksum",
        lambda: VALID.replace(STATE["output.bias"].tobytes(), (STATE["output.bias"] + 1).tobytes()),
        "file_corrupt",
    ),
    ("long pickle", lambda: archive(b"\x80\x02" + b"N" * (5 << 20)), "file_unsafe"),
    ("many operations", lambda: archive(b"\x80\x02" + b"}" * (1 << 19) + STOP), "file_unsafe"),
    (
        "many entries",
        lambda: VALID + b"PK\x01\x02" * (1 << 15),
        "file_corrupt",
    ),
]


@pytest.mark.parametrize(("make", "id_"), [case[1:] for case in ARCHIVES], ids=lambda value: "")
def test_archives_that_are_refused(make: Callable[[], bytes], id_: str) -> None:
    data = make()
    assert refused(lambda: read_torch_file(data)).id == id_


def tensor(*layout: Any, **options: Any) -> dict[str, Any]:
    """A state dict of one tensor on a storage of 6 elements."""
    return {"weight": Strided(np.arange(6, dtype="<f4"), *layout, **options)}


SHARED = np.zeros(1 << 12, "<f4")
TENSORS: list[tuple[Any, str]] = [
    (tensor(0, (7,), (1,)), "file_corrupt"),
    (tensor(1, (6,), (1,)), "file_corrupt"),
    (tensor(0, (2, 3), (4, 1)), "file_corrupt"),
    (tensor(7, (0,), (1,)), "file_corrupt"),
    (tensor(2**62, (1,), (1,)), "file_corrupt"),
    (tensor(-1, (1,), (1,)), "file_corrupt"),
    (tensor(0, (-1,), (1,)), "file_corrupt"),
    (tensor(5, (6,), (-1,)), "file_corrupt"),
    (tensor(0, (2**62, 2**62), (2**62, 1)), "file_corrupt"),
    (tensor(0, (2, 3), (1,)), "file_corrupt"),
    (tensor(0, (1,) * 17, (1,) * 17), "file_corrupt"),
    (tensor(0, (6.0,), (1,)), "file_corrupt"),
    (tensor(0, (True,), (1,)), "file_corrupt"),
    (tensor(0, 6, (1,)), "file_corrupt"),
    (tensor(0, [6], (1,)), "file_corrupt"),
    (tensor(0, (7,), (1,), n_elements=7), "file_corrupt"),
    (tensor(0, (3,), (1,), n_elements=3), "file_corrupt"),
    (tensor(0, (6,), (1,), n_elements=-6), "file_corrupt"),
    (tensor(0, (6,), (1,), n_elements=2**63), "file_corrupt"),
    (tensor(0, (6,), (1,), storage="DoubleStorage"), "file_corrupt"),
    (tensor(0, (6,), (1,), storage="LongStorage"), "file_unsafe"),
    # Bombs: few elements again and again.
    (tensor(0, (1 << 30,), (0,)), "file_unsafe"),
    (tensor(0, (2**31, 2**31), (0, 0)), "file_unsafe"),
    (tensor(0, (2**63,) * 16, (0,) * 16), "file_unsafe"),
    (tensor(0, (0, 2**62, 2**62), (1, 1, 1)), "file_unsafe"),
    ({str(i): Strided(SHARED, 0, (1 << 12,), (1,)) for i in range(20)}, "file_unsafe"),
    # No state dict.
    ({}, "file_mismatch"),
    ([], "file_mismatch"),
    (3, "file_mismatch"),
    (np.zeros(3, "<f4"), "file_mismatch"),
    ({"epoch": 3}, "file_mismatch"),
    ({"encoder": STATE}, "file_mismatch"),
    ({0: np.zeros(3, "<f4")}, "file_mismatch"),
    (dict(STATE) | {"epoch": 3}, "file_mismatch"),
    ({"model": STATE, "state_dict": STATE}, "file_mismatch"),
    ({"model": {"model": {"model": {"model": STATE}}}}, "file_mismatch"),
    ({"\ud800" * 10**4: 3}, "file_mismatch"),
]


@pytest.mark.parametrize(("value", "id_"), TENSORS, ids=lambda value: "")
def test_tensors_and_values_that_are_refused(value: Any, id_: str) -> None:
    data = torch_file(value)
    assert refused(lambda: read_torch_file(data)).id == id_


def test_the_wrong_tensor_is_named() -> None:
    error = refused(lambda: read_torch_file(torch_file(tensor(0, (1 << 40,), (0,)))))
    assert error.field == "weight"
    error = refused(lambda: read_torch_file(torch_file({"module.a": 3})))
    assert error.field == "module.a"


SENTINEL = "freshet_sentinel"
COMMAND = f"touch {SENTINEL}"


def call(name: str, *arguments: Any, protocol: int = 2) -> bytes:
    encoder = Encoder(protocol)
    module, _, function = name.rpartition(".")
    return encoder.global_(module, function) + encoder.encode(arguments) + b"R"


GLOBALS = [
    "os.system",
    "posix.system",
    "builtins.eval",
    "builtins.exec",
    "builtins.getattr",
    "__builtin__.eval",
    "subprocess.Popen",
    "torch.load",
    "torch._utils._rebuild_tensor",
    "torch._utils._rebuild_parameter_with_state",
    "torch.storage._load_from_bytes",
    "torch.LongStorage",
    "numpy.core.multiarray._reconstruct",
    "collections.Counter",
    "collections.OrderedDict.fromkeys",
    "_codecs.encode",
    "__main__.Autoencoder",
]


@pytest.fixture(autouse=True)
def _sentinel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing that a test reads has run."""
    monkeypatch.chdir(tmp_path)
    yield
    assert not (tmp_path / SENTINEL).exists()


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("name", GLOBALS)
def test_globals_are_refused_by_name(name: str, protocol: int) -> None:
    attack = call(name, COMMAND, protocol=protocol)
    for value in (attack, {"state_dict": STATE, "other": attack}, dict(STATE) | {"x": attack}):
        data = torch_file(value, protocol=protocol)
        error = refused(lambda data=data: read_torch_file(data))
        assert (error.id, error.field) == ("file_unsafe", name)


SYSTEM = "cos\nsystem\n"
DICT = Encoder().global_("collections", "OrderedDict")
REBUILD = Encoder().global_("torch._utils", "_rebuild_tensor_v2")
FLOATS = Encoder().global_("torch", "FloatStorage")
PROGRAMS: list[tuple[str, bytes, str, str | None]] = [
    ("inst", b"(" + text(COMMAND) + b"ios\nsystem\n", "file_unsafe", "INST"),
    ("obj", b"(" + DICT + text(COMMAND) + b"o", "file_unsafe", "OBJ"),
    ("newobj", DICT + b")\x81", "file_unsafe", "NEWOBJ"),
    ("newobj_ex", DICT + b")}\x92", "file_unsafe", "NEWOBJ_EX"),
    ("ext1", b"\x82\x01", "file_unsafe", "EXT1"),
    ("ext2", b"\x83\x01\x00", "file_unsafe", "EXT2"),
    ("ext4", b"\x84\x01\x00\x00\x00", "file_unsafe", "EXT4"),
    ("persid", b"Pstorage\n", "file_unsafe", "PERSID"),
    ("string", b"S'a'\n", "file_unsafe", "STRING"),
    ("int as text", b"I1\n", "file_unsafe", "INT"),
    ("long as text", b"L" + b"9" * 4000 + b"L\n", "file_unsafe", "LONG"),
    ("put as text", b"Np0\n", "file_unsafe", "PUT"),
    ("bytes", b"C\x01a", "file_unsafe", "SHORT_BINBYTES"),
    ("set", b"\x8f", "file_unsafe", "EMPTY_SET"),
    ("bytearray", b"\x96" + bytes(8), "file_unsafe", "BYTEARRAY8"),
    ("next buffer", b"\x97", "file_unsafe", "NEXT_BUFFER"),
    ("dup", b"N2", "file_unsafe", "DUP"),
    ("reduce a string", text("os.system") + text(COMMAND) + b"\x85R", "file_unsafe", "REDUCE"),
    ("reduce a dict", b"})R", "file_unsafe", "REDUCE"),
    ("reduce with a list", DICT + b"]R", "file_unsafe", "REDUCE"),
    ("reduce a storage type", FLOATS + b"K\x01\x85R", "file_unsafe", "torch.FloatStorage"),
    ("dict of pairs", DICT + b"]\x85R", "file_unsafe", "collections.OrderedDict"),
    ("tensor of nothing", REBUILD + b")R", "file_corrupt", None),
    ("tensor of text", REBUILD + b"(" + text("a") * 6 + b"tR", "file_corrupt", None),
    ("build a dict", b"}}b", "file_unsafe", "BUILD"),
    ("build a global", DICT + b"}b", "file_unsafe", "BUILD"),
    ("build a list", b"]}b", "file_unsafe", "BUILD"),
    ("build with a tuple", DICT + b")R)b", "file_unsafe", "BUILD"),
    ("build with nothing below", b"}b", "file_unsafe", "BUILD"),
    ("stack global of numbers", b"K\x01K\x02\x93", "file_unsafe", "STACK_GLOBAL"),
    ("global with a space", b"cos system\n\n", "file_unsafe", "os.system "),
    ("persistent text", text("storage") + b"Q", "file_unsafe", "BINPERSID"),
    (
        "persistent other",
        b"(" + text("module") + FLOATS + text("0") + text("cpu") + b"K\x00tQ",
        "file_unsafe",
        "BINPERSID",
    ),
    (
        "persistent type as text",
        b"(" + text("storage") + text("FloatStorage") + text("0") + text("cpu") + b"K\x00tQ",
        "file_unsafe",
        "BINPERSID",
    ),
    (
        "storage outside",
        b"(" + text("storage") + FLOATS + text("../../version") + text("cpu") + b"K\x00tQ",
        "file_corrupt",
        "data/../../version",
    ),
    ("huge memo", b"Nr\xff\xff\xff\xff", "file_unsafe", "memo"),
    ("unknown memo", b"h\x07", "file_corrupt", None),
    ("memo of nothing", b"q\x00", "file_corrupt", None),
    ("huge text", b"X\xff\xff\xff\xffabc", "file_corrupt", None),
    ("huge text of 8", b"\x8d" + b"\xff" * 8 + b"abc", "file_unsafe", "BINUNICODE8"),
    ("huge bytes of 8", b"\x8e" + b"\xff" * 7 + b"\x7fabc", "file_unsafe", "BINBYTES8"),
    ("huge long", b"\x8b\xff\xff\xff\x7fabc", "file_unsafe", "LONG4"),
    ("negative long", b"\x8b\xff\xff\xff\xffabc", "file_unsafe", "LONG4"),
    ("long text of digits", b"I" + b"9" * 10**6 + b"\n", "file_unsafe", "INT"),
    ("open global", b"ccollections", "file_corrupt", None),
    ("escaped global", b"ccollections\nOrdered\\x44ict\n", "file_unsafe", "GLOBAL"),
    ("bad escape", b"ccollections\\)\nOrderedDict\n", "file_unsafe", "GLOBAL"),
    ("long long", b"\x8a\xff" + b"\x7f" * 255, "file_corrupt", None),
    ("no text", b"X\x01\x00\x00\x00\xff", "file_corrupt", None),
    ("unknown opcode", b"\xff", "file_corrupt", None),
    ("key of tuple", b"})Ns", "file_unsafe", "SETITEM"),
    ("key of list", b"}]Ns", "file_unsafe", "SETITEM"),
    ("key of nested tuple", b"}N" + b"\x85" * 10**5 + b"Ns", "file_unsafe", "SETITEM"),
    ("key without a value", b"}(Nu", "file_corrupt", None),
    ("item of a list", b"]NNs", "file_corrupt", None),
    ("append to a dict", b"}Na", "file_corrupt", None),
    ("append to nothing", b"Na", "file_corrupt", None),
    ("tuple of nothing", b"\x87", "file_corrupt", None),
    ("no mark", b"t", "file_corrupt", None),
    ("open mark", b"N(", "file_corrupt", None),
    ("two values", b"NN", "file_corrupt", None),
    ("no value", b"", "file_corrupt", None),
    ("appendix", b"N" + STOP, "file_corrupt", None),
    ("many marks", b"(" * 10**5, "file_corrupt", None),
    ("nested tuples", b"N" + b"\x85" * 10**5, "file_unsafe", "data.pkl"),
    ("nested lists", b"]" * 10**5 + b"a" * (10**5 - 1), "file_unsafe", "data.pkl"),
    (
        "nested wrappers",
        (b"}" + text("model")) * 50_000 + b"}" + b"s" * 50_000,
        "file_unsafe",
        "data.pkl",
    ),
    ("list in itself", b"]q\x00h\x00a", "file_mismatch", None),
    ("dict in itself", b"}q\x00" + text("model") + b"h\x00s", "file_mismatch", None),
]


@pytest.mark.parametrize(
    ("program", "id_", "field"),
    [case[1:] for case in PROGRAMS],
    ids=[case[0].replace(" ", "-") for case in PROGRAMS],
)
def test_programs_that_are_refused(program: bytes, id_: str, field: str | None) -> None:
    data = archive(b"\x80\x02" + program + STOP, {"0": b""})
    error = refused(lambda: read_torch_file(data))
    assert error.id == id_
    assert field in (None, error.field)


def test_100000_wrappers() -> None:
    depth = 10**5
    memo = b"X\x05\x00\x00\x00modelq\x00"
    program = b"\x80\x02" + memo + b"0" + (b"}h\x00") * depth + b"}" + b"s" * depth + STOP
    assert refused(lambda: read_torch_file(archive(program))).field == "POP"
    head = b"}" + memo + (b"}h\x00") * (depth // 2) + b"}" + b"s" * (depth // 2 + 1)
    error = refused(lambda: read_torch_file(archive(b"\x80\x02" + head + STOP)))
    assert (error.id, error.field) == ("file_unsafe", "data.pkl")
    # More than the operations allow.
    head = b"}" + memo + (b"}h\x00") * depth + b"}" + b"s" * (depth + 1)
    error = refused(lambda: read_torch_file(archive(b"\x80\x02" + head + STOP)))
    assert (error.id, error.field) == ("file_unsafe", "data.pkl")


def test_hooks_and_metadata_are_refused() -> None:
    state = Encoder()
    plain = state.tensor(Strided(np.zeros(2, "<f4"), 0, (2,), (1,)))
    hooks = plain.removesuffix(DICT + b")RtR") + b"}" + text("hook") + b"NstR"
    negated = plain.removesuffix(b"tR") + b"}" + text("neg") + b"\x88stR"
    for made, id_ in ((hooks, "file_unsafe"), (negated, "file_unsafe")):
        program = state.program({"a": made})
        data = archive(program, {"0": bytes(8)})
        assert refused(lambda data=data: read_torch_file(data)).id == id_


def mutated(data: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
    for at, n_removed, inserted in changes:
        at %= len(data) + 1
        data = data[:at] + inserted + data[at + n_removed :]
    return data


changes = st.lists(
    st.tuples(
        st.integers(0, 10**6),
        st.integers(0, 4),
        st.one_of(
            st.binary(max_size=4),
            st.sampled_from([b"R", b"b", b"Q", b"\x93", b"t", b"u", b"(", STOP, b"\xff" * 4]),
            st.integers(0, 300).map(integer),
        ),
    ),
    min_size=1,
    max_size=6,
)
SMALL = OrderedDict(list(STATE.items())[:2])
PICKLES = [Encoder(protocol) for protocol in (2, 4)]
PICKLE_BYTES = [encoder.program({"epoch": 3, "model": SMALL}) for encoder in PICKLES]
STORED = {str(key): array.tobytes() for key, array in enumerate(PICKLES[0].storages)}


def reads_or_refuses(data: bytes) -> None:
    error: ModelFileError | None = None
    tensors: dict[str, Any] = {}
    tracemalloc.start()
    try:
        tensors = read_torch_file(data)
    except ModelFileError as caught:
        error = caught
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < MEMORY_BOUND
    assert sum(tensor.nbytes for tensor in tensors.values()) <= 4 * len(data)
    assert tensors or (error and error.id and error.field and error.expected)


@pytest.mark.filterwarnings("error")
@settings(max_examples=400, deadline=None)
@given(which=st.sampled_from([0, 1]), changes=changes)
@example(which=0, changes=[(0, 0, b"")])
def test_any_pickle_is_read_or_refused(which: int, changes: list[tuple[int, int, bytes]]) -> None:
    reads_or_refuses(archive(mutated(PICKLE_BYTES[which], changes), STORED))


@settings(max_examples=400, deadline=None)
@given(changes=changes, in_directory=st.booleans())
def test_any_archive_is_read_or_refused(
    changes: list[tuple[int, int, bytes]], in_directory: bool
) -> None:
    data = archive(PICKLE_BYTES[0], STORED)
    start = data.index(b"PK\x01\x02") if in_directory else 0
    reads_or_refuses(data[:start] + mutated(data[start:], changes))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_refused(content: bytes) -> None:
    for data in (
        content,
        b"PK\x03\x04" + content,
        archive(content),
        archive(b"\x80\x02" + content),
    ):
        assert refused(lambda data=data: read_torch_file(data))


# The architecture.


@pytest.mark.parametrize("num_layers", [1, 3])
@pytest.mark.parametrize("latent_size", [None, 1, 5])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_architectures(num_layers: int, latent_size: int | None, dtype: Any) -> None:
    state = autoencoder(4, 3, num_layers, latent_size, np.dtype(dtype).str)
    architecture = Architecture(4, 3, num_layers, latent_size, dtype)
    shuffled = dict(reversed(state.items()))
    inferred, canonical = infer_architecture(shuffled)
    assert inferred == architecture
    assert same(canonical, state)
    assert expected_shapes(architecture) == {name: array.shape for name, array in state.items()}


@pytest.mark.parametrize("output", ["output", "output_layer", "fc", "linear", "head", "out"])
@pytest.mark.parametrize("latent", ["to_latent", "latent", "bottleneck", "hidden_to_latent"])
def test_aliases(output: str, latent: str) -> None:
    renamed = {
        name.replace("output.", f"{output}.").replace("to_latent.", f"{latent}."): array
        for name, array in STATE.items()
    }
    assert same(infer_architecture(renamed)[1], STATE)
    renamed[f"{output}.bias"] = np.zeros(3, np.float32)
    error = refused(lambda: infer_architecture(renamed))
    assert (error.id, error.field) == ("file_mismatch", f"{output}.bias")
    assert error.expected == "(2,)"


def test_arrays_of_any_layout_become_plain() -> None:
    odd = {name: np.asfortranarray(array.astype(">f4")) for name, array in STATE.items()}
    _, canonical = infer_architecture(odd)
    assert same(canonical, STATE)
    assert all(array.flags.c_contiguous for array in canonical.values())


def with_(name: str, array: Any) -> dict[str, Any]:
    return dict(STATE) | {name: array}


NAN = np.array([0.0, np.nan], np.float32)
ARCHITECTURES: list[tuple[dict[str, Any], str]] = [
    ({}, "encoder.weight_ih_l0"),
    *(
        ({name: array for name, array in STATE.items() if name != missing}, missing)
        for missing in STATE
    ),
    *((with_(name, array[..., None]), name) for name, array in STATE.items()),
    *((with_(name, array[:0]), name) for name, array in STATE.items()),
    (with_("encoder.weight_ih_l0", np.zeros((13, 2), np.float32)), "encoder.weight_ih_l0"),
    (with_("encoder.weight_ih_l0", np.zeros(12, np.float32)), "encoder.weight_ih_l0"),
    (with_("encoder.weight_ih_l0_reverse", NAN), "encoder.weight_ih_l0_reverse"),
    (with_("encoder.weight_hr_l0", NAN), "encoder.weight_hr_l0"),
    (with_("encoder.weight_ih_l00", NAN), "encoder.weight_ih_l00"),
    (with_("encoder.weight_ih_l2", NAN), "encoder.weight_ih_l2"),
    (with_("encoder.bias_ih_l1", NAN), "encoder.bias_ih_l1"),
    (with_("decoder.weight_ih_l1", NAN), "decoder.weight_ih_l1"),
    (with_("encoder.weight_ih_l1", np.zeros((12, 3), np.float32)), "encoder.weight_hh_l1"),
    (with_("attention.weight", NAN), "attention.weight"),
    (with_("output", NAN), "output"),
    (with_("output.scale", NAN), "output.scale"),
    (with_("fc.bias", NAN), "fc.bias"),
    (with_("output.bias", NAN), "output.bias"),
    (with_("output.bias", np.array([0.0, -np.inf], np.float32)), "output.bias"),
    (with_("output.bias", np.zeros(2)), "output.bias"),
    (with_("output.bias", np.zeros(2, np.float16)), "output.bias"),
    (with_("output.bias", np.zeros(2, int)), "output.bias"),
    (with_("output.bias", np.zeros(2, object)), "output.bias"),
    (with_("output.bias", [0.0, 0.0]), "output.bias"),
    (with_("encoder.weight_ih_l0\n", NAN), "encoder.weight_ih_l0\\n"),
    ({3: NAN}, "3"),  # type: ignore[dict-item]
]


@pytest.mark.parametrize(("tensors", "field"), ARCHITECTURES, ids=lambda value: "")
def test_architectures_that_are_refused(tensors: dict[str, Any], field: str) -> None:
    error = refused(lambda: infer_architecture(tensors))
    assert (error.id, error.field) == ("file_mismatch", field)


class FakeTensor:
    """What of torch.Tensor is used."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def detach(self) -> FakeTensor:
        return self

    cpu = detach

    def numpy(self) -> Any:
        if isinstance(self.array, Exception):
            raise self.array
        return self.array


def test_live_state_dicts() -> None:
    mixed = {
        f"module.{name}": array if number % 2 else FakeTensor(array)
        for number, (name, array) in enumerate(STATE.items())
    }
    arrays = as_numpy_state_dict(mixed)
    assert same(arrays, STATE)
    assert not any(np.shares_memory(arrays[name], STATE[name]) for name in STATE)


@pytest.mark.parametrize(
    ("state", "field"),
    [
        (None, "state_dict"),
        ([("a", NAN)], "state_dict"),
        ({1: NAN}, "1"),
        ({"a": None}, "a"),
        ({"a": [1.0]}, "a"),
        ({"a": FakeTensor([1.0])}, "a"),
        ({"a": FakeTensor(TypeError("unsupported ScalarType BFloat16"))}, "a"),
        ({"a": FakeTensor(RuntimeError("sparse"))}, "a"),
    ],
)
def test_live_state_dicts_that_are_refused(state: Any, field: str) -> None:
    error = refused(lambda: as_numpy_state_dict(state))
    assert (error.id, error.field) == ("file_mismatch", field)
