"""Sends answers that are complete: head and body in one piece, as most are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

if TYPE_CHECKING:
    from starlette.types import Send

    from freshet.server.bodies import JsonText

__all__ = ["send_at_once"]


def send_at_once(send: Send, response: JsonText) -> bool:
    """Send an answer in one piece if the server can; return whether it was sent.

    The two messages of ASGI have the server look at every header, write twice, and suspend the task
    in between: together a tenth of the time of a point. Not all can do without them:
    a `send` that a layer has put around the server's own has to see them, to HEAD the body is left
    out, and a client that reads too slowly is waited for.

    Parameters
    ----------
    send : Send
        Of the request, which nothing was sent to yet.
    response : JsonText
        Its headers are well-formed, and have the length of its body.
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
    parts.append(bytes(response.body))
    cycle.transport.write(b"".join(parts))
    # What the messages leave behind.
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = False
    cycle.message_event.set()
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()
    return True
