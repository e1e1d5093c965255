"""Settings from where they stand, and back to a file."""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from freshet._secrets import without_secrets
from freshet.errors import ConfigurationError
from freshet.server.expectations import expected_of
from freshet.server.settings import ENVIRONMENT_PREFIX, ServerSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CONFIG_VARIABLE", "as_toml", "read_settings", "unknown_variables"]

_tomllib: Final = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")

#: Names the file where no option does.
CONFIG_VARIABLE: Final = "FRESHET_CONFIG"
#: Variables of other parts of the package.
_OTHER_VARIABLES: Final = frozenset({CONFIG_VARIABLE, "FRESHET_DATA"})


def read_settings(
    config: Path | None = None, options: Mapping[str, Any] | None = None
) -> ServerSettings:
    """Return the settings: options before environment variables before the file.

    Parameters
    ----------
    config : Path, optional
        A TOML file with the fields of `ServerSettings`; what ``FRESHET_CONFIG`` names if not given.
    options : mapping, optional
        Fields that take precedence; None stands for one that is not given.

    Raises
    ------
    ConfigurationError
        If a value is none of its field's, or there is no such field. The message has a line for
        each, with where it comes from and what was expected.
    OSError
        If the file cannot be read.
    """
    if config is None and os.environ.get(CONFIG_VARIABLE):
        config = Path(os.environ[CONFIG_VARIABLE])
    given = {name: value for name, value in (options or {}).items() if value is not None}
    variables = {name.upper() for name in os.environ}
    in_file = {} if config is None else _read_toml(config)
    values = {
        name: value for name, value in in_file.items() if _variable(name) not in variables
    } | given
    try:
        return ServerSettings(**values)
    except ValidationError as error:
        problems = []
        for found in error.errors():
            name = str(found["loc"][0])
            if name in given:
                source = f"--{name.replace('_', '-')}"
            elif _variable(name) in variables:
                source = _variable(name)
            else:
                source = f"{config}, {name}"
            problems.append(_problem(source, name, dict(found)))
        raise ConfigurationError(
            "\n".join(map(str, problems)),
            id=problems[0].id,
            field=problems[0].field,
            expected=problems[0].expected,
        ) from None  # What pydantic says holds the values, and with them passwords.


def as_toml(settings: ServerSettings) -> str:
    """Return a file of these settings, without passwords, that `read_settings` reads."""
    lines = []
    for name, field in ServerSettings.model_fields.items():
        lines += [f"# {field.description}", f"{name} = {_toml(getattr(settings, name))}", ""]
    return "\n".join(lines)


def unknown_variables() -> list[str]:
    """Return the environment's variables that look like settings and are none."""
    known = {_variable(name) for name in ServerSettings.model_fields} | _OTHER_VARIABLES
    return sorted(
        name
        for name in os.environ
        if name.upper().startswith(ENVIRONMENT_PREFIX) and name.upper() not in known
    )


def _variable(name: str) -> str:
    return ENVIRONMENT_PREFIX + name.upper()


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = _tomllib.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigurationError(
            f"{path} is no TOML: {error}", id="file_corrupt", field=str(path), expected="TOML"
        ) from error
    return content


def _problem(source: str, name: str, found: dict[str, Any]) -> ConfigurationError:
    if found["type"] == "extra_forbidden":
        expected = f"one of {', '.join(ServerSettings.model_fields)}"
        return ConfigurationError(
            f"{source}: there is no such setting, expected {expected}",
            id="parameter_unknown",
            field=name,
            expected=expected,
        )
    is_type = found["type"].endswith(("_type", "_parsing"))
    expected = expected_of(found["msg"])
    value = found["input"]
    shown = repr(without_secrets(value) if isinstance(value, str) else value)
    return ConfigurationError(
        f"{source}: {shown:.80}, expected {expected}",
        id="parameter_type" if is_type else "parameter_out_of_range",
        field=name,
        expected=expected,
    )


def _toml(value: object) -> str:
    if isinstance(value, dict):
        pairs = ", ".join(f"{_toml(key)} = {_toml(one)}" for key, one in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, (int, float)):
        return repr(value)
    text = "" if value is None else without_secrets(str(value))
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
