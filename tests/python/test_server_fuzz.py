"""The service under requests that nobody has thought of."""

from __future__ import annotations

import math
from typing import Any

import freshet
import httpx
import numpy as np
import pytest
import schemathesis
from bundle_testing import trained
from freshet.server import ServerSettings, create_app
from hypothesis import HealthCheck, assume, given, seed
from hypothesis import settings as effort
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from schemathesis.specs.openapi.checks import positive_data_acceptance
from server_testing import listening, settings

PATH = "/v1/ml/anomaly/stream"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory):
    directory = tmp_path_factory.mktemp("fuzz")
    (directory / "models").mkdir()
    trained(1).save(directory / "models" / "only")
    given = settings(
        directory,
        models_dir=directory / "models",
        max_batch_rows=200,
        max_columns=50,
        max_body_bytes=100_000,
    )
    with listening(create_app(given)) as url:
        yield url


@pytest.fixture(scope="module")
def api(service: str) -> Any:
    return schemathesis.openapi.from_url(f"{service}/openapi.json")


def operations() -> list[tuple[str, str]]:
    """The paths and methods that the document has."""
    document = create_app(ServerSettings()).openapi()
    return [(path, method) for path, item in document["paths"].items() for method in item]


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("path", "method"), operations())
def test_every_answer_is_as_the_document_says(api: Any, path: str, method: str) -> None:
    @given(case=api[path][method].as_strategy())
    @effort(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @seed(1)
    def examine(case: schemathesis.Case) -> None:
        # What rows have in common with each other, and with those before, no schema can say.
        case.call_and_validate(excluded_checks=[positive_data_acceptance])

    examine()


#: JSON that is not what it should be.
JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(
    data=JUNK,
    others=st.dictionaries(
        st.sampled_from(["model", "backend", "min_samples", "window_size", "schema", "threshold"]),
        JUNK,
    ),
)
@effort(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
def test_junk_is_refused_or_taken_but_never_breaks(service: str, data: Any, others: Any) -> None:
    answer = httpx.post(f"{service}{PATH}", json={"data": data, **others})
    assert answer.status_code in (200, 409, 413, 422)
    if answer.status_code != 200:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"]


@given(content=st.binary(max_size=200), kind=st.sampled_from(["application/json", "text/plain"]))
@effort(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
def test_bytes_are_refused(service: str, content: bytes, kind: str) -> None:
    answer = httpx.post(f"{service}{PATH}", content=content, headers={"content-type": kind})
    assert answer.status_code in (400, 415, 422)


class Streams(RuleBasedStateMachine):
    """Any sequence of requests: every answer is that of a detector of the library."""

    service: str
    n_machines = 0

    def __init__(self) -> None:
        super().__init__()
        type(self).n_machines += 1
        self.prefix = f"machine-{self.n_machines}-"
        self.detectors: dict[str, freshet.StreamingDetector] = {}
        self.totals: dict[str, int] = {}
        self.client = httpx.Client(base_url=self.service, timeout=30.0)

    def teardown(self) -> None:
        self.client.close()

    names = st.sampled_from(["a", "b", "c"])
    rows = st.lists(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=2), min_size=1, max_size=30)

    def body(self, name: str, rows: Any, **given: Any) -> dict[str, Any]:
        return {
            "model": self.prefix + name,
            "data": rows,
            "min_samples": 10,
            # No retraining, whose moment the service chooses.
            "retrain_interval": 1_000_000,
            "window_size": 50,
            "rolling_windows": [3],
        } | given

    @rule(name=names, rows=rows)
    def score(self, name: str, rows: list[list[float]]) -> None:
        answer = self.client.post(PATH, json=self.body(name, rows)).json()
        detector = self.detectors.setdefault(
            name,
            freshet.StreamingDetector(
                min_samples=10, retrain_interval=1_000_000, window_size=50, rolling_windows=[3]
            ),
        )
        expected = detector.process_many(np.array(rows))
        assert [one["score"] for one in answer["results"]] == [
            None if math.isnan(score) else score for score in expected.score.tolist()
        ]
        assert answer["samples_collected"] == detector.stats().samples_collected

    @rule(name=names, rows=rows, bad=st.sampled_from([[1.0], [1.0, None], [1.0, 2.0, 3.0]]))
    def refuse(self, name: str, rows: list[Any], bad: list[Any]) -> None:
        answer = self.client.post(PATH, json=self.body(name, [*rows, bad]))
        assert answer.status_code == 422
        assert answer.json()["row"] == len(rows)

    @rule(name=names, rows=rows)
    def contradict(self, name: str, rows: list[Any]) -> None:
        assume(name in self.detectors)
        answer = self.client.post(PATH, json=self.body(name, rows, min_samples=11))
        assert answer.status_code == 409

    @rule(name=names)
    def reset(self, name: str) -> None:
        answer = self.client.post(f"{PATH}/{self.prefix}{name}/reset")
        assert answer.status_code == (200 if name in self.detectors else 404)
        if name in self.detectors:
            self.detectors[name].reset()

    @rule(name=names)
    def delete(self, name: str) -> None:
        answer = self.client.delete(f"{PATH}/{self.prefix}{name}")
        assert answer.status_code == (200 if self.detectors.pop(name, None) else 404)

    @rule(name=names)
    def look(self, name: str) -> None:
        answer = self.client.get(f"{PATH}/{self.prefix}{name}")
        if name not in self.detectors:
            assert answer.status_code == 404
            return
        stats = self.detectors[name].stats()
        for field in ("status", "model_version", "samples_collected", "total_processed"):
            assert answer.json()[field] == getattr(stats, field)


@pytest.mark.timeout(300)
def test_any_sequence_of_requests(service: str) -> None:
    Streams.service = service
    machine = Streams.TestCase
    machine.settings = effort(
        max_examples=25,
        stateful_step_count=25,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    machine().runTest()
