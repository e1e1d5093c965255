"""What is in view, as files and as a table."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from freshet.dashboard.points import LABELS

if TYPE_CHECKING:
    from freshet.dashboard.points import Points

__all__ = ["as_frame", "to_csv", "to_json_lines"]


def as_frame(points: Points) -> Any:
    """Return the rows as a data frame, in their order.

    Columns of the series come after row and time and before the verdict, as ``freshet score``
    writes them; a column of the series that is called like one of ours keeps its name, and ours
    begins with ``freshet_``.
    """
    before: dict[str, Any] = {"row": points.rows}
    if points.times is not None:
        before["timestamp"] = points.times
    if points.received is not None:
        before["received"] = points.received
    after: dict[str, Any] = {
        "score": points.scores,
        "raw_score": points.raw_scores,
        "threshold": points.thresholds,
        "model_version": points.model_versions,
        "label": np.array(LABELS)[points.labels],
    }
    own = {name: points.values[:, i] for i, name in enumerate(points.columns)}

    def ours(columns: dict[str, Any]) -> dict[str, Any]:
        return {f"freshet_{k}" if k in own else k: v for k, v in columns.items()}

    return pd.DataFrame({**ours(before), **own, **ours(after)})


def to_csv(points: Points) -> bytes:
    """Return the rows as CSV, nothing where there is no number."""
    text: str = as_frame(points).to_csv(index=False, date_format="%Y-%m-%dT%H:%M:%S.%f")
    return text.encode()


def to_json_lines(points: Points) -> bytes:
    """Return a JSON object for each row, null where there is no number."""
    frame = as_frame(points)
    for name in frame.columns:
        if pd.api.types.is_datetime64_any_dtype(frame[name]):
            frame[name] = frame[name].dt.strftime("%Y-%m-%dT%H:%M:%S.%f")
    lines = []
    for record in frame.to_dict("records"):
        known = {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in record.items()
        }
        lines.append(json.dumps(known, ensure_ascii=False, allow_nan=False) + "\n")
    return "".join(lines).encode()
