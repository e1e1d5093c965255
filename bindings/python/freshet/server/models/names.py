"""What models of the batch API are called, and their files."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

from freshet.errors import ConfigurationError

__all__ = [
    "NAME_PATTERN",
    "base_name",
    "filename_of",
    "is_latest",
    "name_without_stamp",
    "parse_filename",
    "require_name",
    "stamped",
]

#: What models may be called, so that their names are those of files and of nothing else.
NAME_PATTERN: Final = r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$"

#: After a name: the version that was trained last.
_LATEST: Final = "-latest"
_NAME: Final = re.compile(NAME_PATTERN[1:-1])
_FILE: Final = re.compile(rf"({NAME_PATTERN[1:-1]})\.([a-z0-9_]{{1,64}})\.model")
_STAMP: Final = re.compile(r"_\d{8}_\d{6}_\d{6}\Z")


def require_name(name: str) -> str:
    """Return a name; ConfigurationError if it is none."""
    if _NAME.fullmatch(name) is None:
        raise ConfigurationError(
            f"{name[:200]!r} is no name of a model",
            id="parameter_out_of_range",
            field="model",
            expected="at most 128 letters, digits, dots, dashes and underscores, no dot first",
        )
    return name


def is_latest(name: str) -> bool:
    """Return whether a name stands for the version that was trained last."""
    return len(name) > len(_LATEST) and name.endswith(_LATEST)


def base_name(name: str) -> str:
    """Return a name without what asks for the latest version."""
    return name[: -len(_LATEST)] if is_latest(name) else name


def stamped(name: str, time: datetime) -> str:
    """Return the name of a version made at that time; ConfigurationError if it is too long."""
    return require_name(require_name(name) + time.strftime("_%Y%m%d_%H%M%S_%f"))


def name_without_stamp(name: str) -> str:
    """Return of which model a name is a version: the inverse of `stamped`."""
    return _STAMP.sub("", name)


def filename_of(name: str, backend: str) -> str:
    """Return how the file of a model is called; ConfigurationError if no model is called so."""
    filename = f"{require_name(name)}.{backend}.model"
    if parse_filename(filename) != (name, backend):
        raise ConfigurationError(
            f"{backend[:200]!r} is no backend",
            id="backend_unknown",
            field="backend",
            expected="the identifier of a backend",
        )
    return filename


def parse_filename(filename: str) -> tuple[str, str] | None:
    """Return the name and the backend of a model's file; None if it is none."""
    match = _FILE.fullmatch(filename)
    return None if match is None else (match[1], match[2])
