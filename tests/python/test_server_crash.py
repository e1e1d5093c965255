"""The service is killed under load, again and again: nothing acknowledged is lost."""

from __future__ import annotations

import json
import random
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import freshet
import httpx
import numpy as np
import pytest
from engine_testing import SETTINGS, assert_same_verdicts, uninterrupted
from freshet.server.engine.events import Publish, Rows, decode
from freshet_testing import stream
from service_process import FAILURES, ServiceProcess

ROUNDS = 20
PATH = "/v1/ml/anomaly/stream"
#: As the API has them.
REQUEST = {name: value for name, value in SETTINGS.items() if name != "retrain"}
#: So that snapshots, and what is forgotten after them, come many times a second.
OFTEN = {"snapshot_interval_rows": 40, "snapshot_interval_seconds": 0.05}


def as_data(rows: np.ndarray) -> Any:
    """A point as an object, as most clients send it and the service answers it fastest."""
    if len(rows) > 1:
        return rows.tolist()
    return {f"f{i}": value for i, value in enumerate(rows[0].tolist())}


@dataclass
class Writer:
    """Sends the rows of a stream one after another, and keeps what was acknowledged."""

    stream_id: str
    rows: np.ndarray
    acknowledged: dict[int, dict[str, Any]] = field(default_factory=dict)
    next: int = 0

    def write(self, client: httpx.Client, url: str, stop: threading.Event) -> None:
        """Send until told to stop, or nobody answers."""
        while not stop.is_set() and self.next < len(self.rows):
            size = 1 + self.next % 3  # points and small batches
            part = self.rows[self.next : self.next + size]
            body = REQUEST | {"model": self.stream_id, "data": as_data(part)}
            try:
                answer = client.post(url + PATH, json=body)
            except FAILURES:
                return
            assert answer.status_code == 200, answer.text
            for i, result in enumerate(answer.json()["results"]):
                self.acknowledged[self.next + i] = result
            self.next += len(part)

    def go_on(self, client: httpx.Client, url: str) -> None:
        """Find out what the service has of it: what was acknowledged, or one request more."""
        answer = client.get(f"{url}{PATH}/{self.stream_id}")
        stored = answer.json()["total_processed"] if answer.status_code == 200 else 0
        size = 1 + self.next % 3
        assert stored in (self.next, min(self.next + size, len(self.rows)))
        self.next = stored


def load(writers: list[Writer], url: str, seconds: float, service: ServiceProcess) -> None:
    """Let all write at once, and kill the service after so many seconds."""
    stop = threading.Event()
    with httpx.Client(timeout=30.0) as client:
        failures: list[BaseException] = []

        def write(writer: Writer) -> None:
            try:
                writer.write(client, url, stop)
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=write, args=[writer]) for writer in writers]
        for thread in threads:
            thread.start()
        time.sleep(seconds)
        service.kill()
        stop.set()
        for thread in threads:
            thread.join()
    if failures:
        raise failures[0]


def logged(data_dir: Path, stream_id: str) -> tuple[np.ndarray, np.ndarray]:
    """The values and the verdicts of a stream that are in the journal, in order."""
    with sqlite3.connect(data_dir / "freshet.sqlite") as connection:
        found = connection.execute(
            "SELECT event, results FROM journal WHERE stream_id = ? AND results IS NOT NULL"
            " ORDER BY sequence",
            [stream_id],
        ).fetchall()
    values, records = [], []
    for event, results in found:
        rows = decode(event)
        assert isinstance(rows, Rows)
        values.append(rows.values)
        records.append(np.frombuffer(results, freshet._core.record_dtype))
    return np.concatenate(values), np.concatenate(records)


@pytest.mark.timeout(600)
def test_one_process_is_killed(tmp_path: Path) -> None:
    chance = random.Random(20)
    writers = [Writer(f"pump-{i}", stream(20_000, seed=i)) for i in range(4)]
    service = ServiceProcess(tmp_path / "data", **OFTEN)
    for _ in range(ROUNDS):
        service.start()
        with httpx.Client(timeout=30.0) as client:
            for writer in writers:
                writer.go_on(client, service.url)
        load(writers, service.url, chance.uniform(0.05, 0.8), service)
    for writer in writers:
        n_acknowledged = len(writer.acknowledged)
        assert n_acknowledged > 10 * ROUNDS
        values, records = logged(tmp_path / "data", writer.stream_id)
        # Every point is there once, and in order.
        np.testing.assert_array_equal(values, writer.rows[: len(values)])
        assert len(values) >= max(writer.acknowledged) + 1
        np.testing.assert_array_equal(records["index"], np.arange(len(records)))
        for place, result in writer.acknowledged.items():
            if records["scored"][place]:
                assert result["score"] == records["score"][place]
                assert result["raw_score"] == records["raw_score"][place]
            else:
                assert result["score"] is None
        assert records["model_version"].max() > 5
        assert_same_verdicts(records, uninterrupted(values, records["model_version"]))


def all_events(server: Any, stream_ids: list[str]) -> dict[str, list[Any]]:
    """All events of streams, those that Redis no longer keeps too: its own log has them."""
    events: dict[str, list[Any]] = {stream_id: [] for stream_id in stream_ids}
    keys = {f"freshet:{{{stream_id}}}:events".encode(): stream_id for stream_id in stream_ids}
    for name, *arguments in server.commands():
        if name.upper() == b"XADD" and arguments[0] in keys:
            key, place, _, event = arguments
            found = events[keys[key]]
            assert place == f"{len(found) + 1}-0".encode()
            found.append(decode(event))
    return events


def replayed(events: list[Any]) -> tuple[np.ndarray, np.ndarray, int]:
    """What one process makes of the events: values, verdicts and the last model's version."""
    detector = freshet.StreamingDetector(**SETTINGS)
    values, records, version = [], [], 1
    for event in events:
        if isinstance(event, Rows):
            values.append(event.values)
            records.append(detector.process_many(event.values).records)
        elif isinstance(event, Publish):
            training = detector.training()
            # Trained here again, rather than what a replica has published.
            if training is not None and training.version == event.version:
                detector.publish(training.run())
                version = event.version
    return np.concatenate(values), np.concatenate(records), version


def wait_for(url: str, stream_ids: list[str], is_reached: Callable[[dict[str, Any]], bool]) -> None:
    """Wait until all streams are that far, however slow the machine is."""
    deadline = time.monotonic() + 120
    for stream_id in stream_ids:
        while not is_reached(httpx.get(f"{url}{PATH}/{stream_id}", timeout=30.0).json()):
            assert time.monotonic() < deadline
            time.sleep(0.1)


@pytest.mark.timeout(600)
def test_replicas_are_killed(tmp_path: Path, redis_server: Any) -> None:
    chance = random.Random(3)
    stream_ids = ["pump-0", "pump-1"]
    replicas = [
        ServiceProcess(tmp_path / f"replica-{i}", store=redis_server.url, **OFTEN) for i in range(3)
    ]
    stop = threading.Event()
    acknowledged: dict[str, dict[float, dict[str, Any]]] = {one: {} for one in stream_ids}
    failures: list[BaseException] = []

    def write(number: int) -> None:
        """Send points that nobody else sends, to any replica that answers."""
        mine = random.Random(number)
        stream_id = stream_ids[number % len(stream_ids)]
        place = 0
        try:
            with httpx.Client(timeout=30.0) as client:
                while not stop.is_set():
                    place += 1
                    point = [number + place * 1e-6, mine.gauss(0, 1), mine.gauss(5, 2)]
                    body = REQUEST | {"model": stream_id, "data": [point]}
                    try:
                        answer = client.post(mine.choice(replicas).url + PATH, json=body)
                    except FAILURES:
                        time.sleep(0.01)
                        continue
                    if answer.status_code != 200:
                        logs = "\n".join(one.log()[-5000:] for one in replicas)
                        pytest.fail(f"{answer.text}\n{logs}")
                    acknowledged[stream_id][point[0]] = answer.json()["results"][0]
        except BaseException as error:
            failures.append(error)

    for replica in replicas:
        replica.start()
    writers = [threading.Thread(target=write, args=[i]) for i in range(6)]
    for writer in writers:
        writer.start()
    for _ in range(ROUNDS):
        time.sleep(chance.uniform(0.05, 0.6))
        replica = chance.choice(replicas)
        replica.kill()
        replica.start()
    try:
        wait_for(replicas[0].url, stream_ids, lambda info: info.get("model_version", 0) >= 4)
    finally:
        stop.set()
    for writer in writers:
        writer.join()
    try:
        if failures:
            raise failures[0]
        # A training whose replica was killed is taken over when its lease has ended.
        wait_for(replicas[0].url, stream_ids, lambda info: info["status"] != "retraining")
        with httpx.Client() as client:
            seen = [
                [client.get(f"{one.url}{PATH}/{stream_id}").json() for one in replicas]
                for stream_id in stream_ids
            ]
    finally:
        for replica in replicas:
            replica.kill()
    events = all_events(redis_server, stream_ids)
    for stream_id, infos in zip(stream_ids, seen, strict=True):
        values, records, version = replayed(events[stream_id])
        places = {value: place for place, value in enumerate(values[:, 0].tolist())}
        assert len(places) == len(values)  # every point once
        results = acknowledged[stream_id]
        assert len(results) > 10 * ROUNDS
        for value, result in results.items():
            record = records[places[value]]
            assert result["score"] == (record["score"] if record["scored"] else None)
            assert result["raw_score"] == (record["raw_score"] if record["scored"] else None)
        assert version >= 4
        for info in infos:
            assert info["total_processed"] == len(values)
            assert info["model_version"] == version


@pytest.mark.timeout(300)
def test_the_log_is_away_for_half_a_minute(tmp_path: Path, ferretdb_server: Any) -> None:
    """MongoDB is stopped under load: all goes on, and what was predicted comes later, once."""
    url = ferretdb_server.url_of("half_a_minute")
    service = ServiceProcess(tmp_path / "data", log=url)
    service.start()
    writers = [Writer(f"pump-{i}", stream(20_000, seed=i)) for i in range(2)]
    ends = threading.Event()
    failures: list[BaseException] = []

    def write(writer: Writer) -> None:
        try:
            with httpx.Client(timeout=30.0) as client:
                while not ends.is_set():
                    time.sleep(0.02)
                    point = writer.rows[writer.next]
                    body = REQUEST | {"model": writer.stream_id, "data": as_data(point[None])}
                    answer = client.post(service.url + PATH, json=body)
                    assert answer.status_code == 200, answer.text
                    writer.acknowledged[writer.next] = answer.json()["results"][0]
                    writer.next += 1
        except BaseException as error:
            failures.append(error)

    def logged_rows(client: httpx.Client, writer: Writer) -> list[dict[str, Any]]:
        answer = client.get(
            f"{service.url}/v1/ml/anomaly/predictions/export",
            params={"format": "jsonl", "stream_id": writer.stream_id, "order": "asc"},
        )
        return [json.loads(line) for line in answer.text.splitlines()]

    threads = [threading.Thread(target=write, args=[writer]) for writer in writers]
    for thread in threads:
        thread.start()
    try:
        time.sleep(1.0)
        ferretdb_server.stop()
        n_before = sum(len(writer.acknowledged) for writer in writers)
        time.sleep(30.0)
        n_meanwhile = sum(len(writer.acknowledged) for writer in writers) - n_before
        ferretdb_server.start()
        time.sleep(1.0)
    finally:
        ends.set()
        for thread in threads:
            thread.join()
    try:
        if failures:
            raise failures[0]
        assert n_meanwhile > 300
        with httpx.Client(timeout=60.0) as client:
            for writer in writers:
                deadline = time.monotonic() + 90
                while len(found := logged_rows(client, writer)) < len(writer.acknowledged):
                    assert time.monotonic() < deadline
                    time.sleep(0.2)
                assert [one["index"] for one in found] == list(range(len(writer.acknowledged)))
                for one, result in zip(found, writer.acknowledged.values(), strict=True):
                    assert (one["score"], one["raw_score"]) == (
                        result["score"],
                        result["raw_score"],
                    )
    finally:
        service.kill()
