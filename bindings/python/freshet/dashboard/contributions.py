"""What each column adds to the score of a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from freshet.catalog import backends
from freshet.errors import Error
from freshet.streaming import StreamingDetector

if TYPE_CHECKING:
    from collections.abc import Mapping

    from freshet.dashboard.points import Points

__all__ = ["REBUILDING", "Contributions", "UnexplainedError", "rebuilt"]

#: The backends that a detector can be rebuilt with from logged rows.
REBUILDING: Final = tuple(one.backend for one in backends() if one.backend != "lstm_autoencoder")
#: Rows before the one in question that such a detector is trained on, at most and at least.
_MOST_ROWS: Final = 1000
_FEWEST_ROWS: Final = 50


class UnexplainedError(Exception):
    """There is no explanation of a row; the message says why, for people."""


@dataclass(frozen=True)
class Contributions:
    """What each column adds to a row's raw score.

    Attributes
    ----------
    by_column : mapping of str to float
        They sum to `raw_score` up to rounding.
    raw_score, score : float
        By the detector that explains.
    how : str
        Where they come from, for people.
    is_exact : bool
        Whether the detector is the one that scored the row.
    """

    by_column: Mapping[str, float]
    raw_score: float
    score: float
    how: str
    is_exact: bool

    def ranked(self) -> list[tuple[str, float]]:
        """Return the columns with what they add, the most important first."""
        return sorted(self.by_column.items(), key=lambda one: -abs(one[1]))


def rebuilt(points: Points, identity: int, backend: str, contamination: float) -> Contributions:
    """Explain a row by a detector that is trained on the rows before it.

    A log of predictions holds verdicts, not the model that made them. Features of the original
    detector, such as rolling windows, are not known either.

    Raises
    ------
    UnexplainedError
        If too few rows before it have numbers.
    """
    position = points.position(identity)
    if position is None:
        raise UnexplainedError("This row is no longer among the rows in view.")
    before = points.values[max(0, position - _MOST_ROWS) : position]
    row = points.values[position]
    is_known = ~np.isnan(row) & (np.abs(row) <= 1e100)
    columns = [name for name, known in zip(points.columns, is_known, strict=True) if known]
    if not columns:
        raise UnexplainedError(
            "The source holds no numbers of this row, so nothing can explain it."
        )
    rows = before[:, is_known]
    rows = rows[np.isfinite(rows).all(axis=1)]
    if len(rows) < _FEWEST_ROWS:
        raise UnexplainedError(
            f"The model that scored this row is not part of the source, and only {len(rows)} rows "
            f"before it are in view; a detector needs {_FEWEST_ROWS} to be rebuilt. Show more rows."
        )
    detector = StreamingDetector(
        backend, columns=columns, min_samples=len(rows), window_size=len(rows),
        contamination=contamination, retrain="manual",
    )  # fmt: skip
    try:
        detector.process_many(rows)
        detector.retrain()
        explained = detector.explain(row[is_known])
    except Error as error:
        raise UnexplainedError(
            f"No detector could be rebuilt from the rows before: {error}"
        ) from error
    return Contributions(
        by_column=dict(explained),
        raw_score=explained.raw_score,
        score=explained.score,
        how=f"The source holds verdicts, not the model. This explanation is by {backend}, trained "
        f"now on the {len(rows):,} rows before this one, without the original's features. "
        f"It gives the row the score {explained.score:.3g}; the source says "
        f"{points.scores[position]:.3g}.",
        is_exact=False,
    )
