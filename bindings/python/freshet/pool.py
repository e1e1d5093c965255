"""Many streams by id."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from freshet import _core
from freshet._rows import (
    NATIVE_ROWS,
    Row,
    Rows,
    Timestamp,
    as_seconds,
    as_seconds_array,
    native_batch,
    native_row,
)
from freshet._settings import public_settings
from freshet.errors import UnknownStreamError
from freshet.results import Explanation, ResultBatch, Stats

__all__ = ["DetectorPool"]


class DetectorPool:
    """One streaming detector per stream id, made when the stream's first row comes or by `add`.

    Parameters
    ----------
    backend : str, default "ecod"
        The detection method; see `StreamingDetector`.
    **settings
        The other arguments of `StreamingDetector`, the same for all streams but those that `add`
        makes. Without ``columns`` the first row of each stream decides its columns.

    Raises
    ------
    ConfigurationError
        If a setting is unknown, of the wrong type or out of range; ``field`` names it.

    Notes
    -----
    All methods may be called from any number of threads. Rows of different streams never wait for
    each other; rows of one stream are processed one after another.

    Examples
    --------
    >>> pool = DetectorPool("hbos", min_samples=20)
    >>> pool.process("pump-1", {"pressure": 1.5, "flow": 20.0}).status
    'collecting'
    >>> "pump-1" in pool, len(pool)
    (True, 1)
    """

    __slots__ = ("__weakref__", "_core")

    def __init__(self, backend: str = "ecod", **settings: Any) -> None:
        self._core = _core.Pool({"backend": backend, **settings})

    def add(
        self,
        stream_id: str,
        settings: Mapping[str, Any],
        model: _core.TrainedModel | None = None,
    ) -> None:
        """Make a stream with settings of its own.

        Parameters
        ----------
        stream_id : str
            A new one.
        settings : mapping
            Arguments of `StreamingDetector`. With a `model` only what is to be different from
            ``model.settings``: neither the backend and its parameters nor what makes features of a
            row.
        model : TrainedModel, optional
            What to begin with. All streams that begin with one model share its memory.

        Raises
        ------
        ConfigurationError
            If there is a stream of this id, or a setting is unknown, of the wrong type, out of
            range or not what the model was trained with; ``field`` names it.
        """
        self._core.add(stream_id, dict(settings), model)

    def process(self, stream_id: str, row: Row, timestamp: Timestamp | None = None) -> _core.Result:
        """Score a row of a stream, then keep it; see `StreamingDetector.process`.

        A stream whose first row is refused is not made.
        """
        if type(row) not in NATIVE_ROWS:
            row = native_row(row)
        if timestamp is not None:
            timestamp = as_seconds(timestamp)
        return self._core.process(stream_id, row, timestamp)

    def process_many(
        self,
        stream_id: str,
        rows: Rows,
        timestamps: Any = None,
        *,
        columns: Iterable[str] | None = None,
    ) -> ResultBatch:
        """Process rows of a stream in order; see `StreamingDetector.process_many`."""
        batch, names = native_batch(rows, columns)
        times = None if timestamps is None else as_seconds_array(timestamps)
        return ResultBatch(self._core.process_many(stream_id, batch, names, times))

    def check(
        self,
        stream_id: str,
        rows: Rows,
        timestamps: Any = None,
        *,
        columns: Iterable[str] | None = None,
    ) -> None:
        """Raise what `process_many` would raise for these rows; nothing changes.

        A stream that does not exist is not made.

        Raises
        ------
        DataError
            See `StreamingDetector.process_many`.
        """
        batch, names = native_batch(rows, columns)
        times = None if timestamps is None else as_seconds_array(timestamps)
        self._core.check(stream_id, batch, names, times)

    def score(self, stream_id: str, row: Row) -> _core.Score:
        """What a row would score if it came next; see `StreamingDetector.score`.

        Raises
        ------
        UnknownStreamError
            If the stream has had no row.
        """
        return self._core.score(stream_id, native_row(row))

    def explain(self, stream_id: str, row: Row) -> Explanation:
        """What each column adds to the raw score of a row; see `StreamingDetector.explain`.

        Raises
        ------
        UnknownStreamError
            If the stream has had no row.
        """
        return Explanation._of(*self._core.explain(stream_id, native_row(row)))

    def retrain(self, stream_id: str) -> None:
        """Train a stream's model on the rows kept, now; see `StreamingDetector.retrain`.

        Raises
        ------
        UnknownStreamError
            If the stream has had no row.
        """
        self._core.retrain(stream_id)

    def training(self, stream_id: str) -> _core.Training | None:
        """The training of a stream that is due and the host's; see `StreamingDetector.training`.

        Raises
        ------
        UnknownStreamError
            If there is no such stream.
        """
        return self._core.training(stream_id)

    def publish(self, stream_id: str, model: _core.TrainedModel) -> bool:
        """Make a model the active one of a stream; see `StreamingDetector.publish`.

        Raises
        ------
        UnknownStreamError
            If there is no such stream.
        ConfigurationError
            If the model does not fit the stream.
        """
        return self._core.publish(stream_id, model)

    def abandon_training(self, stream_id: str, why: str, version: int | None = None) -> bool:
        """Give up a stream's training; see `StreamingDetector.abandon_training`.

        Raises
        ------
        UnknownStreamError
            If there is no such stream.
        """
        return self._core.abandon_training(stream_id, why, version)

    def settings(self, stream_id: str) -> dict[str, Any]:
        """All settings of a stream; see `StreamingDetector.settings`.

        Raises
        ------
        UnknownStreamError
            If there is no such stream.
        """
        return public_settings(self._core.settings(stream_id))

    def columns(self, stream_id: str) -> tuple[str, ...] | None:
        """The names of a stream's columns; None until they are known.

        Raises
        ------
        UnknownStreamError
            If there is no such stream.
        """
        return tuple(self._core.columns(stream_id)) or None

    def wait(self, stream_id: str | None = None) -> None:
        """Block until no training of a stream, or of any stream, is running.

        Raises
        ------
        UnknownStreamError
            If the stream has had no row.
        """
        if stream_id is not None:
            self._core.wait(stream_id)
            return
        for one in self.stream_ids:
            try:
                self._core.wait(one)
            except UnknownStreamError:
                continue  # removed meanwhile

    def reset(self, stream_id: str) -> None:
        """Bring a stream back to cold start; the settings stay.

        Raises
        ------
        UnknownStreamError
            If the stream has had no row.
        """
        self._core.reset(stream_id)

    def remove(self, stream_id: str) -> None:
        """Forget a stream and free its memory.

        Raises
        ------
        UnknownStreamError
            If the stream has had no row.
        """
        self._core.remove(stream_id)

    def stats(self, stream_id: str) -> Stats:
        """The state of a stream's detector in numbers.

        Raises
        ------
        UnknownStreamError
            If the stream has had no row.
        """
        return Stats(**self._core.stats(stream_id))

    def snapshot(self, stream_id: str) -> bytes:
        """The whole state of a stream's detector; also for `StreamingDetector.restore`.

        Raises
        ------
        UnknownStreamError
            If the stream has had no row.
        """
        return self._core.snapshot(stream_id)

    def restore(self, stream_id: str, data: bytes) -> None:
        """Put the detector whose snapshot `data` is in place as a stream, in place of any other.

        Raises
        ------
        SnapshotError
            If the bytes are truncated, damaged, or of another format.
        """
        self._core.restore(stream_id, bytes(data))

    @property
    def stream_ids(self) -> tuple[str, ...]:
        """The ids of all streams, in no particular order."""
        return tuple(self._core.stream_ids())

    def __contains__(self, stream_id: object) -> bool:
        return isinstance(stream_id, str) and self._core.contains(stream_id)

    def __iter__(self) -> Iterator[str]:
        return iter(self.stream_ids)

    def __len__(self) -> int:
        return len(self._core)

    def __repr__(self) -> str:
        return f"<DetectorPool of {len(self)} streams>"
