"""What pydantic and the library say of a value, in the words of JSON."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["expected_of", "in_words_of_json"]

#: What is taken out of a message, and put in its place, one after another.
_CHANGES: Final = (
    (re.compile(r"^Value error, (?:expected )?"), ""),
    (re.compile(r"^[A-Z]\w* should match pattern "), "a text that matches "),
    (re.compile(r"^[A-Z]\w* should (?:be |have )?"), ""),
    (re.compile(r" after validation, not \d+$"), ""),
)

#: Types of Python that bodies can have.
_TYPES: Final = {
    "NoneType": "null",
    "bool": "a boolean",
    "dict": "an object",
    "float": "a number",
    "int": "a number",
    "list": "a list",
    "str": "a text",
}
_TYPE: Final = re.compile(rf"(: |is )(?:of type )?({'|'.join(_TYPES)})([,:] expected)")
_ROW: Final = "a mapping, a sequence or a 1-D array"


def in_words_of_json(message: str) -> str:
    """Return what the library says of a row or a cell: "null" for "NoneType"."""
    message = _TYPE.sub(lambda found: f"{found[1]}{_TYPES[found[2]]}{found[3]}", message)
    return message.replace(_ROW, "an object or a list")


def expected_of(message: str) -> str:
    """Return what is expected: "at least 1 item" of "List should have at least 1 item …".

    Parameters
    ----------
    message : str
        ``msg`` of an error of pydantic, whose words begin with the type it has for the value.
    """
    for pattern, text in _CHANGES:
        message = pattern.sub(text, message)
    return message
