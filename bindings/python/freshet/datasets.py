"""Labelled series to try a detector on.

The Numenta Anomaly Benchmark (NAB) is a collection of real and artificial series whose anomalies
are labelled as windows of time: Lavin and Ahmad, "Evaluating Real-time Anomaly Detection Algorithms
- the Numenta Anomaly Benchmark", ICMLA 2015, arXiv:1510.03336; https://github.com/numenta/NAB.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import sys
import tempfile
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["Dataset", "DatasetError", "load_nab", "simulate_taxi"]

Source = Literal["FRESHET_DATA", "cache", "simulated"]
Window = tuple[np.datetime64, np.datetime64]

_ENVIRONMENT_VARIABLE: Final = "FRESHET_DATA"
_REPOSITORY: Final = "https://raw.githubusercontent.com/numenta/NAB/master"
_DOWNLOAD_TIMEOUT_S: Final = 10.0


class DatasetError(RuntimeError):
    """A series is unknown, damaged or cannot be had."""


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
        Where the series comes from. ``"simulated"`` is not real data.
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


@dataclass(frozen=True)
class _Pinned:
    """A series that may be downloaded: its place in NAB, its checksum, its labels."""

    path: str
    sha256: str
    windows: tuple[tuple[str, str], ...]


# The labels are NAB's labels/combined_windows.json, which changes with every series that is added.
_PINNED: Final = {
    "nyc_taxi": _Pinned(
        path="data/realKnownCause/nyc_taxi.csv",
        sha256="d8fa6f7f0734bf5c8be12c52a94e20a82664c397d9dec4449156bd453d32856d",
        windows=(
            ("2014-10-30T15:30:00", "2014-11-03T22:30:00"),
            ("2014-11-25T12:00:00", "2014-11-29T19:00:00"),
            ("2014-12-23T11:30:00", "2014-12-27T18:30:00"),
            ("2014-12-29T21:30:00", "2015-01-03T04:30:00"),
            ("2015-01-24T20:30:00", "2015-01-29T03:30:00"),
        ),
    )
}


def load_nab(
    name: str = "nyc_taxi",
    *,
    when_unavailable: Literal["raise", "simulate"] = "raise",
    seed: int = 0,
) -> Dataset:
    """Load a series of the Numenta Anomaly Benchmark.

    Looked for in the directory that the environment variable ``FRESHET_DATA`` names, which is laid
    out as NAB is (``data/GROUP/NAME.csv`` and ``labels/combined_windows.json``). Without that
    variable, series whose checksum is known (now ``"nyc_taxi"``) are downloaded once into
    ``$XDG_CACHE_HOME/freshet`` (``~/.cache/freshet``) and verified every time they are read.

    Parameters
    ----------
    name : str
        The file's name without folder and ``.csv``.
    when_unavailable : {"raise", "simulate"}
        What to do when ``"nyc_taxi"`` can neither be found nor downloaded: raise, or return
        :func:`simulate_taxi` of `seed`, whose ``source`` says so.
    seed : int
        Only for a simulated series.

    Raises
    ------
    DatasetError
        If the series is unknown, not at hand, or not what its checksum says.
    """
    directory = os.environ.get(_ENVIRONMENT_VARIABLE)
    if directory:
        return _load_from_directory(Path(directory), name)
    if name not in _PINNED:
        raise DatasetError(
            f"{name!r} cannot be downloaded (only {', '.join(_PINNED)} can): "
            f"set {_ENVIRONMENT_VARIABLE} to a copy of NAB that has it"
        )
    pinned = _PINNED[name]
    try:
        text = _cached(pinned)
    except DatasetError:
        if when_unavailable == "simulate":
            return simulate_taxi(seed)
        raise
    timestamps, values = _parse(text, pinned.path)
    return Dataset(name, timestamps, values, _windows(pinned.windows), "cache")


def simulate_taxi(seed: int = 0, n_days: int = 215) -> Dataset:
    """Make up a series in the manner of NAB's taxi rides, with anomalies put in.

    Rides per half hour with a daily and a weekly rhythm, slow drift and multiplicative noise that
    lasts for some hours. Five anomalies: two quiet holidays, a crowded night, a storm and an
    outage. The same `seed` gives the same series.

    Parameters
    ----------
    seed : int
        Of the noise.
    n_days : int
        The length, at least 84 days: the anomalies come after the first 56 days.

    Raises
    ------
    ValueError
        If `n_days` is less than 84.
    """
    if n_days < 84:
        raise ValueError(f"n_days must be at least 84, not {n_days}")
    per_day = 48
    n = n_days * per_day
    random = np.random.Generator(np.random.PCG64(seed))
    # A year that has no taxi data, so that nobody takes the plot for the real one. A Monday.
    start = np.datetime64("2001-01-01T00:00:00")
    timestamps = start + np.arange(n) * np.timedelta64(30, "m")

    hour = np.arange(n) % per_day / 2.0
    weekend = np.arange(n) // per_day % 7 >= 5
    day_shape = 1.0 - 0.75 * np.exp(-(((hour - 4.5) / 2.5) ** 2)) + 0.3 * _bump(hour, 19.0, 3.0)
    night_out = 0.6 * (_bump(hour, 0.0, 2.5) + _bump(hour, 24.0, 2.5))
    commute = 0.2 * _bump(hour, 8.5, 1.5)
    drift = 1.0 + 0.05 * np.sin(2.0 * np.pi * np.arange(n) / (120.0 * per_day))
    rides = 15000.0 * drift * (day_shape + np.where(weekend, night_out, commute))
    rides *= np.exp(_persistent_noise(random, n, scale=0.04, persistence=0.9))

    windows: list[Window] = []
    first = 56 * per_day
    for k, (length, factor) in enumerate(
        [(48, 0.55), (16, 1.7), (48, 0.6), (36, 0.25), (10, 0.1)], start=1
    ):
        # Apart evenly, at another hour each.
        begin = first + (n - first) * k // 6 + 7 * k
        rides[begin : begin + length] *= factor
        margin = 2 * per_day - length // 2
        windows.append((timestamps[begin - margin], timestamps[begin + length + margin]))
    return Dataset("nyc_taxi (simulated)", timestamps, np.round(rides), tuple(windows), "simulated")


def _bump(hour: npt.NDArray[np.float64], center: float, width: float) -> npt.NDArray[np.float64]:
    shape: npt.NDArray[np.float64] = np.exp(-(((hour - center) / width) ** 2))
    return shape


def _persistent_noise(
    random: np.random.Generator, n: int, scale: float, persistence: float
) -> npt.NDArray[np.float64]:
    """Return Gaussian noise of standard deviation `scale` in which each value recalls the last."""
    noise = random.standard_normal(n) * scale
    innovation = float(np.sqrt(1.0 - persistence**2))
    for i in range(1, n):
        noise[i] = persistence * noise[i - 1] + innovation * noise[i]
    return noise


def _load_from_directory(directory: Path, name: str) -> Dataset:
    files = {path.stem: path for path in sorted((directory / "data").glob("*/*.csv"))}
    if name not in files:
        has = ", ".join(sorted(files)) or "no series at all"
        raise DatasetError(
            f"{_ENVIRONMENT_VARIABLE} is {str(directory)!r}, which has no {name!r} but {has}"
        )
    path = files[name]
    timestamps, values = _parse(path.read_text(encoding="utf-8"), str(path))
    labels = directory / "labels" / "combined_windows.json"
    try:
        pairs = json.loads(labels.read_text(encoding="utf-8"))[f"{path.parent.name}/{path.name}"]
    except (OSError, KeyError, ValueError) as error:
        raise DatasetError(f"{labels} has no labels for {name!r}: {error!r}") from error
    windows = _windows(tuple((begin, end) for begin, end in pairs))
    return Dataset(name, timestamps, values, windows, "FRESHET_DATA")


def _parse(text: str, where: str) -> tuple[npt.NDArray[np.datetime64], npt.NDArray[np.float64]]:
    rows = csv.DictReader(text.splitlines())
    try:
        pairs = [(row["timestamp"], float(row["value"])) for row in rows]
        timestamps = np.array([time for time, _ in pairs], dtype="datetime64[s]")
    except (KeyError, ValueError) as error:
        raise DatasetError(f"{where} is no series of timestamp,value: {error!r}") from error
    if not pairs:
        raise DatasetError(f"{where} is empty")
    return timestamps, np.array([value for _, value in pairs])


def _windows(pairs: tuple[tuple[str, str], ...]) -> tuple[Window, ...]:
    # To the second, as the timestamps: NAB's labels carry microseconds that are always 0.
    return tuple(
        (np.datetime64(begin[:19], "s"), np.datetime64(end[:19], "s")) for begin, end in pairs
    )


def _cache_directory() -> Path:
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "freshet"


def _cached(pinned: _Pinned) -> str:
    path = _cache_directory() / pinned.path
    if path.is_file():
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() == pinned.sha256:
            return content.decode()
    content = _download(f"{_REPOSITORY}/{pinned.path}", pinned.sha256)
    _write_atomically(path, content)
    return content.decode()


def _download(url: str, sha256: str) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=_DOWNLOAD_TIMEOUT_S) as response:
            content: bytes = response.read()
    except OSError as error:
        raise DatasetError(
            f"{url} cannot be downloaded ({error}): set {_ENVIRONMENT_VARIABLE} to a copy of NAB"
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise DatasetError(f"{url} has the SHA-256 {found}, expected {sha256}")
    return content


def _write_atomically(path: Path, content: bytes) -> None:
    """Keep `content` for the next time; a cache that cannot be written is done without."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(content)
        Path(file.name).replace(path)
    except OSError:
        pass
