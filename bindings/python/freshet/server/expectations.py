"""What pydantic says of a value, as what would have been right."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["expected_of"]

#: What is taken out of a message, and put in its place, one after another.
_CHANGES: Final = (
    (re.compile(r"^Value error, (?:expected )?"), ""),
    (re.compile(r"^[A-Z]\w* should match pattern "), "a text that matches "),
    (re.compile(r"^[A-Z]\w* should (?:be |have )?"), ""),
    (re.compile(r" after validation, not \d+$"), ""),
)


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
