"""NAB's files, from Numenta's repository or a mirror, through the cache.

A file that is in the cache or comes over the network has a checksum: the SHA-256 pinned in `_pins`,
else the Git blob id in the repository's list of files. Only a mirror's other files have none, so
they are not kept in the cache.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import tempfile
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from freshet.datasets import _catalog, _download
from freshet.datasets._checksum import Checksum
from freshet.datasets._series import DatasetError, Labels, parse_labels

if TYPE_CHECKING:
    from collections.abc import Iterator

    from freshet.datasets._catalog import Entry
    from freshet.datasets._download import Progress

_TREE_NAME: Final = "nab-tree.json"


class Files:
    """Where NAB's files come from.

    Parameters
    ----------
    mirror : str or path, optional
        A directory, or the http(s) address of one, that is laid out as NAB is. Without one,
        Numenta's repository.
    progress : callable, optional
        Called during downloads, see :func:`freshet.datasets.download_nab`.
    """

    def __init__(
        self, mirror: str | os.PathLike[str] | None = None, progress: Progress | None = None
    ) -> None:
        text = None if mirror is None else os.fspath(mirror)
        self._is_upstream = text is None
        self._directory: Path | None = None
        self._url = _catalog.RAW_URL
        if text is not None and text.lower().startswith(("http://", "https://")):
            self._url = text.rstrip("/")
        elif text is not None:
            self._directory = Path(text).expanduser()
        self._progress = progress

    def checksum(self, entry: Entry) -> Checksum | None:
        """Return what a series has to add up to; None if nobody says."""
        if entry.sha256 is not None:
            return Checksum("SHA-256", entry.sha256)
        return self._blob(entry.path)

    def series(self, entry: Entry) -> bytes:
        """Return the content of a series' file."""
        return self._read(entry.path, self.checksum(entry))

    def labels(self, entry: Entry) -> Labels:
        """Return the label windows of a series."""
        if entry.labels is not None:
            return entry.labels
        return parse_labels(self._all_labels, entry.key, self.where(_catalog.LABELS_PATH))

    def where(self, path: str) -> str:
        """Return what to call a file in messages."""
        return f"{self._url}/{path}" if self._directory is None else str(self._directory / path)

    @cached_property
    def _all_labels(self) -> bytes:
        path = _catalog.LABELS_PATH
        return self._read(path, self._blob(path))

    def _blob(self, path: str) -> Checksum | None:
        if not self._is_upstream:
            return None
        if path not in self._tree:
            raise DatasetError(
                f"{_catalog.TREE_URL} does not list {path}",
                id="series_unavailable",
                field=path,
                expected="a file of NAB",
            )
        return Checksum("Git blob id", self._tree[path])

    @cached_property
    def _tree(self) -> dict[str, str]:
        """The Git blob ids of the repository's files, by path; asked for once and cached."""
        with _locked_cache() as cache:
            target = cache / _TREE_NAME
            with contextlib.suppress(OSError, DatasetError):
                return _parse_tree(target.read_bytes())
            name = "the list of NAB's files"
            content = _download.fetch(_catalog.TREE_URL, target, name, self._progress)
            try:
                tree = _parse_tree(content)
            except DatasetError:
                _download.discard(target)
                raise
            _download.keep(target)
            return tree

    def _read(self, path: str, checksum: Checksum | None) -> bytes:
        if self._directory is not None:
            return _read_directory(self._directory / path, checksum)
        # Without a lock first, which a cache that may only be read does not give.
        content = _cached(cache_directory() / path, checksum)
        if content is not None:
            return content
        with _locked_cache() as cache:
            target = cache / path
            if checksum is None:
                # Apart for each mirror, so that a download is resumed with the same one's content.
                mirror = hashlib.sha256(self._url.encode()).hexdigest()[:16]
                target = cache / "mirrors" / mirror / path
            content = _cached(target, checksum)  # Another process may have been faster.
            if content is None:
                target.parent.mkdir(parents=True, exist_ok=True)
                content = self._download(path, target, checksum)
            return content

    def _download(self, path: str, target: Path, checksum: Checksum | None) -> bytes:
        url = f"{self._url}/{path}"
        content = _download.fetch(url, target, path, self._progress)
        if checksum is None:
            _download.discard(target)
            return content
        try:
            checksum.verify(content, url)
        except DatasetError:
            _download.discard(target)
            if checksum.algorithm == "Git blob id":
                # The file may have changed since its id was asked for: next time, ask again.
                (cache_directory() / _TREE_NAME).unlink(missing_ok=True)
            raise
        _download.keep(target)
        return content


def cache_directory() -> Path:
    """Return where downloads are kept, whether or not it is there."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "freshet"


def _cached(path: Path, checksum: Checksum | None) -> bytes | None:
    """Return a cached file's content; None if it is not there, damaged or not to be verified."""
    if checksum is None:
        return None
    try:
        content = path.read_bytes()
    except OSError:
        return None
    return content if checksum.of(content) == checksum.digest else None


@contextlib.contextmanager
def _locked_cache() -> Iterator[Path]:
    """Yield the cache directory, held against other processes: two downloads would spoil the part.

    A cache that cannot be written is done without.
    """
    directory = cache_directory()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = (directory / "lock").open("w")
    except OSError:
        with tempfile.TemporaryDirectory(prefix="freshet-") as temporary:
            yield Path(temporary)
        return
    with lock:
        if sys.platform != "win32":  # It has no advisory locks: the checksum finds what went wrong.
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX)
        yield directory


def _read_directory(path: Path, checksum: Checksum | None) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DatasetError(
            f"{path} cannot be read: {error.strerror}",
            id="file_missing",
            field=str(path),
            expected="a file of NAB in a mirror laid out as NAB is (data/GROUP/NAME.csv)",
        ) from error
    if checksum is not None:
        checksum.verify(content, str(path))
    return content


def _parse_tree(content: bytes) -> dict[str, str]:
    try:
        answer = json.loads(content)
        tree = {file["path"]: file["sha"] for file in answer["tree"] if file["type"] == "blob"}
    except (ValueError, KeyError, TypeError) as error:
        raise DatasetError(
            f"{_catalog.TREE_URL} is no list of files: {error!r}",
            id="file_corrupt",
            field=_catalog.TREE_URL,
            expected="a tree as GitHub's API gives it",
        ) from error
    return tree
