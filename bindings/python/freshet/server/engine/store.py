"""Where the order of a stream's events is decided and kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from freshet.server.engine.changes import Change, ModelBytes, SnapshotBytes, StreamInfo
from freshet.server.engine.events import Create, Event
from freshet.server.engine.journal import Journal
from freshet.server.engine.recovery import Recovery

__all__ = ["LocalStore", "Missed", "Proposal", "Store"]


class Proposal(NamedTuple):
    """Events that somebody wants to happen after those that he has seen.

    Attributes
    ----------
    stream_id : str
    incarnation : str or None
        None if he has seen no such stream; then the first event creates it as `created`.
    sequence : int
        The last event that he has seen.
    events : sequence of Event
    encoded : sequence of bytes
    models : sequence of ModelBytes
        What the events refer to, if it may be new.
    created : str
        The incarnation of a stream that is made.
    """

    stream_id: str
    incarnation: str | None
    sequence: int
    events: Sequence[Event]
    encoded: Sequence[bytes]
    models: Sequence[ModelBytes] = ()
    created: str = ""


@dataclass(frozen=True, slots=True)
class Missed:
    """Why events could not happen: others have come before them.

    Attributes
    ----------
    events : sequence of Event or None
        What has to be seen first; None if that is no longer kept one by one, or the stream is
        another one now, so that its state has to be recovered.
    """

    events: Sequence[Event] | None = field(default=None)


class Store(Protocol):
    """Where the order of a stream's events is decided and kept. Any thread may call it.

    Every method raises `StoreError` if the store cannot be reached.
    """

    is_shared: bool

    def expect(self, models: Sequence[ModelBytes]) -> None:
        """Take note of models that events are going to refer to; for whoever has trained them."""

    def append(self, proposals: Sequence[Proposal]) -> list[Missed | None]:
        """Let events happen unless others have come before them; all events of a proposal or none.

        A proposal without events asks only whether there are others.
        """

    def changes(self, proposal: Proposal, info: dict[str, Any]) -> Iterable[Change]:
        """What is to be written to the journal, besides the events, after a proposal happened."""

    def keep(self, snapshot: SnapshotBytes) -> Iterable[Change]:
        """Keep a snapshot; return what is to be written to the journal for that."""

    def remove(self, stream_id: str, incarnation: str) -> None:
        """Delete a stream, but for what the journal has of it."""

    def streams(self) -> list[StreamInfo]:
        """How every stream was last seen."""

    def recovery(self, stream_id: str) -> Recovery | None:
        """What a stream's state is made again from; None if there is no such stream."""

    def events(self, stream_id: str, incarnation: str, after: int) -> Iterator[tuple[int, Event]]:
        """The events kept that follow the one at position `after`."""

    def quarantine(self, stream_id: str, incarnation: str, sequence: int, reason: str) -> None:
        """Put a snapshot that is damaged aside."""

    def model(self, stream_id: str, digest: str) -> bytes | None:
        """The bytes of a trained model that an event of the stream refers to."""

    def lease_training(self, stream_id: str, version: int, seconds: float) -> bool:
        """Whether this process is to train a model, rather than another one that does.

        If it is, then for so many seconds, or longer if it asks again.
        """

    def check(self) -> None:
        """Raise StoreError unless the store can be reached."""

    def close(self) -> None:
        """Let go of the store."""


class LocalStore:
    """The store of a single process: it decides the order itself and keeps it in its journal."""

    is_shared = False

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.streams = journal.streams
        self.recovery = journal.recovery
        self.events = journal.events
        self.quarantine = journal.quarantine
        self.check = journal.check

    def expect(self, models: Sequence[ModelBytes]) -> None:
        """Write them now, so that the journal need not wait for them."""
        self._journal.models.expect(models)

    def append(self, proposals: Sequence[Proposal]) -> list[Missed | None]:
        """Nobody comes before."""
        return [None] * len(proposals)

    def changes(self, proposal: Proposal, info: dict[str, Any]) -> Iterable[Change]:
        """The models that are not there yet, and the stream if it is new."""
        is_there = self._journal.models.is_expected
        yield from (model for model in proposal.models if not is_there(model))
        for number, event in enumerate(proposal.events, 1):
            if isinstance(event, Create):
                incarnation = proposal.incarnation or proposal.created
                sequence = proposal.sequence + number
                yield StreamInfo(proposal.stream_id, incarnation, sequence, info)

    def keep(self, snapshot: SnapshotBytes) -> Iterable[Change]:
        """The snapshot, and how the stream is seen with it."""
        yield snapshot
        yield StreamInfo(snapshot.stream_id, snapshot.incarnation, snapshot.sequence, snapshot.info)

    def model(self, stream_id: str, digest: str) -> bytes | None:
        """The bytes of a trained model."""
        return self._journal.models.get(digest)

    def remove(self, stream_id: str, incarnation: str) -> None:
        """Left to the journal."""

    def lease_training(self, stream_id: str, version: int, seconds: float) -> bool:
        """Nobody else trains."""
        return True

    def close(self) -> None:
        """The journal is closed by whoever opened it."""
