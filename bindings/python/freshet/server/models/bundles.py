"""The directory of bundles, watched: what is put there serves, if it is whole."""

from __future__ import annotations

import os
import re
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeAlias

import structlog
import watchfiles

from freshet.errors import Error
from freshet.server.models.bundle import LoadedBundle, load_bundle
from freshet.server.models.names import NAME_PATTERN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from freshet.server.metrics import Metrics

__all__ = ["BundleDirectory"]

_log = structlog.get_logger(__name__)

_NAME: Final = re.compile(NAME_PATTERN)
#: For how long a directory that is no bundle has to stay as it is before it is refused: whoever
#: copies files one by one is done by then, or will be noticed when they go on.
_SETTLING_SECONDS: Final = 5.0
#: What the notices of a change are collected for, in milliseconds.
_DEBOUNCE_MS: Final = 100

#: Of a directory and what is in it; another one when anything there has changed.
_Signature: TypeAlias = tuple[object, ...]


@dataclass(slots=True)
class _Seen:
    """What was found of a name, and what came of it."""

    signature: _Signature
    since: float
    is_decided: bool = False


class BundleDirectory:
    """The bundles in a directory, by the names of their directories.

    A bundle serves as soon as it is there and verified. One that takes its place is read beside it
    and then exchanged for it at once: whoever has got the old one finishes with it. What cannot be
    read changes nothing but the log and the metrics. A bundle whose directory is gone serves on
    until the process ends, for a volume that is away for a minute is no reason to stop.

    Parameters
    ----------
    path : Path
        May come into being later.
    metrics : Metrics
    default : str, optional
        The bundle for whoever asks for none.
    poll_seconds : float
        How often it is looked at where changes are not noticed, as on some mounted volumes.
    settling_seconds : float
        For how long a directory that cannot be read has to stay as it is before it is refused.
    """

    def __init__(
        self,
        path: Path,
        metrics: Metrics,
        *,
        default: str | None = None,
        poll_seconds: float = 2.0,
        settling_seconds: float = _SETTLING_SECONDS,
    ) -> None:
        self._path = path
        self._metrics = metrics
        self._default = default
        self._poll_seconds = poll_seconds
        self._settling_seconds = settling_seconds
        self._serving: Mapping[str, LoadedBundle] = MappingProxyType({})
        self._present: frozenset[str] = frozenset()
        self._seen: dict[str, _Seen] = {}
        self._n_loaded = 0
        self._is_readable = True
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        for result in ("loaded", "refused"):
            metrics.bundle_loads.labels(result)  # zero, rather than missing

    # ---- any thread ----

    @property
    def serving(self) -> Mapping[str, LoadedBundle]:
        """The bundles by name; this mapping never changes, another one takes its place."""
        return self._serving

    def default(self) -> LoadedBundle | None:
        """The bundle for whoever asks for none: the one that is set, else the only one."""
        serving, present = self._serving, self._present
        if self._default is not None:
            return serving.get(self._default)
        # One that was renamed still serves under the old name, and is not meant.
        found = [serving[name] for name in present if name in serving] or list(serving.values())
        return found[0] if len(found) == 1 else None

    # ---- one thread ----

    def start(self) -> None:
        """Load what is there, then begin to watch."""
        self.scan(time.monotonic())
        self._thread = threading.Thread(target=self._watch, name="freshet-bundles", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Watch no longer; what serves goes on to."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def scan(self, now: float) -> None:
        """Look at the directory, and put in service what is new and whole.

        Parameters
        ----------
        now : float
            Of the monotonic clock.
        """
        try:
            with os.scandir(self._path) as entries:
                found = {entry.name: Path(entry.path) for entry in entries if entry.is_dir()}
        except OSError as error:
            if self._is_readable:
                _log.warning("models_dir_unreadable", path=str(self._path), reason=error.strerror)
            self._is_readable = False
            return
        self._is_readable = True
        names = frozenset(name for name in found if _NAME.fullmatch(name))
        for name in sorted(self._present - names):
            if name in self._serving:
                _log.warning("bundle_removed", bundle=name, consequence="it serves on")
            self._seen.pop(name, None)
        self._present = names
        for name in sorted(names):
            self._look_at(name, found[name], now)

    def _look_at(self, name: str, path: Path, now: float) -> None:
        signature = _signature(path)
        seen = self._seen.get(name)
        if seen is None or seen.signature != signature:
            seen = self._seen[name] = _Seen(signature, now)
        elif seen.is_decided or now < seen.since + self._settling_seconds:
            return
        try:
            directory = path.resolve(strict=True)
            if not directory.is_relative_to(self._path.resolve()):
                seen.is_decided = True
                self._refuse(name, "it is a link that leads out of the directory", None)
                return
            bundle = load_bundle(name, directory, self._n_loaded + 1)
        except (Error, OSError) as error:
            if now >= seen.since + self._settling_seconds:
                seen.is_decided = True
                self._refuse(name, str(error), getattr(error, "id", None))
        except Exception:
            seen.is_decided = True
            _log.exception("bundle_failed", bundle=name)
            self._refuse(name, "it cannot be read", None)
        else:
            seen.is_decided = True
            self._put_in_service(bundle)

    def _put_in_service(self, bundle: LoadedBundle) -> None:
        before = self._serving.get(bundle.name)
        if before is not None and before.version == bundle.version:
            return
        self._n_loaded += 1
        # One assignment: who reads finds the one mapping or the other.
        self._serving = MappingProxyType({**self._serving, bundle.name: bundle})
        self._metrics.bundle_loads.labels("loaded").inc()
        self._metrics.bundles.set(len(self._serving))
        _log.info(
            "bundle_loaded",
            bundle=bundle.name,
            version=bundle.version,
            in_place_of=None if before is None else before.version,
        )

    def _refuse(self, name: str, reason: str, error_id: str | None) -> None:
        serving = self._serving.get(name)
        self._metrics.bundle_loads.labels("refused").inc()
        _log.error(
            "bundle_refused",
            bundle=name,
            reason=reason,
            id=error_id,
            serving=None if serving is None else serving.version,
        )

    def _watch(self) -> None:
        is_told = True
        while not self._stop.is_set():
            try:
                for _ in watchfiles.watch(
                    self._path,
                    watch_filter=None,
                    debounce=_DEBOUNCE_MS,
                    stop_event=self._stop,
                    # Also without a notice: not all changes of all file systems cause one.
                    rust_timeout=max(1, round(self._poll_seconds * 1000)),
                    yield_on_timeout=True,
                    raise_interrupt=False,
                ):
                    self._scan_safely()
            except (OSError, RuntimeError) as error:
                if is_told and self._path.is_dir():
                    _log.warning("bundles_not_watched", reason=str(error), consequence="polling")
                    is_told = False
            if not self._stop.wait(self._poll_seconds):
                self._scan_safely()

    def _scan_safely(self) -> None:
        try:
            self.scan(time.monotonic())
        except Exception:
            # Whatever it is, bundles to come shall find somebody watching.
            _log.exception("bundles_not_scanned")


def _signature(path: Path) -> _Signature:
    """Return what changes when a bundle does; of what cannot be looked at, why."""
    try:
        found = [_of(path.stat())]
        with os.scandir(path) as entries:
            found += sorted(
                (entry.name, *_of(entry.stat(follow_symlinks=False))) for entry in entries
            )
        return (os.path.realpath(path), *found)
    except OSError as error:
        return (error.errno,)


def _of(status: os.stat_result) -> tuple[object, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
