"""What prevents a picture, as a state that is shown: what happened, and what to do next."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Final, Literal

from freshet.errors import ConfigurationError, Error

__all__ = ["Problem", "ServiceError", "as_problem"]

Kind = Literal["forbidden", "missing", "unreachable", "unreadable"]

_TITLES: Final[dict[Kind, str]] = {
    "forbidden": "No permission",
    "missing": "Nothing there",
    "unreachable": "No answer",
    "unreadable": "Not readable",
}


class ServiceError(Exception):
    """The service answered with an error.

    Parameters
    ----------
    status : int
        Of HTTP.
    message : str
        What it said.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Problem:
    """A state without a picture.

    Attributes
    ----------
    kind : {"forbidden", "missing", "unreachable", "unreadable"}
    what : str
        What happened.
    next_step : str
        What to do about it.
    """

    kind: Kind
    what: str
    next_step: str

    @property
    def title(self) -> str:
        """In two words."""
        return _TITLES[self.kind]


def as_problem(error: Exception, source: str) -> Problem | None:
    """Return what an error means for whoever looks at a source; None for a bug."""
    if isinstance(error, ServiceError):
        return _of_service(error)
    if isinstance(error, ImportError):
        return Problem(
            "unreadable",
            f"Reading {source} needs the Python package {error.name}, which is not installed.",
            "Install it with: pip install 'freshet[dashboard,server]' (for MongoDB: "
            "'freshet[dashboard,server,mongodb]'), then start the dashboard again.",
        )
    # Python's own, though an error of ours may be one too.
    if isinstance(error, PermissionError):
        return Problem(
            "forbidden",
            f"{source} may not be read by the user who runs the dashboard.",
            "Let this user read it (chmod, chown), or start the dashboard as another one.",
        )
    if isinstance(error, FileNotFoundError):
        return Problem(
            "missing",
            f"There is no {error.filename or source}.",
            "Check the path that the dashboard was started with. A service makes its log when it "
            "starts.",
        )
    if isinstance(error, ConfigurationError):
        return Problem("unreadable", str(error), "Start the dashboard with another setting.")
    if _is_refused(error):
        return Problem(
            "forbidden",
            f"The database refuses access: {error}",
            "Check user, password and rights in the URL that the dashboard was started with.",
        )
    if isinstance(error, (ConnectionError, TimeoutError)) or _is_of_network(error):
        return Problem(
            "unreachable",
            f"{source} cannot be reached.",
            "Check that it runs and that the address is right; this page tries again by itself.",
        )
    if isinstance(error, (Error, OSError, sqlite3.Error)):
        return Problem(
            "unreadable",
            f"{source} cannot be shown: {error}",
            "Check that it is what the dashboard reads: a log of predictions, or a CSV or JSON "
            "lines file with a line of names and numbers.",
        )
    return None


def _of_service(error: ServiceError) -> Problem:
    if error.status == 401:
        return Problem(
            "forbidden",
            f"The service does not know the API key: {error}",
            "Start the dashboard with --api-key or FRESHET_API_KEY; freshet keys create makes one.",
        )
    if error.status == 403:
        return Problem(
            "forbidden",
            f"The API key may not see this: {error}",
            "Use a key with the scope read and the prefix of these streams.",
        )
    if error.status == 404:
        return Problem(
            "missing",
            f"The service has none of it: {error}",
            "Check the address; the service must be started with a log (--log other than none).",
        )
    if error.status == 429 or error.status >= 500:
        return Problem(
            "unreachable",
            f"The service cannot answer now ({error.status}): {error}",
            "This page tries again by itself.",
        )
    return Problem(
        "unreadable", f"The service answers {error.status}: {error}", "Check the address."
    )


def _is_refused(error: Exception) -> bool:
    said = str(error).lower()
    words = ("permission denied", "authentication failed", "access denied", "not authorized")
    return isinstance(error, Error) and any(one in said for one in words)


def _is_of_network(error: Exception) -> bool:
    # Without importing what may not be installed.
    names = {one.__module__.partition(".")[0] for one in type(error).__mro__}
    return "requests" in names or getattr(error, "id", None) == "log_unavailable"
