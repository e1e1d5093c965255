"""Streams that replicas share through Redis."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import redis
from engine_testing import (
    SETTINGS,
    assert_same_verdicts,
    engine_at,
    score,
    settle,
    uninterrupted,
)
from freshet.errors import UnknownStreamError
from freshet.server.engine import SettingsConflictError, StoreError
from freshet.server.engine.redis_store import RedisStore
from freshet_testing import stream
from service_process import ServiceProcess

PATH = "/v1/ml/anomaly/stream"


async def replicas(tmp_path: Path, url: str, n: int, **settings: Any) -> list[Any]:
    engines = [engine_at(tmp_path / f"replica-{i}", store=url, **settings) for i in range(n)]
    for engine in engines:
        await engine.start()
    return engines


async def close(engines: list[Any]) -> None:
    for engine in engines:
        await engine.close()


def test_rows_through_any_replica_are_those_of_one_detector(tmp_path: Path, redis_url: str) -> None:
    rows = stream(300)

    async def scenario() -> np.ndarray:
        engines = await replicas(tmp_path, redis_url, 3)
        try:
            found = [
                await score(engines[i % 7 % 3], "pump", row[None]) for i, row in enumerate(rows)
            ]
            await settle(engines[0], "pump")
            infos = [await engine.info("pump") for engine in engines]
            for info in infos:
                info["stats"].pop("last_fit_seconds")
            assert infos[0] == infos[1] == infos[2]
            return np.concatenate(found)
        finally:
            await close(engines)

    found = asyncio.run(scenario())
    assert found["model_version"].max() > 3
    assert_same_verdicts(found, uninterrupted(rows, found["model_version"]))


def test_replicas_at_once_give_every_row_one_place(tmp_path: Path, redis_url: str) -> None:
    rows = stream(240)

    async def scenario() -> list[np.ndarray]:
        engines = await replicas(tmp_path, redis_url, 3)
        try:
            return await asyncio.gather(
                *(score(engines[i % 3], "pump", row[None]) for i, row in enumerate(rows))
            )
        finally:
            await close(engines)

    records = asyncio.run(scenario())
    places = [int(one["index"][0]) for one in records]
    assert sorted(places) == list(range(len(rows)))
    found = np.concatenate(records)[np.argsort(places)]
    assert_same_verdicts(found, uninterrupted(rows[np.argsort(places)], found["model_version"]))


def test_a_new_replica_goes_on_from_the_snapshot(tmp_path: Path, redis_url: str) -> None:
    rows = stream(400)

    async def scenario() -> np.ndarray:
        (first,) = await replicas(tmp_path, redis_url, 1)
        found = [await score(first, "pump", row[None]) for row in rows[:300]]
        await settle(first, "pump")
        client = redis.Redis.from_url(redis_url)
        # What snapshots hold is forgotten as events, and as models.
        assert client.xlen("freshet:{pump}:events") < 150
        assert client.hlen("freshet:{pump}:snapshots") == 2
        assert client.hlen("freshet:{pump}:models") < 8
        (second,) = await replicas(tmp_path / "other", redis_url, 1)
        try:
            found += [await score(second, "pump", row[None]) for row in rows[300:350]]
            # The first one has missed rows, some of them maybe forgotten.
            found += [await score(first, "pump", row[None]) for row in rows[350:]]
            return np.concatenate(found)
        finally:
            await close([first, second])

    found = asyncio.run(scenario())
    assert_same_verdicts(found, uninterrupted(rows, found["model_version"]))


@pytest.mark.parametrize(
    ("n_seen", "at"), [(0, "recovery"), (0, "events"), (0, "model"), (155, "model")]
)
def test_a_replica_reads_while_another_forgets(
    tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch, n_seen: int, at: str
) -> None:
    rows, late = stream(600), stream(1, seed=1)
    found: list[np.ndarray] = []
    read = getattr(RedisStore, at)
    hindered: list[RedisStore] = []

    async def scenario() -> None:
        loop = asyncio.get_running_loop()

        async def go_on(n: int) -> None:
            for row in rows[len(found) : len(found) + n]:
                found.append(await score(first, "pump", row[None]))
            await settle(first, "pump")

        def read_late(store: RedisStore, *arguments: Any) -> Any:
            answer = read(store, *arguments) if at == "recovery" else None
            if hindered and store is hindered[-1]:
                hindered.pop()
                asyncio.run_coroutine_threadsafe(go_on(100), loop).result(60)
            return answer if at == "recovery" else read(store, *arguments)

        monkeypatch.setattr(RedisStore, at, read_late)
        first, second = engines = await replicas(tmp_path, redis_url, 2)
        try:
            if n_seen:
                await go_on(n_seen)
                await second.info("pump")
            # The last snapshot is of row 150, the last model was published after it.
            await go_on(178 - n_seen)
            hindered.extend([second.store] * 2)
            found.append(await score(second, "pump", late))
            rows[len(found) - 1] = late
            await go_on(20)
        finally:
            await close(engines)

    asyncio.run(scenario())
    assert len(hindered) < 2
    records = np.concatenate(found)
    assert_same_verdicts(records, uninterrupted(rows[: len(found)], records["model_version"]))


def test_what_one_replica_does_the_others_see(tmp_path: Path, redis_url: str) -> None:
    async def scenario() -> None:
        first, second = engines = await replicas(tmp_path, redis_url, 2)
        try:
            await score(first, "pump", stream(30))
            assert set(await second.infos()) == {"pump"}
            with pytest.raises(SettingsConflictError):
                await score(second, "pump", stream(1), given={"backend": "hbos"})
            await second.reset("pump")
            assert (await first.info("pump"))["stats"]["total_processed"] == 0
            await score(first, "pump", stream(5))
            await second.remove("pump")
            with pytest.raises(UnknownStreamError):
                await first.info("pump")
            assert await first.infos() == {}
            await score(first, "pump", stream(7, 2))
            assert (await second.info("pump"))["stats"]["total_processed"] == 7
        finally:
            await close(engines)

    asyncio.run(scenario())


def test_a_damaged_snapshot_is_put_aside(tmp_path: Path, redis_url: str) -> None:
    rows = stream(200)

    async def scenario() -> np.ndarray:
        (first,) = await replicas(tmp_path, redis_url, 1)
        found = [await score(first, "pump", row[None]) for row in rows[:150]]
        await settle(first, "pump")
        await first.close()
        client = redis.Redis.from_url(redis_url)
        newest = max(client.hkeys("freshet:{pump}:snapshots"), key=int)
        data = bytearray(client.hget("freshet:{pump}:snapshots", newest))
        data[len(data) // 2] ^= 1
        client.hset("freshet:{pump}:snapshots", newest, bytes(data))
        (second,) = await replicas(tmp_path, redis_url, 1)
        try:
            found += [await score(second, "pump", row[None]) for row in rows[150:]]
            assert len(client.keys("freshet:{pump}:quarantine:*")) == 1
            return np.concatenate(found)
        finally:
            await second.close()

    found = asyncio.run(scenario())
    assert_same_verdicts(found, uninterrupted(rows, found["model_version"]))


def test_a_training_whose_replica_died_is_taken_over(
    tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from freshet.server.engine import trainings

    monkeypatch.setattr(trainings, "_LEASE_SECONDS", 0.3)
    rows = stream(60)

    async def scenario() -> None:
        first, second = engines = await replicas(tmp_path, redis_url, 2)
        # It gets the lease, and then nothing is heard of it.
        monkeypatch.setattr(first._trainings, "begin", lambda one: None)
        first._pipeline._lane._train = lambda one: first.store.lease_training(one.stream_id, 2, 0.3)
        try:
            await score(first, "pump", rows[:45])
            deadline = time.monotonic() + 30
            while (await second.info("pump"))["stats"]["model_version"] < 2:
                assert time.monotonic() < deadline
                await score(second, "pump", rows[45:46])
                await asyncio.sleep(0.05)
        finally:
            await close(engines)

    asyncio.run(scenario())


def test_a_training_is_of_whoever_asked_first_for_as_long_as_it_asked_last(redis_url: str) -> None:
    first, second = RedisStore(redis_url), RedisStore(redis_url)
    try:
        assert first.lease_training("pump", 2, 0.2)
        assert first.lease_training("pump", 2, 60.0)
        time.sleep(0.5)
        assert not second.lease_training("pump", 2, 60.0)
        assert second.lease_training("pump", 3, 60.0)
        assert second.lease_training("fan", 2, 60.0)
        assert first.lease_training("pump", 2, 0.2)
        deadline = time.monotonic() + 30
        while not second.lease_training("pump", 2, 60.0):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert not first.lease_training("pump", 2, 60.0)
    finally:
        first.close()
        second.close()


@pytest.mark.parametrize("lasts", [True, False])
def test_a_training_that_lasts_is_nobody_elses(
    tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch, lasts: bool
) -> None:
    from freshet.server.engine import housekeeping, trainings

    monkeypatch.setattr(housekeeping, "_PERIOD_SECONDS", 0.1)
    monkeypatch.setattr(trainings, "_LEASE_SECONDS", 2.0)
    monkeypatch.setattr(trainings, "_RENEWED_SECONDS", 60.0 if lasts else 0.0)
    may_end = threading.Event()

    async def scenario() -> bool:
        engine = engine_at(tmp_path, store=redis_url)
        await engine.start()
        other = RedisStore(redis_url)
        add = engine._detectors.models.add
        began = time.monotonic()

        def wait(model: Any) -> Any:
            assert may_end.wait(60)
            return add(model)

        try:
            await score(engine, "pump", stream(30))  # trains the first model itself
            monkeypatch.setattr(type(engine._detectors.models), "add", lambda _, model: wait(model))
            await score(engine, "pump", stream(45)[30:])
            while time.monotonic() < began + 5.0:
                if other.lease_training("pump", 2, 0.01):
                    return True
                await asyncio.sleep(0.1)
            return False
        finally:
            may_end.set()
            other.close()
            await engine.close()

    assert asyncio.run(scenario()) is not lasts


def test_the_next_training_does_not_wait_for_the_lease_of_the_last(
    tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from freshet.server.engine import trainings

    monkeypatch.setattr(trainings, "_LEASE_SECONDS", 1000.0)
    rows = stream(1000)

    async def scenario() -> None:
        first, second = engines = await replicas(tmp_path, redis_url, 2)
        begun: list[Any] = []
        monkeypatch.setattr(first._pipeline._lane, "_train", begun.append)
        try:
            await score(first, "pump", rows[:45])
            assert first.store.lease_training("pump", 2, 1000.0)
            place, deadline = 45, time.monotonic() + 30
            while not any(one.lease_until for one in second._pipeline.streams()):
                assert time.monotonic() < deadline
                await score(second, "pump", rows[place : place + 1])
                place += 1
            first._trainings.begin(begun[0])
            # All other points go to the second one, whose turn it is for the third model.
            while (await second.info("pump"))["stats"]["model_version"] < 3:
                assert time.monotonic() < deadline
                await score(second, "pump", rows[place : place + 1])
                place += 1
                await asyncio.sleep(0.02)
        finally:
            await close(engines)

    asyncio.run(scenario())


def test_the_metrics_are_of_redis(tmp_path: Path, redis_server: Any) -> None:
    """Not of the journal beside it, which holds nothing but predictions."""

    async def scenario() -> None:
        engine = engine_at(tmp_path, store=redis_server.url)
        await engine.start()

        def value(name: str, operation: str) -> float | None:
            registry = engine._metrics.registry
            return registry.get_sample_value(f"freshet_store_{name}", {"operation": operation})

        try:
            for row in stream(40):
                await score(engine, "pump", row[None])
            assert value("seconds_count", "append") >= 40
            assert value("seconds_count", "journal") >= 40
            assert value("seconds_count", "snapshot") >= 1
            failed = ("append", "load", "snapshot", "journal")
            assert [value("failures_total", one) for one in failed] == [0, 0, 0, 0]
            redis_server.stop()
            with pytest.raises(StoreError):
                await score(engine, "pump", stream(1))
            assert value("failures_total", "append") == 1
            with pytest.raises(StoreError):
                await score(engine, "fan", stream(1))
            assert value("failures_total", "load") == 1
        finally:
            redis_server.start()
            await engine.close()

    asyncio.run(scenario())


@pytest.mark.timeout(300)
def test_redis_restarts_under_load(tmp_path: Path, redis_server: Any) -> None:
    """Clear refusals while it is away; then all goes on, and nothing acknowledged is lost."""
    rows = stream(3000)
    request = {name: value for name, value in SETTINGS.items() if name != "retrain"}
    service = ServiceProcess(tmp_path / "data", store=redis_server.url)
    acknowledged: dict[int, dict[str, Any]] = {}
    refused = []
    ends = threading.Event()
    failures: list[BaseException] = []

    def write() -> None:
        try:
            with httpx.Client(timeout=30.0) as client:
                place = 0
                while not ends.is_set() and place < len(rows):
                    body = request | {"model": "pump", "data": [[place, *rows[place, 1:].tolist()]]}
                    answer = client.post(service.url + PATH, json=body)
                    if answer.status_code == 200:
                        acknowledged[place] = answer.json()["results"][0]
                    else:
                        assert answer.status_code == 503, answer.text
                        assert answer.headers["retry-after"]
                        refused.append(answer.json()["id"])
                        time.sleep(0.05)
                    place += 1
        except BaseException as error:
            failures.append(error)

    with service:
        writer = threading.Thread(target=write)
        writer.start()
        for end in (redis_server.kill, redis_server.stop):
            n_before = len(acknowledged)
            while len(acknowledged) < n_before + 100:
                time.sleep(0.01)
                assert writer.is_alive(), failures
            n_refused = len(refused)
            end()
            while len(refused) < n_refused + 5:
                time.sleep(0.01)
                assert writer.is_alive(), failures
            assert httpx.get(f"{service.url}/ready").status_code == 503
            assert httpx.get(f"{service.url}/health").status_code == 200
            redis_server.start()
        n_before = len(acknowledged)
        while len(acknowledged) < n_before + 100:
            time.sleep(0.01)
            assert writer.is_alive(), failures
        ends.set()
        writer.join()
        assert service.is_ready()
        assert service.stop() == 0
    if failures:
        raise failures[0]
    assert set(refused) == {"store_unavailable"}
    events = [
        fields[b"e"]
        for _, fields in redis.Redis.from_url(redis_server.url).xrange("freshet:{pump}:events")
    ]
    from freshet.server.engine.events import decode
    from test_server_crash import replayed

    values, records, _ = replayed([decode(one) for one in events])
    places = {int(value): i for i, value in enumerate(values[:, 0])}
    assert len(places) == len(values)
    for place, result in acknowledged.items():
        record = records[places[place]]
        assert result["score"] == (record["score"] if record["scored"] else None)
