"""Labelled series of a directory, and the scores that others have given them."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from freshet.datasets._series import DatasetError, parse_labels, parse_series, to_windows
from freshet.evaluate.scoring import Labelled, rows_of

__all__ = ["Series", "load_series", "read_scores"]


@dataclass(frozen=True, eq=False)
class Series:
    """A univariate series with its labelled anomalies.

    Attributes
    ----------
    name : str
        Its file in the directory, ``GROUP/NAME.csv``.
    timestamps : ndarray of datetime64[s], shape (n,)
    values : ndarray of float64, shape (n,)
    windows : sequence of (int, int)
        The first and the last row of every anomaly.
    """

    name: str
    timestamps: npt.NDArray[np.datetime64]
    values: npt.NDArray[np.float64]
    windows: list[tuple[int, int]] = field(default_factory=list)

    def labelled(self, scores: npt.NDArray[np.float64]) -> Labelled:
        """Return scores of its rows with its windows."""
        return Labelled(scores, self.windows)


def load_series(directory: Path) -> list[Series]:
    """Load all series of a directory laid out as NAB is, in the order of their names.

    Parameters
    ----------
    directory : Path
        With ``data/GROUP/NAME.csv`` (timestamp, value) and ``labels/combined_windows.json``.

    Raises
    ------
    DatasetError
        If there are none, a file is damaged or has no labels.
    """
    files = sorted((directory / "data").glob("*/*.csv"))
    if not files:
        raise DatasetError(
            f"{directory} has no series",
            id="file_missing",
            field=str(directory),
            expected="data/GROUP/NAME.csv",
        )
    labels = directory / "labels" / "combined_windows.json"
    content = labels.read_bytes()
    return [_load(path, content, str(labels)) for path in files]


def _load(path: Path, labels: bytes, where: str) -> Series:
    name = f"{path.parent.name}/{path.name}"
    timestamps, values = parse_series(path.read_bytes(), str(path))
    windows = to_windows(parse_labels(labels, name, where))
    return Series(name, timestamps, values, rows_of(timestamps, windows))


def read_scores(path: Path, series: list[Series]) -> dict[str, npt.NDArray[np.float64]]:
    """Read the scores of a detector: CSV, or CSV in gzip, of ``file,row,anomaly_score``.

    Parameters
    ----------
    path : Path
    series : list of Series
        What they are the scores of.

    Returns
    -------
    dict
        From a series' name to an array of shape (n,); NaN where the file has no score.

    Raises
    ------
    DatasetError
        If the file has no scores of a series, or a line is wrong; names the line.
    """
    scores = {one.name: np.full(len(one.values), np.nan) for one in series}
    for number, line in enumerate(_lines(path), start=2):
        try:
            row = int(line["row"])
            if row < 0:
                raise IndexError(row)
            if line["file"] in scores:
                scores[line["file"]][row] = float(line["anomaly_score"])
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise DatasetError(
                f"{path}: line {number} is no file,row,anomaly_score: {error!r}",
                id="file_corrupt",
                field=str(path),
                expected="file,row,anomaly_score, the row being one of the file's, from 0",
            ) from error
    missing = [name for name, found in scores.items() if np.isnan(found).all()]
    if missing:
        raise DatasetError(
            f"{path} has no scores of {missing[0]}",
            id="file_corrupt",
            field=str(path),
            expected="scores of every series",
        )
    return scores


def _lines(path: Path) -> Iterator[Mapping[str, Any]]:
    with path.open("rb") as file:
        is_packed = file.read(2) == b"\x1f\x8b"
    opened: Any = gzip.open if is_packed else open
    with opened(path, "rt", encoding="utf-8", newline="") as text:
        yield from csv.DictReader(text)
