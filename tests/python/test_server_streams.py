"""The streaming API: what is asked and answered, and what is refused."""

from __future__ import annotations

import asyncio
import json
import math
import socket
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import freshet
import numpy as np
import pytest
from freshet._core import record_dtype, records_json
from freshet.server import create_app
from freshet_testing import stream
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from server_testing import asking, connected, listening, settings

PATH = "/v1/ml/anomaly/stream"


def app(directory: Path, **given: Any) -> Any:
    return create_app(settings(directory, **given))


def body(rows: Any, **given: Any) -> dict[str, Any]:
    return {"model": "pump", "data": rows, "min_samples": 10, "retrain_interval": 10} | given


async def info(client: Any, model: str = "pump") -> dict[str, Any]:
    answer = await client.get(f"{PATH}/{model}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def names(rows: np.ndarray) -> list[dict[str, float]]:
    return [{f"c{i}": value for i, value in enumerate(row)} for row in rows.tolist()]


class TestAnswers:
    def test_cold_start_then_scores(self, tmp_path: Path) -> None:
        rows = names(stream(12))

        async def question(client: Any) -> None:
            for i in range(10):
                answer = (await client.post(PATH, json=body(rows[i]))).json()
                assert answer["object"] == "streaming_result"
                assert answer["model"] == "pump"
                left = max(0, 9 - i)
                assert answer["results"] == [
                    {
                        "index": 0,
                        "score": None,
                        "is_anomaly": None,
                        "raw_score": None,
                        "samples_until_ready": left,
                    }
                ]
                assert answer["samples_until_ready"] == left
                assert answer["samples_collected"] == i + 1
                assert answer["threshold"] == 0.5
                assert answer["status"] == ("collecting" if left else "ready")
                assert answer["model_version"] == (0 if left else 1)
            answer = (await client.post(PATH, json=body(rows[10:]))).json()
            assert [one["index"] for one in answer["results"]] == [0, 1]
            for one in answer["results"]:
                assert 0.0 < one["score"] < 1.0
                assert one["raw_score"] > 0.0
                assert one["is_anomaly"] is (one["score"] > 0.5)

        asking(app(tmp_path), question)

    def test_scores_are_the_librarys(self, tmp_path: Path) -> None:
        rows = stream(40)
        detector = freshet.StreamingDetector(
            "hbos",
            min_samples=10,
            retrain_interval=1000,
            rolling_windows=[3],
            lag_periods=[1, 2, 3],
        )
        expected = detector.process_many(rows)

        async def question(client: Any) -> None:
            answer = await client.post(
                PATH,
                json=body(
                    rows.tolist(),
                    backend="hbos",
                    retrain_interval=1000,
                    rolling_windows=[3],
                    include_lags=True,
                ),
            )
            results = answer.json()["results"]
            assert [one["score"] for one in results[10:]] == expected.score[10:].tolist()
            assert [one["raw_score"] for one in results[10:]] == expected.raw_score[10:].tolist()

        asking(app(tmp_path), question)

    def test_defaults(self, tmp_path: Path) -> None:
        async def question(client: Any) -> None:
            answer = await client.post(PATH, json={"data": {"a": 1}})
            assert answer.json()["model"] == "default-stream"
            found = await info(client, "default-stream")
            assert found == {
                "model_id": "default-stream",
                "backend": "ecod",
                "status": "collecting",
                "model_version": 0,
                "samples_collected": 1,
                "total_processed": 1,
                "samples_since_retrain": 1,
                "min_samples": 50,
                "retrain_interval": 100,
                "window_size": 1000,
                "threshold": 0.5,
                "is_ready": False,
                "bundle": None,
                "failed_retrains": 0,
                "last_error": None,
            }

        asking(app(tmp_path), question)

    def test_lists_of_numbers_have_columns_f0_f1(self, tmp_path: Path) -> None:
        async def question(client: Any) -> None:
            assert (await client.post(PATH, json=body([[1.0, 2.0]]))).status_code == 200
            assert (await client.post(PATH, json=body({"f1": 2.0, "f0": 1.0}))).status_code == 200
            answer = await client.post(PATH, json=body({"x": 2.0, "y": 1.0}))
            assert answer.status_code == 422
            assert (await info(client))["total_processed"] == 2

        asking(app(tmp_path), question)

    def test_window_and_totals(self, tmp_path: Path) -> None:
        async def question(client: Any) -> None:
            await client.post(PATH, json=body(stream(70).tolist(), window_size=50))
            found = await info(client)
            assert (found["samples_collected"], found["total_processed"]) == (50, 70)

        asking(app(tmp_path), question)


class TestManagement:
    def test_list_reset_and_delete(self, tmp_path: Path) -> None:
        async def question(client: Any) -> None:
            empty = (await client.get(f"{PATH}/detectors")).json()
            assert empty == {"object": "list", "data": [], "total": 0}
            for model in ("b", "a"):
                await client.post(PATH, json=body(stream(12).tolist(), model=model))
            listed = (await client.get(f"{PATH}/detectors")).json()
            assert listed["total"] == 2
            assert [one["model_id"] for one in listed["data"]] == ["a", "b"]
            assert listed["data"][0] == await info(client, "a")
            reset = (await client.post(f"{PATH}/a/reset")).json()
            assert (reset["status"], reset["total_processed"], reset["min_samples"]) == (
                "collecting",
                0,
                10,
            )
            assert (await client.delete(f"{PATH}/a")).json() == {
                "object": "detector_deleted",
                "model": "a",
                "status": "deleted",
            }
            for call in (
                client.get(f"{PATH}/a"),
                client.delete(f"{PATH}/a"),
                client.post(f"{PATH}/a/reset"),
            ):
                answer = await call
                assert answer.status_code == 404
                assert answer.headers["content-type"] == "application/problem+json"
                assert answer.json()["id"] == "stream_unknown"
                assert answer.json()["field"] == "model"
            assert (await client.get(f"{PATH}/detectors")).json()["total"] == 1

        asking(app(tmp_path), question)

    @pytest.mark.parametrize("name", ["Pumpe Ä/1%{}'\"; DROP TABLE", "plant/pump", "a/reset"])
    def test_names_may_have_any_letters(self, tmp_path: Path, name: str) -> None:
        async def question(client: Any) -> None:
            assert (await client.post(PATH, json=body([[1.0]], model=name))).status_code == 200
            listed = (await client.get(f"{PATH}/detectors")).json()
            assert [one["model_id"] for one in listed["data"]] == [name]
            url = f"{PATH}/{quote(name, safe='')}"
            assert (await client.get(url)).json()["model_id"] == name
            assert (await client.post(f"{url}/reset")).json()["total_processed"] == 0
            assert (await client.delete(url)).json()["model"] == name
            assert (await client.get(f"{PATH}/detectors")).json()["total"] == 0

        asking(app(tmp_path), question)

    @pytest.mark.parametrize("is_named", [True, False])
    def test_a_schema_is_the_streams_own(self, tmp_path: Path, is_named: bool) -> None:
        """Requests may leave it out, whatever their cells look like."""
        pairs: list[Any] = [[float(i), ("GET", "PUT", 7, True)[i % 4]] for i in range(24)]
        rows: list[Any] = [dict(zip("ab", pair, strict=True)) for pair in pairs]
        rows = rows if is_named else pairs
        name = "b" if is_named else "f1"
        schema = {"schema": {name: "onehot"}, "retrain_interval": 1000}

        async def question(client: Any) -> None:
            await client.post(PATH, json=body(rows, model="whole", **schema))
            expected = (await client.post(PATH, json=body(rows, model="whole", **schema))).json()
            await client.post(PATH, json=body(rows, model="again", **schema))
            found = []
            for row in rows:
                answer = await client.post(PATH, json={"model": "again", "data": [row]})
                assert answer.status_code == 200, answer.text
                found += answer.json()["results"]
            assert [one["raw_score"] for one in found] == [
                one["raw_score"] for one in expected["results"]
            ]

        asking(app(tmp_path), question)

    def test_a_schema_may_name_columns_of_numbers_or_not(self, tmp_path: Path) -> None:
        async def question(client: Any) -> None:
            row = {"a": 1, "b": "GET"}
            for schema, status in (
                ({"b": "label"}, 200),
                ({"a": "numeric", "b": "label"}, 200),
                ({"a": "numeric"}, 409),
                ({"a": "hash", "b": "label"}, 409),
            ):
                answer = await client.post(PATH, json=body(row, schema=schema))
                assert answer.status_code == status, schema
            plain = body({"a": 1}, model="plain", schema={"a": "numeric"})
            for schema in ({"schema": {}}, {}, {"schema": {"a": "numeric"}}, {"schema": None}):
                assert (await client.post(PATH, json=plain | schema)).status_code == 200

        asking(app(tmp_path), question)

    def test_lists_are_logged_under_the_names_of_the_schema(self, tmp_path: Path) -> None:
        async def question(client: Any) -> None:
            await client.post(PATH, json=body({"a": 1, "b": "GET"}, schema={"b": "label"}))
            await client.post(PATH, json=body([[2, "PUT"]]))
            await client.post(PATH, json=body([[3, "PUT"]], schema={"b": "label"}))
            found = (await client.get("/v1/ml/anomaly/predictions?order=asc")).json()["data"]
            assert [one["values"] for one in found] == [
                {"a": 1, "b": "GET"},
                {"a": 2, "b": "PUT"},
                {"a": 3, "b": "PUT"},
            ]

        asking(app(tmp_path), question)

    def test_rows_of_a_stream_with_a_schema_are_refused(self, tmp_path: Path) -> None:
        async def question(client: Any) -> None:
            await client.post(PATH, json=body({"a": 1, "b": "GET"}, schema={"b": "label"}))
            answer = await client.post(PATH, json=body([{"a": 1, "b": "PUT"}, {"a": "x", "b": 1}]))
            assert answer.status_code == 422
            where = {"row": 1, "column": 0, "field": "a", "expected": "a finite number"}
            assert where.items() <= answer.json().items()
            assert (await info(client))["total_processed"] == 1

        asking(app(tmp_path), question)


class TestRefusals:
    @pytest.mark.parametrize(
        ("row", "where"),
        [
            ({"a": 1.0, "b": "x"}, {"row": 0, "column": 1, "field": "b"}),
            ({"a": 1.0, "b": None}, {"row": 0, "column": 1, "field": "b"}),
            ({"a": 1.0, "b": [1]}, {"row": 0, "column": 1, "field": "b"}),
            ({"a": 1.0}, {"row": 0, "field": "b"}),
            ({"a": 1.0, "b": 2.0, "c": 3.0}, {"row": 0, "field": "c"}),
            ({"a": 1.0, "b": 1e200}, {"row": 0, "column": 1, "field": "b"}),
            ([[1.0, 2.0], [1.0]], {"row": 1}),
            ([[1.0, 2.0], {"a": 1.0, "b": 1.0}], {"row": 1}),
            ([{"a": 1.0, "b": 2.0}, {"a": 1.0, "c": 2.0}], {"row": 1, "field": "c"}),
            ([], {"field": "data"}),
            ([1.0], {"row": 0}),
            ({}, {"row": 0}),
        ],
    )
    def test_rows(self, tmp_path: Path, row: Any, where: dict[str, Any]) -> None:
        async def question(client: Any) -> None:
            await client.post(PATH, json=body({"a": 0.0, "b": 0.0}))
            answer = await client.post(PATH, json=body(row))
            problem = answer.json()
            assert answer.status_code == 422, problem
            assert answer.headers["content-type"] == "application/problem+json"
            assert {name: problem.get(name) for name in where} == where, problem
            assert problem["expected"]
            assert (await info(client))["total_processed"] == 1

        asking(app(tmp_path), question)

    @pytest.mark.parametrize(
        ("content", "status"),
        [
            (b'{"data": {"a": NaN}}', 422),
            (b'{"data": {"a": Infinity}}', 422),
            (b'{"data": {"a": 1e999}}', 422),
            (b'{"data": {"a": 1' + b"0" * 400 + b"}}", 422),
            (b'{"data": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400),
            (b'{"data": {"a": 1}', 400),
            (b"\xff\xfe", 400),
            (b"[]", 422),
            (b"null", 422),
            (b"", 400),
            (b'{"data": "text"}', 422),
            (b"{}", 422),
            (b'{"data": {"a": 1}, "model": ""}', 422),
            (b'{"data": {"a": 1}, "model": "a\\u0000b"}', 422),
            (b'{"data": {"a": 1}, "model": 5}', 422),
        ],
    )
    def test_bodies(self, tmp_path: Path, content: bytes, status: int) -> None:
        async def question(client: Any) -> None:
            answer = await client.post(
                PATH, content=content, headers={"content-type": "application/json"}
            )
            assert answer.status_code == status, answer.text
            assert answer.headers["content-type"] == "application/problem+json"
            assert (await client.get(f"{PATH}/detectors")).json()["total"] == 0

        asking(app(tmp_path), question)

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("min_samples", 9),
            ("min_samples", 10.5),
            ("min_samples", True),
            ("min_samples", 10**30),
            ("window_size", 99999999999999999999),
            ("retrain_interval", 2**53),
            ("retrain_interval", 9),
            ("window_size", 49),
            ("contamination", 0.0),
            ("contamination", 0.51),
            ("threshold", -0.1),
            ("threshold", 1.1),
            ("rolling_windows", [0]),
            ("rolling_windows", 5),
            ("lag_periods", [0]),
            ("include_lags", "maybe"),
            ("backend", "no_such"),
            ("schema", {"a": "no_such"}),
            ("normalization", "no_such"),
        ],
    )
    def test_settings(self, tmp_path: Path, field: str, value: Any) -> None:
        async def question(client: Any) -> None:
            answer = await client.post(PATH, json=body([[1.0]], **{field: value}))
            assert answer.status_code == 422, answer.text
            assert field in answer.json()["field"]
            assert (await client.get(f"{PATH}/detectors")).json()["total"] == 0

            # Of a stream that there is as well.
            await client.post(PATH, json=body([[1.0]]))
            before = (await client.get(f"{PATH}/pump")).json()
            answer = await client.post(PATH, json=body([[1.0]], **{field: value}))
            # Which backends there are is known to the one only that would make the detector.
            assert answer.status_code == (409 if field == "backend" else 422), answer.text
            assert field in answer.json()["field"]
            assert (await client.get(f"{PATH}/pump")).json() == before

        asking(app(tmp_path), question)

    @pytest.mark.parametrize(("normalization", "threshold"), [("zscore", 3.5), ("raw", -7.0)])
    def test_a_threshold_for_scores_beyond_one(
        self, tmp_path: Path, normalization: str, threshold: float
    ) -> None:
        rows = stream(60)
        expected = freshet.StreamingDetector(
            "ecod", min_samples=10, normalization=normalization, threshold=threshold
        ).process_many(rows)

        async def question(client: Any) -> None:
            given = {"normalization": normalization, "threshold": threshold}
            answer = (await client.post(PATH, json=body(rows.tolist(), **given))).json()
            assert answer["threshold"] == threshold
            found = [one["is_anomaly"] for one in answer["results"][10:]]
            assert found == expected.is_anomaly[10:].tolist()

        asking(app(tmp_path), question)

    def test_more_samples_than_the_window_holds(self, tmp_path: Path) -> None:
        async def question(client: Any) -> None:
            answer = await client.post(PATH, json=body([[1.0]], min_samples=60, window_size=50))
            assert answer.status_code == 422
            assert answer.json()["field"] == "window_size"

        asking(app(tmp_path), question)

    def test_contradicting_settings(self, tmp_path: Path) -> None:
        async def question(client: Any) -> None:
            await client.post(PATH, json=body([[1.0]], rolling_windows=[5]))
            same = body([[1.0]], rolling_windows=[5], include_lags=False, window_size=1000)
            assert (await client.post(PATH, json=same)).status_code == 200
            fewer = {"model": "pump", "data": [[1.0]]}
            assert (await client.post(PATH, json=fewer)).status_code == 200
            other = body([[1.0]], rolling_windows=[6], include_lags=True, window_size=999)
            answer = await client.post(PATH, json=other)
            assert answer.status_code == 409
            assert answer.json()["differences"] == {
                "rolling_windows": {"given": [6], "has": [5]},
                "lag_periods": {"given": [1, 2, 3], "has": []},
                "window_size": {"given": 999, "has": 1000},
            }
            assert (await info(client))["total_processed"] == 3

        asking(app(tmp_path), question)

    @pytest.mark.parametrize(
        ("given", "field"),
        [
            ({"window_size": 10**6}, "window_size"),
            ({"window_size": 10**10}, "window_size"),
            ({"window_size": 5000, "rolling_windows": list(range(1, 33))}, "window_size"),
            ({"rolling_windows": [20_000, 30_000]}, "rolling_windows"),
            ({"include_lags": True, "lag_periods": [400_000]}, "lag_periods"),
            ({"window_size": 60_000, "schema": {"f0": "onehot"}}, "window_size"),
        ],
    )
    def test_memory(self, tmp_path: Path, given: dict[str, Any], field: str) -> None:
        """Before it is taken, which may be more than there is."""

        async def question(client: Any) -> None:
            answer = await client.post(PATH, json=body([[1.0, 2.0]], **given))
            assert answer.status_code == 413, answer.text
            problem = answer.json()
            assert (problem["id"], problem["field"]) == ("stream_too_large", field)
            assert problem["expected"] == "at most 2097152 bytes"
            assert (await client.get(f"{PATH}/detectors")).json()["total"] == 0
            small = body([[1.0, 2.0]], window_size=60_000)
            assert (await client.post(PATH, json=small)).status_code == 200

        asking(app(tmp_path, max_stream_bytes=2 * 2**20), question)

    def test_limits(self, tmp_path: Path) -> None:
        async def question(client: Any) -> None:
            answers = [
                await client.post(PATH, json=body([[1.0]] * 4)),
                await client.post(PATH, json=body([[1.0] * 4])),
                await client.post(PATH, json=body([[1.0] * 3] * 3)),
                await client.post(PATH, json=body([[1.0]], model="second")),
            ]
            assert [one.status_code for one in answers] == [413, 413, 200, 429]
            assert answers[3].headers["retry-after"]
            assert [one.json().get("id") for one in answers] == [
                "too_many_rows",
                "too_many_columns",
                None,
                "too_many_streams",
            ]

        asking(app(tmp_path, max_batch_rows=3, max_columns=3, max_streams=1), question)


def test_a_slow_training_lets_other_streams_go_on(tmp_path: Path) -> None:
    """The first training of a network takes long, in the request that completes its points."""
    rows = stream(2000, 2)
    slow = body(rows.tolist(), model="slow", backend="lstm_autoencoder", min_samples=1990)

    async def scenario() -> None:
        async with connected(app(tmp_path, max_batch_rows=5000)) as client:
            training = asyncio.create_task(client.post(PATH, json=slow | {"window_size": 2000}))
            n_answered = 0
            while not training.done():
                answer = await client.post(PATH, json=body([[1.0]], model=f"fast-{n_answered % 4}"))
                assert answer.status_code == 200
                n_answered += 1
            assert (await training).json()["model_version"] == 1
            assert n_answered > 20
            assert math.isfinite((await training).json()["results"][-1]["score"])

    asyncio.run(scenario())


@given(
    hnp.arrays(
        np.uint64, st.tuples(st.integers(0, 6), st.just(5)), elements=st.integers(0, 2**64 - 1)
    )
)
def test_verdicts_are_written_as_json_has_them(bits):
    records = np.zeros(len(bits), record_dtype)
    records["scored"], records["is_anomaly"] = bits[:, 0] % 2, bits[:, 1] % 2
    records["score"], records["raw_score"] = bits[:, 2].view(float), bits[:, 3].view(float)
    records["samples_until_ready"] = bits[:, 4]

    def number(record, name):
        value = float(record[name])
        return value if record["scored"] and math.isfinite(value) else None

    assert json.loads(records_json(records.tobytes())) == [
        {
            "index": index,
            "score": number(record, "score"),
            "is_anomaly": bool(record["is_anomaly"]) if record["scored"] else None,
            "raw_score": number(record, "raw_score"),
            "samples_until_ready": int(record["samples_until_ready"]),
        }
        for index, record in enumerate(records)
    ]
    # A number that happens to be whole is still no integer.
    one = np.zeros(1, record_dtype)
    one["scored"] = True
    one["score"] = 1.0
    assert b'"score":1.0,' in records_json(one.tobytes())


def test_who_asks_whether_to_send_a_body_is_told_before_the_answer(tmp_path: Path) -> None:
    text = b'{"model": "pump", "data": {"a": 1.0}}'
    with listening(app(tmp_path)) as url:
        parts = urlsplit(url)
        with socket.create_connection((parts.hostname, parts.port), timeout=60) as connection:
            head = (
                f"POST {PATH} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(text)}\r\n"
                "Expect: 100-continue\r\n\r\n"
            )
            connection.sendall(head.encode())
            assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
            connection.sendall(text)
            received = connection.recv(65536)
        # In one piece.
        assert received.startswith(b"HTTP/1.1 200 OK\r\n")
        assert json.loads(received.partition(b"\r\n\r\n")[2])["model"] == "pump"


@pytest.mark.parametrize("value", [-9.223372036854778e18, -1e300, 1e300])
def test_whole_numbers_beyond_64_bits_are_refused(tmp_path: Path, value: float) -> None:
    async def question(client: Any) -> None:
        for name in ("min_samples", "window_size", "retrain_interval"):
            answer = await client.post(PATH, json=body({"a": 1.0}) | {name: value})
            assert answer.status_code == 422
            assert answer.json()["field"] == name

    asking(app(tmp_path), question)
