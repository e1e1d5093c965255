"""Texts that are shown or logged, without what is secret in them."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["without_secrets"]

_PASSWORD: Final = re.compile(r"(?<=://)([^/?#@]*):([^/?#]*)(?=@)")
_SECRET: Final = re.compile(
    r"(?i)([?&;][^=&;]*(?:password|passwd|secret|token|key)[^=&;]*=)[^&;#]*"
)


def without_secrets(text: str) -> str:
    """Return a URL with asterisks for its password and for what a query calls secret."""
    return _SECRET.sub(r"\1***", _PASSWORD.sub(r"\1:***", text))
