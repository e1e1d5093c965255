"""Series and their label windows as files of the user's."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from freshet.datasets._series import DatasetError, parse_series

if TYPE_CHECKING:
    from collections.abc import Sequence

    from freshet.datasets._catalog import Entry
    from freshet.datasets._files import Files
    from freshet.datasets._series import Labels

LABELS_NAME: Final = "combined_windows.json"


@dataclass(frozen=True)
class Download:
    """A series that is now a file.

    Attributes
    ----------
    name : str
        For example ``"nyc_taxi"``.
    path : Path
        The file: a line ``timestamp,value``, then one for each point.
    labels_path : Path
        The file with the label windows, in which the series is called ``GROUP/NAME.csv``.
    n_points, n_windows : int
        How many points the series has, and how many labelled windows.
    is_new : bool
        Whether the file was written; otherwise it was there already.
    """

    name: str
    path: Path
    labels_path: Path
    n_points: int
    n_windows: int
    is_new: bool


def destinations(entries: Sequence[Entry], out: Path) -> list[Path]:
    """Return the file of each series: `out` itself if that is a CSV file, else in it."""
    if out.suffix.lower() != ".csv" or out.is_dir():
        return [out / f"{entry.name}.csv" for entry in entries]
    if len(entries) != 1:
        raise DatasetError(
            f"{out} is one file, but {len(entries)} series are asked for: name a directory",
            id="parameter_out_of_range",
            field="out",
            expected="a directory",
        )
    return [out]


def export_series(entry: Entry, files: Files, path: Path, *, overwrite: bool) -> tuple[int, bool]:
    """Write a series; return its number of points and whether the file is new."""
    checksum = files.checksum(entry)
    there = path.read_bytes() if path.is_file() else None
    if there is not None and checksum is not None and checksum.of(there) == checksum.digest:
        return _n_points(there, str(path)), False
    if there is not None and not overwrite and checksum is not None:
        raise _in_the_way(path, entry.name)
    content = files.series(entry)
    # Of a file without a checksum nothing else is known.
    n_points = _n_points(content, files.where(entry.path))
    if there == content:
        return n_points, False
    if there is not None and not overwrite:
        raise _in_the_way(path, entry.name)
    _write(path, content)
    return n_points, True


def export_labels(found: dict[str, Labels], path: Path, *, overwrite: bool) -> None:
    """Add the windows of the series ``GROUP/NAME.csv`` to a file laid out as NAB's is."""
    there = _read_labels(path)
    added = {key: [list(window) for window in labels] for key, labels in found.items()}
    for key, windows in added.items():
        if key in there and there[key] != windows and not overwrite:
            raise _in_the_way(path, f"the windows of {key}")
    merged = there | added
    if merged != there:
        _write(path, json.dumps(dict(sorted(merged.items())), indent=1).encode() + b"\n")


def _read_labels(path: Path) -> dict[str, Any]:
    try:
        there = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise _no_labels(path) from error
    if not isinstance(there, dict):
        raise _no_labels(path)
    return there


def _no_labels(path: Path) -> DatasetError:
    return DatasetError(
        f"{path} is there but holds no label windows: remove it, or choose another file for them",
        id="file_corrupt",
        field=str(path),
        expected="a JSON object of label windows by series",
    )


def _in_the_way(path: Path, what: str) -> DatasetError:
    return DatasetError(
        f"{path} is there with other content than NAB's {what}: remove it, choose another place, "
        "or ask to overwrite it",
        id="file_unwritable",
        field=str(path),
        expected="no such file, or one with the same content",
    )


def _n_points(content: bytes, where: str) -> int:
    return len(parse_series(content, where)[1])


def _write(path: Path, content: bytes) -> None:
    """Write all of a file or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_bytes(content)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
