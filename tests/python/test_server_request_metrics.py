"""What is counted of requests, held against the counters of the library."""

from __future__ import annotations

from freshet.server.request_metrics import RequestMetrics
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

BOUNDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)

requests = st.tuples(
    st.sampled_from(["GET", "POST"]),
    st.sampled_from(["/health", "/v1/{model}"]),
    st.sampled_from([200, 404, 499]),
    st.one_of(st.none(), st.sampled_from(BOUNDS), st.floats(0, 20)),
)


def told(registry: CollectorRegistry) -> dict[object, tuple[str, str, dict[object, float]]]:
    text = generate_latest(registry).decode()
    return {
        family.name: (
            family.type,
            family.documentation,
            {(one.name, *sorted(one.labels.items())): one.value for one in family.samples},
        )
        for family in text_string_to_metric_families(text)
    }


@given(st.lists(requests, max_size=50))
def test_counts_are_what_counters_of_the_library_have(
    all_requests: list[tuple[str, str, int, float | None]],
) -> None:
    disable_created_metrics()  # type: ignore[no-untyped-call]
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    subject = RequestMetrics(ours)
    seconds = Histogram(
        "freshet_request_seconds",
        "Time from a request's head to the end of its answer.",
        ["method", "route"],
        registry=theirs,
        buckets=BOUNDS,
    )
    counter = Counter(
        "freshet_requests",
        "Requests that were answered.",
        ["method", "route", "status"],
        registry=theirs,
    )
    for method, route, status, took in all_requests:
        subject.of(method, route).count(status, took)
        if took is not None:
            seconds.labels(method, route).observe(took)
        counter.labels(method, route, status).inc()
    assert told(ours) == told(theirs)
