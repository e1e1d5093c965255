"""What is sent to a client: once in a turn of the event loop, all that the turn has made."""

from __future__ import annotations

import asyncio
from typing import Any, Final

__all__ = ["Outgoing"]

#: What is collected of an answer at most.
_MAX_BYTES: Final = 65_536


class Outgoing(asyncio.Transport):
    """A transport that keeps what is written until the turn of the event loop ends.

    So an answer's head is sent together with its body, and the answers to points that were stored
    together one right after the other: a system call costs more than most of the code that a point
    passes, and one that wakes a client that waits costs several times as much.

    Parameters
    ----------
    transport : asyncio.Transport
        Of the connection.
    loop : asyncio.AbstractEventLoop
        Its event loop.
    """

    __slots__ = ("_loop", "_n_bytes", "_parts", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._parts: list[bytes | bytearray | memoryview] = []
        self._n_bytes = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes when the turn ends, or more than a few of them at once."""
        if not self._parts:
            self._loop.call_soon(self.flush)
        self._parts.append(data)
        self._n_bytes += len(data)
        if self._n_bytes > _MAX_BYTES:
            self.flush()

    def flush(self) -> None:
        """Send what was written, now."""
        parts, self._parts, self._n_bytes = self._parts, [], 0
        if parts and not self._transport.is_closing():
            self._transport.write(parts[0] if len(parts) == 1 else b"".join(parts))

    def close(self) -> None:
        """Close the connection, after what was written."""
        self.flush()
        self._transport.close()

    def is_closing(self) -> bool:
        """Whether the connection is closed, or going to be."""
        return self._transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What is known about the connection."""
        return self._transport.get_extra_info(name, default)

    def pause_reading(self) -> None:
        """Leave what comes to the system."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read again."""
        self._transport.resume_reading()
