"""Files over HTTP: retried, and resumed where the last attempt stopped.

What has arrived of a file ``NAME`` waits in ``NAME.part``, also for the next run. Beside it,
``NAME.part.json`` says where it comes from and which state of the file it is part of: the server
gets to see that state (If-Range) and sends the file from its start if it has another one by now.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from freshet.datasets._series import ENVIRONMENT_VARIABLE, DatasetError

if TYPE_CHECKING:
    from requests import Response, Session

#: Called with a file's path in NAB, the bytes that are there and the bytes in all, if known.
Progress: TypeAlias = Callable[[str, int, int | None], object]

#: Ten times what the largest file of NAB needs, so that a wrong address cannot fill the disk.
MAX_BYTES = 16 * 2**20
_PIECE_BYTES: Final = 2**13  # What is lost at most when the connection breaks off.
_TIMEOUT_S: Final = (10.0, 30.0)  # to connect, between two pieces
#: The wait before the second retry, in seconds; it doubles.
BACKOFF_S = 0.3
_OTHER_WAYS: Final = f"set {ENVIRONMENT_VARIABLE} to a copy of NAB, or use one as a mirror"


def fetch(url: str, target: Path, name: str, progress: Progress | None = None) -> bytes:
    """Download `url` beside `target` and return what it holds.

    The caller judges the content and calls :func:`keep` or :func:`discard`.

    Parameters
    ----------
    url : str
        Where the file is.
    target : Path
        Where it is to go; the directory has to be there.
    name : str
        What `progress` calls the file.
    progress : callable, optional
        Called now and then with `name`, the bytes that are there and the bytes in all or None.

    Raises
    ------
    DatasetError
        If the file cannot be had. What has arrived waits for the next call.
    """
    requests = _import_requests()
    part = _Part(target)
    try:
        with _session(requests) as session:
            _receive(session, url, part, lambda n, total: progress and progress(name, n, total))
    except requests.exceptions.RequestException as error:
        n_bytes = part.size()
        kept = f"; its first {n_bytes:,} bytes are kept for the next attempt" if n_bytes else ""
        raise _unavailable(url, _reason(requests, error) + kept) from error
    return part.path.read_bytes()


def keep(target: Path) -> None:
    """Give a downloaded file its name."""
    part = _Part(target)
    part.path.replace(target)
    part.discard()


def discard(target: Path) -> None:
    """Throw away what has been downloaded of a file."""
    _Part(target).discard()


class _Part:
    """The beginning of a file, and what it is the beginning of."""

    def __init__(self, target: Path) -> None:
        self.path = target.with_name(target.name + ".part")
        self._note = target.with_name(target.name + ".part.json")

    def size(self) -> int:
        """Return how many bytes there are."""
        return self.path.stat().st_size if self.path.is_file() else 0

    def validator(self, url: str) -> str | None:
        """Return the state of `url` that this is part of; None if there is nothing to resume."""
        try:
            note = json.loads(self._note.read_bytes())
            validator = note["validator"] if note["url"] == url and self.size() else None
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return validator if isinstance(validator, str) else None

    def begin(self, url: str, validator: str | None) -> None:
        """Start anew with a file in the state `validator`, None if it cannot be resumed."""
        self.discard()
        if validator is not None:
            self._note.write_text(json.dumps({"url": url, "validator": validator}))

    def discard(self) -> None:
        """Remove everything."""
        self._note.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)


def _import_requests() -> Any:
    try:
        import requests
    except ImportError as error:
        raise DatasetError(
            "downloads need the package requests: pip install 'freshet[cli]'",
            id="series_unavailable",
            field="requests",
            expected="requests 2.32.3 or newer",
        ) from error
    return requests


def _session(requests: Any) -> Session:
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    from freshet import __version__

    retries = Retry(
        total=3,
        connect=1,  # A machine without a network should not wait for long.
        backoff_factor=BACKOFF_S,
        status_forcelist=(429, 500, 502, 503, 504),
        allowed_methods=("GET",),
        raise_on_status=False,  # The last answer then says what is wrong.
        respect_retry_after_header=False,  # It may ask for an hour.
    )
    session: Session = requests.Session()
    session.headers["User-Agent"] = f"freshet/{__version__}"
    # A compressed answer has other bytes than the file, which could not be counted or resumed.
    session.headers["Accept-Encoding"] = "identity"
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=retries))
    return session


def _receive(
    session: Session, url: str, part: _Part, progress: Callable[[int, int | None], object]
) -> None:
    validator = part.validator(url)
    n_bytes = part.size() if validator is not None else 0
    headers = {}
    if validator is not None:
        headers = {"Range": f"bytes={n_bytes}-", "If-Range": validator}
    with session.get(url, headers=headers, stream=True, timeout=_TIMEOUT_S) as response:
        if response.status_code == 206 and _begins_at(response, n_bytes) and n_bytes:
            pass
        elif response.status_code in (206, 416) and n_bytes:
            # Not the rest that was asked for, or there is none: again, and without a part for all.
            part.discard()
            _receive(session, url, part, progress)
            return
        elif response.status_code == 200:
            n_bytes = 0
            part.begin(url, _validator(response))
        else:
            raise _unavailable(url, f"the answer is {response.status_code} {response.reason}")
        _append(response, url, part, n_bytes, progress)


def _append(
    response: Response,
    url: str,
    part: _Part,
    n_bytes: int,
    progress: Callable[[int, int | None], object],
) -> None:
    length = response.headers.get("Content-Length", "")
    total = n_bytes + int(length) if length.isdecimal() else None
    if total is not None and total > MAX_BYTES:
        raise _too_large(url, part)
    with part.path.open("ab") as file:
        for piece in response.iter_content(_PIECE_BYTES):
            n_bytes += len(piece)
            if n_bytes > MAX_BYTES:
                raise _too_large(url, part)
            file.write(piece)
            progress(n_bytes, total)
    if total is not None and n_bytes < total:  # urllib3 before 2.0 does not notice.
        from requests.exceptions import ChunkedEncodingError

        raise ChunkedEncodingError


def _begins_at(response: Response, n_bytes: int) -> bool:
    return response.headers.get("Content-Range", "").startswith(f"bytes {n_bytes}-")


def _validator(response: Response) -> str | None:
    """Return what identifies the state of the file to the byte, if the server says so."""
    if "Content-Encoding" in response.headers:
        return None
    etag = response.headers.get("ETag")
    if etag is None:
        return response.headers.get("Last-Modified")
    return None if etag.startswith("W/") else etag


def _reason(requests: Any, error: Exception) -> str:
    """Return in a few words why a request failed; the error itself is the cause of ours."""
    exceptions = requests.exceptions
    for kind, words in (
        (exceptions.SSLError, "its certificate is not accepted"),
        (exceptions.ProxyError, "the proxy does not answer"),
        (exceptions.Timeout, "no answer in time"),
        (exceptions.ChunkedEncodingError, "the connection broke off"),
        (exceptions.ConnectionError, "no connection"),
        (exceptions.TooManyRedirects, "it redirects without end"),
    ):
        if isinstance(error, kind):
            return words
    return str(error)


def _unavailable(url: str, reason: str) -> DatasetError:
    return DatasetError(
        f"{url} cannot be downloaded ({reason}): try again, or {_OTHER_WAYS}",
        id="series_unavailable",
        field=url,
        expected="the file",
    )


def _too_large(url: str, part: _Part) -> DatasetError:
    part.discard()
    return DatasetError(
        f"{url} is larger than {MAX_BYTES:,} bytes, which no file of NAB is",
        id="file_corrupt",
        field=url,
        expected=f"at most {MAX_BYTES} bytes",
    )
