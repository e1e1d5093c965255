"""Models of the batch API as bytes.

A file begins with `MAGIC` and the length of a header in JSON, which says what the model is; then
comes the trained model in the library's own format, and at the end the SHA-256 of all before.
"""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

import freshet
from freshet import __version__
from freshet._file_access import failure, read_bytes
from freshet.errors import Error, ModelFileError
from freshet.server.models.batch_model import BatchModel
from freshet.server.models.normalization import Normalization
from freshet.server.models.training import estimator_type

__all__ = ["ModelHeader", "decode", "encode", "read", "read_header"]

MAGIC: Final = b"freshet batch model\n"
_FORMAT: Final = 1
_LENGTH: Final = struct.Struct("<I")
_START: Final = len(MAGIC) + _LENGTH.size
_DIGEST_SIZE: Final = hashlib.sha256().digest_size
_LARGEST_FILE: Final = 2**31


class ModelHeader(BaseModel):
    """What the file of a model says of it before the numbers."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    format: Literal[1] = _FORMAT
    library_version: str
    name: str
    backend: str
    backend_params: dict[str, Any]
    normalization: Normalization
    columns: list[str]
    encoder: dict[str, Any] | None
    samples: int
    created: str
    description: str | None


def encode(model: BatchModel) -> bytes:
    """Return a model as bytes."""
    estimator: Any = model.estimator
    header = ModelHeader(
        library_version=__version__,
        name=model.name,
        backend=model.backend,
        backend_params=estimator.get_params(),
        normalization=model.normalization,
        columns=model.columns,
        encoder=None if model.encoder is None else model.encoder.to_dict(),
        samples=model.samples,
        created=model.created,
        description=model.description,
    )
    text = header.model_dump_json().encode()
    content = b"".join((MAGIC, _LENGTH.pack(len(text)), text, estimator._model.__getstate__()))
    return content + hashlib.sha256(content).digest()


def decode(data: bytes, file: str) -> BatchModel:
    """Return the model that `encode` made bytes of.

    Parameters
    ----------
    data : bytes
    file : str
        What errors call the bytes.

    Raises
    ------
    ModelFileError
        If they are damaged, or of a version that this one does not read.
    """
    if not data.startswith(MAGIC):
        raise _no_model(file)
    if hashlib.sha256(memoryview(data)[:-_DIGEST_SIZE]).digest() != data[-_DIGEST_SIZE:]:
        raise failure(
            "file_hash", f"{file} is damaged: its checksum is wrong", file, "an undamaged file"
        )
    header = _header(data, file)
    state = data[_START + _LENGTH.unpack_from(data, len(MAGIC))[0] : -_DIGEST_SIZE]
    try:
        type_ = estimator_type(header.backend)
        # JSON has no tuples, and estimators no lists by default.
        given = header.backend_params.items()
        params: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in given
        }
        estimator = type_(**params)
        trained = type_._model_type.__new__(type_._model_type)
        trained.__setstate__(state)
        encoder = None if header.encoder is None else freshet.Encoder.from_dict(header.encoder)
        estimator._learned(
            trained, header.columns if encoder is None else list(encoder.feature_names or ())
        )
    except (Error, LookupError, TypeError, ValueError) as error:
        raise failure(
            "file_mismatch",
            f"{file}, written by freshet {header.library_version}, cannot be read ({error})",
            file,
            "a model of this version",
        ) from error
    return BatchModel(
        name=header.name,
        backend=header.backend,
        estimator=estimator,
        columns=header.columns,
        encoder=encoder,
        normalization=header.normalization,
        samples=header.samples,
        created=header.created,
        description=header.description,
    )


def read(path: Path) -> bytes:
    """Return the bytes of a file; ModelFileError if that is not possible."""
    return read_bytes(path, _LARGEST_FILE)


def read_header(path: Path) -> ModelHeader:
    """Read what a file says of its model, unverified; ModelFileError if it is no such file."""
    try:
        with path.open("rb") as file:
            start = file.read(_START)
            if len(start) < _START:
                raise _no_model(path.name)
            (length,) = _LENGTH.unpack_from(start, len(MAGIC))
            return _header(start + file.read(length), path.name)
    except OSError as error:
        raise failure(
            "file_missing", f"{path.name} cannot be read ({error.strerror})", path.name, "a file"
        ) from None


def _header(data: bytes, file: str) -> ModelHeader:
    if len(data) < _START or not data.startswith(MAGIC):
        raise _no_model(file)
    end = _START + _LENGTH.unpack_from(data, len(MAGIC))[0]
    if len(data) < end:
        raise _no_model(file)
    try:
        return ModelHeader.model_validate_json(data[_START:end])
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        if field == "format":
            raise failure(
                "file_version", f"{file} is of another format", file, f"format {_FORMAT}"
            ) from None
        raise failure(
            "file_corrupt",
            f"the header of {file} is damaged at {field or 'its start'}",
            file,
            "an undamaged file",
        ) from None


def _no_model(file: str) -> ModelFileError:
    return failure("file_corrupt", f"{file} is no model", file, "a model that was saved here")
