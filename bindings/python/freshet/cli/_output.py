"""Files of results: all of them, or what was there before."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = ["as_table", "replacing", "text_output"]


@contextlib.contextmanager
def replacing(path: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Yield a file that takes the place of `path` when the block ends without an error."""
    if path.exists() and not path.is_file():
        # /dev/null and pipes stay what they are; for a directory this raises.
        with path.open(mode) as file:
            yield file
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    target = path.resolve()  # A link keeps pointing where it does.
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    options: dict[str, Any] = {} if "b" in mode else {"encoding": "utf-8", "newline": ""}
    try:
        with unfinished.open(mode, **options) as file:
            yield file
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


@contextlib.contextmanager
def text_output(path: Path | None) -> Iterator[IO[str]]:
    """Yield standard output, or a file that replaces `path`."""
    if path is None:
        if isinstance(sys.stdout, io.TextIOWrapper):
            # As in a file, whatever the locale: names of columns may have any character.
            sys.stdout.reconfigure(encoding="utf-8")
        yield sys.stdout
    else:
        with replacing(path) as file:
            yield file


def as_table(rows: Sequence[tuple[str, ...]], indent: str = "") -> list[str]:
    """Return lines in which the columns stand below each other; unlike Rich, never folded."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))] if rows else []
    return [
        indent + "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]
