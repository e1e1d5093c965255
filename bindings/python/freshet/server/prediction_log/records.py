"""Predictions as they are logged: in blocks, as requests brought them, and one by one."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = [
    "Key",
    "Label",
    "Mode",
    "Prediction",
    "PredictionBlock",
    "from_microseconds",
    "to_microseconds",
]

Label = Literal["warmup", "normal", "anomaly"]
Mode = Literal["stream", "batch"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND: Final = timedelta(microseconds=1)
_LARGEST: Final = sys.float_info.max
_LABELS: Final[tuple[Label, ...]] = ("warmup", "normal", "anomaly")


class Key(NamedTuple):
    """What tells predictions apart, and the order in which they are listed.

    A stream that is reset counts its rows from 0 again; the time tells those apart.
    """

    microseconds: int
    incarnation: str
    position: int
    stream_id: str


@dataclass(frozen=True, slots=True)
class Prediction:
    """The verdict on one row, with what it is about.

    Attributes
    ----------
    timestamp : datetime
        When the request came, or the last of those that came together, in UTC.
    stream_id : str
        The stream, or the model of a batch.
    index : int
        The row's position in the stream since its start or last reset, or in the batch.
    mode : {"stream", "batch"}
    label : {"warmup", "normal", "anomaly"}
    score, raw_score : float or None
        None in warm-up. The largest number there is stands for infinity.
    threshold : float or None
        Scores above it are anomalies.
    model_version : int
        0 in warm-up.
    bundle : str or None
        The version of the bundle or the file that the model is of, unless the stream trained it.
    row_timestamp : float or None
        What the request says of the row's time, in seconds since 1970.
    values : dict
        The row, by column.
    incarnation : str
        Which of the streams that had this name one after another, or which batch.
    """

    timestamp: datetime
    stream_id: str
    index: int
    mode: Mode
    label: Label
    score: float | None
    raw_score: float | None
    threshold: float | None
    model_version: int
    bundle: str | None
    row_timestamp: float | None
    values: dict[str, Any]
    incarnation: str

    @property
    def key(self) -> Key:
        """What tells it from others."""
        moment = to_microseconds(self.timestamp)
        return Key(moment, self.incarnation, self.index, self.stream_id)


@dataclass(frozen=True, slots=True, eq=False)
class PredictionBlock:
    """The predictions of one request, or of requests with a point each that came together.

    Attributes
    ----------
    id : int
        Of the journal's row.
    stream_id, incarnation, mode
        See `Prediction`.
    received_at : float
        When the last request came, in seconds since 1970 and whole microseconds.
    first_index : int
        The index of the first row.
    columns : sequence of str or None
        The names of the columns; None for f0, f1, ….
    values : ndarray of float64, shape (rows, columns), or list of rows
        A list, of mappings or sequences, where a cell is no number. Empty if the rows are unknown.
    timestamps : ndarray of float64, shape (rows,), or None
        The rows' own times, in seconds since 1970.
    results : ndarray of `record_dtype`, shape (rows,)
    threshold : float or None
    bundle : str or None
        See `Prediction`.
    n_bytes : int
        What the block takes in the journal.
    """

    id: int
    stream_id: str
    incarnation: str
    mode: Mode
    received_at: float
    first_index: int
    columns: Sequence[str] | None
    values: npt.NDArray[np.float64] | list[Any]
    timestamps: npt.NDArray[np.float64] | None
    results: npt.NDArray[Any]
    threshold: float | None
    bundle: str | None = None
    n_bytes: int = 0

    def __len__(self) -> int:
        return len(self.results)

    @property
    def microseconds(self) -> int:
        """When the request came, in microseconds since 1970."""
        return round(self.received_at * 1e6)

    def key(self, row: int) -> Key:
        """What tells a row's prediction from others."""
        return Key(self.microseconds, self.incarnation, self.first_index + row, self.stream_id)

    def predictions(self, rows: Sequence[int] | None = None) -> Iterator[Prediction]:
        """Yield the predictions of some rows, in the order given, or of all."""
        records = self.results.tolist()
        received = from_microseconds(self.microseconds)
        times = None if self.timestamps is None else self.timestamps.tolist()
        table = self.values if isinstance(self.values, list) else self.values.tolist()
        for i in range(len(records)) if rows is None else rows:
            scored, is_anomaly, _, _, score, raw_score, _, version, _ = records[i]
            yield Prediction(
                timestamp=received,
                stream_id=self.stream_id,
                index=self.first_index + i,
                mode=self.mode,
                label=_LABELS[scored + is_anomaly],
                score=_finite(score) if scored else None,
                raw_score=_finite(raw_score) if scored else None,
                threshold=self.threshold,
                model_version=version,
                bundle=self.bundle,
                row_timestamp=None if times is None else times[i],
                values=self._named(table[i]) if table else {},
                incarnation=self.incarnation,
            )

    def _named(self, row: Any) -> dict[str, Any]:
        if isinstance(row, dict):
            return row
        names = self.columns or [f"f{i}" for i in range(len(row))]
        return dict(zip(names, row, strict=True))


def _finite(score: float) -> float:
    # Not every database, and no JSON, has other numbers.
    return max(-_LARGEST, min(score, _LARGEST))


def from_microseconds(microseconds: int) -> datetime:
    """Return a time in UTC, exactly."""
    return _EPOCH + timedelta(microseconds=microseconds)


def to_microseconds(moment: datetime) -> int:
    """Return the microseconds since 1970, exactly."""
    return (moment - _EPOCH) // _MICROSECOND
