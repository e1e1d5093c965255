"""What a connection sends, and when."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from freshet.server.outgoing import Outgoing


class Sink(asyncio.Transport):
    """A transport that keeps what is sent."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []
        self.is_closed = False

    def write(self, data: Any) -> None:
        assert not self.is_closed
        self.sent.append(bytes(data))

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed


def in_a_turn(act: Callable[[Outgoing], None]) -> tuple[list[bytes], Sink]:
    """Act in one turn of an event loop; return what was sent before it ended, and the sink."""

    async def scenario() -> tuple[list[bytes], Sink]:
        sink = Sink()
        act(Outgoing(sink, asyncio.get_running_loop()))
        at_once = list(sink.sent)
        await asyncio.sleep(0)
        return at_once, sink

    return asyncio.run(scenario())


def test_what_a_turn_writes_is_sent_once_when_it_ends() -> None:
    def act(outgoing: Outgoing) -> None:
        outgoing.write(b"head ")
        outgoing.write(bytearray(b"and "))
        outgoing.write(memoryview(b"body"))

    at_once, sink = in_a_turn(act)
    assert at_once == []
    assert sink.sent == [b"head and body"]


def test_the_next_turn_sends_what_it_writes_itself() -> None:
    async def scenario() -> Sink:
        sink = Sink()
        outgoing = Outgoing(sink, asyncio.get_running_loop())
        for part in (b"first", b"second"):
            outgoing.write(part)
            await asyncio.sleep(0)
        return sink

    assert asyncio.run(scenario()).sent == [b"first", b"second"]


def test_much_is_sent_at_once_and_in_order() -> None:
    parts = [bytes([i]) * 30_000 for i in range(10)]

    def act(outgoing: Outgoing) -> None:
        for part in parts:
            outgoing.write(part)

    at_once, sink = in_a_turn(act)
    # So that whoever writes on and on is told when the client does not read.
    assert len(b"".join(at_once)) == 270_000
    assert b"".join(sink.sent) == b"".join(parts)


def test_what_was_written_can_be_sent_at_once() -> None:
    def act(outgoing: Outgoing) -> None:
        outgoing.write(b"before the client is gone")
        outgoing.flush()

    at_once, sink = in_a_turn(act)
    assert at_once == sink.sent == [b"before the client is gone"]


def test_what_was_written_is_sent_before_the_connection_is_closed() -> None:
    def act(outgoing: Outgoing) -> None:
        outgoing.write(b"the last")
        outgoing.close()
        assert outgoing.is_closing()

    at_once, sink = in_a_turn(act)
    assert at_once == sink.sent == [b"the last"]
    assert sink.is_closed


@pytest.mark.parametrize("when", ["before", "after"])
def test_nothing_is_sent_to_a_client_that_is_gone(when: str) -> None:
    def act(outgoing: Outgoing) -> None:
        if when == "before":
            outgoing._transport.close()
        outgoing.write(b"too late")
        if when == "after":
            outgoing._transport.close()

    assert in_a_turn(act)[1].sent == []
