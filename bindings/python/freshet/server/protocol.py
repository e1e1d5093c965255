"""HTTP/1.1 as uvicorn reads it, with a bound on what comes before a body."""

from __future__ import annotations

from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["MAX_HEAD_BYTES", "BoundedHeads"]

MAX_HEAD_BYTES: Final = 65_536


class BoundedHeads(HttpToolsProtocol):
    """Refuses heads without an end, which would fill the memory before any key is seen."""

    _is_in_head = False
    _n_bytes = 0

    def on_message_begin(self) -> None:
        """Begin to count."""
        super().on_message_begin()
        self._is_in_head = True
        self._n_bytes = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count what is kept, also of the headers that may follow a body."""
        self._n_bytes += len(name) + len(value)
        if self._n_bytes > MAX_HEAD_BYTES:
            raise ValueError("the head is too long")  # The parser's error, which becomes a 400.
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """End the head."""
        self._is_in_head = False
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Read on, unless there is too much of a head that is not complete."""
        super().data_received(data)
        if self._is_in_head and not self.transport.is_closing():
            self._n_bytes += len(data)
            if self._n_bytes > MAX_HEAD_BYTES:
                self.send_400_response("Request head too long.")
