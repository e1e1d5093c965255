"""Files to read, standard input among them."""

from __future__ import annotations

import contextlib
import errno
import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["STANDARD_INPUT", "opened", "standard_input"]

#: The path that stands for standard input.
STANDARD_INPUT: Final = "-"


def standard_input() -> BinaryIO:
    """Return standard input.

    Raises
    ------
    OSError
        If the program was started without one.
    """
    if sys.stdin is None:
        raise OSError(errno.EBADF, "it is closed", "standard input")
    return sys.stdin.buffer


@contextlib.contextmanager
def opened(path: str | Path) -> Iterator[BinaryIO]:
    """Yield standard input, which stays open, or a file."""
    if str(path) == STANDARD_INPUT:
        yield standard_input()
        return
    with Path(path).open("rb") as file:
        yield file
