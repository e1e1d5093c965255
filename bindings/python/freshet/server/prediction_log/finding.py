"""Which predictions are asked for, and the pages in which they come."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from freshet.server.prediction_log.records import Key

if TYPE_CHECKING:
    import numpy.typing as npt

    from freshet.server.prediction_log.records import (
        Label,
        Mode,
        Prediction,
        PredictionBlock,
    )

__all__ = [
    "CURSOR_PATTERN",
    "LATEST",
    "Page",
    "Search",
    "read_cursor",
    "write_cursor",
]

#: The last moment there is, in microseconds since 1970; of as many digits as the present.
LATEST: Final = 10**16 - 1
#: What `read_cursor` reads.
CURSOR_PATTERN: Final = "^[0-9]{1,16}-[0-9]{1,12}-([0-9a-f]{2})*-([0-9a-f]{2})*$"


@dataclass(frozen=True, slots=True)
class Search:
    """Which predictions are asked for: those that meet all of what is not None.

    Attributes
    ----------
    stream_id, label, mode, model_version, bundle
        Equal to what the prediction has.
    prefixes : tuple of str or None
        One of them begins the stream's id.
    since, until : int or None
        The prediction was made at this time or later, before this time; in microseconds since 1970,
        from 0 to `LATEST`.
    min_score : float or None
        The score is at least this.
    """

    stream_id: str | None = None
    prefixes: tuple[str, ...] | None = None
    label: Label | None = None
    mode: Mode | None = None
    since: int | None = None
    until: int | None = None
    min_score: float | None = None
    model_version: int | None = None
    bundle: str | None = None

    def rows_of(self, block: PredictionBlock) -> npt.NDArray[np.intp]:
        """Return which rows of a block are asked for, if the block as a whole may be."""
        results = block.results
        asked = np.ones(len(results), np.bool_)
        if self.label == "warmup":
            asked &= ~results["scored"]
        elif self.label is not None:
            asked &= results["scored"] & (results["is_anomaly"] == (self.label == "anomaly"))
        if self.min_score is not None:
            # NaN, in warm-up, is not at least anything.
            asked &= results["score"] >= self.min_score
        if self.model_version is not None:
            asked &= results["model_version"] == self.model_version
        return np.flatnonzero(asked)


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the predictions asked for.

    Attributes
    ----------
    predictions : list of Prediction
    next : Key or None
        After which the following page begins; None if this is the last one. A page that is not
        may still be short, or empty, where looking further takes long.
    """

    predictions: list[Prediction] = field(default_factory=list)
    next: Key | None = None


def write_cursor(key: Key) -> str:
    """Return a key as a client gets it, for the next page: of characters that URLs leave alone."""
    incarnation, stream_id = key.incarnation.encode().hex(), key.stream_id.encode().hex()
    return f"{key.microseconds}-{key.position}-{incarnation}-{stream_id}"


def read_cursor(text: str) -> Key:
    """Return the key that `write_cursor` made a text of, which matches `CURSOR_PATTERN`."""
    microseconds, position, incarnation, stream_id = text.split("-")
    return Key(int(microseconds), _text(incarnation), int(position), _text(stream_id))


def _text(digits: str) -> str:
    # Whatever a client makes up is some text, and none that a database cannot take.
    return bytes.fromhex(digits).decode(errors="replace").replace("\0", "\ufffd")
