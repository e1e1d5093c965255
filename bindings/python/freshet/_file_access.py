"""Files of unknown origin: bounded reads, checked ZIP archives, errors that name the place."""

from __future__ import annotations

import io
import os
import stat
import struct
import zipfile
import zlib
from typing import Final

from freshet.errors import ModelFileError

__all__ = ["Archive", "failure", "placed", "read_bytes", "shown"]

_LOCAL_HEADER: Final = struct.Struct("<4s22xHH")
_LOCAL_SIGNATURE: Final = b"PK\x03\x04"
_DIRECTORY_SIGNATURE: Final = b"PK\x01\x02"
_ENCRYPTED: Final = 0x1
_LONGEST_SHOWN: Final = 80
# What `zipfile` lets through when a directory is damaged, beside its own errors.
_DIRECTORY_ERRORS: Final = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    struct.error,
    ArithmeticError,
    LookupError,
    NotImplementedError,
    OSError,
    ValueError,
)


def failure(id_: str, message: str, field: str, expected: str) -> ModelFileError:
    """The error of kind `id_`; the message says what was expected, too."""
    return ModelFileError(f"{message}: expected {expected}", id=id_, field=field, expected=expected)


def placed(error: ModelFileError, where: str, field: str | None = None) -> ModelFileError:
    """`error` with `where`, a file, before its message and, if given, with another `field`."""
    return ModelFileError(
        f"{where}: {error}",
        id=error.id,
        field=error.field if field is None else field,
        expected=error.expected,
    )


def shown(text: object) -> str:
    """`text` as an error may show it: printable everywhere and not long, whatever the file says."""
    # Cut first, so that a name of megabytes costs nothing; ascii() takes care of lone surrogates.
    whole = str(text)
    cut = whole[:_LONGEST_SHOWN]
    printable = ascii(cut)[1:-1] or "(empty)"
    return printable if len(whole) == len(cut) else printable + "..."


def read_bytes(path: str | os.PathLike[str], maximum: int) -> bytes:
    """The content of the file `path`, at most `maximum` bytes.

    Raises
    ------
    ModelFileError
        ``file_missing`` if it is not there or cannot be opened, ``file_mismatch`` if it is no
        regular file or longer than `maximum`.
    """
    name = os.path.basename(os.fspath(path)) or os.fspath(path)
    try:
        # Opening a pipe would wait for its writer, so look before opening.
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise failure("file_mismatch", f"{shown(name)} is no file", name, "a regular file")
        with open(path, "rb") as file:
            # The size of what is open: another file may have taken the path since.
            size = os.fstat(file.fileno()).st_size
            content = file.read(min(size, maximum) + 1)
    except (OSError, ValueError) as error:
        if isinstance(error, ModelFileError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise failure(
            "file_missing", f"{shown(name)} cannot be read ({reason})", name, "a readable file"
        ) from None
    if len(content) > maximum:
        raise failure(
            "file_mismatch", f"{shown(name)} is too long", name, f"at most {maximum} bytes"
        )
    return content


class Archive:
    """A ZIP archive in memory, of which nothing is believed before it is checked.

    Parameters
    ----------
    data : bytes
        The archive; it must start with its first entry.
    maximum_entries : int
        The most entries that are accepted.

    Attributes
    ----------
    sizes : dict of str to int
        The uncompressed size that the directory states for every entry.
    compressed : list of str
        The entries that are not simply stored, but compressed by DEFLATE.

    Raises
    ------
    ModelFileError
        ``file_corrupt`` if `data` is no archive of this kind.
    """

    def __init__(self, data: bytes, *, maximum_entries: int) -> None:
        if not data.startswith(_LOCAL_SIGNATURE):
            raise _corrupt("this is no ZIP archive", "archive", "a ZIP archive")
        # zipfile makes an object of every entry, so count them by their signatures before.
        if data.count(_DIRECTORY_SIGNATURE) > maximum_entries:
            raise _corrupt(
                "the archive has too many entries", "archive", f"at most {maximum_entries}"
            )
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as file:
                entries = file.infolist()
        except _DIRECTORY_ERRORS as error:
            raise _corrupt(
                f"the archive is damaged ({shown(error)})", "archive", "an intact ZIP archive"
            ) from None
        self._data = memoryview(data)
        self._entries: dict[str, zipfile.ZipInfo] = {}
        self.compressed: list[str] = []
        for entry in entries:
            name = entry.filename
            if name in self._entries:
                raise _entry_failure(name, "comes twice", "every entry once")
            if entry.flag_bits & _ENCRYPTED:
                raise _entry_failure(name, "is encrypted", "entries without a password")
            if entry.compress_type == zipfile.ZIP_DEFLATED:
                self.compressed.append(name)
            elif entry.compress_type != zipfile.ZIP_STORED:
                raise _entry_failure(name, "is compressed in a rare way", "DEFLATE or none")
            elif entry.file_size != entry.compress_size:
                raise _entry_failure(name, "has two sizes", "one size")
            self._entries[name] = entry
        # Entries that overlap would let a short file stand for a long one.
        if sum(entry.compress_size for entry in entries) > len(data):
            raise _corrupt("the entries overlap", "archive", "entries apart from each other")
        self.sizes = {name: entry.file_size for name, entry in self._entries.items()}

    def read(self, name: str, maximum: int | None = None) -> memoryview:
        """The content of the entry `name`.

        A stored entry is a view of the archive. Without a `maximum`, of bytes, only stored entries
        are read.

        Raises
        ------
        ModelFileError
            ``file_corrupt`` if the entry is not there or damaged, ``file_unsafe`` if it is longer
            than `maximum`.
        """
        entry = self._entries.get(name)
        if entry is None:
            raise _entry_failure(name, "is missing", "an entry of this name")
        if maximum is not None and entry.file_size > maximum:
            raise failure(
                "file_unsafe",
                f"the entry {shown(name)} would take {entry.file_size} bytes",
                shown(name),
                f"at most {maximum} bytes",
            )
        content = self._raw(entry)
        if entry.compress_type == zipfile.ZIP_DEFLATED:
            if maximum is None:
                raise _entry_failure(name, "is compressed", "a stored entry")
            content = _inflated(entry, content)
        if zlib.crc32(content) != entry.CRC:
            raise _entry_failure(name, "does not match its checksum", "an undamaged entry")
        return content

    def _raw(self, entry: zipfile.ZipInfo) -> memoryview:
        start = entry.header_offset
        after_header = start + _LOCAL_HEADER.size
        if start >= 0 and after_header <= len(self._data):
            signature, name_length, extra_length = _LOCAL_HEADER.unpack_from(self._data, start)
            begin = after_header + name_length + extra_length
            end = begin + entry.compress_size
            if signature == _LOCAL_SIGNATURE and end <= len(self._data):
                return self._data[begin:end]
        raise _entry_failure(entry.filename, "is not where the directory says", "an intact archive")


def _inflated(entry: zipfile.ZipInfo, content: memoryview) -> memoryview:
    decompressor = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        # One byte more than stated shows whether the directory understates; 0 would mean no limit.
        inflated = decompressor.decompress(content, entry.file_size + 1)
    except zlib.error:
        inflated = b""
    if len(inflated) != entry.file_size or not decompressor.eof:
        raise _entry_failure(entry.filename, "cannot be decompressed", "an undamaged entry")
    return memoryview(inflated)


def _corrupt(message: str, field: str, expected: str) -> ModelFileError:
    return failure("file_corrupt", message, field, expected)


def _entry_failure(name: str, problem: str, expected: str) -> ModelFileError:
    return _corrupt(f"the entry {shown(name)} {problem}", shown(name), expected)
