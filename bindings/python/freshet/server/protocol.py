"""HTTP/1.1 as uvicorn has it, with a bound on what comes before a body."""

from __future__ import annotations

from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["MAX_HEAD_BYTES", "Protocol"]

MAX_HEAD_BYTES: Final = 65_536
#: What a header counts besides its name and value, however short these are, and what of it is sent.
_HEADER_BYTES: Final = 32
_SEPARATOR_BYTES: Final = 4


class Protocol(HttpToolsProtocol):
    """What uvicorn has, but heads without an end are refused.

    They would fill the memory before any key is seen.
    """

    # What came since a head, or a part of a body, was complete. It is looked at when all that was
    # received at once (256 KB at most) has been read, so that there may be as much more.
    _n_bytes = 0

    def data_received(self, data: bytes) -> None:
        """Read on, unless there is too much of a head that is not complete."""
        self._n_bytes += len(data)
        super().data_received(data)
        # Nothing is left of most requests, which come as a whole.
        if self._n_bytes and self._may_be_too_long() and not self.transport.is_closing():
            self.send_400_response("Request head too long.")

    def on_headers_complete(self) -> None:
        """Go on, unless the head is too long."""
        if self._may_be_too_long():
            n_bytes = sum(len(name) + len(value) + _HEADER_BYTES for name, value in self.headers)
            if n_bytes + len(self.url) > MAX_HEAD_BYTES:
                raise ValueError("the head is too long")  # The parser's error, which becomes a 400.
        self._n_bytes = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Leave the body to whoever reads it."""
        self._n_bytes = 0
        super().on_body(body)

    def _may_be_too_long(self) -> bool:
        """Whether a head, or the headers after a body, may be: other bytes count too."""
        n_bytes = (_HEADER_BYTES - _SEPARATOR_BYTES) * len(self.headers or ())
        return self._n_bytes + n_bytes > MAX_HEAD_BYTES
