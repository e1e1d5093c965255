"""Signals that end a program between two lines, never within one."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Interruption", "interruption"]


class _Stop(BaseException):
    """Ends the wait for a line."""


class Interruption:
    """What was asked for by SIGINT or SIGTERM.

    Attributes
    ----------
    number : int or None
        Of the signal that came; None while none did.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._is_waiting = False

    def read_line(self, file: BinaryIO, limit: int) -> bytes:
        """Return a line of so many bytes at most; nothing at the end, or once a signal came."""
        if self.number is not None:
            return b""
        try:
            self._is_waiting = True
            line = file.readline(limit)
            self._is_waiting = False
        except _Stop:
            return b""
        return line

    def take(self, number: int, _: object) -> None:
        """Take a signal; the second one ends what takes long."""
        if self.number is not None:
            raise KeyboardInterrupt
        self.number = number
        if self._is_waiting:
            raise _Stop


@contextmanager
def interruption() -> Iterator[Interruption]:
    """Yield what takes the signals until the block ends."""
    taking = Interruption()
    before = {one: signal.signal(one, taking.take) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield taking
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
