"""Rows with their verdicts, as arrays: what every source gives and every panel shows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

__all__ = ["LABELS", "Axis", "Points", "Rate", "Span"]

Axis = Literal["time", "row"]
#: By what `Points.labels` holds.
LABELS: Final = ("warmup", "normal", "anomaly")

#: The arrays with an entry for each row.
_PER_ROW: Final = (
    "ids", "rows", "values", "scores", "raw_scores", "thresholds", "is_anomaly", "model_versions",
    "received", "times",
)  # fmt: skip


class Span(NamedTuple):
    """Rows that follow each other: from position `begin` up to, not including, `end`."""

    begin: int
    end: int
    version: int


class Rate(NamedTuple):
    """The share of anomalies in equal parts of the horizontal axis.

    Attributes
    ----------
    begins : ndarray
        Where each part begins, on the axis.
    widths : ndarray
        Their widths, in the axis's units; timedelta64 on an axis of time.
    shares : ndarray of float64
        Anomalies over scored rows; NaN without scored rows.
    n_scored : ndarray of int64
    """

    begins: npt.NDArray[Any]
    widths: npt.NDArray[Any]
    shares: npt.NDArray[np.float64]
    n_scored: npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Points:
    """Rows of one stream, oldest first, with what was said of them.

    Attributes
    ----------
    columns : tuple of str
        The columns that hold numbers.
    ids : ndarray of int64, shape (n,)
        What a row keeps while newer ones come; increasing.
    rows : ndarray of int64, shape (n,)
        The row's index as its source counts; after a reset a stream counts from 0 again.
    values : ndarray of float64, shape (n, columns)
        NaN where a row has no number in a column.
    scores, raw_scores : ndarray of float64, shape (n,)
        NaN in cold start; raw scores NaN too where the source has none.
    thresholds : ndarray of float64, shape (n,)
        Scores above it are anomalies; NaN where unknown.
    is_anomaly : ndarray of bool, shape (n,)
    model_versions : ndarray of int64, shape (n,)
        The model that scored the row; 0 in cold start.
    received : ndarray of datetime64[us], shape (n,), or None
        When the service got the row.
    times : ndarray of datetime64[us], shape (n,), or None
        When the row was measured; NaT where unknown.
    texts : tuple of str
        Columns that hold something else than numbers, and are not drawn.
    """

    columns: tuple[str, ...]
    ids: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]
    scores: npt.NDArray[np.float64]
    raw_scores: npt.NDArray[np.float64]
    thresholds: npt.NDArray[np.float64]
    is_anomaly: npt.NDArray[np.bool_]
    model_versions: npt.NDArray[np.int64]
    received: npt.NDArray[np.datetime64] | None = None
    times: npt.NDArray[np.datetime64] | None = None
    texts: tuple[str, ...] = ()

    @classmethod
    def none(cls) -> Points:
        """Return no points."""
        zero = np.zeros(0)
        count = zero.astype(np.int64)
        return cls(
            (), count, count, np.zeros((0, 0)), zero, zero, zero, zero.astype(np.bool_), count
        )

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, part: slice | npt.NDArray[Any]) -> Points:
        """Return some of the rows, in the same order."""
        taken: dict[str, Any] = {}
        for name in _PER_ROW:
            array = getattr(self, name)
            taken[name] = None if array is None else array[part]
        return replace(self, **taken)

    @classmethod
    def joined(cls, parts: Sequence[Points]) -> Points:
        """Return the rows of one part after the other, whose columns may differ.

        The ids go on after those of the first part.
        """
        parts = [part for part in parts if len(part)]
        if len(parts) < 2:
            return parts[0] if parts else cls.none()
        columns = tuple(dict.fromkeys(name for part in parts for name in part.columns))
        texts = tuple(dict.fromkeys(n for part in parts for n in part.texts if n not in columns))
        alike = [part._with_columns(columns) for part in parts]
        arrays: dict[str, Any] = {}
        for name in _PER_ROW:
            some = [getattr(part, name) for part in alike]
            arrays[name] = None if any(one is None for one in some) else np.concatenate(some)
        first = int(parts[0].ids[0])
        arrays["ids"] = np.arange(first, first + len(arrays["ids"]), dtype=np.int64)
        return cls(columns=columns, texts=texts, **arrays)

    def _with_columns(self, columns: tuple[str, ...]) -> Points:
        if columns == self.columns:
            return self
        values = np.full((len(self), len(columns)), np.nan)
        for i, name in enumerate(columns):
            if name in self.columns:
                values[:, i] = self.values[:, self.columns.index(name)]
        return replace(self, columns=columns, values=values)

    def position(self, identity: int) -> int | None:
        """Return where the row with an id is; None if it is not among these."""
        i = int(np.searchsorted(self.ids, identity))
        return i if i < len(self) and self.ids[i] == identity else None

    @property
    def is_scored(self) -> npt.NDArray[np.bool_]:
        """Which rows have a score."""
        return ~np.isnan(self.scores)

    @property
    def n_anomalies(self) -> int:
        """How many rows are anomalies."""
        return int(self.is_anomaly.sum())

    @property
    def rate(self) -> float | None:
        """Anomalies over scored rows; None without scored rows."""
        n_scored = int(self.is_scored.sum())
        return self.n_anomalies / n_scored if n_scored else None

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """A position in `LABELS` for each row."""
        return self.is_scored.astype(np.int64) + (self.is_scored & self.is_anomaly)

    # ---- the horizontal axis ----

    @cached_property
    def clock(self) -> npt.NDArray[np.datetime64] | None:
        """Times to draw along: the rows' own, else when they came; None if neither will do.

        Rows of one request came at one time. Where most rows share theirs with others, or times go
        back, a picture would show less than one by rows.
        """
        for times in (self.times, self.received):
            if times is None or not len(times) or np.isnat(times).any():
                continue
            steps = np.diff(times)
            if (steps >= np.timedelta64(0)).all() and 2 * np.count_nonzero(steps) >= len(steps):
                return times
        return None

    def along(self, axis: Axis) -> npt.NDArray[Any]:
        """Return each row's place on an axis; on the rows' where there is no time."""
        clock = self.clock if axis == "time" else None
        return self.places if clock is None else clock

    @cached_property
    def places(self) -> npt.NDArray[np.int64]:
        """The rows' own numbers if they increase, else their ids, which always do."""
        increases = bool((np.diff(self.rows) > 0).all())
        return self.rows if increases else self.ids

    # ---- parts ----

    def model_spans(self) -> list[Span]:
        """Return the runs of rows that one model scored after the other; cold start is none."""
        return [span for span in _spans(self.model_versions) if span.version > 0]

    def cold_spans(self) -> list[Span]:
        """Return the runs of rows without a score."""
        return [span for span in _spans((~self.is_scored).astype(np.int64)) if span.version == 1]

    def swaps(self) -> list[int]:
        """Return the positions of the rows at which another model took over."""
        versions = self.model_versions
        changed = (versions[1:] != versions[:-1]) & (versions[1:] > 0) & (versions[:-1] > 0)
        return [1 + int(i) for i in np.flatnonzero(changed)]

    def rates(self, axis: Axis, n_parts: int = 60) -> Rate:
        """Return the share of anomalies over the axis, in as many parts as there is use for."""
        places = self.along(axis)
        is_time = np.issubdtype(places.dtype, np.datetime64)
        if not len(places):
            empty = np.zeros(0)
            return Rate(places, empty, empty, empty.astype(np.int64))
        numbers = places.astype(np.int64)
        n_parts = max(1, min(n_parts, len(places) // 5))
        edges = np.linspace(numbers[0], max(numbers[-1], numbers[0] + 1), n_parts + 1)
        part = np.clip(np.searchsorted(edges, numbers, side="right") - 1, 0, n_parts - 1)
        n_scored = np.bincount(part, self.is_scored, n_parts)
        n_anomalies = np.bincount(part, self.is_anomaly, n_parts)
        shares = np.divide(n_anomalies, n_scored, out=np.full(n_parts, np.nan), where=n_scored > 0)
        begins, widths = edges[:-1], np.diff(edges)
        if is_time:
            begins = begins.astype(np.int64).astype("datetime64[us]")
            widths = widths.astype(np.int64).astype("timedelta64[us]")
        return Rate(begins, widths, shares, n_scored.astype(np.int64))

    def columns_of(self, names: Sequence[str]) -> list[tuple[str, npt.NDArray[np.float64]]]:
        """Return the named columns that there are, with their values."""
        return [(name, self.values[:, self.columns.index(name)]) for name in names
                if name in self.columns]  # fmt: skip


def _spans(kinds: npt.NDArray[np.int64]) -> list[Span]:
    if not len(kinds):
        return []
    begins = np.flatnonzero(np.diff(kinds, prepend=kinds[0] - 1))
    ends = np.append(begins[1:], len(kinds))
    return [
        Span(*one)
        for one in zip(begins.tolist(), ends.tolist(), kinds[begins].tolist(), strict=True)
    ]
