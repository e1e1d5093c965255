"""The example of a deployment: nginx in front of two servers."""

import contextlib
import subprocess
import threading

import httpx
import pytest
from deployment_testing import Nginx, Replica
from services_testing import running


@pytest.fixture
def balanced():
    """Two replicas, and a client of nginx in front of them."""
    with contextlib.ExitStack() as stack:
        replicas = [stack.enter_context(running(Replica(name))) for name in "ab"]
        server = stack.enter_context(running(Nginx(replicas)))
        client = stack.enter_context(httpx.Client(base_url=server.url))
        yield client, dict(zip("ab", replicas, strict=True))


def point(client, stream, **headers):
    headers = {"X-Freshet-Stream": stream, **headers}
    answer = client.post("/v1/ml/anomaly/stream", json={"model": stream}, headers=headers)
    answer.raise_for_status()
    return answer.json()


def test_nginx_accepts_its_configuration():
    with contextlib.ExitStack() as stack:
        replicas = [Replica(name) for name in "ab"]
        server = Nginx(replicas)
        for one in (*replicas, server):
            stack.callback(one.discard)
        checked = subprocess.run(server.command("-t"), capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr


def test_a_stream_always_comes_to_the_same_replica(balanced):
    client, _ = balanced
    streams = [f"{kind}-{i}" for kind in ("pump", "plant/pump") for i in range(20)]
    first = {stream: point(client, stream)["name"] for stream in streams}
    assert set(first.values()) == {"a", "b"}
    for _ in range(3):
        assert {stream: point(client, stream)["name"] for stream in streams} == first
    # Requests that name it in the path too, without a header.
    for stream in streams:
        for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/reset")):
            answer = client.request(method, f"/v1/ml/anomaly/stream/{stream}{path}")
            assert answer.json()["name"] == first[stream]


def test_buffers_are_all_in_one_place_and_clients_without_a_header_stay_where_they_are(balanced):
    client, _ = balanced
    asked = [
        client.post("/v1/ml/polars/buffers", headers={"X-Freshet-Stream": str(i)}).json()["name"]
        for i in range(10)
    ]
    asked += [client.get(f"/v1/ml/polars/buffers/{i}").json()["name"] for i in range(10)]
    assert len(set(asked)) == 1
    assert len({client.post("/predict_point").json()["name"] for _ in range(10)}) == 1


def test_streams_of_a_replica_that_is_away_go_to_the_other_one_and_come_back(balanced):
    client, replicas = balanced
    streams = [f"pump-{i}" for i in range(20)]
    first = {stream: point(client, stream)["name"] for stream in streams}
    replicas["a"].kill()
    assert {point(client, stream)["name"] for stream in streams} == {"b"}
    replicas["a"].start()
    # nginx leaves it alone for some seconds more.
    while (now := {stream: point(client, stream)["name"] for stream in streams}) != first:
        assert set(now.values()) <= {"a", "b"}


def test_a_request_that_was_seen_is_not_sent_again(balanced):
    client, replicas = balanced
    stream = next(s for s in map(str, range(100)) if point(client, s)["name"] == "a")
    # Takes the connection and the request, and ends without an answer.
    replicas["a"].freeze()
    ending = threading.Timer(0.5, replicas["a"].kill)
    ending.start()
    answer = client.post(
        "/v1/ml/anomaly/stream", json={}, headers={"X-Freshet-Stream": stream}, timeout=30
    )
    ending.join()
    assert answer.status_code == 502


def test_the_service_hears_who_asks_and_not_who_is_said_to(balanced):
    client, _ = balanced
    heard = point(client, "pump", **{"X-Forwarded-For": "192.0.2.7", "X-Request-ID": "mine"})
    assert heard["headers"]["x-forwarded-for"] == "127.0.0.1"
    assert heard["headers"]["x-request-id"] == "mine"
    assert heard["headers"]["x-freshet-stream"] == "pump"
    assert len(point(client, "pump")["headers"]["x-request-id"]) == 32


def test_metrics_are_not_for_everybody(balanced):
    client, _ = balanced
    assert client.get("/metrics").status_code == 404
