"""``./dev bench service``: the service under load, next to one written as a known one is.

Each load has a service of its own, started for it, with a durable store in a fresh directory; the
client, wrk, shares the machine with it. Both services are measured in this one run, in turns;
ratios are never taken from different runs.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import statistics
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import report
import service_floor
import service_load
from figure import Figure
from service_load import Load, Outcome

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

NEVER = 1_000_000_000
N_STREAMS_AT_ONCE = 10_000
#: Points that come together when all connections wait for the same transaction.
N_AT_ONCE = 128

#: Of the streams, on both sides. A stream's window is full before it is measured.
PLAIN: dict[str, Any] = {
    "backend": "ecod",
    "min_samples": 1000,
    "window_size": 1000,
    "retrain_interval": 100,
}
FEATURES: dict[str, Any] = {
    **PLAIN,
    "rolling_windows": [5, 10, 20],
    "include_lags": True,
    "lag_periods": [1, 2, 3],
}
SETTINGS = {"5 columns": PLAIN, "80 features": FEATURES}
LOADS = {
    "single points": Load({}, n_connections=128),
    "single points of 32 connections": Load({}, n_connections=32),
    "batches": Load({}, n_rows=1000, n_connections=16),
    "batches of objects": Load({}, n_rows=1000, n_connections=16, form="objects"),
}
#: Those that are put on the other service too.
COMPARED = ("single points", "batches")

#: As often and as long as the interface allows, and never.
LARGE: dict[str, Any] = {**PLAIN, "min_samples": 10_000, "window_size": 10_000}
RETRAINING = {
    "while retraining": Load({**LARGE, "retrain_interval": 10}, prefix="busy-"),
    "without": Load({**LARGE, "retrain_interval": NEVER}, prefix="quiet-"),
}


class Measurements:
    """Every measurement, made when it is first asked for and then kept."""

    def __init__(self, output: Path, *, quick: bool) -> None:
        self._quick = quick
        # Not in memory, as /tmp is on some machines.
        self._directory = tempfile.TemporaryDirectory(prefix="service-", dir=output)
        self.file_system = service_load.file_system(output)
        self._n_services = 0

    @property
    def _seconds(self) -> float:
        return 3 if self._quick else 10

    @property
    def _n_rounds(self) -> int:
        return 1 if self._quick else 3

    def _path(self) -> Path:
        self._n_services += 1
        return Path(self._directory.name) / str(self._n_services)

    @contextlib.contextmanager
    def _our_service(self, *options: str) -> Iterator[service_load.Service]:
        """A service that leaves nothing behind: the next one finds the machine as it did."""
        path = self._path()
        with service_load.freshet_service(path, *options) as service:
            yield service
        shutil.rmtree(path)
        os.sync()

    def ours(self, load: str, settings: str) -> Outcome:
        """Our service: the round with the median throughput."""
        if load in COMPARED:
            return self._both(load, settings)[0]
        return self._alone(load, settings)

    def peers(self, load: str, settings: str) -> Outcome:
        """The other service, likewise."""
        return self._both(load, settings)[1]

    @functools.cache  # noqa: B019 (one object that lives as long as the program)
    def _alone(self, load: str, settings: str) -> Outcome:
        one = replace(LOADS[load], settings=SETTINGS[settings])
        with self._our_service() as service:
            service.fill(one, 2000)
            service.press(one, 2)
            return _median([service.press(one, self._seconds) for _ in range(self._n_rounds)])

    @functools.cache  # noqa: B019
    def _both(self, load: str, settings: str) -> tuple[Outcome, Outcome]:
        """Both services in turns, so that an hour in which the machine is slow is that of both."""
        one = replace(LOADS[load], settings=SETTINGS[settings])
        log = self._path().with_suffix(".log")
        our_rounds, peer_rounds = [], []
        with self._our_service() as ours, service_load.peer_service(log) as peer:
            ours.fill(one, 2000)
            ours.press(one, 2)
            peer.fill(one, 1000, n_threads=1)
            if one.n_rows == 1:
                peer.press(one, 2)
            for _ in range(self._n_rounds + 2):
                our_rounds.append(ours.press(one, self._seconds))
                if one.n_rows == 1:
                    peer_rounds.append(peer.press(one, self._seconds))
                else:
                    peer_rounds.append(peer.time_batches(one, 1))
        return _median(our_rounds), _median(peer_rounds)

    @functools.cached_property
    def floor(self) -> dict[str, float]:
        """What HTTP alone takes for a single point, and what the journal alone takes."""
        one = LOADS["single points"]
        with service_load.floor_service(self._path().with_suffix(".log")) as service:
            service.press(one, 2)
            requests_per_second = service.press(one, self._seconds).requests_per_second
        path = self._path()
        seconds = service_floor.journal_seconds(path, N_AT_ONCE)
        shutil.rmtree(path)
        return {"requests_per_second": requests_per_second, "journal_us": seconds * 1e6}

    @functools.cached_property
    def retraining(self) -> dict[str, Any]:
        """What trainings do to the latency; both sides in turns, the medians of several rounds."""
        p99_ms: dict[str, list[float]] = {name: [] for name in RETRAINING}
        share = 0.0
        with self._our_service() as service:
            for load in RETRAINING.values():
                service.fill(load, load.settings["window_size"])
                service.press(load, 2)
            for _ in range(self._n_rounds + 2):
                for name, load in RETRAINING.items():
                    before = service.metric("freshet_retrain_seconds_sum")
                    outcome = service.press(load, self._seconds)
                    trained = service.metric("freshet_retrain_seconds_sum") - before
                    p99_ms[name].append(outcome.latency_ms["p99"])
                    if name == "while retraining":
                        share += trained / self._seconds / (self._n_rounds + 2)
        medians = {name: statistics.median(values) for name, values in p99_ms.items()}
        return {"p99_ms": medians, "share": share}

    @functools.cached_property
    def many_streams(self) -> dict[str, float]:
        """A service with ten thousand streams, each with a full window and a model."""
        load = Load(PLAIN, n_streams=N_STREAMS_AT_ONCE)
        options = ("--max-memory-bytes", "0", "--idle-eviction-seconds", "0")
        with self._our_service(*options) as service:
            empty = service.memory_bytes()
            service.fill(load, 1000)
            filled = service.memory_bytes()
            outcome = service.press(load, self._seconds)
            return {
                "streams": service.metric("freshet_streams"),
                "evicted": service.metric("freshet_streams_evicted_total"),
                "empty": empty,
                "filled": filled,
                "bytes": max(filled, service.memory_bytes()),
                "requests_per_second": outcome.requests_per_second,
            }


def _median(rounds: list[Outcome]) -> Outcome:
    return sorted(rounds, key=lambda outcome: outcome.rows_per_second)[len(rounds) // 2]


def figures() -> list[Figure]:
    """Return the rows of the table."""
    table: list[Figure] = []

    def add(*arguments: Any, **keywords: Any) -> None:
        table.append(Figure(*arguments, **keywords))

    points = "single points"
    for settings, at_least, at_most in (("5 columns", 3000, 20), ("80 features", None, None)):
        add(
            f"service/{points}, {settings}",
            "/s",
            lambda m, s=settings: m.ours(points, s).requests_per_second,
            at_least=at_least,
            note=lambda m, s=settings: f"{m.ours(points, s).percentiles}; store on {m.file_system}",
        )
        add(
            f"service/{points}, {settings}, p95",
            "ms",
            lambda m, s=settings: m.ours(points, s).latency_ms["p95"],
            at_most=at_most,
        )
    add(
        f"service/{points} of 32 connections, 5 columns",
        "/s",
        lambda m: m.ours(f"{points} of 32 connections", "5 columns").requests_per_second,
        note=lambda m: m.ours(f"{points} of 32 connections", "5 columns").percentiles,
    )
    add(
        "service/empty answers to single points",
        "/s",
        lambda m: m.floor["requests_per_second"],
        note=lambda m: (
            f"{1e6 / m.floor['requests_per_second']:.1f} us each; the journal alone takes "
            f"{m.floor['journal_us']:.1f} us for a point, {N_AT_ONCE} in a transaction"
        ),
    )
    for load, settings, at_least in (
        ("batches", "5 columns", 300_000),
        ("batches of objects", "5 columns", None),
        ("batches", "80 features", None),
    ):
        add(
            f"service/rows of {load}, {settings}",
            "/s",
            lambda m, n=load, s=settings: m.ours(n, s).rows_per_second,
            at_least=at_least,
            note=lambda m, n=load, s=settings: m.ours(n, s).percentiles,
        )
    for load in COMPARED:
        for settings in SETTINGS:
            add(
                f"service/{load}, {settings}, against the other service",
                "x",
                lambda m, n=load, s=settings: (
                    m.ours(n, s).rows_per_second / m.peers(n, s).rows_per_second
                ),
                at_least=20,
                note=lambda m, n=load, s=settings: (
                    f"{m.ours(n, s).rows_per_second:,.0f} points/s against "
                    f"{m.peers(n, s).rows_per_second:,.1f}"
                ),
            )
    add(
        "service/p99 while retraining against without",
        "x",
        lambda m: m.retraining["p99_ms"]["while retraining"] / m.retraining["p99_ms"]["without"],
        at_most=1.5,
        note=lambda m: (
            "{while retraining:.1f} ms against {without:.1f}; ".format_map(m.retraining["p99_ms"])
            + f"trainings for {100 * m.retraining['share']:.0f} % of the time"
        ),
    )
    add(
        f"service/memory of {N_STREAMS_AT_ONCE:,} streams",
        "GiB",
        lambda m: m.many_streams["bytes"] / 2**30,
        at_most=2.5,
        note=lambda m: (
            "{streams:,.0f} streams, {evicted:,.0f} evicted; ".format_map(m.many_streams)
            + f"{m.many_streams['empty'] / 2**20:,.0f} MiB without any; "
            "single points for them in turn {requests_per_second:,.0f} /s".format_map(
                m.many_streams
            )
        ),
    )
    return table


def _parse() -> argparse.Namespace:
    return report.parser("./dev bench service", __doc__).parse_args()


def main() -> int:
    options = _parse()
    service_load.wrk()
    return report.run(
        figures(),
        lambda: Measurements(options.output, quick=options.quick),
        report.machine(packages=("fastapi", "uvicorn", "orjson")),
        options,
        "service",
    )


if __name__ == "__main__":
    sys.exit(main())
