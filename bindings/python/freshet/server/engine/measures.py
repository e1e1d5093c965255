"""What the engine tells the metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias

from freshet.server.engine.changes import Change, Entry
from freshet.server.engine.streams import Stream

if TYPE_CHECKING:
    from freshet.server.metrics import Metrics

__all__ = ["Measures"]

#: What is done to the store, as metrics call it.
StoreOperation: TypeAlias = Literal["append", "journal", "load", "snapshot"]


class Measures:
    """The engine's view of the metrics; any thread may call it.

    Parameters
    ----------
    metrics : Metrics
    stream_class : callable
        From a stream's id to its class.
    is_shared : bool
        Whether points are kept elsewhere than in the journal, which then has predictions only.
    """

    def __init__(
        self, metrics: Metrics, stream_class: Callable[[str], str], *, is_shared: bool
    ) -> None:
        self._metrics = metrics
        self._stream_class = stream_class
        self._writing: StoreOperation = "journal" if is_shared else "append"
        for operation in {"append", "load", "snapshot", self._writing}:
            metrics.store_failures.labels(operation)  # zero, rather than missing

    def took(self, operation: StoreOperation, seconds: float) -> None:
        """An operation on the store took so long."""
        self._metrics.store_seconds.labels(operation).observe(seconds)

    def failed(self, operation: StoreOperation) -> None:
        """An operation on the store failed."""
        self._metrics.store_failures.labels(operation).inc()

    def written(self, seconds: float, changes: Sequence[Change]) -> None:
        """A transaction of the journal took so long, and was of these changes."""
        self.took(self._writing, seconds)
        counts: dict[tuple[str, str], list[int]] = {}
        for change in changes:
            if isinstance(change, Entry) and change.results is not None:
                key = (self._stream_class(change.stream_id), change.mode)
                count = counts.get(key)
                if count is None:
                    count = counts[key] = [0, 0, 0]
                count[0] += change.n_rows - change.n_scored
                count[1] += change.n_scored - change.n_anomalies
                count[2] += change.n_anomalies
        for (stream_class, mode), (warmup, normal, anomaly) in counts.items():
            self._metrics.count_predictions(
                stream_class, mode, warmup=warmup, normal=normal, anomaly=anomaly
            )

    def write_failed(self) -> None:
        """A transaction of the journal failed."""
        self.failed(self._writing)

    def training_ended(self, seconds: float, has_model: bool) -> None:
        """A training took so long, and gave a model or did not."""
        self._metrics.retrain_seconds.observe(seconds)
        if not has_model:
            self._metrics.retrain_failures.inc()

    def snapshot_quarantined(self) -> None:
        """A snapshot was damaged."""
        self._metrics.snapshots_quarantined.inc()

    def loaded(self, seconds: float) -> None:
        """A stream came back from the store."""
        self.took("load", seconds)
        self._metrics.streams_restored.inc()

    def evicted(self) -> None:
        """A stream left the memory."""
        self._metrics.streams_evicted.inc()

    def looked(self, streams: Sequence[Stream], queues: dict[str, int]) -> None:
        """The streams and queues are like this now."""
        statuses: Counter[str] = Counter(collecting=0, ready=0, retraining=0, evicted=0)
        for stream in streams:
            statuses[stream.status if stream.is_loaded else "evicted"] += 1
        for status, count in statuses.items():
            self._metrics.streams.labels(status).set(count)
        self._metrics.model_version_max.set(
            max((stream.model_version for stream in streams), default=0)
        )
        for name, depth in queues.items():
            self._metrics.queue_depth.labels(name).set(depth)
