"""The models of the batch API: in a directory, and those used last in memory too."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Final

from freshet._file_access import failure, shown
from freshet.errors import ConfigurationError, ModelFileError
from freshet.server.models import model_file
from freshet.server.models.batch_model import BatchModel
from freshet.server.models.names import (
    base_name,
    filename_of,
    is_latest,
    name_without_stamp,
    parse_filename,
    require_name,
    stamped,
)
from freshet.server.models.saved import (
    HeldModels,
    SavedModel,
    StoredFile,
    signature_at,
    signature_of,
)
from freshet.server.problems import Problem

__all__ = ["ModelRegistry"]

_TEMPORARY: Final = ".tmp"
#: Age at which a file that was never finished is no longer of a process that writes it.
_ABANDONED_SECONDS: Final = 3600.0


class ModelRegistry:
    """Models by name and backend. Any thread may call any method.

    What is in the directory counts: other processes may save to it and delete from it. A model in
    memory is used as long as its file is the one that it was read from or written to.

    Parameters
    ----------
    directory : Path
        Made if there is none.
    max_models, max_bytes : int
        What is kept in memory: so many models, and of files so large together.
    max_files : int
        Models that may be saved.
    """

    def __init__(
        self,
        directory: Path,
        *,
        max_models: int = 64,
        max_bytes: int = 2**29,
        max_files: int = 10_000,
    ) -> None:
        self.directory = directory
        self._max_files = max_files
        self._lock = threading.Lock()
        self._held = HeldModels(max_models, max_bytes)
        with _writing(directory.name):
            directory.mkdir(parents=True, exist_ok=True)
            self._remove_abandoned()

    # ---- saving ----

    def save(self, model: BatchModel, *, is_new_version: bool = False) -> SavedModel:
        """Save a model; it is on the disk when this returns.

        Parameters
        ----------
        model : BatchModel
        is_new_version : bool
            Whether to save it under its name with the time added, beside earlier ones, rather than
            in place of the one of its name and backend.

        Raises
        ------
        ConfigurationError
            If no model can have the name.
        Problem
            429 if there are as many models as there may be.
        ModelFileError
            ``file_unwritable``; what was there before is still there.
        """
        self.require_place(model.name, model.backend, is_new_version=is_new_version)
        while True:
            name = stamped(model.name, _now()) if is_new_version else model.name
            saved = self._write(dataclasses.replace(model, name=name), replaces=not is_new_version)
            if saved is not None:
                return saved

    def require_place(self, name: str, backend: str, *, is_new_version: bool = False) -> None:
        """Raise what `save` would of the name and of room, before a model is trained."""
        if is_latest(name):
            raise ConfigurationError(
                f"{name!r} stands for the latest version of {base_name(name)}",
                id="parameter_out_of_range",
                field="model",
                expected="a name that does not end in -latest",
            )
        path = self.directory / filename_of(
            stamped(name, _now()) if is_new_version else name, backend
        )
        if path.exists():
            return
        n_files = sum(1 for _ in self.files())
        if n_files >= self._max_files:
            raise Problem(
                429,
                f"There are {n_files} saved models, as many as there may be; delete some",
                id="too_many_models",
                title="There are too many models",
                field="model",
                expected=f"at most {self._max_files} saved models",
            )

    def revise(
        self, name: str, backend: str | None, change: Callable[[BatchModel], BatchModel]
    ) -> SavedModel:
        """Put what `change` makes of a model in its place, but not in that of a newer one.

        Raises
        ------
        ConfigurationError, ModelFileError
            As `load` and `save` do.
        """
        while True:
            saved = self.load(name, backend)
            model = change(saved.model)
            if model == saved.model:
                return saved
            revised = self._write(model, replaces=saved)
            if revised is not None:
                return revised

    def _write(self, model: BatchModel, *, replaces: bool | SavedModel) -> SavedModel | None:
        """Write a file; None if there is one that is not to be replaced.

        Parameters
        ----------
        model : BatchModel
        replaces : bool or SavedModel
            Whether what is there may be replaced; only what was saved so if given.
        """
        data = model_file.encode(model)
        filename = filename_of(model.name, model.backend)
        path = self.directory / filename
        temporary = self.directory / f".{secrets.token_hex(8)}{_TEMPORARY}"
        with _writing(filename):
            try:
                with temporary.open("xb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                    saved = SavedModel(model, filename, signature_of(os.fstat(file.fileno())))
                with self._lock:  # So that what is held is what came last.
                    if (
                        isinstance(replaces, SavedModel)
                        and signature_at(path) != replaces.signature
                    ):
                        return None
                    if replaces:
                        temporary.replace(path)
                    else:
                        path.hardlink_to(temporary)
                    self._held.add(saved)
            except FileExistsError:
                return None
            finally:
                temporary.unlink(missing_ok=True)
            self._sync_directory()
        return saved

    # ---- loading ----

    def load(self, name: str, backend: str | None = None) -> SavedModel:
        """Return a model, from memory if it is there.

        Parameters
        ----------
        name : str
            With -latest at its end the version that was trained last.
        backend : str, optional
            The model's that was trained last if not given.

        Raises
        ------
        ConfigurationError
            If the name is none.
        ModelFileError
            ``file_missing`` if there is no such model; others if its file is damaged.
        """
        filename = self._resolve(name, backend)
        path = self.directory / filename
        signature = signature_at(path)
        if signature is None:
            raise _no_model(name, backend)
        with self._lock:
            held = self._held.get(filename, signature)
            if held is not None:
                return held
        # If it is replaced now, the signature is not the new one's, and the next call reads again.
        saved = SavedModel(model_file.decode(model_file.read(path), filename), filename, signature)
        with self._lock:
            self._held.add(saved)
        return saved

    def _resolve(self, name: str, backend: str | None) -> str:
        base = require_name(base_name(name))
        if base == name and backend is not None:
            return filename_of(name, backend)
        found = [
            file
            for file in self.files()
            if backend in (None, file.backend)
            and (file.name == base or (base != name and name_without_stamp(file.name) == base))
        ]
        if not found:
            raise _no_model(name, backend)
        return max(found, key=self._created).filename

    def _created(self, file: StoredFile) -> tuple[str, str]:
        """When a model was trained; of a file that does not say it, when it was written."""
        try:
            created = model_file.read_header(self.directory / file.filename).created
        except ModelFileError:
            time_ = datetime.fromtimestamp(file.modified, timezone.utc)
            created = time_.isoformat(timespec="microseconds")
        return created, file.filename

    # ---- the directory ----

    def files(self) -> Iterator[StoredFile]:
        """Look at what is saved, in no order."""
        with os.scandir(self.directory) as entries:
            for entry in entries:
                parsed = parse_filename(entry.name)
                if parsed is None:
                    continue
                with contextlib.suppress(FileNotFoundError):  # Deleted meanwhile.
                    status = entry.stat()
                    yield StoredFile(entry.name, *parsed, status.st_size, status.st_mtime)

    def delete(self, filename: str) -> None:
        """Delete a saved model; ModelFileError (``file_missing``) if there is none."""
        if parse_filename(filename) is None:
            raise _missing(f"there is no saved model {shown(filename)}", "filename")
        with _writing(filename):
            with self._lock:
                self._held.drop(filename)
                try:
                    (self.directory / filename).unlink()
                except FileNotFoundError:
                    raise _missing(f"there is no saved model {filename}", "filename") from None
            self._sync_directory()

    def _remove_abandoned(self) -> None:
        for path in self.directory.glob(f".*{_TEMPORARY}"):
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < time.time() - _ABANDONED_SECONDS:
                    path.unlink()

    def _sync_directory(self) -> None:
        """Make names durable."""
        descriptor = os.open(self.directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _now() -> datetime:
    return datetime.now(timezone.utc)


@contextlib.contextmanager
def _writing(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise failure(
            "file_unwritable",
            f"{name} cannot be written ({error.strerror or error})",
            name,
            "a directory with room that may be written to",
        ) from error


def _no_model(name: str, backend: str | None) -> ModelFileError:
    which = f"{name} of the backend {shown(backend)}" if backend else name
    return _missing(f"there is no model {which}", "model")


def _missing(message: str, field: str) -> ModelFileError:
    return failure("file_missing", message, field, "a model that was fitted and not deleted")
