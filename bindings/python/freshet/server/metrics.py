"""What the service measures of itself, for ``/metrics``.

Every label has few values: routes are templates, streams are counted by class, and nothing is kept
per stream.
"""

from __future__ import annotations

import math
import threading
import time
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from freshet import __version__
from freshet.server.request_metrics import RequestMetrics

__all__ = ["Metrics"]

_STORE_BUCKETS: Final = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0)
_TRAINING_BUCKETS: Final = (0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0, 300.0)

#: In how many seconds a prediction's weight in the anomaly rate falls to 1/e.
_RATE_SECONDS: Final = 300.0
#: After how many seconds without a prediction there is no rate.
_RATE_ENDS_AFTER: Final = 6 * _RATE_SECONDS


class Metrics:
    """The families of metrics of one application, each in an attribute.

    Attributes
    ----------
    registry : CollectorRegistry
        All of them.
    predictions : Counter
        By label (warmup, normal, anomaly), stream_class and mode (stream, batch); counted by
        `count_predictions`.
    anomaly_rate : Gauge
        By stream_class: the share of anomalies among recent predictions; NaN if there are none.
    requests : RequestMetrics
        Of HTTP, by route: how many, and how long they took; the middleware's.
    requests_in_progress : Gauge
    retrain_seconds, retrain_failures
        Trainings that ended, and those that failed.
    streams : Gauge
        By status: collecting, ready, retraining, evicted.
    model_version_max : Gauge
        The largest version of a model among the streams.
    queue_depth : Gauge
        By queue: what waits in it.
    store_seconds : Histogram
        By operation on the store: append, load, snapshot; where points are kept in Redis also
        journal, of the file with the predictions.
    store_failures : Counter
        By operation.
    snapshots_quarantined : Counter
        Damaged ones, put aside and rebuilt.
    streams_evicted, streams_restored : Counter
        Those that left the memory, and those that came back.
    log_lag_rows, log_lag_seconds : Gauge
        By sink: predictions that are not there yet, and the age of the oldest.
    log_failures : Counter
        By sink: writes that will be tried again.
    bundle_loads : Counter
        By result: loaded, refused.
    bundles : Gauge
        How many bundles are loaded.
    """

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry(auto_describe=True)
        self.predictions = Counter(
            "freshet_predictions",
            "Rows that were answered.",
            ["label", "stream_class", "mode"],
            registry=registry,
        )
        self.anomaly_rate = Gauge(
            "freshet_anomaly_rate",
            "Share of anomalies among the predictions of the last minutes.",
            ["stream_class"],
            registry=registry,
        )
        self.requests = RequestMetrics(registry)
        self.requests_in_progress = Gauge(
            "freshet_requests_in_progress", "Requests without an answer.", registry=registry
        )
        self.retrain_seconds = Histogram(
            "freshet_retrain_seconds",
            "Duration of trainings of streams.",
            registry=registry,
            buckets=_TRAINING_BUCKETS,
        )
        self.retrain_failures = Counter(
            "freshet_retrain_failures", "Trainings that made no model.", registry=registry
        )
        self.streams = Gauge(
            "freshet_streams", "Streams by what they do.", ["status"], registry=registry
        )
        self.model_version_max = Gauge(
            "freshet_model_version_max",
            "Largest version of a model among the streams.",
            registry=registry,
        )
        self.queue_depth = Gauge(
            "freshet_queue_depth", "What waits, by queue.", ["queue"], registry=registry
        )
        self.store_seconds = Histogram(
            "freshet_store_seconds",
            "Duration of operations on the store.",
            ["operation"],
            registry=registry,
            buckets=_STORE_BUCKETS,
        )
        self.store_failures = Counter(
            "freshet_store_failures",
            "Operations on the store that failed.",
            ["operation"],
            registry=registry,
        )
        self.snapshots_quarantined = Counter(
            "freshet_snapshots_quarantined", "Damaged snapshots put aside.", registry=registry
        )
        self.streams_evicted = Counter(
            "freshet_streams_evicted", "Idle streams that left the memory.", registry=registry
        )
        self.streams_restored = Counter(
            "freshet_streams_restored", "Streams that came back from the store.", registry=registry
        )
        self.log_lag_rows = Gauge(
            "freshet_log_lag_rows",
            "Predictions that are not in the log yet.",
            ["sink"],
            registry=registry,
        )
        self.log_lag_seconds = Gauge(
            "freshet_log_lag_seconds",
            "Age of the oldest prediction that is not in the log yet.",
            ["sink"],
            registry=registry,
        )
        self.log_failures = Counter(
            "freshet_log_failures", "Writes to the log that failed.", ["sink"], registry=registry
        )
        self.bundle_loads = Counter(
            "freshet_bundle_loads", "Bundles that were looked at.", ["result"], registry=registry
        )
        self.bundles = Gauge("freshet_bundles", "Bundles that serve.", registry=registry)
        build = Gauge("freshet_build_info", "The version.", ["version"], registry=registry)
        build.labels(__version__).set(1)
        # process_resident_memory_bytes and its like.
        ProcessCollector(registry=registry)
        self._rates: dict[str, _Rate] = {}
        self._lock = threading.Lock()

    def count_predictions(
        self, stream_class: str, mode: str, *, warmup: int = 0, normal: int = 0, anomaly: int = 0
    ) -> None:
        """Count rows that were answered, from any thread.

        Parameters
        ----------
        stream_class : str
            `ServerSettings.stream_class` of the stream.
        mode : {"stream", "batch"}
            Which API was asked.
        warmup, normal, anomaly : int
            Rows by their label.
        """
        for label, count in (("warmup", warmup), ("normal", normal), ("anomaly", anomaly)):
            if count:
                self.predictions.labels(label, stream_class, mode).inc(count)
        if normal or anomaly:
            with self._lock:
                rate = self._rates.get(stream_class)
                if rate is None:
                    rate = self._rates[stream_class] = _Rate()
                    self.anomaly_rate.labels(stream_class).set_function(rate.value)
                rate.add(normal + anomaly, anomaly, time.monotonic())


class _Rate:
    """The share of anomalies; what is long past weighs less."""

    def __init__(self) -> None:
        self._total = 0.0
        self._anomalies = 0.0
        self._at = 0.0

    def add(self, total: int, anomalies: int, now: float) -> None:
        decay = math.exp((self._at - now) / _RATE_SECONDS)
        self._total = self._total * decay + total
        self._anomalies = self._anomalies * decay + anomalies
        self._at = now

    def value(self) -> float:
        # What nobody sends points to any more is neither well nor unwell.
        is_recent = time.monotonic() - self._at < _RATE_ENDS_AFTER
        return self._anomalies / self._total if self._total and is_recent else math.nan
