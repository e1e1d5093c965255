"""The log of predictions over HTTP: what is found, page by page and as a file."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from freshet.server import create_app
from freshet.server.keys import KeyFile
from freshet.server.prediction_log import journal_log
from freshet.server.routes import predictions as routes
from freshet_testing import stream
from prediction_testing import entry, mixed_entries
from server_testing import asking, connected, settings
from services_testing import Ferret, Postgres, free_port

PATH = "/v1/ml/anomaly/predictions"
KINDS = ("sqlite", "other", "postgresql", "mongodb")


def app(directory: Path, **given: Any) -> Any:
    return create_app(settings(directory, **given))


async def listed(client: Any, **given: Any) -> list[dict[str, Any]]:
    """All predictions asked for, page by page."""
    data = []
    cursor: dict[str, str] = {}
    while True:
        answer = await client.get(PATH, params=given | cursor)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert page["object"] == "list"
        assert len(page["data"]) <= given.get("limit", 100)
        data += page["data"]
        if page["next_cursor"] is None:
            return data
        cursor = {"cursor": page["next_cursor"]}


async def exported(client: Any, **given: Any) -> Any:
    answer = await client.get(f"{PATH}/export", params=given)
    assert answer.status_code == 200, answer.text
    return answer


async def handed_on(client: Any, application: Any, n_rows: int) -> None:
    """Wait until the log's database has so many predictions."""
    deadline = time.monotonic() + 60
    while len(await listed(client, limit=1_000)) != n_rows or application.state.log.lag.n_rows:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def write(application: Any, entries: Any = None) -> None:
    await asyncio.to_thread(application.state.engine.journal.write, entries or mixed_entries())
    application.state.log.wake()


def url_of(request: pytest.FixtureRequest, directory: Path, kind: str) -> str:
    if kind == "sqlite":
        return "sqlite"
    if kind == "other":
        return f"sqlite:///{directory}/log.sqlite"
    name = {"postgresql": "postgres_url", "mongodb": "mongodb_url"}[kind]
    url: str = request.getfixturevalue(name)
    return url


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_answered_is_found(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    application = app(tmp_path, log=url_of(request, tmp_path, kind))
    rows = stream(80, 2)
    times = [time.time()]

    async def question(client: Any) -> None:
        results = []
        for i in range(0, 80, 4):
            data = [{"x": x, "y": y} for x, y in rows[i : i + 4].tolist()]
            body = {"model": "pump", "data": data, "min_samples": 50, "threshold": 0.4}
            answer = await client.post("/v1/ml/anomaly/stream", json=body)
            assert answer.status_code == 200, answer.text
            results += answer.json()["results"]
        times.append(time.time())
        await handed_on(client, application, 80)
        found = await listed(client, stream_id="pump", order="asc", limit=7)
        assert [one["index"] for one in found] == list(range(80))
        for one, result, row in zip(found, results, rows.tolist(), strict=True):
            assert one["score"] == result["score"]
            assert one["raw_score"] == result["raw_score"]
            label = {None: "warmup", False: "normal", True: "anomaly"}[result["is_anomaly"]]
            assert one["label"] == label
            assert one["values"] == {"x": row[0], "y": row[1]}
            assert one["threshold"] == 0.4 or label == "warmup"
            assert one["mode"] == "stream"
            assert one["model_version"] == (0 if result["score"] is None else 1)
            moment = datetime.fromisoformat(one["timestamp"])
            assert moment.tzinfo is not None
            assert times[0] <= moment.timestamp() <= times[1]
        assert {one["label"] for one in found} == {"warmup", "normal", "anomaly"}
        assert await listed(client) == found[::-1]

    asking(application, question)


def test_every_database_answers_alike(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """The same questions, and the same answers down to the bytes of the files."""
    questions: list[dict[str, Any]] = [
        {},
        {"limit": 1},
        {"order": "asc", "limit": 3},
        {"stream_id": "a"},
        {"stream_id": "A", "mode": "batch"},
        {"label": "warmup"},
        {"label": "normal", "min_score": 0.3},
        {"label": "anomaly", "order": "asc"},
        {"min_score": 0.55},
        {"model_version": 2},
        {"bundle": "2024-05"},
        {"since": "2023-11-14T22:13:21.5Z"},
        {"since": "2023-11-14T22:13:21", "until": "2023-11-14T23:13:21.500001+01:00"},
        {"until": "1970-01-01"},
        {"since": "0001-01-01T00:00:00+14:00", "until": "9999-12-31T23:59:59-14:00"},
        {"stream_id": "nothing"},
    ]

    async def answers(application: Any, client: Any) -> list[Any]:
        await write(application)
        await handed_on(client, application, 45)
        found: list[Any] = [await listed(client, **one) for one in questions]
        for one in questions:
            given = {name: value for name, value in one.items() if name != "limit"}
            for kind in ("csv", "jsonl"):
                found.append((await exported(client, format=kind, **given)).content)
        return found

    all_answers = []
    for kind in KINDS:
        directory = tmp_path / kind
        directory.mkdir()
        application = app(directory, log=url_of(request, directory, kind))

        async def question(client: Any, application: Any = application) -> Any:
            return await answers(application, client)

        all_answers.append(asking(application, question))
    journal, *others = all_answers
    sizes = [len(one) for one in journal[: len(questions)]]
    assert sizes == [45, 45, 45, 7, 3, 4, 3, 35, 35, 1, 1, 38, 8, 0, 45, 0]
    for other in others:
        assert other == journal


def test_files_hold_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "_EXPORTED_AT_ONCE", 4)
    application = app(tmp_path)
    odd = {"quoted": 'a "b", c\nd', "=cmd()": "+1", "ü": None, "yes": True}

    async def question(client: Any) -> None:
        await write(application, [*mixed_entries(), entry([0.7], "z,\"'", at=9, values=[odd])])
        found = await listed(client, order="asc")
        answer = await exported(client, format="jsonl")
        assert answer.headers["content-type"] == "application/jsonl"
        assert answer.headers["content-disposition"] == ('attachment; filename="predictions.jsonl"')
        assert [json.loads(line) for line in answer.text.splitlines()] == found
        answer = await exported(client)
        assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
        assert answer.headers["content-disposition"] == 'attachment; filename="predictions.csv"'
        assert answer.text.endswith("\r\n")
        lines = list(csv.DictReader(io.StringIO(answer.text, newline=""), strict=True))
        assert len(lines) == 46
        for line, one in zip(lines, found, strict=True):
            assert json.loads(line.pop("values")) == one.pop("values")
            moments = [
                datetime.fromisoformat(text)
                for text in (line.pop("timestamp"), one.pop("timestamp"))
            ]
            assert moments[0] == moments[1]
            assert line == {
                name: "" if value is None else str(value) for name, value in one.items()
            }
        lines = (await exported(client, order="desc", label="anomaly")).text.splitlines()
        assert '"z,""\'"' in lines[1]
        empty = await exported(client, stream_id="nothing")
        assert empty.text == answer.text.splitlines()[0] + "\r\n"
        assert (await exported(client, stream_id="nothing", format="jsonl")).text == ""

    asking(application, question)


def test_pages_stay_the_same_while_more_comes(tmp_path: Path) -> None:
    application = app(tmp_path)

    async def question(client: Any) -> None:
        await write(application)
        whole = await listed(client)
        answer = (await client.get(PATH, params={"limit": 20})).json()
        await write(application, [entry([0.1, 0.2], "new", at=50)])
        rest = await listed(client, limit=20, cursor=answer["next_cursor"])
        assert answer["data"] + rest == whole

    async def listed(client: Any, **given: Any) -> list[Any]:
        data, cursor = [], given.pop("cursor", None)
        while True:
            params = given | ({"cursor": cursor} if cursor else {})
            page = (await client.get(PATH, params=params)).json()
            data += page["data"]
            cursor = page["next_cursor"]
            if cursor is None:
                return data

    asking(application, question)


def test_a_page_may_be_empty_before_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_log, "_MOST_BLOCKS", 1)
    application = app(tmp_path)

    async def question(client: Any) -> None:
        await write(application)
        answer = (await client.get(PATH, params={"model_version": 3, "order": "asc"})).json()
        assert answer["data"] == []
        assert answer["next_cursor"] is not None
        assert len(await listed(client, model_version=3)) == 4
        assert len((await exported(client, model_version=3)).text.splitlines()) == 5

    asking(application, question)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"label": "odd"}, "label"),
        ({"mode": "point"}, "mode"),
        ({"limit": 0}, "limit"),
        ({"limit": 1_001}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"order": "up"}, "order"),
        ({"since": "yesterday"}, "since"),
        ({"min_score": "nan"}, "min_score"),
        ({"min_score": "inf"}, "min_score"),
        ({"model_version": -1}, "model_version"),
        ({"model_version": 2**63}, "model_version"),
        ({"stream_id": ""}, "stream_id"),
        ({"stream_id": "a\0b"}, "stream_id"),
        ({"stream_id": "a" * 257}, "stream_id"),
        ({"cursor": "x"}, "cursor"),
        ({"cursor": "1-2-3-4"}, "cursor"),
        ({"cursor": "9" * 17 + "-0-61-61"}, "cursor"),
        ({"lable": "anomaly"}, "lable"),
    ],
)
def test_what_is_no_question_is_refused(given: dict[str, Any], field: str, tmp_path: Path) -> None:
    async def question(client: Any) -> None:
        answer = await client.get(PATH, params=given)
        assert answer.status_code == 422, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["field"] == field

    asking(app(tmp_path), question)


def test_a_key_sees_the_streams_that_it_is_for(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "api-keys.json")
    _, of_a = file.create("a", ["read"], ["a"])
    _, of_two = file.create("two", ["read"], ["b", "A"])
    _, of_all = file.create("all", ["read"])
    _, no_reader = file.create("writer", ["write"])
    application = app(tmp_path, auth="required")

    async def question(client: Any) -> None:
        await write(application)
        for key, streams in (
            (of_a, {"a", "a/b"}),
            (of_two, {"A", "big"}),
            (of_all, {"a", "a/b", "A", "big", "ä"}),
        ):
            client.headers["X-API-Key"] = key
            assert {one["stream_id"] for one in await listed(client)} == streams
            text = (await exported(client, format="jsonl")).text
            assert {json.loads(line)["stream_id"] for line in text.splitlines()} == streams
        client.headers["X-API-Key"] = of_a
        # Whatever a cursor says, it leads to nothing else.
        found = await listed(client, cursor="0-0--", order="asc")
        assert {one["stream_id"] for one in found} == {"a", "a/b"}
        for path in (PATH, f"{PATH}/export"):
            answer = await client.get(path, params={"stream_id": "big"})
            assert (answer.status_code, answer.json()["id"]) == (403, "stream_forbidden")
        client.headers["X-API-Key"] = no_reader
        for path in (PATH, f"{PATH}/export"):
            assert (await client.get(path)).status_code == 403
        del client.headers["X-API-Key"]
        assert (await client.get(PATH)).status_code == 401

    asking(application, question)


def test_without_a_log_nothing_is_found(tmp_path: Path) -> None:
    application = app(tmp_path, log="none")

    async def question(client: Any) -> None:
        body = {"model": "pump", "data": [{"x": 1.0}]}
        assert (await client.post("/v1/ml/anomaly/stream", json=body)).status_code == 200
        for path in (PATH, f"{PATH}/export"):
            answer = await client.get(path)
            assert (answer.status_code, answer.json()["id"]) == (404, "log_off")

    asking(application, question)


@pytest.mark.parametrize("kind", ["postgresql", "mongodb"])
def test_the_service_goes_on_while_the_log_is_away(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    server: Postgres | Ferret = request.getfixturevalue(
        {"postgresql": "postgres_server", "mongodb": "ferretdb_server"}[kind]
    )
    url = url_of(request, tmp_path, kind)
    if kind == "mongodb":
        url += "?serverSelectionTimeoutMS=300"
    application = app(tmp_path, log=url)

    async def send(client: Any, n: int) -> None:
        for _ in range(n):
            body = {"model": "pump", "data": [[1.0, 2.0], [3.0, 4.0]]}
            answer = await client.post("/v1/ml/anomaly/stream", json=body)
            assert answer.status_code == 200, answer.text

    async def question(client: Any) -> None:
        await send(client, 5)
        await handed_on(client, application, 10)
        await asyncio.to_thread(server.kill)
        await send(client, 20)
        for path in (PATH, f"{PATH}/export"):
            answer = await client.get(path)
            assert (answer.status_code, answer.json()["id"]) == (503, "log_unavailable")
            assert int(answer.headers["Retry-After"]) > 0
        deadline = time.monotonic() + 60
        while f'log_lag_rows{{sink="{kind}"}} 40.0' not in (await client.get("/metrics")).text:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        await asyncio.to_thread(server.start)
        await send(client, 5)
        await handed_on(client, application, 60)
        found = await listed(client, order="asc")
        assert [one["index"] for one in found] == list(range(60))

    asking(application, question)


def test_no_more_is_predicted_than_the_file_may_hold(
    postgres_server: Postgres, postgres_url: str, tmp_path: Path
) -> None:
    """What is refused leaves the stream as it was; it is taken when the database is back."""
    application = app(tmp_path, log=postgres_url, log_spool_bytes=2_000)
    body = {"model": "pump", "data": [[1.0], [2.0]]}

    async def question(client: Any) -> None:
        postgres_server.stop()
        n_sent = 0
        deadline = time.monotonic() + 60
        while True:
            answer = await client.post("/v1/ml/anomaly/stream", json=body)
            if answer.status_code != 200:
                break
            n_sent += 2
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)
        assert (answer.status_code, answer.json()["id"]) == (503, "log_full")
        assert int(answer.headers["Retry-After"]) > 0
        assert n_sent > 10
        await asyncio.to_thread(postgres_server.start)
        while (await client.post("/v1/ml/anomaly/stream", json=body)).status_code != 200:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        await handed_on(client, application, n_sent + 2)
        found = await listed(client, order="asc")
        assert [one["index"] for one in found] == list(range(n_sent + 2))

    asking(application, question)


def test_what_waited_is_handed_on_after_a_restart(
    postgres_server: Postgres, postgres_url: str, tmp_path: Path
) -> None:
    async def send(application: Any) -> None:
        async with connected(application) as client:
            body = {"model": "pump", "data": [[1.0], [2.0]]}
            assert (await client.post("/v1/ml/anomaly/stream", json=body)).status_code == 200

    async def look(client: Any, application: Any) -> list[dict[str, Any]]:
        await handed_on(client, application, 4)
        return await listed(client, order="asc")

    postgres_server.stop()
    asyncio.run(send(app(tmp_path, log=postgres_url)))
    postgres_server.start()
    asyncio.run(send(app(tmp_path, log=postgres_url)))
    application = app(tmp_path, log=postgres_url)
    found = asking(application, lambda client: look(client, application))
    assert [one["index"] for one in found] == [0, 1, 2, 3]


def test_an_export_of_much_is_not_held_in_memory(tmp_path: Path) -> None:
    """No part is asked for before the one before it has been taken."""
    application = app(tmp_path)
    asked: list[int] = []

    async def question(client: Any) -> None:
        n_rows = 10 * routes._EXPORTED_AT_ONCE
        await write(application, [entry(np.full(n_rows, 0.25), "much")])
        log = application.state.log
        find = log.find

        async def counting(*given: Any, **options: Any) -> Any:
            page = await find(*given, **options)
            asked.append(len(page.predictions))
            return page

        log.find = counting
        sent: list[int] = []

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.body" and message["body"]:
                sent.append(len(asked))

        async def receive() -> dict[str, Any]:
            await asyncio.Event().wait()
            raise AssertionError

        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "GET",
            "path": f"{PATH}/export",
            "raw_path": f"{PATH}/export".encode(),
            "query_string": b"format=jsonl",
            "headers": [(b"host", b"localhost")],
            "scheme": "http",
            "server": ("localhost", 80),
            "client": ("127.0.0.1", 1),
            "state": {},
        }
        await application(scope, receive, send)
        assert asked == [routes._EXPORTED_AT_ONCE] * 10
        assert sent == list(range(1, 11))

    asking(application, question)


def test_a_log_that_cannot_be_used_keeps_the_service_from_starting(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="the log") as caught:
        asking(app(tmp_path, log="nothing://me:secret@host/db"), lambda client: None)
    assert "secret" not in str(caught.value)


def test_a_log_that_is_away_does_not(tmp_path: Path) -> None:
    url = f"mongodb://127.0.0.1:{free_port()}/x?serverSelectionTimeoutMS=50"

    async def question(client: Any) -> None:
        assert (await client.get("/ready")).status_code == 200
        body = {"model": "pump", "data": [[1.0], [2.0]]}
        assert (await client.post("/v1/ml/anomaly/stream", json=body)).status_code == 200

    asking(app(tmp_path, log=url), question)


def test_times_are_in_utc(tmp_path: Path) -> None:
    application = app(tmp_path)

    async def question(client: Any) -> None:
        await write(application)
        (first, *_) = await listed(client, order="asc")
        assert first["timestamp"] == "2023-11-14T22:13:20+00:00"
        assert datetime.fromisoformat(first["timestamp"]).tzinfo == timezone.utc

    asking(application, question)
