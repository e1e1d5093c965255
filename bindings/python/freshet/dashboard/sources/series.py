"""A series in a file, streamed through a detector here: no service is needed."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from freshet.cli._csv import AUTOMATIC
from freshet.cli._data import read_file
from freshet.dashboard.contributions import Contributions, UnexplainedError
from freshet.dashboard.points import Points
from freshet.errors import Error, about
from freshet.streaming import StreamingDetector

if TYPE_CHECKING:
    from freshet.cli._data import Data
    from freshet.dashboard.options import DetectorOptions

__all__ = ["FileFeed", "SeriesSource"]

#: Rows between two states of the detector that are kept, to explain any row from; and how many
#: states at most.
_ROWS_PER_STATE: Final = 2_000
_MOST_STATES: Final = 64


class SeriesSource:
    """Verdicts of a detector on the rows of a file.

    The detector trains between two rows, so that every look gives the same verdicts.

    Parameters
    ----------
    path : Path
        A CSV file; see `read_series`.
    options : DetectorOptions
        The detector, unless there is a bundle.
    bundle : str, optional
        The directory of a trained model that scores the rows.
    columns : sequence of str, optional
        All that hold numbers by default.
    timestamp_column : str, optional
        Found by default.
    """

    has_detector = True

    def __init__(
        self,
        path: Path,
        options: DetectorOptions,
        *,
        bundle: str | None = None,
        columns: tuple[str, ...] | None = None,
        timestamp_column: str | None = None,
    ) -> None:
        self.name = str(path) if bundle is None else f"{path} by the bundle {bundle}"
        self._path = path
        self._options = options
        self._bundle = bundle
        self._columns = columns
        self._timestamp_column = timestamp_column
        self._states: list[tuple[int, bytes]] = []
        self._rows: Any = None

    def streams(self) -> list[str]:
        """Return the file as the only stream; see `Source`."""
        return [self._path.stem]

    def feed(self, stream: str, limit: int) -> FileFeed:
        """Return the verdicts on the newest rows; see `Source`."""
        return FileFeed(self._path, lambda: self._score().take(slice(-limit, None)))

    def explain(self, points: Points, identity: int, fallback: DetectorOptions) -> Contributions:
        """Explain a row by the detector as it was before that row; see `Source`."""
        begin, state = next(one for one in reversed(self._states) if one[0] <= identity)
        detector = StreamingDetector.restore(state)
        if identity > begin:
            detector.process_many(self._rows[begin:identity])
        try:
            explained = detector.explain(self._rows[identity])
        except Error as error:
            raise UnexplainedError(f"The detector cannot explain this row: {error}") from error
        what = "bundle" if self._bundle else self._options.backend
        return Contributions(
            by_column=dict(explained),
            raw_score=explained.raw_score,
            score=explained.score,
            how=f"By the {what} model that scored this row, in the state it had then.",
            is_exact=True,
        )

    def _detector(self, columns: list[str] | None) -> StreamingDetector:
        if self._bundle is not None:
            return StreamingDetector.from_bundle(self._bundle)
        settings = asdict(self._options)
        settings["rolling_windows"] = list(self._options.rolling_windows) or None
        return StreamingDetector(columns=columns, retrain="inline", **settings)

    def _read(self) -> tuple[Data, StreamingDetector]:
        stamps = AUTOMATIC if self._timestamp_column is None else self._timestamp_column
        columns = None if self._columns is None else list(self._columns)
        if self._bundle is not None:
            detector = self._detector(None)
            return read_file(self._path, list(detector.columns or ()) or columns, stamps), detector
        series = read_file(self._path, columns, stamps)
        return series, self._detector(series.columns)

    def _score(self) -> Points:
        series, detector = self._read()
        rows = series.values
        n = len(rows)
        step = max(_ROWS_PER_STATE, -(-n // _MOST_STATES))
        states = []
        thresholds = np.full(n, np.nan)
        batches = []
        for begin in range(0, n, step):
            states.append((begin, detector.snapshot()))
            part = slice(begin, begin + step)
            try:
                batches.append(detector.process_many(rows[part]).records)
            except Error as error:
                raise about(series.source, error) from error
            limit = detector.stats().threshold
            thresholds[part] = np.nan if limit is None else limit
        records = np.concatenate(batches)
        self._states, self._rows = states, rows
        times = series.times()
        is_dated = np.issubdtype(times.dtype, np.datetime64)
        return Points(
            columns=tuple(series.columns),
            ids=np.arange(n),
            rows=np.arange(n),
            values=rows,
            scores=records["score"].copy(),
            raw_scores=records["raw_score"].copy(),
            thresholds=thresholds,
            is_anomaly=records["is_anomaly"].copy(),
            model_versions=records["model_version"].astype(np.int64),
            times=times.astype("datetime64[us]") if is_dated else None,
        )


class FileFeed:
    """What is made of a file, and made again when the file changes."""

    def __init__(self, path: Path, load: Any) -> None:
        self._path = path
        self._load = load
        self._seen = _signature(path)
        self.points: Points = load()

    def refresh(self) -> None:
        """Read the file again if it has changed; see `Feed`."""
        seen = _signature(self._path)
        if seen != self._seen:
            self.points = self._load()
            self._seen = seen


def _signature(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_size
