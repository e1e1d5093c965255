"""The pickle inside a PyTorch file, read as data: a small stack machine that can call nothing.

Python's own unpickler imports and calls what a file names. This one walks the opcodes and knows
two dozen of them; the few globals of a state dict stand for themselves and are never imported.
Whatever else a file contains is refused by name.

The format is PyTorch's: a tensor is ``_rebuild_tensor_v2(storage, offset, size, stride, ...)`` and
a storage a persistent id ``("storage", type, key, location, n_elements)``, whose bytes are the
archive's entry ``data/<key>``.
"""

from __future__ import annotations

import io
import pickletools
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final

from freshet._file_access import failure, shown
from freshet._torch_values import (
    ITEM_SIZES,
    REBUILD_TENSOR,
    Global,
    Tensor,
    corrupt,
    storage_of,
    tensor_of,
    unsafe,
)

__all__ = ["MAXIMUM_OPERATIONS", "interpret"]

#: The most operations a pickle may have; a state dict takes about 25 for each tensor.
MAXIMUM_OPERATIONS: Final = 1 << 18
_MAXIMUM_BITS: Final = 64

_OPCODES: Final = {opcode.code: opcode for opcode in pickletools.opcodes}

_ORDERED_DICT: Final = "collections.OrderedDict"
_PARAMETER: Final = "torch._utils._rebuild_parameter"
_ALLOWED_GLOBALS: Final = frozenset({_ORDERED_DICT, REBUILD_TENSOR, _PARAMETER, *ITEM_SIZES})


def interpret(program: bytes, sizes: Mapping[str, int]) -> Any:
    """The value that the pickle `program` describes.

    Parameters
    ----------
    program : bytes
        The pickle.
    sizes : mapping of str to int
        The bytes of every storage, by its key.

    Returns
    -------
    object
        Made of dict, list, tuple, str, int, float, bool, None and the types of
        `freshet._torch_values` only. It may contain itself and be nested deeply: walk it without
        recursion.

    Raises
    ------
    ModelFileError
        ``file_unsafe`` if the pickle uses an opcode or a global that a state dict does not need;
        ``field`` is its name. ``file_corrupt`` if it is no pickle, or a tensor does not lie within
        its storage.
    """
    machine = _Machine(sizes)
    stream = io.BytesIO(program)
    operations = pickletools.genops(stream)
    for _ in range(MAXIMUM_OPERATIONS):
        _check_next(program, stream.tell())
        try:
            opcode, argument, _ = next(operations)
        except Exception as error:  # whatever the decoder trips over, the bytes are at fault
            raise corrupt(f"the pickle is damaged ({shown(error)})", "an intact pickle") from None
        if opcode.name == "STOP":
            if stream.tell() != len(program):
                raise corrupt("the pickle has an appendix", "nothing after STOP")
            return machine.result()
        _STEPS[opcode.name](machine, argument)
    raise failure(
        "file_unsafe",
        "the pickle is too long",
        "data.pkl",
        f"at most {MAXIMUM_OPERATIONS} operations",
    )


def _check_next(program: bytes, position: int) -> None:
    """Refuse the opcode at `position` before its argument is decoded, unless a step or unknown."""
    code = program[position : position + 1]
    opcode = _OPCODES.get(code.decode("latin-1"))
    if opcode is None or opcode.name == "STOP":
        return
    if opcode.name not in _STEPS:
        raise unsafe(f"the pickle uses the opcode {opcode.name}", opcode.name)
    if opcode.name == "GLOBAL":
        # pickletools would take escapes for what they stand for, and pickle would not.
        end = program.find(b"\n", program.find(b"\n", position) + 1)
        if b"\\" in program[position:end]:
            raise unsafe("the pickle names a global with an escape", "GLOBAL")


class _Machine:
    """The stack, the marks and the memo. Methods that are steps take the opcode's argument."""

    def __init__(self, sizes: Mapping[str, int]) -> None:
        self.sizes = sizes
        self.stack: list[Any] = []
        self.below_marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def result(self) -> Any:
        if len(self.stack) != 1 or self.below_marks:
            raise corrupt("the pickle does not end with one value", "one value")
        return self.pop()

    def pop(self) -> Any:
        if not self.stack:
            raise corrupt("the pickle takes a value that is not there", "a value")
        return self.stack.pop()

    def top(self, kind: type) -> Any:
        if not self.stack or not isinstance(self.stack[-1], kind):
            raise corrupt(f"the pickle fills what is no {kind.__name__}", f"a {kind.__name__}")
        return self.stack[-1]

    def pop_to_mark(self) -> list[Any]:
        if not self.below_marks:
            raise corrupt("the pickle takes a mark that is not there", "a mark")
        items = self.stack
        self.stack = self.below_marks.pop()
        return items

    def nothing(self, _: Any) -> None:
        pass

    def push(self, value: Any) -> None:
        if type(value) is int and value.bit_length() > _MAXIMUM_BITS:
            raise corrupt("the pickle has a huge integer", f"at most {_MAXIMUM_BITS} bits")
        self.stack.append(value)

    def mark(self, _: Any) -> None:
        self.below_marks.append(self.stack)
        self.stack = []

    def tuple_to_mark(self, _: Any) -> None:
        items = self.pop_to_mark()
        self.stack.append(tuple(items))

    def append(self, _: Any) -> None:
        value = self.pop()
        self.top(list).append(value)

    def append_to_mark(self, _: Any) -> None:
        items = self.pop_to_mark()
        self.top(list).extend(items)

    def set_item(self, _: Any) -> None:
        value = self.pop()
        self.set_items([self.pop(), value])

    def set_items_to_mark(self, _: Any) -> None:
        self.set_items(self.pop_to_mark())

    def set_items(self, items: list[Any]) -> None:
        target = self.top(dict)
        if len(items) % 2:
            raise corrupt("the pickle sets a key without a value", "pairs")
        for key, value in zip(items[::2], items[1::2], strict=True):
            # No tuples: hashing nested ones recurses in C, as deep as the file likes.
            if not isinstance(key, (str, int)):
                raise failure(
                    "file_unsafe",
                    f"a dict has a key of type {type(key).__name__}",
                    "SETITEM",
                    "keys of type str or int",
                )
            target[key] = value

    def put(self, index: Any) -> None:
        if not self.stack:
            raise corrupt("the pickle memorizes a value that is not there", "a value")
        if not 0 <= index < MAXIMUM_OPERATIONS:
            raise failure(
                "file_unsafe",
                f"the pickle uses the memo at {index}",
                "memo",
                f"indexes below {MAXIMUM_OPERATIONS}",
            )
        self.memo[index] = self.stack[-1]

    def memoize(self, _: Any) -> None:
        self.put(len(self.memo))

    def get(self, index: Any) -> None:
        if index not in self.memo:
            raise corrupt(f"the pickle recalls {index}, which it never memorized", "a known index")
        self.stack.append(self.memo[index])

    def push_global(self, name: str) -> None:
        if name not in _ALLOWED_GLOBALS:
            raise unsafe(f"the pickle names the global {shown(name)}", shown(name))
        self.stack.append(Global(name))

    def global_(self, argument: Any) -> None:
        module, _, name = argument.partition(" ")
        self.push_global(f"{module}.{name}")

    def global_of_stack(self, _: Any) -> None:
        name, module = self.pop(), self.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise unsafe("the pickle names a global by what is no text", "STACK_GLOBAL")
        self.push_global(f"{module}.{name}")

    def reduce(self, _: Any) -> None:
        arguments, function = self.pop(), self.pop()
        called = function.name if isinstance(function, Global) else None
        if not isinstance(arguments, tuple):
            raise unsafe("the pickle calls with what is no tuple", "REDUCE")
        if called == _ORDERED_DICT and not arguments:
            self.stack.append(OrderedDict())
        elif called == REBUILD_TENSOR:
            self.stack.append(tensor_of(arguments))
        elif called == _PARAMETER:
            if not arguments or not isinstance(arguments[0], Tensor):
                raise corrupt("a parameter is made of no tensor", "a tensor")
            self.stack.append(arguments[0])
        else:
            what = type(function).__name__ if called is None else called
            raise unsafe(f"the pickle calls {what}", "REDUCE" if called is None else called)

    def build(self, _: Any) -> None:
        """Drop the attributes of an OrderedDict: the module's versions, of no use here."""
        state = self.pop()
        if not self.stack or not isinstance(self.stack[-1], OrderedDict):
            raise unsafe("the pickle sets the state of an object", "BUILD")
        if not isinstance(state, dict):
            raise unsafe("the pickle sets a state that is no dict", "BUILD")

    def persistent(self, _: Any) -> None:
        self.stack.append(storage_of(self.pop(), self.sizes))


def _tuple_of(n_items: int) -> Callable[[_Machine, Any], None]:
    def step(machine: _Machine, _: Any) -> None:
        items = [machine.pop() for _ in range(n_items)]
        machine.stack.append(tuple(reversed(items)))

    return step


def _always(make: Callable[[], Any]) -> Callable[[_Machine, Any], None]:
    return lambda machine, _: machine.stack.append(make())


_STEPS: Final[dict[str, Callable[[_Machine, Any], None]]] = {
    "PROTO": _Machine.nothing,
    "FRAME": _Machine.nothing,
    "NONE": _always(lambda: None),
    "NEWTRUE": _always(lambda: True),
    "NEWFALSE": _always(lambda: False),
    **dict.fromkeys(
        ("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE"),
        _Machine.push,
    ),
    "EMPTY_DICT": _always(dict),
    "EMPTY_LIST": _always(list),
    "EMPTY_TUPLE": _always(tuple),
    "TUPLE1": _tuple_of(1),
    "TUPLE2": _tuple_of(2),
    "TUPLE3": _tuple_of(3),
    "TUPLE": _Machine.tuple_to_mark,
    "MARK": _Machine.mark,
    "APPEND": _Machine.append,
    "APPENDS": _Machine.append_to_mark,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items_to_mark,
    "BINPUT": _Machine.put,
    "LONG_BINPUT": _Machine.put,
    "MEMOIZE": _Machine.memoize,
    "BINGET": _Machine.get,
    "LONG_BINGET": _Machine.get,
    "GLOBAL": _Machine.global_,
    "STACK_GLOBAL": _Machine.global_of_stack,
    "REDUCE": _Machine.reduce,
    "BUILD": _Machine.build,
    "BINPERSID": _Machine.persistent,
}
