"""Sends answers that are complete, as most are, without the messages of ASGI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

if TYPE_CHECKING:
    from starlette.types import Send

    from freshet.server.bodies import JsonText

__all__ = ["send_at_once"]

#: Up to this a body is copied, which takes less time than to write it by itself.
_JOINED_BYTES: Final = 65_536


def send_at_once(send: Send, response: JsonText) -> bool:
    """Send an answer in one piece if the server can; return whether it was sent.

    The two messages of ASGI have the server look at every header and write twice, which is a tenth
    of the time of a point. Not all can do without them: a `send` that a layer has put around the
    server's own has to see them, to HEAD the body is left out, a client that reads too slowly is
    waited for, and a server may log what it answers.

    Parameters
    ----------
    send : Send
        Of a request that has not been answered yet.
    response : JsonText
        Its headers are well-formed and have the length of its body; none of them is `Connection`.
    """
    cycle = getattr(send, "__self__", None)
    if (
        type(cycle) is not RequestResponseCycle
        or cycle.disconnected
        or cycle.flow.write_paused
        or cycle.access_log
        or cycle.scope["method"] == "HEAD"
    ):
        return False
    parts = [STATUS_LINE[response.status_code]]
    for headers in (cycle.default_headers, response.raw_headers):
        for name, value in headers:
            parts += (name, b": ", value, b"\r\n")
    parts.append(b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n")
    body = bytes(response.body)
    if len(body) <= _JOINED_BYTES:
        parts.append(body)
        cycle.transport.write(b"".join(parts))
    else:
        cycle.transport.write(b"".join(parts))
        cycle.transport.write(body)
    # What the messages leave behind.
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = False
    cycle.message_event.set()
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()
    return True
