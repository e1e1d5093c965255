"""What detectors answer: batches of verdicts, explanations and statistics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import numpy.typing as npt

from freshet import _core
from freshet.errors import SnapshotError

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

__all__ = ["Explanation", "ResultBatch", "Stats"]

_STATUSES = np.array(["collecting", "ready", "retraining"])


class ResultBatch:
    """The verdicts on the rows of a batch, as arrays of one value per row.

    Indexing with an integer gives a `Result`, with a slice a smaller batch. The arrays are views
    of one block of memory, made without a copy.

    Attributes
    ----------
    scored : ndarray of bool
        Whether there was a model to score the row with.
    score, raw_score : ndarray of float64
        The normalized and the backend's own score, larger is more abnormal; NaN in cold start.
    is_anomaly, alarm : ndarray of bool
        Whether the score is above the threshold, and whether that is worth waking someone; False
        in cold start.
    status : ndarray of str
        ``"collecting"``, ``"ready"`` or ``"retraining"``, after the row.
    samples_until_ready, model_version, index : ndarray of int64
        See `Result`.
    records : ndarray
        All of it as one structured array; see `from_records`.
    """

    __slots__ = ("_records",)

    def __init__(self, records: npt.NDArray[Any]) -> None:
        self._records = records

    @classmethod
    def from_records(
        cls, records: npt.NDArray[Any] | bytes | bytearray | memoryview
    ) -> ResultBatch:
        """The batch whose `records` these are, or are the bytes of.

        Parameters
        ----------
        records : structured ndarray of shape (n_rows,), or bytes
            48 bytes per row, little-endian: ``scored``, ``is_anomaly`` and ``alarm`` (1 byte each,
            0 or 1), ``status`` (1 byte; 0 collecting, 1 ready, 2 retraining), 4 bytes that are 0,
            ``score`` and ``raw_score`` (float64), ``samples_until_ready``, ``model_version`` and
            ``index`` (uint64).

        Raises
        ------
        SnapshotError
            If they are no such records.
        """
        dtype = _core.record_dtype
        array = np.asarray(records)
        if isinstance(records, (bytes, bytearray, memoryview)):
            size = memoryview(records).nbytes
            if size % dtype.itemsize:
                raise _no_records("snapshot_truncated", f"{size} bytes are no whole records")
            array = np.frombuffer(records, dtype)
        if array.dtype != dtype or array.ndim != 1:
            raise _no_records("snapshot_corrupt", "the array is of another type or shape")
        array = np.require(array, dtype, ["C", "A"])
        flags = array.view(np.uint8).reshape(len(array), dtype.itemsize)[:, :4]
        if (flags > (1, 1, 1, 2)).any():
            raise _no_records("snapshot_corrupt", "a flag or status has no such value")
        return cls(array)

    @property
    def records(self) -> npt.NDArray[Any]:
        """All of it as one structured array that cannot be written to.

        The same results have the same bytes: ``batch.records.tobytes()``.
        """
        records: npt.NDArray[Any] = self._records.view()
        records.flags.writeable = False
        return records

    @property
    def scored(self) -> npt.NDArray[np.bool_]:
        """Whether there was a model to score the row with."""
        return self._records["scored"]

    @property
    def score(self) -> npt.NDArray[np.float64]:
        """The normalized scores; NaN in cold start."""
        return self._records["score"]

    @property
    def raw_score(self) -> npt.NDArray[np.float64]:
        """The backend's own scores; NaN in cold start."""
        return self._records["raw_score"]

    @property
    def is_anomaly(self) -> npt.NDArray[np.bool_]:
        """Whether the score is above the threshold; False in cold start."""
        return self._records["is_anomaly"]

    @property
    def alarm(self) -> npt.NDArray[np.bool_]:
        """Whether the row is worth waking someone; False in cold start."""
        return self._records["alarm"]

    @property
    def status(self) -> npt.NDArray[np.str_]:
        """The detector's status after the row."""
        statuses: npt.NDArray[np.str_] = _STATUSES[self._records["status"]]
        return statuses

    @property
    def samples_until_ready(self) -> npt.NDArray[np.int64]:
        """Rows still to come before the first training."""
        return self._records["samples_until_ready"].view(np.int64)

    @property
    def model_version(self) -> npt.NDArray[np.int64]:
        """The version of the model that scored the row; 0 without one."""
        return self._records["model_version"].view(np.int64)

    @property
    def index(self) -> npt.NDArray[np.int64]:
        """The rows' positions in the stream."""
        return self._records["index"].view(np.int64)

    def __len__(self) -> int:
        return len(self._records)

    @overload
    def __getitem__(self, index: int) -> _core.Result: ...
    @overload
    def __getitem__(self, index: slice) -> ResultBatch: ...
    def __getitem__(self, index: int | slice) -> _core.Result | ResultBatch:
        if isinstance(index, slice):
            return ResultBatch(self._records[index])
        return _core.result_at(self._records, range(len(self))[index])

    def __iter__(self) -> Iterator[_core.Result]:
        for i in range(len(self)):
            yield _core.result_at(self._records, i)

    def __repr__(self) -> str:
        n_scored = int(self.scored.sum())
        n_anomalies = int(self.is_anomaly.sum())
        return f"ResultBatch({len(self)} rows, {n_scored} scored, {n_anomalies} anomalies)"

    def to_dicts(self) -> list[dict[str, Any]]:
        """Every row as a dict, None where there is no verdict: ready for JSON."""
        return [result.to_dict() for result in self]

    def _columns(self) -> dict[str, npt.NDArray[Any]]:
        return {
            "index": self.index,
            "score": self.score,
            "raw_score": self.raw_score,
            "is_anomaly": self.is_anomaly,
            "alarm": self.alarm,
            "scored": self.scored,
            "status": self.status,
            "samples_until_ready": self.samples_until_ready,
            "model_version": self.model_version,
        }

    def to_pandas(self) -> pd.DataFrame:
        """A pandas DataFrame with one column per attribute; NaN scores in cold start."""
        import pandas as pd

        return pd.DataFrame(self._columns())

    def to_polars(self) -> pl.DataFrame:
        """A Polars DataFrame with one column per attribute; null scores in cold start."""
        import polars as pl

        frame = pl.DataFrame({name: np.ascontiguousarray(a) for name, a in self._columns().items()})
        return frame.with_columns(
            pl.when("scored").then(pl.col("score", "raw_score", "is_anomaly", "alarm"))
        )


def _no_records(id_: str, why: str) -> SnapshotError:
    return SnapshotError(
        f"these are no records of results: {why}",
        id=id_,
        field="records",
        expected="what ResultBatch.records gave",
    )


class Explanation(Mapping[str, float]):
    """What each column adds to the raw score of a row.

    A mapping from column to contribution; what the model sees of a column (the value, its rolling
    statistics, its lags) is added up. The contributions sum to `raw_score` up to rounding.

    Attributes
    ----------
    raw_score : float
        The backend's own score of the row.
    score : float
        The normalized score of the row.
    is_anomaly : bool
        Whether the score is above the threshold.
    by_feature : dict of str to float
        The contribution of each feature, in the order in which the model sees them.
    """

    __slots__ = ("_by_column", "by_feature", "is_anomaly", "raw_score", "score")

    def __init__(
        self, score: _core.Score, by_column: dict[str, float], by_feature: dict[str, float]
    ) -> None:
        self.raw_score = score.raw_score
        self.score = score.score
        self.is_anomaly = score.is_anomaly
        self.by_feature = by_feature
        self._by_column = by_column

    @classmethod
    def _of(
        cls,
        explained: tuple[list[float], _core.Score],
        columns: list[str],
        feature_names: list[str],
        feature_columns: list[int],
    ) -> Explanation:
        contributions, score = explained
        by_column = dict.fromkeys(columns, 0.0)
        for column, contribution in zip(feature_columns, contributions, strict=True):
            by_column[columns[column]] += contribution
        return cls(score, by_column, dict(zip(feature_names, contributions, strict=True)))

    def __getitem__(self, column: str) -> float:
        return self._by_column[column]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_column)

    def __len__(self) -> int:
        return len(self._by_column)

    def to_pandas(self) -> pd.DataFrame:
        """A pandas DataFrame with a row for each column of the data: column, contribution."""
        import pandas as pd

        return pd.DataFrame({"column": list(self), "contribution": list(self.values())})

    def to_polars(self) -> pl.DataFrame:
        """A Polars DataFrame with a row for each column of the data: column, contribution."""
        import polars as pl

        return pl.DataFrame({"column": list(self), "contribution": list(self.values())})

    def __repr__(self) -> str:
        return f"Explanation({self._by_column}, raw_score={self.raw_score}, score={self.score})"


@dataclass(frozen=True)
class Stats:
    """The state of a detector in numbers.

    Attributes
    ----------
    status : str
        ``"collecting"``, ``"ready"`` or ``"retraining"``.
    model_version : int
        The active model's version, counted from 1; 0 while there is none.
    samples_collected : int
        Rows in the window.
    total_processed : int
        Rows accepted since the start or the last reset.
    samples_since_retrain : int
        Rows accepted since the last training began.
    samples_until_ready : int
        Rows still to come before the first training.
    dropped : int
        Rows left out because their timestamp was earlier than the one before.
    failed_retrains : int
        Trainings that failed, each of which left the model at hand in place.
    last_error : str or None
        Why the last failed training failed.
    last_fit_seconds : float or None
        How long the active model took to train.
    threshold : float or None
        Scores above it are anomalies.
    """

    status: str
    model_version: int
    samples_collected: int
    total_processed: int
    samples_since_retrain: int
    samples_until_ready: int
    dropped: int
    failed_retrains: int
    last_error: str | None
    last_fit_seconds: float | None
    threshold: float | None

    @property
    def is_ready(self) -> bool:
        """Whether there is a model."""
        return self.model_version > 0

    def to_dict(self) -> dict[str, Any]:
        """The attributes as a dict, ready for JSON; of a list of them data frames are made."""
        return asdict(self) | {"is_ready": self.is_ready}
