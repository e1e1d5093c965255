"""Predictions as files."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Final, Literal

import orjson

from freshet.server.prediction_log.records import Prediction

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["COLUMNS", "MEDIA_TYPES", "Format", "to_csv", "to_json_lines"]

Format = Literal["csv", "jsonl"]

MEDIA_TYPES: Final[dict[Format, str]] = {
    "csv": "text/csv; charset=utf-8; header=present",
    "jsonl": "application/jsonl",
}
#: Those of the CSV file. The rows of different streams have different columns, and so what they
#: hold is one column, in JSON.
COLUMNS: Final = tuple(Prediction.__slots__)


def to_csv(predictions: Iterable[Prediction], *, has_head: bool) -> bytes:
    """Return lines of CSV (RFC 4180), in UTF-8; nothing stands for what is None."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    if has_head:
        writer.writerow(COLUMNS)
    for one in predictions:
        cells = {name: getattr(one, name) for name in COLUMNS}
        cells["timestamp"] = one.timestamp.isoformat(timespec="microseconds")
        cells["values"] = orjson.dumps(one.values).decode()
        writer.writerow(cells.values())
    return text.getvalue().encode()


def to_json_lines(predictions: Iterable[Prediction]) -> bytes:
    """Return a line of JSON for each prediction."""
    return b"".join(orjson.dumps(one, option=orjson.OPT_APPEND_NEWLINE) for one in predictions)
