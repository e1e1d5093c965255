"""Whether content is what was published."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

from freshet.datasets._series import DatasetError


@dataclass(frozen=True)
class Checksum:
    """What a file's content has to add up to.

    Attributes
    ----------
    algorithm : {"SHA-256", "Git blob id"}
        A blob id is what Git calls a file's content by, the SHA-1 of a short header and the
        content. It is all that is published about files whose SHA-256 is not pinned here.
    digest : str
        In hexadecimal digits.
    """

    algorithm: Literal["SHA-256", "Git blob id"]
    digest: str

    def of(self, content: bytes) -> str:
        """Return the checksum that `content` has."""
        if self.algorithm == "SHA-256":
            return hashlib.sha256(content).hexdigest()
        header = b"blob %d\0" % len(content)
        return hashlib.sha1(header + content, usedforsecurity=False).hexdigest()

    def verify(self, content: bytes, where: str) -> None:
        """Raise DatasetError, which calls the content `where`, unless it is the right one."""
        found = self.of(content)
        if found != self.digest:
            raise DatasetError(
                f"{where} is not the file that NAB has: it has the {self.algorithm} {found}, "
                f"expected {self.digest}",
                id="file_hash",
                field=where,
                expected=f"{self.algorithm} {self.digest}",
            )
