"""Rows with the verdicts on them, as CSV or JSON lines."""

from __future__ import annotations

import csv
import json
import math
from enum import Enum
from typing import IO, TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy.typing as npt

    from freshet.cli._data import Data

__all__ = ["VERDICT", "RowFormat", "own_name", "write_rows"]

#: What is written of the result of a detector.
VERDICT: Final = ("score", "raw_score", "is_anomaly", "alarm", "status", "model_version")

_AT_ONCE: Final = 4096


class RowFormat(str, Enum):
    """How rows are written."""

    csv = "csv"
    jsonl = "jsonl"


def own_name(name: str, columns: Sequence[str] | Mapping[str, Any]) -> str:
    """Return what a field of ours is called beside columns, which keep their names."""
    return f"freshet_{name}" if name in columns else name


def write_rows(
    file: IO[str], form: RowFormat, series: Data, verdicts: Mapping[str, npt.NDArray[Any]]
) -> None:
    """Write row (from 0), timestamp if there is one, the columns, and the verdicts.

    Parameters
    ----------
    file : text file
    form : RowFormat
    series : Data
    verdicts : mapping of str to ndarray of shape (n,)
        From the name of each to its values; NaN and None are empty, in JSON null.
    """
    stamps = {} if series.timestamps is None else {"timestamp": series.timestamps}
    columns: dict[str, Any] = {name: series.values[:, i] for i, name in enumerate(series.columns)}
    columns |= series.texts
    ours = {"row": np.arange(len(series)), **stamps}
    table: dict[str, Any] = {
        **{own_name(name, columns): values for name, values in ours.items()},
        **columns,
        **{own_name(name, columns): values for name, values in verdicts.items()},
    }
    rows = _rows(list(table.values()), len(series))
    if form is RowFormat.jsonl:
        for row in rows:
            record = dict(zip(table, row, strict=True))
            file.write(json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n")
        return
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(table)
    for row in rows:
        writer.writerow(map(_shortest, row))


def _rows(columns: list[Any], n_rows: int) -> Iterator[tuple[Any, ...]]:
    for begin in range(0, n_rows, _AT_ONCE):
        parts = [column[begin : begin + _AT_ONCE] for column in columns]
        yield from zip(*map(_cells, parts), strict=True)


def _cells(values: Any) -> list[Any]:
    if not isinstance(values, np.ndarray):
        return list(values)
    cells: list[Any] = values.tolist()
    if values.dtype.kind == "f":
        return [None if math.isnan(cell) else cell for cell in cells]
    return cells


def _shortest(cell: Any) -> Any:
    # Counts look like counts; every number is read back as it was. Flags are those of JSON.
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return repr(cell).removesuffix(".0") if isinstance(cell, float) else cell
