"""API keys: what they may do, and the file of them.

A key is ``freshet_ID_SECRET`` with a secret of 256 random bits, of which the file has the SHA-256:
whoever reads the file cannot make the key of it, and a guess is out of the question.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import hmac
import json
import os
import re
import secrets
import threading
import time
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final

import structlog

from freshet.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

__all__ = ["SCOPES", "ApiKey", "KeyFile", "KeyRing"]

SCOPES: Final = ("read", "write", "admin")
_PREFIX: Final = "freshet"
_ID: Final = re.compile(r"[0-9a-f]{12}").fullmatch
#: How long a revoked key may still be taken, in seconds.
_CHECK_SECONDS: Final = 1.0
#: What is compared with where there is no key.
_NOTHING: Final = "0" * 64

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class ApiKey:
    """What is known of a key.

    Attributes
    ----------
    id : str
        Part of the key; what logs call it.
    name : str
        Whose it is.
    scopes : tuple of str
        What it allows: "read", "write", "admin". None of them includes another.
    prefixes : tuple of str
        How the names of its streams begin; empty for all streams.
    created : str
        When, in UTC.
    sha256 : str
        Of the key.
    """

    id: str
    name: str
    scopes: tuple[str, ...]
    prefixes: tuple[str, ...]
    created: str
    sha256: str

    def allows_stream(self, stream_id: str) -> bool:
        """Return whether it is for that stream."""
        return not self.prefixes or stream_id.startswith(self.prefixes)


class KeyFile:
    """The file of keys, which commands change and the service reads.

    Parameters
    ----------
    path : Path
        Made with the first key.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> list[ApiKey]:
        """Return the keys; none if there is no file.

        Raises
        ------
        ConfigurationError
            If it is no such file.
        OSError
            If it cannot be read.
        """
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
            return [_key(one) for one in content["keys"]]
        except FileNotFoundError:
            return []
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise ConfigurationError(
                f"{self._path} is no file of API keys: {error}",
                id="file_corrupt",
                field=str(self._path),
                expected="what freshet keys create has written",
            ) from error

    def create(
        self, name: str, scopes: Iterable[str], prefixes: Iterable[str] = ()
    ) -> tuple[ApiKey, str]:
        """Add a key; return what is kept of it, and the key itself, which nobody sees again."""
        wanted = tuple(scope for scope in SCOPES if scope in set(scopes))
        unknown = set(scopes) - set(SCOPES)
        if unknown or not wanted:
            raise ConfigurationError(
                f"scopes: {sorted(unknown) or 'none'}, expected some of {', '.join(SCOPES)}",
                id="parameter_out_of_range",
                field="scopes",
                expected=f"some of {', '.join(SCOPES)}",
            )
        key_id = secrets.token_hex(6)
        text = f"{_PREFIX}_{key_id}_{secrets.token_urlsafe(32)}"
        created = datetime.now(timezone.utc).isoformat(timespec="seconds")
        key = ApiKey(key_id, name, wanted, tuple(prefixes), created, _sha256(text))
        with self._changing() as keys:
            keys.append(key)
        return key, text

    def revoke(self, key_id: str) -> ApiKey:
        """Remove a key; return what was known of it.

        Raises
        ------
        ConfigurationError
            If there is none of that id.
        """
        with self._changing() as keys:
            for key in keys:
                if key.id == key_id:
                    keys.remove(key)
                    return key
        known = ", ".join(key.id for key in keys) or "none"
        raise ConfigurationError(
            f"there is no key {key_id}, only {known}",
            id="parameter_out_of_range",
            field="id",
            expected=f"one of {known}",
        )

    def stamp(self) -> tuple[int, int, int] | None:
        """Return what changes when the file does."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    @contextlib.contextmanager
    def _changing(self) -> Iterator[list[ApiKey]]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # Two commands at once must not lose a key. The file itself is replaced, so the lock is
        # another.
        lock = os.open(
            self._path.with_name(f".{self._path.name}.lock"), os.O_CREAT | os.O_RDWR, 0o600
        )
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            keys = self.read()
            before = list(keys)
            yield keys
            if keys != before:
                self._write(keys)
        finally:
            os.close(lock)

    def _write(self, keys: list[ApiKey]) -> None:
        content = json.dumps({"keys": [asdict(key) for key in keys]}, indent=2) + "\n"
        unfinished = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            file = os.open(unfinished, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
            with os.fdopen(file, "w", encoding="utf-8") as text:
                text.write(content)
                text.flush()
                os.fsync(text.fileno())
            unfinished.replace(self._path)
        finally:
            unfinished.unlink(missing_ok=True)


class KeyRing:
    """The keys of a running service; follows the file.

    Parameters
    ----------
    file : KeyFile
        Looked at once per second at most.
    """

    def __init__(self, file: KeyFile) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._stamp = file.stamp()
        self._keys = {key.id: key for key in file.read()}
        self._checked = time.monotonic()

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, text: str) -> ApiKey | None:
        """Return what is known of a key, or None if it is none of ours."""
        if time.monotonic() - self._checked > _CHECK_SECONDS:
            self._follow()
        prefix, _, rest = text.partition("_")
        key_id = rest.partition("_")[0]
        known = self._keys.get(key_id) if prefix == _PREFIX else None
        # Compared even if there is none, so that the time tells nothing of ids.
        is_equal = hmac.compare_digest(_sha256(text), known.sha256 if known else _NOTHING)
        return known if is_equal else None

    def _follow(self) -> None:
        with self._lock:
            self._checked = time.monotonic()
            stamp = self._file.stamp()
            if stamp == self._stamp:
                return
            try:
                self._keys = {key.id: key for key in self._file.read()}
                self._stamp = stamp
            except (ConfigurationError, OSError) as error:
                # Those of before go on; a half-written file locks nobody out.
                _log.error("api_keys_unreadable", error=str(error))


def _key(content: Any) -> ApiKey:
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in content.items()
    }
    key = ApiKey(**values)
    texts = (key.id, key.name, key.created, key.sha256, *key.scopes, *key.prefixes)
    if not all(isinstance(text, str) for text in texts) or not _ID(key.id):
        raise ValueError(f"a key is malformed: {content!r:.80}")
    if not set(key.scopes) <= set(SCOPES) or len(key.sha256) != 64:
        raise ValueError(f"the key {key.id} is malformed")
    return key


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
