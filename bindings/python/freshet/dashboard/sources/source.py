"""What the page asks of a source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from freshet.dashboard.contributions import Contributions
    from freshet.dashboard.options import DetectorOptions
    from freshet.dashboard.points import Points

__all__ = ["Feed", "Source"]


class Feed(Protocol):
    """The newest rows of a stream.

    Attributes
    ----------
    points : Points
        Replaced, never changed, by `refresh`.
    """

    points: Points

    def refresh(self) -> None:
        """Look for what has come since; rows that were there keep their ids."""


class Source(Protocol):
    """Somewhere verdicts are.

    Every method raises what `problems.as_problem` makes a state of.

    Attributes
    ----------
    name : str
        What people call it, without secrets.
    has_detector : bool
        Whether `explain` asks the very detector that gave the scores.
    """

    name: str
    has_detector: bool

    def streams(self) -> list[str]:
        """Return the names of the streams, sorted."""

    def feed(self, stream: str, limit: int) -> Feed:
        """Return the newest rows of a stream, at most `limit`."""

    def explain(self, points: Points, identity: int, fallback: DetectorOptions) -> Contributions:
        """Return what each column adds to a row's score.

        Parameters
        ----------
        points : Points
            What is in view.
        identity : int
            The row's id.
        fallback : DetectorOptions
            What to rebuild a detector with, where there is none.

        Raises
        ------
        UnexplainedError
            If nothing can; the message says why.
        """
