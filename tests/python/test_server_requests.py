"""How requests of the streaming API are read: what they say, and in what words they are refused."""

from __future__ import annotations

import json
import math
import socket
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from freshet.server import create_app
from freshet.server.problems import Problem
from freshet.server.routes import streams
from freshet.server.schemas.streams import StreamRequest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from server_testing import asking, listening, settings

PATH = "/v1/ml/anomaly/stream"
POINTS = [{"c0": float(i), "c1": 1.0, "c2": 2.0} for i in range(20)]

MEMBERS = st.dictionaries(
    st.sampled_from(["threshold", "include_lags", "min_samples", "lag_periods", "schema", "other"]),
    st.sampled_from(
        [None, True, False, 0, 1, 1.0, 0.5, 10, 50.0, math.nan, [], [1], [1.0], [True], [math.nan],
         {"a": "hash"}, {"a": "other"}, "x"]
    ),
)  # fmt: skip


@given(st.lists(MEMBERS, min_size=1, max_size=8))
def test_members_are_read_as_the_model_has_them(bodies: list[dict[str, Any]]) -> None:
    """Whatever was remembered of the requests before, which may be equal but for their types."""
    for members in bodies:
        content = {"model": "pump", "data": {"a": 1.0}} | members
        try:
            expected = streams._wanted(StreamRequest.model_validate(content), {})
        except ValidationError:
            with pytest.raises(Problem):
                streams._read(content)
            continue
        name, data, found = streams._read(content)
        assert (name, data) == ("pump", {"a": 1.0})
        assert repr(found.settings) == repr(expected.settings)
        assert repr(found.given) == repr(expected.given)


@pytest.mark.parametrize(
    ("data", "detail", "expected"),
    [
        ({"a": None}, "row 0, column a: null, expected a finite number", "a finite number"),
        ([[1.0, [2]]], "row 0, column 1: a list, expected a finite number", "a finite number"),
        ([{"a": {}}], "row 0, column a: an object, expected a finite number", "a finite number"),
        ([3], "row 0 is a number: expected an object or a list", "an object or a list"),
        (["x"], "row 0 is a text: expected an object or a list", "an object or a list"),
    ],
)
def test_what_is_wrong_is_told_in_words_of_json(
    tmp_path: Path, data: Any, detail: str, expected: str
) -> None:
    async def question(client: Any) -> None:
        answer = await client.post(PATH, json={"model": "pump", "data": data})
        assert answer.status_code == 422
        assert (answer.json()["detail"], answer.json()["expected"]) == (detail, expected)

    asking(create_app(settings(tmp_path)), question)


@pytest.mark.parametrize("depth", [100, 300])
def test_deep_cells_are_refused_by_a_stream_that_exists(tmp_path: Path, depth: int) -> None:
    cell = "[" * depth + "1" + "]" * depth

    async def question(client: Any) -> None:
        await client.post(PATH, json={"model": "pump", "data": POINTS})
        text = f'{{"model":"pump","data":[{{"c0":{cell},"c1":1,"c2":1}}]}}'
        headers = {"Content-Type": "application/json"}
        answer = await client.post(PATH, content=text, headers=headers)
        assert answer.status_code == 422
        assert answer.json()["field"] == "c0"
        assert (await client.get(f"{PATH}/pump")).json()["total_processed"] == 20

    asking(create_app(settings(tmp_path)), question)


def test_a_body_may_come_in_many_pieces(tmp_path: Path) -> None:
    with (
        listening(create_app(settings(tmp_path))) as url,
        socket.create_connection((urlsplit(url).hostname, urlsplit(url).port)) as connection,
    ):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = f"POST {PATH} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json".encode()
        pad = b"\r\nX: " + b"x" * 64_500  # nearly all that a head may have
        connection.sendall(head + pad + b"\r\nTransfer-Encoding: chunked\r\n\r\n")
        text = json.dumps({"data": [[1.0] * 300]}).encode()
        for i in range(len(text)):
            for piece in (b"1\r\n", text[i : i + 1], b"\r\n"):
                connection.sendall(piece)
                time.sleep(0.0002)
        connection.sendall(b"0\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
