"""Verdicts in a file, as ``freshet score``, ``freshet detect`` and the demo write them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from freshet.dashboard.contributions import rebuilt
from freshet.dashboard.points import LABELS, Points
from freshet.dashboard.sources.series import FileFeed
from freshet.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from freshet.dashboard.contributions import Contributions
    from freshet.dashboard.options import DetectorOptions

__all__ = ["VerdictSource", "holds_verdicts"]

_PREFIX: Final = "freshet_"
#: What a column is, by its names. A name with the prefix goes before one without, which then is a
#: column of the series.
_ROLES: Final = {
    "row": ("row", "index"),
    "timestamp": ("timestamp", "time", "date", "datetime"),
    "score": ("score", "error"),
    "raw_score": ("raw_score",),
    "threshold": ("threshold",),
    "label": ("label",),
    "is_anomaly": ("is_anomaly",),
    "model_version": ("model_version",),
}
#: What is neither of the series nor shown.
_OTHERS: Final = ("status", "alarm", "scored", "samples_until_ready")
_LINES: Final = (".jsonl", ".ndjson", ".json")


class VerdictSource:
    """Verdicts of a CSV or JSON lines file.

    Parameters
    ----------
    path : Path
    """

    has_detector = False

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path

    def streams(self) -> list[str]:
        """Return the file as the only stream; see `Source`."""
        return [self._path.stem]

    def feed(self, stream: str, limit: int) -> FileFeed:
        """Return the newest verdicts; see `Source`."""
        return FileFeed(self._path, lambda: _read(self._path).take(slice(-limit, None)))

    def explain(self, points: Points, identity: int, fallback: DetectorOptions) -> Contributions:
        """Explain a row by a detector made now; see `Source`."""
        return rebuilt(points, identity, fallback.backend, fallback.contamination)


def holds_verdicts(path: Path) -> bool:
    """Return whether a file holds verdicts, rather than a series to be scored.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    if path.suffix.lower() in _LINES:
        path.stat()
        return True
    try:
        head = pd.read_csv(path, nrows=20)
    except ValueError:
        return False  # Whoever reads a series says what is wrong with it.
    roles = _roles(list(head.columns))
    if "score" not in roles:
        return False
    # A series may have a column called label of its own.
    return "is_anomaly" in roles or (
        "label" in roles and bool(head[roles["label"]].isin(LABELS).all()) and len(head) > 0
    )


def _read(path: Path) -> Points:
    frame = _lines(path) if path.suffix.lower() in _LINES else _table(path)
    frame.columns = [str(name) for name in frame.columns]
    roles = _roles(list(frame.columns))
    if "score" not in roles or not ({"label", "is_anomaly"} & set(roles)):
        raise DataError(
            f"{path} has no verdicts, only {', '.join(frame.columns) or 'no columns'}",
            id="column_missing",
            field="score",
            expected="score or error, and label or is_anomaly",
        )
    n = len(frame)
    scores = _numbers(frame[roles["score"]])
    if "is_anomaly" in roles:
        is_anomaly = _flags(frame[roles["is_anomaly"]])
    else:
        is_anomaly = (frame[roles["label"]] == "anomaly").to_numpy(np.bool_)
    rows = _whole(frame, roles.get("row"))
    used = {*roles.values(), *_OTHERS, *(_PREFIX + name for name in _OTHERS)}
    numbers: list[str] = []
    texts: list[str] = []
    for name in frame.columns:
        if name not in used:
            is_number = pd.api.types.is_numeric_dtype(frame[name])
            (numbers if is_number else texts).append(name)
    versions = _whole(frame, roles.get("model_version"))
    return Points(
        columns=tuple(numbers),
        ids=np.arange(n),
        rows=np.arange(n) if rows is None else rows,
        values=frame[numbers].to_numpy(np.float64),
        scores=scores,
        raw_scores=_optional(frame, roles.get("raw_score")),
        thresholds=_optional(frame, roles.get("threshold")),
        is_anomaly=is_anomaly,
        # A file without versions is of one model.
        model_versions=(~np.isnan(scores)).astype(np.int64) if versions is None else versions,
        times=_times(frame, roles.get("timestamp")),
        texts=tuple(texts),
    )


def _table(path: Path) -> Any:
    try:
        return pd.read_csv(path)
    except ValueError as error:
        raise DataError(f"{path}: {error}", id="file_corrupt", expected="CSV") from error


def _lines(path: Path) -> Any:
    records = []
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except ValueError:
                record = None
            if not isinstance(record, dict):
                raise DataError(
                    f"{path}, line {number}: no JSON object",
                    id="file_corrupt",
                    expected="a JSON object on each line",
                    row=number - 1,
                )
            records.append(record)
    return pd.DataFrame(records)


def _roles(names: list[str]) -> dict[str, str]:
    found = {}
    lowered = {name.lower(): name for name in reversed(names)}
    for role, called in _ROLES.items():
        for name in (*(_PREFIX + one for one in called), *called):
            if name in lowered:
                found[role] = lowered[name]
                break
    return found


def _numbers(column: Any) -> npt.NDArray[np.float64]:
    return np.asarray(pd.to_numeric(column, errors="coerce"), np.float64)


def _optional(frame: Any, name: str | None) -> npt.NDArray[np.float64]:
    return np.full(len(frame), np.nan) if name is None else _numbers(frame[name])


def _whole(frame: Any, name: str | None) -> npt.NDArray[np.int64] | None:
    if name is None:
        return None
    numbers = _numbers(frame[name])
    return np.where(np.isfinite(numbers), numbers, 0).astype(np.int64)


def _flags(column: Any) -> npt.NDArray[np.bool_]:
    said = column.astype(str).str.strip().str.lower()
    return np.asarray(said.isin(("true", "1", "1.0")), np.bool_)


def _times(frame: Any, name: str | None) -> npt.NDArray[np.datetime64] | None:
    if name is None or pd.api.types.is_numeric_dtype(frame[name]):
        return None
    dates = pd.to_datetime(frame[name], errors="coerce", utc=True, format="ISO8601")
    times: npt.NDArray[np.datetime64] = dates.dt.tz_localize(None).to_numpy("datetime64[us]")
    return None if np.isnat(times).any() else times
