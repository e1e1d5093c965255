"""What the state of a stream is made again from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import orjson

__all__ = ["Recovery", "StoredSnapshot", "digest_of"]


@dataclass(frozen=True, slots=True)
class StoredSnapshot:
    """A snapshot as it was found.

    Attributes
    ----------
    sequence : int
        The event after which it was taken.
    is_intact : bool
        Whether its checksum is right.
    info : dict
        How the stream was seen when it was taken; empty of a damaged one.
    """

    sequence: int
    data: bytes
    info: dict[str, Any]
    is_intact: bool

    @classmethod
    def found(cls, sequence: int, data: bytes, info: bytes, digest: str) -> StoredSnapshot:
        """Return what was stored with that digest, which tells whether it is still the same."""
        is_intact = digest_of(data, info) == digest
        return cls(sequence, data, orjson.loads(info) if is_intact else {}, is_intact)


@dataclass(frozen=True, slots=True)
class Recovery:
    """What the state of a stream is made again from: its snapshots, the newest first."""

    incarnation: str
    info: dict[str, Any]
    snapshots: list[StoredSnapshot]


def digest_of(data: bytes, info: bytes) -> str:
    """Return the checksum of a snapshot with what is told about it."""
    digest = hashlib.sha256(data)
    digest.update(info)
    return digest.hexdigest()
