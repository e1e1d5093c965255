"""The option ``--config``: the other options of a command from a file."""

from __future__ import annotations

import csv
import io
import json
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, get_args, get_origin, get_type_hints

import typer

from freshet.errors import ConfigurationError

if TYPE_CHECKING:
    from freshet.cli._documents import Document

__all__ = ["ConfigFile"]

_OWN: Final = frozenset({"config", "help"})
_KINDS: Final[dict[type, tuple[str, tuple[type, ...]]]] = {
    int: ("an integer", (int,)),
    float: ("a number", (int, float)),
    bool: ("true or false", (bool,)),
}
_TEXT: Final = ("a text", (str,))


def _use(ctx: typer.Context, path: Path | None) -> Path | None:
    """Make the file's fields the defaults of the command's options."""
    if path is None or ctx.resilient_parsing:
        return path
    from freshet.cli._documents import read_document

    options = {_key(one): one for one in ctx.command.params if one.param_type_name == "option"}
    options = {key: one for key, one in options.items() if key not in _OWN}
    expected = f"one of {', '.join(sorted(options))}"
    document = read_document(path, f"fields, each {expected}")
    hints = get_type_hints(ctx.command.callback)
    defaults = {}
    for field, value in document.fields.items():
        option = options.get(str(field).replace("-", "_"))
        if option is None:
            raise ConfigurationError(
                f"{document.place((field,))}: there is no such option of {ctx.info_name}, "
                f"expected {expected}",
                id="parameter_unknown",
                field=str(field),
                expected=expected,
            )
        if value is not None:
            defaults[option.name] = _checked(
                ctx, document, field, option, hints[option.name], value
            )
    ctx.default_map = {**(ctx.default_map or {}), **defaults}
    return path


#: For the signature of a command; it need not look at it.
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        is_eager=True,
        callback=_use,
        help="TOML or YAML with these options by name; the command line takes precedence.",
    ),
]


def _key(option: Any) -> str:
    longest: str = max(option.opts, key=len)
    return longest.lstrip("-").replace("-", "_")


def _checked(
    ctx: typer.Context, document: Document, field: Any, option: Any, hint: Any, value: Any
) -> Any:
    """Return a value as the command line would have it."""
    expected, is_right = _expectation(option.metavar or "", hint, value)
    if is_right:
        found = _as_given(option, value)
        try:
            option.process_value(ctx, found)
        except typer.BadParameter as error:
            expected = error.message.removeprefix("Input should be ")
        else:
            return found
    raise ConfigurationError(
        f"{document.place((field,))}: {value!r:.60}, expected {expected}",
        id="parameter_out_of_range" if is_right else "parameter_type",
        field=str(field),
        expected=expected,
    )


def _expectation(shape: str, hint: Any, value: Any) -> tuple[str, bool]:
    """Return what an option takes, in words, and whether a value is of that type."""
    if "=" in shape:
        return "names with a value each, without dates", _is_plain(value)
    kinds = [one for one in get_args(hint) if one is not type(None)] or [hint]
    kind = kinds[0]
    is_list = get_origin(kind) is list
    kind = get_args(kind)[0] if is_list else kind
    if issubclass(kind, Enum):
        names = [one.value for one in kind]
        return f"one of {', '.join(names)}", value in names
    text, types = _KINDS.get(kind, _TEXT)
    if "," in shape:
        is_list, text, types = True, f"a list, or {shape}", (int, float, str)
    elif is_list:
        text += ", or a list of those"
    values = value if is_list and isinstance(value, list) else [value]
    # A flag is an integer to Python.
    is_flag = kind is bool
    return text, all(isinstance(one, types) and isinstance(one, bool) == is_flag for one in values)


def _is_plain(value: Any) -> bool:
    """Whether a value is a mapping of what JSON, and so ``NAME=VALUE``, can say."""
    if not isinstance(value, dict):
        return False
    try:
        json.dumps(value)
    except (TypeError, ValueError):  # Dates and bytes; a value that holds itself.
        return False
    return True


def _as_given(option: Any, value: Any) -> Any:
    if isinstance(value, dict):
        return [f"{name}={json.dumps(one)}" for name, one in value.items()]
    if option.multiple:
        return value if isinstance(value, list) else [value]
    if isinstance(value, list):
        line = io.StringIO()
        csv.writer(line, lineterminator="").writerow(value)
        return line.getvalue()
    return str(value) if "," in (option.metavar or "") else value
