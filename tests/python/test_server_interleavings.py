"""Orders of things that nobody asks for: nothing acknowledged is lost in any of them."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engine_testing import (
    SETTINGS,
    assert_same_verdicts,
    crash,
    engine_at,
    score,
    settle,
    uninterrupted,
)
from freshet._core import record_dtype
from freshet.errors import Error, SnapshotError, UnknownStreamError
from freshet.server.engine.changes import StoreError
from freshet.server.engine.operations import Eviction
from freshet.server.engine.redis_store import RedisStore
from freshet.server.engine.streams import Detectors
from freshet_testing import stream

RARELY = {"snapshot_interval_rows": 10_000}


@contextlib.asynccontextmanager
async def opened(data_dir: Path, **settings: Any) -> AsyncIterator[Any]:
    engine = engine_at(data_dir, **settings)
    await engine.start()
    try:
        yield engine
    finally:
        await engine.close()


@contextlib.asynccontextmanager
async def replicas(tmp_path: Path, url: str, **settings: Any) -> AsyncIterator[tuple[Any, Any]]:
    async with (
        opened(tmp_path / "first", store=url, **settings) as first,
        opened(tmp_path / "second", store=url, **settings) as second,
    ):
        yield first, second


async def score_each(engine: Any, rows: Any) -> list[np.ndarray]:
    return [await score(engine, "pump", row[None]) for row in rows]


async def total(engine: Any) -> int:
    return int((await engine.info("pump"))["stats"]["total_processed"])


def held(engine: Any) -> Any:
    (found,) = [one for one in engine._pipeline.streams() if one.stream_id == "pump"]
    return found


def failing_once(method: Callable[..., Any]) -> Callable[..., Any]:
    left = [None]

    def call(*arguments: Any) -> Any:
        if left:
            left.pop()
            raise StoreError("gone for a moment", id="store_unavailable")
        return method(*arguments)

    return call


def hindered(
    method: Callable[..., Any], meanwhile: Callable[[], Awaitable[Any]], *, after: bool = False
) -> Callable[..., Any]:
    """A method before, or after, which something else happens, the first time."""
    loop = asyncio.get_running_loop()
    left = [None]

    def happen() -> None:
        if left:
            left.pop()
            asyncio.run_coroutine_threadsafe(_awaited(meanwhile), loop).result(30)

    def call(*arguments: Any) -> Any:
        if not after:
            happen()
        answer = method(*arguments)
        if after:
            happen()
        return answer

    return call


async def _awaited(meanwhile: Callable[[], Awaitable[Any]]) -> Any:
    return await meanwhile()


def sequences_are_unique(engine: Any) -> bool:
    return not engine.journal.query(
        "SELECT sequence FROM journal WHERE sequence IS NOT NULL"
        " GROUP BY stream_id, incarnation, sequence HAVING COUNT(*) > 1"
    )


def test_a_load_that_fails_half_way_loads_nothing(tmp_path: Path) -> None:
    rows = stream(80)

    async def scenario() -> None:
        async with opened(tmp_path / "before") as engine:
            found = await score_each(engine, rows[:70])
            await settle(engine, "pump")
            crash(tmp_path / "before", tmp_path / "after")
        async with opened(tmp_path / "after") as engine:
            engine.store.events = failing_once(engine.store.events)
            with pytest.raises(StoreError):
                await score(engine, "pump", rows[70][None])
            found += await score_each(engine, rows[70:])
            assert sequences_are_unique(engine)
            assert await total(engine) == len(rows)
        records = np.concatenate(found)
        assert_same_verdicts(records, uninterrupted(rows, records["model_version"]))

    asyncio.run(scenario())


@pytest.mark.parametrize("n_seen", [0, 41])
def test_a_model_that_cannot_be_read_for_a_moment(
    tmp_path: Path, redis_url: str, n_seen: int
) -> None:
    rows = stream(100)

    async def scenario() -> None:
        async with (
            opened(tmp_path / "first", store=redis_url, **RARELY) as first,
            # The one that fails would take snapshots all the time.
            opened(tmp_path / "second", store=redis_url, snapshot_interval_rows=1) as second,
        ):
            found = await score_each(first, rows[:40])
            if n_seen:
                found += await score_each(second, rows[40:n_seen])
            found += await score_each(first, rows[len(found) : 85])
            await settle(first, "pump")
            second._detectors.models._read = failing_once(second._detectors.models._read)
            with pytest.raises(StoreError):
                await score(second, "pump", rows[85][None])
            found += await score_each(second, rows[85:90])
            found += await score_each(first, rows[90:])
        records = np.concatenate(found)
        assert records["model_version"].max() > 2
        assert_same_verdicts(records, uninterrupted(rows, records["model_version"]))

    asyncio.run(scenario())


def test_points_around_an_eviction_in_one_turn(tmp_path: Path) -> None:
    rows = stream(40)

    async def scenario() -> None:
        async with opened(tmp_path / "data", **RARELY) as engine:
            await score_each(engine, rows[:30])
            used_until = time.monotonic()
            # The lane waits, so that all three are done in one turn.
            with engine._pipeline._turns:
                other = asyncio.ensure_future(score(engine, "other", rows[:1]))
                await asyncio.sleep(0.05)
                first = asyncio.ensure_future(score(engine, "pump", rows[30:31]))
                await asyncio.sleep(0.05)
                engine._submit(Eviction("pump", None, used_until))
                second = asyncio.ensure_future(score(engine, "pump", rows[31:32]))
                await asyncio.sleep(0.05)
            assert [int((await one)["index"][0]) for one in (first, second)] == [30, 31]
            await other
            assert sequences_are_unique(engine)
            assert await total(engine) == 32
            crash(tmp_path / "data", tmp_path / "after")
        async with opened(tmp_path / "after") as engine:
            assert await total(engine) == 32

    asyncio.run(scenario())


def test_a_removal_between_points_in_one_turn(tmp_path: Path) -> None:
    rows = stream(40)

    async def scenario() -> None:
        async with opened(tmp_path / "data", **RARELY) as engine:
            await score_each(engine, rows[:5])
            # From now on the stream is loaded from the journal rather than made.
            held(engine).failed_epoch = held(engine).epoch
            await score_each(engine, rows[5:6])
            with engine._pipeline._turns:
                other = asyncio.ensure_future(score(engine, "other", rows[:1]))
                await asyncio.sleep(0.05)
                tasks = [asyncio.ensure_future(score(engine, "pump", rows[6:7]))]
                await asyncio.sleep(0.05)
                removal = asyncio.ensure_future(engine.remove("pump"))
                await asyncio.sleep(0.05)
                tasks += [asyncio.ensure_future(score(engine, "pump", rows[7:8]))]
                await asyncio.sleep(0.05)
            assert [int((await one)["index"][0]) for one in tasks] == [6, 0]
            await removal
            await other
            crash(tmp_path / "data", tmp_path / "after")
        async with opened(tmp_path / "after") as engine:
            assert await total(engine) == 1

    asyncio.run(scenario())


def test_a_removal_that_cannot_be_written(tmp_path: Path) -> None:
    rows = stream(31)

    async def scenario() -> None:
        async with opened(tmp_path / "data", **RARELY) as engine:
            await score_each(engine, rows[:30])
            engine.journal.write = failing_once(engine.journal.write)
            with pytest.raises(StoreError):
                await engine.remove("pump")
            engine._pipeline.sweep()
            assert int((await score(engine, "pump", rows[30:]))["index"][0]) == 30

    asyncio.run(scenario())


def test_a_point_is_written_though_the_next_one_fails(tmp_path: Path) -> None:
    rows = stream(12)

    async def scenario() -> None:
        async with opened(tmp_path / "data", **RARELY) as engine:
            await score_each(engine, rows[:10])
            next_fails = threading.Event()
            write = engine._writer._journal.write

            def wait_and_write(changes: Any) -> None:
                assert next_fails.wait(30)
                write(changes)

            def fail(answer: Any) -> None:
                threading.Timer(0.05, next_fails.set).start()
                raise ValueError("it cannot be rendered")

            engine._writer._journal.write = wait_and_write
            first = asyncio.ensure_future(score(engine, "pump", rows[10:11]))
            await asyncio.sleep(0.05)
            with pytest.raises(ValueError, match="rendered"):
                await engine.score(
                    "pump",
                    settings=SETTINGS,
                    given={},
                    values=rows[11:12],
                    columns=None,
                    render=fail,
                )
            assert int((await first)["index"][0]) == 10
            assert await total(engine) == 11

    asyncio.run(scenario())


def test_a_stream_that_fails_in_the_middle_of_a_turn(tmp_path: Path) -> None:
    rows = stream(14)

    async def scenario() -> None:
        async with opened(tmp_path / "data", **RARELY) as engine:
            await score_each(engine, rows[:10])
            one = held(engine)
            write = engine._writer._journal.write
            prepare_next = threading.Event()
            left = [None]

            def fail_late(changes: Any) -> None:
                if left:
                    left.pop()
                    assert prepare_next.wait(30)
                    raise StoreError("the disk is full", id="store_unavailable")
                write(changes)

            def wait_for_failure(answer: Any) -> Any:
                prepare_next.set()
                deadline = time.monotonic() + 30
                while one.epoch == 0 and not one.has_failed:
                    assert time.monotonic() < deadline
                    time.sleep(0.001)
                return np.frombuffer(answer.records, record_dtype)

            engine._writer._journal.write = fail_late
            tasks = [asyncio.ensure_future(score(engine, "pump", rows[10:11]))]
            await asyncio.sleep(0.05)
            with engine._pipeline._turns:
                other = asyncio.ensure_future(score(engine, "other", rows[:1]))
                await asyncio.sleep(0.05)
                tasks += [
                    asyncio.ensure_future(
                        engine.score(
                            "pump", settings=SETTINGS, given={}, values=rows[i : i + 1],
                            columns=None, render=wait_for_failure,
                        )
                    )
                    for i in (11, 12)
                ]  # fmt: skip
                await asyncio.sleep(0.05)
            answers = await asyncio.gather(*tasks, return_exceptions=True)
            await other
            # The second was done on top of the first, which was lost; the third had to wait.
            assert [isinstance(answer, StoreError) for answer in answers] == [True, True, False]
            assert int(answers[2]["index"][0]) == 10
            assert await total(engine) == 11
            assert sequences_are_unique(engine)

    asyncio.run(scenario())


def test_an_append_is_never_sent_twice() -> None:
    store = RedisStore("redis://localhost/0?retry_on_timeout=true")
    pool = store._client.connection_pool
    connection = pool.connection_class(**pool.connection_kwargs)
    assert connection.retry.get_retries() == 0


def test_a_training_from_before_a_reset_is_not_published(tmp_path: Path) -> None:
    rows, others = stream(70), stream(45, seed=5) * 100

    async def scenario() -> None:
        async with opened(tmp_path / "data", **RARELY) as engine:
            goes_on = threading.Event()
            lease = engine.store.lease_training

            def wait_once(*arguments: Any) -> bool:
                assert goes_on.wait(30)
                return bool(lease(*arguments))

            engine.store.lease_training = wait_once
            await score_each(engine, others)
            assert (await engine.info("pump"))["stats"]["status"] == "retraining"
            await engine.reset("pump")
            found = await score_each(engine, rows[:45])
            assert (await engine.info("pump"))["stats"]["status"] == "retraining"
            goes_on.set()
            await settle(engine, "pump")
            found += await score_each(engine, rows[45:])
        records = np.concatenate(found)
        assert records["model_version"].max() > 1
        assert_same_verdicts(records, uninterrupted(rows, records["model_version"]))

    asyncio.run(scenario())


def test_an_inspection_that_fails_hurts_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = stream(12)

    def failing(detectors: Detectors, stream: Any) -> Any:
        monkeypatch.undo()
        raise UnknownStreamError("gone", id="stream_unknown")

    async def scenario() -> Any:
        async with opened(tmp_path) as engine:
            await score(engine, "pump", rows[:10])
            monkeypatch.setattr(Detectors, "info", failing)
            with pytest.raises(UnknownStreamError, match="gone"):
                await engine.info("pump")
            return await asyncio.wait_for(score(engine, "pump", rows[10:]), 30)

    assert asyncio.run(scenario())["index"].tolist() == [10, 11]


def test_a_replica_asks_before_it_refuses(tmp_path: Path, redis_url: str) -> None:
    rows = stream(4)
    wide = {"window_size": 100}

    async def scenario() -> None:
        async with replicas(tmp_path, redis_url) as (first, second):
            await score(first, "pump", rows[:1])
            await score(second, "pump", rows[1:2])
            await first.remove("pump")
            settings = SETTINGS | wide
            await score(first, "pump", rows[:1, :2], settings=settings, given=wide)
            # It has other settings and another width now, which the second one has not heard of.
            found = await score(second, "pump", rows[1:2, :2], settings=settings, given=wide)
            assert found["index"].tolist() == [1]
            with pytest.raises(Error, match="window_size is 100, not 60"):
                await score(second, "pump", rows[2:3, :2], given={"window_size": 60})

    asyncio.run(scenario())


def test_a_stream_is_removed_while_it_is_loaded(tmp_path: Path, redis_url: str) -> None:
    rows = stream(11)

    async def scenario() -> None:
        async with replicas(tmp_path, redis_url) as (first, second):
            await score_each(first, rows[:10])
            second.store.recovery = hindered(
                second.store.recovery, lambda: first.remove("pump"), after=True
            )
            given = {"window_size": 60}
            found = await score(second, "pump", rows[10:], given=given)
            assert found["index"].tolist() == [0]

    asyncio.run(scenario())


def test_a_stream_that_is_made_again_while_it_is_removed_is_listed(
    tmp_path: Path, redis_url: str
) -> None:
    rows = stream(2)

    async def scenario() -> None:
        async with replicas(tmp_path, redis_url) as (first, second):
            await score(first, "pump", rows[:1])
            first.store._remove = hindered(
                first.store._remove, lambda: score(second, "pump", rows[1:]), after=True
            )
            await first.remove("pump")
            assert list(await second.infos()) == ["pump"]
            assert list(await first.infos()) == ["pump"]

    asyncio.run(scenario())


def test_a_stream_with_work_to_do_is_not_forgotten(tmp_path: Path, redis_url: str) -> None:
    rows = stream(6)

    async def scenario() -> None:
        async with replicas(tmp_path, redis_url) as (first, second):
            await score_each(first, rows[:5])
            await total(second)
            one = held(second)
            await second.remove("pump")
            # As it is when a lane has just let it go, and more has come meanwhile.
            one.waiting.append(object())
            second._pipeline.know(second.store.streams())
            assert held(second) is one
            one.waiting.clear()
            second._pipeline.know(second.store.streams())
            assert second._pipeline.streams() == []
            with pytest.raises(UnknownStreamError):
                await total(second)

    asyncio.run(scenario())


@pytest.mark.parametrize("is_shared", [False, True])
def test_what_another_version_wrote_is_no_damage(
    tmp_path: Path, redis_url: str, is_shared: bool
) -> None:
    rows = stream(100)
    settings = {"store": redis_url} if is_shared else {}

    def refuse(stream_id: str, data: bytes) -> None:
        raise SnapshotError("a format that this version does not read", id="snapshot_version")

    async def scenario() -> None:
        async with opened(tmp_path / "data", **settings) as engine:
            await score_each(engine, rows)
            await settle(engine, "pump")
        async with opened(tmp_path / "data", **settings) as engine:
            n_snapshots = len(engine.store.recovery("pump").snapshots)
            assert n_snapshots == 2
            pool = engine._detectors.pool
            object.__setattr__(engine._detectors, "pool", _Refusing(pool, refuse))
            with pytest.raises(StoreError, match="another version"):
                await total(engine)
            assert len(engine.store.recovery("pump").snapshots) == n_snapshots
            object.__setattr__(engine._detectors, "pool", pool)
            assert await total(engine) == len(rows)

    asyncio.run(scenario())


class _Refusing:
    """A pool that cannot restore."""

    def __init__(self, pool: Any, restore: Callable[[str, bytes], None]) -> None:
        self._pool = pool
        self.restore = restore

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    def __contains__(self, stream_id: str) -> bool:
        return stream_id in self._pool
