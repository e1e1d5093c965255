"""Bodies of requests and answers, as JSON."""

from __future__ import annotations

import contextlib
import json
import re
from typing import TYPE_CHECKING, Any, Final, TypeVar

import orjson
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from freshet.server.problems import INVALID, Problem, from_validation

if TYPE_CHECKING:
    from starlette.requests import Request

__all__ = ["JsonText", "json_response", "read_json", "read_object", "validated"]

_MEDIA_TYPE: Final = "application/json"
_OPTIONS: Final = orjson.OPT_SERIALIZE_NUMPY
#: Above this a body with such a number is malformed, for the second reading is slow.
_MAX_NON_FINITE_BYTES: Final = 2**20
#: What JSON lacks, or a number that could be too large.
_NON_FINITE: Final = re.compile(rb"NaN|Infinity|[0-9][eE]\+?[0-9]{3}|[0-9]{300}").search
#: Half a character, which Python's reader takes and nobody can write again.
_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]").search
_M = TypeVar("_M", bound=BaseModel)


async def read_json(request: Request, model: type[_M]) -> _M:
    """Read the body of a request as a model.

    Faster than a parameter of the route: the body is parsed once, and only the model looks at it.

    Raises
    ------
    Problem
        See `read_object` and `validated`.
    """
    return validated(model, await read_object(request))


def validated(model: type[_M], content: dict[str, Any]) -> _M:
    """Return what a body holds as a model.

    Raises
    ------
    Problem
        422 if it is not the model's.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise from_validation(error.errors(include_url=False, include_context=False)) from None


async def read_object(request: Request) -> dict[str, Any]:
    """Read the body of a request as an object, whatever its members are.

    Raises
    ------
    Problem
        415 if the body is not declared to be JSON, or is compressed, 400 if it is none, 422 if it
        is no object.
    """
    content_type, encoding = _kind_of_body(request)
    if not _is_json(content_type):
        raise Problem(
            415,
            f"The body's type is {content_type.decode('latin-1') or 'not given'}, expected "
            f"{_MEDIA_TYPE}",
            id="body_not_json",
            field="Content-Type",
            expected=_MEDIA_TYPE,
        )
    if encoding and encoding != b"identity":
        raise Problem(
            415,
            f"The body is encoded as {encoding.decode('latin-1')}, expected none",
            id="body_encoded",
            field="Content-Encoding",
            expected="no encoding",
        )
    body = await _read(request)
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        content = _content_with_non_finite(body, error)
    if not isinstance(content, dict):
        raise Problem(
            422,
            f"The body is {_kind(content)}, expected an object",
            id="request_invalid",
            title=INVALID,
            expected="an object",
        )
    return content


def json_response(content: Any, status: int = 200) -> Response:
    """Return an answer in JSON; arrays of NumPy are lists in it."""
    return JsonText(orjson.dumps(content, option=_OPTIONS), status)


class JsonText(Response):
    """An answer of bytes that are JSON: what `Response` is with less to find out."""

    def __init__(self, body: bytes, status: int = 200) -> None:
        self.status_code = status
        self.body = body
        self.background = None
        self.raw_headers = [
            (b"content-length", b"%d" % len(body)),
            (b"content-type", b"application/json"),
        ]


async def _read(request: Request) -> bytes:
    """Return the body: of most requests it is one message."""
    message = await request.receive()
    body: bytes = message.get("body", b"")
    if message["type"] != "http.disconnect" and not message.get("more_body", False):
        return body
    parts = [body]
    while message["type"] != "http.disconnect":
        if not message.get("more_body", False):
            return b"".join(parts)
        message = await request.receive()
        parts.append(message.get("body", b""))
    raise ClientDisconnect


def _kind_of_body(request: Request) -> tuple[bytes, bytes]:
    """Return ``Content-Type`` and ``Content-Encoding``; empty where there is none."""
    content_type = encoding = b""
    for name, value in request.scope["headers"]:
        if name == b"content-type":
            content_type = value
        elif name == b"content-encoding":
            encoding = value
    return content_type, encoding


def _is_json(content_type: bytes) -> bool:
    if content_type == b"application/json":
        return True
    kind = content_type.partition(b";")[0].strip().lower()
    return kind == b"application/json" or (
        kind.startswith(b"application/") and kind.endswith(b"+json")
    )


def _content_with_non_finite(body: bytes, error: orjson.JSONDecodeError) -> Any:
    """Return what a body with NaN or infinities holds; they have no place in JSON.

    Whoever reads the data then says in which row and column they are, which a client can use more
    than a position in the text.
    """
    if len(body) <= _MAX_NON_FINITE_BYTES and _NON_FINITE(body) and not _SURROGATE(body):
        # A body that breaks another rule too fails here as well, or is too deep.
        with contextlib.suppress(ValueError, RecursionError):
            return json.loads(body.decode(), parse_int=_integer)
    raise Problem(
        400,
        f"The body is no JSON: {error}",
        id="json_malformed",
        title="The body is no JSON",
        expected="a JSON object",
    ) from None


def _integer(digits: str) -> float:
    # As orjson has it: what needs more than 64 bits is no integer.
    return int(digits) if len(digits) < 19 else float(digits)


def _kind(content: object) -> str:
    if content is None:
        return "null"
    names = {list: "a list", str: "a text", bool: "a boolean", int: "a number", float: "a number"}
    return names[type(content)]
