"""When models that were trained are stored, and how their trainings end."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from freshet.server.engine.changes import ModelBytes, StoreError
from freshet.server.engine.endings import Abandonment, Publication
from freshet.server.engine.streams import Stream
from freshet.server.engine.trainings import Trainings

PATIENCE_SECONDS = 30.0


class Training:
    """A training that ends when it is told to, with a model of some bytes or a failure."""

    version = 2

    def __init__(self, model: bytes | Exception) -> None:
        self.model = model
        self.may_end = threading.Event()
        self.has_begun = threading.Event()

    def run(self, *, only_when_idle: bool) -> bytes:
        assert only_when_idle
        self.has_begun.set()
        assert self.may_end.wait(PATIENCE_SECONDS)
        if isinstance(self.model, Exception):
            raise self.model
        return self.model

    def cancel(self) -> None:
        self.model = RuntimeError("cancelled")
        self.may_end.set()


class World:
    """All that trainings have to do with, for one thread of them."""

    def __init__(self) -> None:
        self.trainings: dict[str, Training] = {}
        self.stored: list[list[bytes]] = []
        self.leases: list[tuple[str, int]] = []
        self.failure: Exception | None = None
        self.seconds: list[tuple[float, bool]] = []
        self.endings: list[Any] = []
        self.has_ended = threading.Condition()
        self.pool = self.models = self
        self.subject = Trainings(
            self,  # type: ignore[arg-type]
            self,  # type: ignore[arg-type]
            n_threads=1,
            submit=self.submit,
            measures=self,  # type: ignore[arg-type]
        )

    def begin(
        self, stream_id: str, model: bytes | Exception, *, seconds: float = 0.0
    ) -> tuple[Stream, Training]:
        """Begin a training of a stream whose last one took so long."""
        stream = Stream(stream_id)
        stream.incarnation = "one"
        stream.training_seconds = seconds
        training = self.trainings[stream_id] = Training(model)
        self.subject.begin(stream)
        return stream, training

    def wait_for(self, n_endings: int) -> list[str]:
        with self.has_ended:
            assert self.has_ended.wait_for(lambda: len(self.endings) >= n_endings, PATIENCE_SECONDS)
        return [ending.stream_id for ending in self.endings]

    # ---- what trainings ask of others ----

    def training(self, stream_id: str) -> Training:
        return self.trainings[stream_id]

    def lease_training(self, stream_id: str, version: int, seconds: float) -> bool:
        self.leases.append((stream_id, version))
        return True

    def add(self, model: bytes) -> ModelBytes:
        return ModelBytes(model.hex(), model)

    def expect(self, models: Sequence[ModelBytes]) -> None:
        self.stored.append([model.data for model in models])
        if self.failure is not None:
            raise self.failure

    def training_ended(self, seconds: float, has_model: bool) -> None:
        self.seconds.append((seconds, has_model))

    def submit(self, ending: Any) -> None:
        with self.has_ended:
            self.endings.append(ending)
            self.has_ended.notify_all()


@pytest.fixture
def world() -> Iterator[World]:
    one = World()
    yield one
    for training in one.trainings.values():
        training.may_end.set()
    one.subject.close()


def test_what_trains_says_so_again_until_it_has_ended(world: World) -> None:
    _, training = world.begin("stream-0", b"model")
    world.begin("stream-1", b"model")  # waits for the thread
    assert training.has_begun.wait(PATIENCE_SECONDS)
    assert world.leases == [("stream-0", 2)]
    world.subject.renew_leases()
    world.subject.renew_leases()
    assert world.leases == [("stream-0", 2)] * 3
    training.may_end.set()
    world.trainings["stream-1"].may_end.set()
    world.wait_for(2)
    world.subject.renew_leases()
    assert world.leases == [("stream-0", 2)] * 3 + [("stream-1", 2)]


def test_models_that_are_trained_one_after_another_are_stored_together(world: World) -> None:
    trainings = [world.begin(f"stream-{i}", bytes([i]))[1] for i in range(3)]
    for training in trainings:
        training.may_end.set()
    assert world.wait_for(3) == ["stream-0", "stream-1", "stream-2"]
    assert world.stored == [[b"\0", b"\1", b"\2"]]
    assert all(isinstance(ending, Publication) for ending in world.endings)
    assert [has_model for _, has_model in world.seconds] == [True] * 3


def test_large_models_do_not_wait_for_others(world: World) -> None:
    _, first = world.begin("stream-0", bytes(2**18))
    _, second = world.begin("stream-1", b"small")
    first.may_end.set()
    assert world.wait_for(1) == ["stream-0"]
    second.may_end.set()
    assert world.wait_for(2) == ["stream-0", "stream-1"]
    assert world.stored == [[bytes(2**18)], [b"small"]]


@pytest.mark.parametrize("seconds", [1.0, Stream("new").training_seconds])
def test_a_model_does_not_wait_for_a_training_that_may_take_long(
    world: World, seconds: float
) -> None:
    _, first = world.begin("stream-0", b"0")
    _, second = world.begin("stream-1", b"1", seconds=seconds)
    first.may_end.set()
    assert world.wait_for(1) == ["stream-0"]
    assert second.has_begun.wait(PATIENCE_SECONDS)
    second.may_end.set()
    assert world.wait_for(2) == ["stream-0", "stream-1"]


def test_models_do_not_wait_for_a_queue_that_does_not_end(world: World) -> None:
    _, first = world.begin("stream-0", b"0")
    _, second = world.begin("stream-1", b"1")
    world.begin("stream-2", b"2")
    first.may_end.set()
    assert second.has_begun.wait(PATIENCE_SECONDS)
    assert world.endings == []
    assert not second.may_end.wait(0.06)  # longer than a model is kept
    second.may_end.set()
    assert world.wait_for(2) == ["stream-0", "stream-1"]


def test_a_training_that_fails_keeps_no_other_one_waiting(world: World) -> None:
    _, first = world.begin("stream-0", b"0")
    _, second = world.begin("stream-1", ValueError("no variance"))
    first.may_end.set()
    second.may_end.set()
    assert sorted(world.wait_for(2)) == ["stream-0", "stream-1"]
    failed = next(one for one in world.endings if isinstance(one, Abandonment))
    assert (failed.stream_id, failed.why) == ("stream-1", "no variance")
    assert world.stored == [[b"0"]]


def test_a_model_that_waits_for_a_training_without_a_processor_is_stored(world: World) -> None:
    _, first = world.begin("stream-0", b"0")
    stream, second = world.begin("stream-1", b"1")
    first.may_end.set()
    assert second.has_begun.wait(PATIENCE_SECONDS)
    assert not second.may_end.wait(0.06)  # longer than a model is kept
    world.subject.store_overdue()
    assert world.wait_for(1) == ["stream-0"]
    second.may_end.set()
    world.wait_for(2)
    assert stream.training_seconds >= 0.06


def test_models_that_cannot_be_stored_are_given_up(world: World) -> None:
    world.failure = StoreError("the disk is full", id="store_unavailable")
    trainings = [world.begin(f"stream-{i}", bytes([i]))[1] for i in range(2)]
    for training in trainings:
        training.may_end.set()
    assert world.wait_for(2) == ["stream-0", "stream-1"]
    assert [type(ending) for ending in world.endings] == [Abandonment, Abandonment]
    assert all("the disk is full" in ending.why for ending in world.endings)
    assert [has_model for _, has_model in world.seconds] == [False, False]


def test_what_was_trained_is_stored_at_the_end(world: World) -> None:
    _, first = world.begin("stream-0", b"0")
    stream, second = world.begin("stream-1", b"1")
    world.begin("stream-2", b"2")
    first.may_end.set()
    assert second.has_begun.wait(PATIENCE_SECONDS)
    world.subject.close()  # which cancels the second, and the third before it begins
    assert [ending.stream_id for ending in world.endings] == ["stream-0"]
    assert world.stored == [[b"0"]]
    assert stream.is_training  # it begins again when the stream is loaded


def test_an_ending_that_is_not_taken_lets_the_next_training_begin(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(ending: Any) -> None:
        world.submit(ending)
        raise RuntimeError("closed")

    monkeypatch.setattr(world.subject, "_submit", refuse)
    stream, training = world.begin("stream-0", b"0")
    assert stream.is_training
    training.may_end.set()
    world.wait_for(1)
    world.subject.close()
    assert not stream.is_training
