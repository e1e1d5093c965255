"""A labelled series, and how one is read from NAB's files."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from freshet.errors import Error

if TYPE_CHECKING:
    import numpy.typing as npt

Source = Literal["FRESHET_DATA", "cache", "simulated"]
Window = tuple[np.datetime64, np.datetime64]
#: The first and the last moment of every anomaly, as NAB's label files write them.
Labels: TypeAlias = tuple[tuple[str, str], ...]

#: The environment variable that names a copy of NAB.
ENVIRONMENT_VARIABLE = "FRESHET_DATA"


class DatasetError(Error, RuntimeError):
    """A series is unknown, damaged or cannot be had.

    ``field`` is the file or the argument that is wrong.
    """


@dataclass(frozen=True, eq=False)
class Dataset:
    """A univariate series with its labelled anomalies.

    Attributes
    ----------
    name : str
        For example ``"nyc_taxi"``.
    timestamps : ndarray of datetime64[s], shape (n,)
        Ascending, without a time zone, as NAB has them.
    values : ndarray of float64, shape (n,)
        In the series' own unit.
    windows : tuple of (datetime64[s], datetime64[s])
        The first and the last moment of every labelled anomaly, in ascending order.
    source : {"FRESHET_DATA", "cache", "simulated"}
        Where the series comes from; what was downloaded is in the cache. ``"simulated"`` is not
        real data.
    """

    name: str
    timestamps: npt.NDArray[np.datetime64]
    values: npt.NDArray[np.float64]
    windows: tuple[Window, ...]
    source: Source

    @property
    def is_simulated(self) -> bool:
        """Whether the series was made up."""
        return self.source == "simulated"

    def __len__(self) -> int:
        """Return the number of points."""
        return len(self.values)


def load_from_directory(directory: Path, name: str) -> Dataset:
    """Load a series, NAB's or another, from a directory laid out as NAB is."""
    files = {path.stem: path for path in sorted((directory / "data").glob("*/*.csv"))}
    if name not in files:
        has = ", ".join(sorted(files)) or "no series at all"
        raise DatasetError(
            f"{ENVIRONMENT_VARIABLE} is {str(directory)!r}, which has no {name!r} but {has}",
            id="series_unknown",
            field=ENVIRONMENT_VARIABLE,
            expected=f"a directory with data/GROUP/{name}.csv",
        )
    path = files[name]
    timestamps, values = parse_series(path.read_bytes(), str(path))
    labels = directory / "labels" / "combined_windows.json"
    try:
        content = labels.read_bytes()
    except OSError as error:
        raise DatasetError(
            f"{labels} has no labels for {name!r}: {error.strerror}",
            id="file_missing",
            field=str(labels),
            expected="NAB's label windows",
        ) from error
    pairs = parse_labels(content, f"{path.parent.name}/{path.name}", str(labels))
    return Dataset(name, timestamps, values, to_windows(pairs), "FRESHET_DATA")


def parse_series(
    content: bytes, where: str
) -> tuple[npt.NDArray[np.datetime64], npt.NDArray[np.float64]]:
    """Read timestamps and values from a file of NAB; `where` is its name in messages."""
    try:
        rows = csv.DictReader(content.decode("utf-8").splitlines())
        pairs = [(row["timestamp"], float(row["value"])) for row in rows]
        timestamps = np.array([time for time, _ in pairs], dtype="datetime64[s]")
    except (KeyError, TypeError, ValueError) as error:
        raise DatasetError(
            f"{where} is no series of timestamp,value: {error!r}",
            id="file_corrupt",
            field=where,
            expected="lines of timestamp,value",
        ) from error
    if not pairs:
        raise DatasetError(
            f"{where} is empty", id="file_corrupt", field=where, expected="lines of timestamp,value"
        )
    return timestamps, np.array([value for _, value in pairs])


def parse_labels(content: bytes, key: str, where: str) -> Labels:
    """Read the windows of the series ``GROUP/NAME.csv`` from a file of NAB's labels."""
    try:
        return tuple((str(begin), str(end)) for begin, end in json.loads(content)[key])
    except (KeyError, TypeError, ValueError) as error:
        name = Path(key).stem
        raise DatasetError(
            f"{where} has no labels for {name!r}: {error!r}",
            id="file_corrupt",
            field=where,
            expected=f"the windows of {key!r}",
        ) from error


def to_windows(labels: Labels) -> tuple[Window, ...]:
    """Convert labels to dates."""
    # To the second, as the timestamps: NAB's labels carry microseconds that are always 0.
    return tuple(
        (np.datetime64(begin[:19], "s"), np.datetime64(end[:19], "s")) for begin, end in labels
    )
