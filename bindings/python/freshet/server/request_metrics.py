"""What is counted of every request, in a third of the time that counters of the library take."""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.utils import floatToGoString

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client import CollectorRegistry
    from prometheus_client.core import Metric

__all__ = ["RequestMetrics", "Tally"]

#: Upper bounds, in seconds.
_BOUNDS: Final = (
    0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0
)  # fmt: skip
_NAMES: Final = (*map(floatToGoString, _BOUNDS), "+Inf")


class Tally:
    """The requests of a route; changed by one thread, the event loop's, and so without a lock."""

    __slots__ = ("_buckets", "_seconds", "_statuses")

    def __init__(self) -> None:
        self._buckets = [0] * len(_NAMES)
        self._seconds = 0.0
        self._statuses: dict[int, int] = {}

    def count(self, status: int, seconds: float | None = None) -> None:
        """Count a request that was answered, after so long if that is of interest."""
        self._statuses[status] = self._statuses.get(status, 0) + 1
        if seconds is not None:
            self._buckets[bisect_left(_BOUNDS, seconds)] += 1
            self._seconds += seconds

    @property
    def statuses(self) -> dict[int, int]:
        """How many were answered how."""
        return self._statuses.copy()

    @property
    def buckets(self) -> list[tuple[str, float]]:
        """How many took no longer than each of the bounds."""
        return list(zip(_NAMES, accumulate(self._buckets), strict=True))

    @property
    def seconds(self) -> float:
        """How long all of them took together."""
        return self._seconds


class RequestMetrics:
    """The families ``freshet_request_seconds`` and ``freshet_requests_total``.

    Parameters
    ----------
    registry : CollectorRegistry
        What they are collected by.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._tallies: dict[tuple[str, str], Tally] = {}
        registry.register(self)

    def of(self, method: str, route: str) -> Tally:
        """Return the tally of a method and a route."""
        return self._tallies.setdefault((method, route), Tally())

    def collect(self) -> Iterable[Metric]:
        """Return the families; any thread."""
        seconds = HistogramMetricFamily(
            "freshet_request_seconds",
            "Time from a request's head to the end of its answer.",
            labels=["method", "route"],
        )
        requests = CounterMetricFamily(
            "freshet_requests",
            "Requests that were answered.",
            labels=["method", "route", "status"],
        )
        for labels, tally in list(self._tallies.items()):
            buckets = tally.buckets
            if buckets[-1][1]:
                seconds.add_metric(labels, buckets, tally.seconds)
            for status, count in tally.statuses.items():
                requests.add_metric((*labels, str(status)), count)
        return [seconds, requests]
