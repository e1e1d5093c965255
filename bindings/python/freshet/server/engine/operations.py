"""What requests and the service itself want of a stream."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, Final

import numpy as np

from freshet._core import read_rows
from freshet.errors import DataError, UnknownStreamError
from freshet.server.engine.bundles import BUNDLE_SETTINGS, Bundle
from freshet.server.engine.changes import ModelBytes
from freshet.server.engine.conflicts import SettingsConflictError, require_same_settings
from freshet.server.engine.events import Create, Event, Publish, Reset, Rows
from freshet.server.engine.streams import Answer, Detectors, Stream

__all__ = [
    "Eviction",
    "Inspection",
    "Operation",
    "Removal",
    "Resetting",
    "Scoring",
]


#: Settings that a model must have in common with the stream that it is published to.
_OF_FEATURES: Final = (
    "backend",
    "n_features",
    "columns",
    "rolling_windows",
    "lag_periods",
    "shingle",
    "normalization",
)


class Operation:
    """Something that is wanted of a stream, and the future that is told how it ended.

    Attributes
    ----------
    stream_id : str
    future : asyncio.Future or None
        Its loop is told by whoever has finished the operation.
    value, error
        How it ended.
    """

    #: Whether a stream is made where there is none.
    creates: ClassVar[bool] = False
    #: Of the stream that it makes, if it does.
    settings: Mapping[str, Any] = MappingProxyType({})
    n_rows: int = 0

    def __init__(self, stream_id: str, future: asyncio.Future[Any] | None = None) -> None:
        self.stream_id = stream_id
        self.future = future
        self.value: Any = None
        self.error: BaseException | None = None
        self.models: Sequence[ModelBytes] = ()

    @property
    def n_columns(self) -> int:
        """Cells of its rows, 0 if it has none."""
        return 0

    def prepare(self, stream: Stream, detectors: Detectors) -> list[Event]:
        """Return the events that are wanted, after checking that they can happen.

        But for numbers alone where the detectors decide alone: these check them themselves.

        Raises
        ------
        Error
            If they cannot; then nothing has changed.
        """
        self.require(stream)
        return []

    def point_of(self, stream: Stream) -> Rows | None:
        """The row that is all that is wanted of a stream, if that only is left to check."""
        return None

    def answered(self, answer: Answer) -> None:
        """Take note of the verdict on what `point_of` has returned."""

    def happened(
        self, stream: Stream, detectors: Detectors, answers: Sequence[Answer | None]
    ) -> None:
        """Take note of what the events have brought about."""

    def resolve(self) -> None:
        """Tell the future; on its loop."""
        if self.future is None or self.future.done():
            return
        if self.error is None:
            self.future.set_result(self.value)
        else:
            self.future.set_exception(self.error)

    def require(self, stream: Stream) -> None:
        """Raise UnknownStreamError unless there is the stream."""
        if stream.incarnation is None:
            raise UnknownStreamError(
                f'there is no stream "{stream.stream_id}"',
                id="stream_unknown",
                field="model",
                expected="the name of a stream that has had a row",
            )


class Scoring(Operation):
    """Rows are scored and kept; the stream is made if there is none.

    Parameters
    ----------
    rows : Rows
    settings : mapping
        With which the stream is made.
    given : mapping
        Those of them that must be the stream's if there is one.
    render : callable
        Makes of the `Answer` what the future gets; called off the event loop.
    bundle : Bundle, optional
        What the stream is to be scored with, rather than a model of its own.
    """

    creates = True

    def __init__(
        self,
        stream_id: str,
        future: asyncio.Future[Any] | None,
        rows: Rows,
        *,
        settings: Mapping[str, Any],
        given: Mapping[str, Any],
        render: Callable[[Answer], Any],
        bundle: Bundle | None = None,
    ) -> None:
        super().__init__(stream_id, future)
        self.settings = settings
        self._given = given
        self._rows = rows
        self._render = render
        self._bundle = bundle
        self.n_rows = len(rows.values)

    @property
    def n_columns(self) -> int:
        """Cells of the first row, 0 if that is none."""
        values = self._rows.values
        first = values[0] if len(values) else None
        return len(first) if isinstance(first, (np.ndarray, list, dict)) else 0

    def point_of(self, stream: Stream) -> Rows | None:
        """The row, if it is one whose columns have names, for a stream with such settings."""
        rows = self._rows
        is_one = (
            self.n_rows == 1
            and self._given is stream.agreed
            and self._bundle is None
            and rows.timestamps is None
            and (rows.columns is not None or isinstance(rows.values[0], dict))
            and not stream.settings.get("schema")
        )
        return rows if is_one else None

    def prepare(self, stream: Stream, detectors: Detectors) -> list[Event]:
        """Check the settings and the rows."""
        rows = self._rows
        if isinstance(rows.values, list):
            settings = self.settings if stream.incarnation is None else stream.settings
            # What are numbers may be categories of a schema.
            rows = _named(rows, stream) if settings.get("schema") else _numbers(rows)
        if (
            rows.columns is None
            and stream.columns is not None
            and isinstance(rows.values, np.ndarray)
            and rows.values.shape[1:] == (len(stream.columns),)
        ):
            # With names, whoever reads the log knows what the values are.
            rows = dataclasses.replace(rows, columns=stream.columns)
        before = self._before(stream, detectors)
        if before is None and detectors.decide_alone and isinstance(rows.values, np.ndarray):
            return [rows]
        if not isinstance(before, Create):
            detectors.pool.check(
                stream.stream_id, rows.values, rows.timestamps, columns=rows.columns
            )
            return [rows] if before is None else [before, rows]
        self._check_new(stream, detectors, before)
        return [before, rows]

    def _before(self, stream: Stream, detectors: Detectors) -> Create | Publish | None:
        bundle = self._bundle
        if stream.incarnation is None:
            if bundle is None:
                return Create(self.settings)
            self.models = (bundle.stored,)
            return Create(BUNDLE_SETTINGS, bundle.stored.digest, bundle.version)
        if bundle is None:
            if self._given is not stream.agreed:
                require_same_settings(stream.stream_id, self._given, stream.settings)
                stream.agreed = self._given
            return None
        if stream.bundle is None:
            raise SettingsConflictError(stream.stream_id, {"bundle": (bundle.version, None)})
        if stream.bundle == bundle.version:
            return None
        self.models = (bundle.stored,)
        has = bundle.model.settings
        if any(has[name] != stream.settings[name] for name in _OF_FEATURES):
            # Another kind of model: it sees the rows in another way, so it begins anew.
            return Create(BUNDLE_SETTINGS, bundle.stored.digest, bundle.version)
        version = detectors.pool.stats(stream.stream_id).model_version + 1
        return Publish(version, bundle.stored.digest, bundle.version)

    def _check_new(self, stream: Stream, detectors: Detectors, create: Create) -> None:
        # By a detector that is there for that only, so that a refusal leaves no trace.
        rows, pool = self._rows, detectors.pool
        trial = f"{stream.stream_id}\n"  # no stream has a name like it
        model = None if self._bundle is None else self._bundle.model
        pool.add(trial, create.settings, model=model)
        try:
            pool.check(trial, rows.values, rows.timestamps, columns=rows.columns)
        finally:
            pool.remove(trial)

    def happened(
        self, stream: Stream, detectors: Detectors, answers: Sequence[Answer | None]
    ) -> None:
        """Render the verdicts."""
        answer = answers[-1]
        assert answer is not None
        self.answered(answer)

    def answered(self, answer: Answer) -> None:
        """Render the verdict."""
        self.value = self._render(answer)


def _numbers(rows: Rows) -> Rows:
    """Return rows as an array, unless they have cells that are no numbers."""
    assert isinstance(rows.values, list)
    try:
        values, columns = read_rows(rows.values)
    except DataError:
        return rows  # Which one, whoever checks them says.
    return dataclasses.replace(rows, values=values, columns=columns)


def _named(rows: Rows, stream: Stream) -> Rows:
    """Return rows as mappings, so that whoever reads the log knows what the cells are."""
    names, cells = stream.columns, rows.values
    if names is None or not all(isinstance(row, list) and len(row) == len(names) for row in cells):
        return rows
    values = [dict(zip(names, row, strict=True)) for row in cells]
    return dataclasses.replace(rows, values=values)


class Inspection(Operation):
    """What there is to know about a stream."""

    def happened(
        self, stream: Stream, detectors: Detectors, answers: Sequence[Answer | None]
    ) -> None:
        """Look."""
        self.value = detectors.info(stream)


class Resetting(Inspection):
    """A stream goes back to cold start."""

    def prepare(self, stream: Stream, detectors: Detectors) -> list[Event]:
        """Check that there is one."""
        self.require(stream)
        return [Reset()]


class Removal(Operation):
    """A stream is deleted; the pipeline does it."""


class Eviction(Operation):
    """A stream's memory is freed unless it was used meanwhile; the pipeline does it.

    Parameters
    ----------
    unused_since : float
        Of the monotonic clock: used after it, the stream stays.
    """

    def __init__(
        self, stream_id: str, future: asyncio.Future[Any] | None, unused_since: float
    ) -> None:
        super().__init__(stream_id, future)
        self.unused_since = unused_since
