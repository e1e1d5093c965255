"""HTTP/1.1 as uvicorn has it, with a bound on what comes before a body, answers in one piece."""

from __future__ import annotations

import asyncio
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["MAX_HEAD_BYTES", "Protocol"]

MAX_HEAD_BYTES: Final = 65_536
#: What a header counts besides its name and value, however short these are.
_HEADER_BYTES: Final = 32
#: What a client that asks whether to send its body is told before the answer.
_CONTINUE: Final = b"HTTP/1.1 100"


class Protocol(HttpToolsProtocol):
    """What uvicorn has, but for two things.

    Heads without an end are refused, which would fill the memory before any key is seen. And an
    answer's head is sent together with its body: a system call costs more than most of the code
    that a point passes.
    """

    # Of the target and the headers that are complete, and of what the parser keeps of the next.
    _n_bytes = 0
    _n_pending = 0
    _goes_on = False

    def on_message_begin(self) -> None:
        """Begin to count."""
        super().on_message_begin()
        self._goes_on = True
        self._n_bytes = self._n_pending = 0

    def on_url(self, url: bytes) -> None:
        """Count the target, or a part of it."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count what is kept, also of the headers that may follow a body."""
        self._count(len(name) + len(value) + _HEADER_BYTES)
        super().on_header(name, value)

    def _count(self, n_bytes: int) -> None:
        self._goes_on = True
        self._n_pending = 0
        self._n_bytes += n_bytes
        if self._n_bytes > MAX_HEAD_BYTES:
            raise ValueError("the head is too long")  # The parser's error, which becomes a 400.

    def on_body(self, body: bytes) -> None:
        """Leave the body to whoever reads it."""
        self._goes_on = True
        self._n_pending = 0
        super().on_body(body)

    def on_headers_complete(self) -> None:
        """Have the answer sent in one piece."""
        super().on_headers_complete()
        if self.cycle is None or self.scope["method"] == "HEAD":
            return  # Nothing would ever follow the head.
        if self.cycle.transport is self.transport:
            self.cycle.transport = _Joined(self.transport)  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """Read on, unless there is too much of a head that is not complete."""
        self._goes_on = False
        super().data_received(data)
        if not self._goes_on and not self.transport.is_closing():
            self._n_pending += len(data)
            if self._n_bytes + self._n_pending > MAX_HEAD_BYTES:
                self.send_400_response("Request head too long.")


class _Joined:
    """The transport of one answer: writes its head together with the first part of its body."""

    __slots__ = ("_head", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head: bytes | None = None

    def write(self, data: bytes) -> None:
        if self._head is None and not data.startswith(_CONTINUE):
            self._head = data
            return
        if self._head:
            data, self._head = self._head + data, b""
        self._transport.write(data)

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def close(self) -> None:
        self._transport.close()
