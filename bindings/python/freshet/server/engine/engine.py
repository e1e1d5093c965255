"""The streams of a service: what routes ask of them."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
import structlog

from freshet import DetectorPool, backends
from freshet._core import record_dtype
from freshet.errors import Error
from freshet.server.engine.bundles import Bundle, Bundles
from freshet.server.engine.changes import Entry, StoreError
from freshet.server.engine.events import OF_NO_STREAM, Rows, encode
from freshet.server.engine.housekeeping import Housekeeping, LimitError
from freshet.server.engine.journal import Journal
from freshet.server.engine.lane import Lane
from freshet.server.engine.loading import Loader
from freshet.server.engine.measures import Measures
from freshet.server.engine.models import Models
from freshet.server.engine.operations import (
    Eviction,
    Inspection,
    Operation,
    Removal,
    Resetting,
    Scoring,
)
from freshet.server.engine.pipeline import Pipeline
from freshet.server.engine.snapshots import Snapshots
from freshet.server.engine.store import LocalStore, Store
from freshet.server.engine.streams import Answer, Detectors, Stream
from freshet.server.engine.trainings import Trainings
from freshet.server.engine.writer import Done, Writer
from freshet.server.models.points import PointPrediction

if TYPE_CHECKING:
    from freshet.server.metrics import Metrics
    from freshet.server.models.bundle import LoadedBundle
    from freshet.server.settings import ServerSettings

__all__ = ["Engine", "LimitError", "Log"]

_log = structlog.get_logger(__name__)

#: Rows of a request from which it is done in a lane of its own.
_MANY_ROWS = 20_000


class Log(Protocol):
    """Where predictions go from the journal."""

    @property
    def is_full(self) -> bool:
        """Whether so much waits to go there that no more should be predicted."""

    def wake(self) -> None:
        """Take note of new predictions in the journal."""


class Engine:
    """All streams of a service, and the journal of what was predicted.

    The methods that are coroutines end when what they did is in the store, unless the durability is
    relaxed. They raise `StoreError` when the store cannot be reached.

    Parameters
    ----------
    settings : ServerSettings
    metrics : Metrics

    Attributes
    ----------
    journal : Journal
    log : Log or None
        Told of new predictions; while it is full, there are none.
    """

    def __init__(self, settings: ServerSettings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self.log: Log | None = None
        self._is_closing = False
        self._next: list[Operation] = []

    async def start(self) -> None:
        """Open the store and get to know its streams.

        Raises
        ------
        StoreError
            If it cannot be opened.
        """
        await asyncio.to_thread(self._start)

    def _start(self) -> None:
        settings = self._settings
        is_durable = settings.durability == "full"
        if not is_durable:
            _log.warning(
                "durability_relaxed",
                consequence="requests are acknowledged before their points are in the store",
            )
        self.journal = Journal(settings.data_dir / "freshet.sqlite", is_durable=is_durable)
        self.store = _open_store(settings.store, self.journal)
        measures = Measures(self._metrics, settings.stream_class, is_shared=self.store.is_shared)
        models = Models(self.store.model)
        self._bundles = Bundles(models)
        self._detectors = Detectors(DetectorPool(), models, decide_alone=not self.store.is_shared)
        self._writer = Writer(self.journal, measures, is_durable=is_durable, wrote=self._wake_log)
        self._trainings = Trainings(
            self._detectors,
            self.store,
            n_threads=settings.retrain_threads,
            submit=self._submit,
            measures=measures,
        )
        loader = Loader(self.store, self._detectors, measures)
        lane = Lane(
            self._detectors,
            self.store,
            self._writer,
            loader,
            snapshots=Snapshots(
                self._detectors,
                self.store,
                measures,
                rows=settings.snapshot_interval_rows,
                seconds=settings.snapshot_interval_seconds,
            ),
            train=self._trainings.begin,
            measures=measures,
        )
        quick = {one.backend for one in backends() if one.speed in ("very_fast", "fast")}
        self._pipeline = Pipeline(
            lane,
            is_shared=self.store.is_shared,
            is_slow=lambda stream, n_rows: _is_slow(stream, n_rows, quick),
        )
        self._pipeline.know(self.store.streams())
        self._housekeeping = Housekeeping(
            settings,
            measures,
            self._pipeline,
            self._queues,
            chores=(
                self._trainings.store_overdue,
                self.journal.models.sweep,
                self._trainings.renew_leases,
            ),
        )

    async def close(self) -> None:
        """Finish what was begun, store the state of every stream, and close the store."""
        self._is_closing = True
        self._submit_next()
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._housekeeping.close()
        self._trainings.close()
        now = time.monotonic()
        for stream in self._pipeline.streams():
            if stream.is_loaded:
                self._submit(Eviction(stream.stream_id, None, now))
        self._pipeline.close()
        self._writer.close()
        self.store.close()
        self.journal.close()

    def ready(self) -> tuple[bool, dict[str, Any]]:
        """Whether requests can be served, and what is to know about it."""
        state: dict[str, Any] = {
            "store": "redis" if self.store.is_shared else "sqlite",
            "durability": self._settings.durability,
            "streams": len(self._pipeline.streams()),
            "is_closing": self._is_closing,
        }
        try:
            self.store.check()
            self.journal.check()
        except StoreError as error:
            return False, state | {"error": str(error)}
        return not self._is_closing, state

    # ---- streams ----

    def score(
        self,
        stream_id: str,
        *,
        settings: Mapping[str, Any],
        given: Mapping[str, Any],
        values: npt.NDArray[np.float64] | list[Any],
        columns: Sequence[str] | None,
        render: Callable[[Answer], Any],
        timestamps: npt.NDArray[np.float64] | None = None,
        bundle: Bundle | None = None,
    ) -> asyncio.Future[Any]:
        """Score rows of a stream and keep them; see `Scoring`. The future gets what `render` did.

        Raises
        ------
        DataError, ConfigurationError, SettingsConflictError, LimitError
            If the rows are refused; nothing has changed.
        StoreError
            If the store cannot be reached.
        """
        return self._do(
            Scoring(
                stream_id,
                asyncio.get_running_loop().create_future(),
                Rows(values, columns, timestamps, time.time_ns() // 1000 / 1e6),
                settings=settings,
                given=given,
                render=render,
                bundle=bundle,
            )
        )

    async def predict_point(
        self,
        stream_id: str,
        bundle: LoadedBundle,
        *,
        values: npt.NDArray[np.float64],
        columns: Sequence[str] | None,
        timestamp: float | None,
    ) -> PointPrediction:
        """Score a row of a stream by a bundle, and keep it; see `PointEngine`."""
        prediction: PointPrediction = await self.score(
            stream_id,
            settings={},
            given={},
            values=values,
            columns=columns,
            render=_point_prediction,
            timestamps=None if timestamp is None else np.array([timestamp]),
            bundle=self._bundles.get(bundle),
        )
        return prediction

    async def info(self, stream_id: str) -> dict[str, Any]:
        """What there is to know about a stream; UnknownStreamError if there is none."""
        return await self._look(Inspection(stream_id, asyncio.get_running_loop().create_future()))

    async def infos(self) -> dict[str, dict[str, Any]]:
        """What there is to know about every stream; of one not in memory, what was known last."""
        await asyncio.to_thread(self._learn)
        loop = asyncio.get_running_loop()
        found = {}
        looking = []
        for stream in self._pipeline.streams():
            if stream.is_loaded or stream.info.get("sequence") != stream.sequence:
                looking.append(Inspection(stream.stream_id, loop.create_future()))
            elif stream.incarnation is not None:
                found[stream.stream_id] = stream.info
        for operation in looking:
            self._submit(operation)
        for operation in looking:
            try:
                assert operation.future is not None
                found[operation.stream_id] = await operation.future
            except Error:
                continue  # deleted meanwhile
        return found

    def _learn(self) -> None:
        """Get to know the streams that other replicas have made."""
        if self.store.is_shared:
            self._pipeline.know(self.store.streams())

    async def reset(self, stream_id: str) -> dict[str, Any]:
        """Bring a stream back to cold start; UnknownStreamError if there is none."""
        return await self._look(Resetting(stream_id, asyncio.get_running_loop().create_future()))

    async def _look(self, operation: Inspection) -> dict[str, Any]:
        info: dict[str, Any] = await self._do(operation)
        return info

    async def remove(self, stream_id: str) -> None:
        """Delete a stream; UnknownStreamError if there is none."""
        await self._do(Removal(stream_id, asyncio.get_running_loop().create_future()))

    def _do(self, operation: Operation) -> asyncio.Future[Any]:
        """Submit what is wanted; the future is told how it ended."""
        if self._is_closing:
            raise StoreError("the service is stopping", id="service_stopping")
        if operation.creates:
            self._require_log()
            self._housekeeping.require_room(operation)
        assert operation.future is not None
        # Together with what else the event loop has read: one thread is woken once, and both work
        # on for longer before they wait for each other.
        self._next.append(operation)
        if len(self._next) == 1:
            operation.future.get_loop().call_soon(self._submit_next)
        return operation.future

    def _submit_next(self) -> None:
        for operation in self._next:
            self._pipeline.submit(operation)
        self._next.clear()

    def _require_log(self) -> None:
        if self.log is not None and self.log.is_full:
            raise StoreError(
                "the log of predictions cannot be reached, and no more fit into the journal",
                id="log_full",
            )

    def _submit(self, operation: Operation) -> None:
        self._pipeline.submit(operation)

    # ---- predictions of other models ----

    async def log_predictions(
        self,
        *,
        stream_id: str,
        mode: str,
        columns: Sequence[str] | None,
        values: npt.NDArray[np.float64] | list[Any] | None,
        scores: npt.NDArray[np.float64],
        raw_scores: npt.NDArray[np.float64],
        is_anomaly: npt.NDArray[np.bool_],
        threshold: float,
        model_version: str | int,
        received_at: float,
    ) -> None:
        """Log predictions that are of no stream; ends when they are in the journal."""
        self._require_log()
        n_rows = len(scores)
        if n_rows == 0:
            return
        records = np.zeros(n_rows, record_dtype)
        records["scored"] = is_scored = ~np.isnan(scores)
        records["is_anomaly"] = records["alarm"] = is_anomaly
        records["status"] = 1
        records["score"], records["raw_score"] = scores, raw_scores
        records["index"] = np.arange(n_rows)
        rows = Rows(np.empty((0, 0)) if values is None else values, columns, None, received_at)
        entry = Entry(
            stream_id,
            uuid.uuid4().hex,
            None,
            OF_NO_STREAM,
            encode(rows),
            mode=mode,
            received_at=received_at,
            n_rows=n_rows,
            results=records.tobytes(),
            threshold=threshold,
            n_anomalies=int(np.count_nonzero(is_anomaly)),
            n_scored=int(np.count_nonzero(is_scored)),
            max_score=float(scores[is_scored].max()) if is_scored.any() else None,
            bundle=str(model_version),
        )
        operation = Operation(stream_id, asyncio.get_running_loop().create_future())
        assert operation.future is not None
        self._writer.put([Done(Stream(stream_id), 0, [entry], [operation])])
        await operation.future

    def _wake_log(self) -> None:
        if self.log is not None:
            self.log.wake()

    def _queues(self) -> dict[str, int]:
        """How much waits where."""
        return {
            "operations": self._pipeline.n_incoming,
            "writes": self._writer.n_waiting,
            "trainings": self._trainings.n_waiting,
        }


def _point_prediction(answer: Answer) -> PointPrediction:
    stream = answer.stream
    assert stream.bundle is not None
    assert stream.threshold is not None
    return PointPrediction(
        error=answer.raw_score if answer.scored else None,
        is_anomaly=answer.is_anomaly if answer.scored else None,
        threshold=stream.threshold,
        samples_until_ready=answer.samples_until_ready,
        model_version=stream.bundle,
    )


def _open_store(url: str, journal: Journal) -> Store:
    if url == "sqlite":
        return LocalStore(journal)
    from freshet.server.engine.redis_store import RedisStore

    return RedisStore(url)


def _is_slow(stream: Stream, n_rows: int, quick: set[str]) -> bool:
    """Whether rows may take longer than the streams beside it should wait."""
    if n_rows >= _MANY_ROWS:
        return True
    # Until it is ready, rows may begin the first training.
    settings = stream.settings or (stream.waiting[0].settings if stream.waiting else {})
    return not stream.is_ready and settings.get("backend", "ecod") not in quick
