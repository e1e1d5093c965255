"""What the middleware finds out about a request, for whoever needs it later."""

from __future__ import annotations

import random
import re
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from starlette.types import Scope

__all__ = ["PRINCIPAL_KEY", "REQUEST_ID", "REQUEST_ID_KEY", "new_request_id", "request_id"]

#: Where the key of a request is in its scope; None there if requests need none.
PRINCIPAL_KEY: Final = "freshet.principal"
REQUEST_ID_KEY: Final = "freshet.request_id"
#: The id of the request that this task works for, for the logs.
REQUEST_ID: Final[ContextVar[str | None]] = ContextVar("freshet.request_id", default=None)

# What can be part of a URN, and of a line of a log.
_SANE: Final = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}").fullmatch
# Not from the system, which would have this thread wait for Python's lock. Ids are no secrets.
_new_bits: Final = random.Random().getrandbits


def new_request_id(given: bytes | None) -> str:
    """Return the id that a client gave to a request if it can be used, else a new one."""
    if given is not None and _SANE(given):
        return given.decode()
    return _new_bits(128).to_bytes(16, "big").hex()


def request_id(scope: Scope) -> str | None:
    """Return the id of a request; None outside of the middleware."""
    found: str | None = scope.get(REQUEST_ID_KEY)
    return found
