"""What a place for predictions can do, and how it is opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import unquote, urlsplit

from freshet._secrets import without_secrets
from freshet.errors import ConfigurationError, Error

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from freshet.server.prediction_log.finding import Page, Search
    from freshet.server.prediction_log.records import Key, Prediction, PredictionBlock

__all__ = [
    "Finder",
    "Log",
    "LogRefusedError",
    "LogUnavailableError",
    "Sink",
    "hidden",
    "open_sink",
    "parts",
]

_MOST_ROWS: Final = 5_000
_MOST_CELLS: Final = 100_000


class LogUnavailableError(Error, OSError):
    """The database of predictions cannot be reached or does not work now; later it may."""


class LogRefusedError(Error, ValueError):
    """The database will never accept these predictions."""


class Finder(Protocol):
    """A place where predictions are found. Any thread may call it.

    Every method raises `LogUnavailableError` or `StoreError` if it cannot be reached.
    """

    def find(self, search: Search, after: Key | None, limit: int, *, is_descending: bool) -> Page:
        """Return the first predictions asked for that follow `after`, by `Prediction.key`."""

    def streams(self) -> list[str]:
        """Return the streams and models that have predictions, by name; O(predictions)."""


class Log(Finder, Protocol):
    """A place where predictions are kept, for a while."""

    def oldest_of_newest(self, n_rows: int) -> int | None:
        """When the oldest of the newest predictions was made; None if there are not more."""

    def delete_before(self, microseconds: int) -> Iterator[int]:
        """Delete what is older, a part for each number of predictions that is yielded."""

    def close(self) -> None:
        """Let go of it."""


class Sink(Log, Protocol):
    """A database that predictions are handed on to.

    Attributes
    ----------
    name : str
        Where it is, without secrets; the same after a restart.
    """

    name: str

    def write(self, blocks: Sequence[PredictionBlock]) -> None:
        """Add predictions; those that it has already stay as they are.

        Raises
        ------
        LogUnavailableError
            If it is unknown what has been written; to be tried again.
        LogRefusedError
            If one of the blocks can never be written.
        """


def open_sink(url: str, *, may_make: bool = True) -> Sink:
    """Return the database at a URL; it is connected to when it is first used.

    Parameters
    ----------
    url : str
        ``mongodb://…``, ``mongodb+srv://…``, or what SQLAlchemy takes, such as
        ``postgresql+psycopg://user:password@host/database``.
    may_make : bool
        Whether to make a table where there is none; False for those who only read.

    Raises
    ------
    ConfigurationError
        If the URL is none, or what it needs is not installed. The message holds no password.
    """
    try:
        if urlsplit(url).scheme in ("mongodb", "mongodb+srv"):
            from freshet.server.prediction_log.mongo import MongoSink

            return MongoSink(url)
        from freshet.server.prediction_log.sql import SqlSink

        return SqlSink(url, may_make=may_make)
    except ImportError as error:
        raise ConfigurationError(
            f"the log {without_secrets(url)} needs the Python package {error.name}",
            id="package_missing",
            field="log",
            expected=f"pip install {error.name}",
        ) from error
    except ConfigurationError:
        raise
    except Exception as error:
        raise ConfigurationError(
            f"the log {without_secrets(url)} cannot be used: {hidden(error, url)}",
            id="parameter_out_of_range",
            field="log",
            expected="mongodb://… or the URL of a database that SQLAlchemy knows",
        ) from None  # Its message may hold the password.


def parts(blocks: Iterable[PredictionBlock]) -> Iterator[list[Prediction]]:
    """Yield the predictions of blocks, as many at a time as do not fill the memory."""
    part: list[Prediction] = []
    n_cells = 0
    for block in blocks:
        for one in block.predictions():
            part.append(one)
            n_cells += len(one.values)
            if len(part) >= _MOST_ROWS or n_cells >= _MOST_CELLS:
                yield part
                part, n_cells = [], 0
    if part:
        yield part


def hidden(error: object, url: str) -> str:
    """Return what an error says, without the password of a URL."""
    said = str(error)
    try:
        password = urlsplit(url).password
    except ValueError:
        return type(error).__name__
    for secret in {password, unquote(password or "")}:
        if secret:
            said = said.replace(secret, "***")
    return without_secrets(said)
