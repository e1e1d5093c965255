"""Labelled series to try a detector on.

The Numenta Anomaly Benchmark (NAB) is a collection of real and artificial series whose anomalies
are labelled as windows of time: Lavin and Ahmad, "Evaluating Real-time Anomaly Detection Algorithms
- the Numenta Anomaly Benchmark", ICMLA 2015, arXiv:1510.03336; https://github.com/numenta/NAB.

:func:`load_nab` gives a series as arrays, :func:`download_nab` as a file, :func:`list_nab` names
them all. Downloads need the package requests (``pip install 'freshet[cli]'``); nothing else here
needs more than NumPy.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from freshet.datasets import _catalog, _export
from freshet.datasets._download import Progress
from freshet.datasets._export import Download
from freshet.datasets._files import Files
from freshet.datasets._series import (
    ENVIRONMENT_VARIABLE,
    Dataset,
    DatasetError,
    Labels,
    load_from_directory,
    parse_series,
    to_windows,
)
from freshet.datasets._simulated import simulate_taxi

__all__ = [
    "Dataset",
    "DatasetError",
    "Download",
    "Progress",
    "download_nab",
    "list_nab",
    "load_nab",
    "simulate_taxi",
]


def list_nab() -> dict[str, tuple[str, ...]]:
    """Return the names of NAB's 58 series by group.

    Examples
    --------
    >>> list_nab()["realKnownCause"][4]
    'nyc_taxi'
    """
    return dict(_catalog.GROUPS)


def load_nab(
    name: str = "nyc_taxi",
    *,
    when_unavailable: Literal["raise", "simulate"] = "raise",
    seed: int = 0,
) -> Dataset:
    """Load a series of the Numenta Anomaly Benchmark.

    Looked for in the directory that the environment variable ``FRESHET_DATA`` names, which is laid
    out as NAB is (``data/GROUP/NAME.csv`` and ``labels/combined_windows.json``) and may hold other
    series too. Without that variable, any of :func:`list_nab` is downloaded once into
    ``$XDG_CACHE_HOME/freshet`` (``~/.cache/freshet``) and verified every time it is read.

    Parameters
    ----------
    name : str
        The file's name without folder and ``.csv``.
    when_unavailable : {"raise", "simulate"}
        What to do when ``"nyc_taxi"`` can neither be found nor downloaded: raise, or return
        :func:`simulate_taxi` of `seed`, whose ``source`` says so. Other series have no stand-in.
    seed : int
        Only for a simulated series.

    Raises
    ------
    DatasetError
        If the series is unknown, not at hand, or not what its checksum says.

    See Also
    --------
    download_nab : Where checksums come from, and files to work with.
    """
    directory = os.environ.get(ENVIRONMENT_VARIABLE)
    if directory:
        return load_from_directory(Path(directory), name)
    entry = _catalog.find(name)
    try:
        content, labels = _cached(entry)
    except DatasetError:
        if when_unavailable == "simulate" and name == "nyc_taxi":
            return simulate_taxi(seed)
        raise
    timestamps, values = parse_series(content, entry.path)
    return Dataset(name, timestamps, values, to_windows(labels), "cache")


def download_nab(
    names: str | Iterable[str],
    out: str | os.PathLike[str],
    *,
    labels: str | os.PathLike[str] | None = None,
    mirror: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> list[Download]:
    """Put series of the Numenta Anomaly Benchmark into files, with their label windows.

    What is there already is not downloaded again, neither to `out` nor to the cache, and a download
    that broke off goes on where it stopped. Content is verified: by a SHA-256 that freshet knows
    (24 series), else by the blob ids in the list of files that NAB's repository on GitHub gives.
    Of a mirror, only the 24 are verified; its others are read again and compared.

    Parameters
    ----------
    names : str or iterable of str
        Series, groups such as ``"realKnownCause"``, or ``"all"``; see :func:`list_nab`.
    out : str or path
        For one series, a file whose name ends in ``.csv``; otherwise a directory that gets a
        ``NAME.csv`` for each.
    labels : str or path, optional
        The file with the label windows, by default ``combined_windows.json`` beside the series. It
        is NAB's file of that name, with the series that were asked for; those of an earlier
        download stay in it.
    mirror : str or path, optional
        A directory, or the http(s) address of one, that is laid out as NAB is. By default the
        environment variable ``FRESHET_DATA``, and without that NAB's repository.
    overwrite : bool
        Whether to replace files that are there with other content.
    progress : callable, optional
        ``progress(path, n_bytes, n_total)``, called during downloads with the file's path in NAB,
        the bytes that have arrived and the bytes in all, None if unknown.

    Returns
    -------
    list of Download
        In the order of `names`, groups in that of :func:`list_nab`.

    Raises
    ------
    DatasetError
        If a series is unknown, cannot be had, is not what its checksum says, or if another file is
        in its place. The series before it are written.
    OSError
        If a file cannot be written.
    """
    entries = _catalog.select([names] if isinstance(names, str) else names)
    paths = _export.destinations(entries, Path(out))
    files = Files(mirror or os.environ.get(ENVIRONMENT_VARIABLE) or None, progress)
    done = []
    for entry, path in zip(entries, paths, strict=True):
        windows = files.labels(entry)
        n_points, is_new = _export.export_series(entry, files, path, overwrite=overwrite)
        labels_path = path.with_name(_export.LABELS_NAME) if labels is None else Path(labels)
        _export.export_labels({entry.key: windows}, labels_path, overwrite=overwrite)
        done.append(Download(entry.name, path, labels_path, n_points, len(windows), is_new))
    return done


def _cached(entry: _catalog.Entry) -> tuple[bytes, Labels]:
    files = Files()
    return files.series(entry), files.labels(entry)
