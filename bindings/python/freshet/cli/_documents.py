"""Files of settings, in YAML or TOML."""

from __future__ import annotations

import importlib
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from freshet.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Document", "read_document", "yaml_value"]


@dataclass(frozen=True)
class Document:
    """What a file says, and where.

    Attributes
    ----------
    path : Path
    fields : dict
        From the name of each field to its value.
    root : Node or None
        Of YAML, which knows the lines.
    """

    path: Path
    fields: dict[Any, Any]
    root: Any = None

    def line(self, location: tuple[str | int, ...]) -> int | None:
        """Return the line of a field, or of what it would be in; None where it is not known."""
        node, line = self.root, None
        for part in location:
            if isinstance(node, yaml.MappingNode):
                members = {str(key.value): (key, value) for key, value in node.value}
                if str(part) not in members:
                    break
                key, node = members[str(part)]
                line = key.start_mark.line + 1
            elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
                node = node.value[part]
                line = node.start_mark.line + 1
        return line

    def place(self, location: tuple[str | int, ...]) -> str:
        """Return the file, the line if it is known, and the field of a location."""
        line = self.line(location)
        return f"{self.path}, {f'line {line}, ' if line else ''}{'.'.join(map(str, location))}"


def read_document(path: Path, expected: str) -> Document:
    """Read a file: TOML if its name ends in .toml, otherwise YAML.

    Parameters
    ----------
    path : Path
    expected : str
        What its fields are, for the message if it has none.

    Raises
    ------
    ConfigurationError
        If it is no such file, or holds something else than fields with values.
    OSError
        If the file cannot be read.
    """
    content = path.read_bytes()
    if path.suffix.lower() == ".toml":
        return Document(path, _toml(path, content))
    try:
        loader = _Loader(content)
        root = loader.get_single_node()
        fields = None if root is None else loader.construct_document(root)
    except yaml.YAMLError as error:
        raise _corrupt(path, _malformed(path, error), "YAML") from error
    if not isinstance(fields, dict):
        found = "is empty" if fields is None else f"holds {fields!r:.40}"
        raise ConfigurationError(
            f"{path} {found}, expected {expected}",
            id="parameter_type",
            field=str(path),
            expected=expected,
        )
    return Document(path, fields, root)


def yaml_value(text: str) -> Any:
    """Return what a YAML text says.

    Raises
    ------
    yaml.YAMLError
        If it is none.
    """
    return yaml.load(text, _Loader)


class _Loader(yaml.SafeLoader):
    """YAML without the traps of version 1.1: 3e-3 is a number, and no field comes twice.

    What looks like a date or a number and is none (2020-13-45, 0x_) is an error of YAML.
    """

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, OverflowError) as error:
            raise yaml.constructor.ConstructorError(
                None, None, f"{node.value!r:.60}: {error}", node.start_mark
            ) from error

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names: set[Any] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in names:
                raise yaml.constructor.ConstructorError(
                    None, None, f'the field "{key.value}" comes twice', key.start_mark
                )
            if isinstance(key, yaml.ScalarNode):
                names.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


def _toml(path: Path, content: bytes) -> dict[str, Any]:
    tomllib = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    try:
        fields: dict[str, Any] = tomllib.loads(content.decode("utf-8"))
    except ValueError as error:  # Of TOML, and of UTF-8.
        raise _corrupt(path, f"{path} is no TOML: {error}", "TOML") from error
    return fields


def _corrupt(path: Path, message: str, expected: str) -> ConfigurationError:
    return ConfigurationError(message, id="file_corrupt", field=str(path), expected=expected)


def _malformed(path: Path, error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"{path}, line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
    return f"{path} is no YAML: {' '.join(str(error).split())}"
