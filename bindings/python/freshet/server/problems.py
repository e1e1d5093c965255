"""Problem documents (RFC 9457): what every answer that is no success looks like."""

from __future__ import annotations

import json
import math
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import orjson
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from freshet.errors import (
    ConfigurationError,
    DataError,
    Error,
    FitError,
    ModelFileError,
    NotReadyError,
    UnknownStreamError,
)
from freshet.server.expectations import expected_of, in_words_of_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic_core import ErrorDetails

__all__ = [
    "INVALID",
    "MEDIA_TYPE",
    "FieldError",
    "Problem",
    "ProblemDocument",
    "from_error",
    "from_validation",
    "internal",
    "problem_response",
]

MEDIA_TYPE: Final = "application/problem+json"
_TYPE: Final = "urn:freshet:problem:"
_INSTANCE: Final = "urn:freshet:request:"

#: The title of problems with the id request_invalid.
INVALID: Final = "The request cannot be accepted"
_OPTIONS: Final = orjson.OPT_SERIALIZE_NUMPY

#: The status and the title of the library's errors.
_OF_CLASS: Final[dict[type[Error], tuple[int, str]]] = {
    ConfigurationError: (422, "A parameter cannot be accepted"),
    DataError: (422, "The data cannot be accepted"),
    NotReadyError: (409, "There is no model yet"),
    FitError: (422, "No model can be made of the data"),
    ModelFileError: (422, "The model cannot be used"),
    UnknownStreamError: (404, "There is no such stream"),
}
#: What says more than the class.
_OF_ID: Final[dict[str, tuple[int, str]]] = {
    "file_missing": (404, "There is no such model"),
    "file_unwritable": (503, "The model cannot be stored"),
    "fit_cancelled": (503, "The training was cancelled"),
    "settings_conflict": (409, "The stream exists with other settings"),
    "stream_too_large": (413, "The stream would be too large"),
    "too_many_streams": (429, "There are too many streams"),
    "out_of_memory": (429, "There is no memory for more streams"),
    "log_full": (503, "The log of predictions is full"),
    "store_unavailable": (503, "The store cannot be reached"),
    "service_stopping": (503, "The service is stopping"),
}
#: The seconds after which to try again what may be possible then.
_RETRY_AFTER: Final = {429: "10", 503: "1"}


class FieldError(BaseModel):
    """What is wrong with one field of a request."""

    field: str = Field(description="Where it is, with dots: data.3.temperature.")
    detail: str = Field(description="What is wrong.")
    expected: str = Field(description="What would have been right.")


class ProblemDocument(BaseModel):
    """A problem as RFC 9457 has it, with the members freshet adds."""

    # The name in the OpenAPI document.
    model_config = ConfigDict(title="Problem")

    type: str = Field(description="The kind of problem: urn:freshet:problem:ID, or about:blank.")
    title: str = Field(description="The kind in words.")
    status: int = Field(description="The status of the answer.", ge=400, le=599)
    detail: str = Field(description="What happened, for people.")
    instance: str | None = Field(None, description="The request, as it is in the logs.")
    id: str | None = Field(None, description="The stable name of the kind of problem.")
    field: str | None = Field(None, description="The field, parameter or column that is wrong.")
    row: int | None = Field(None, description="The row of the data, counted from 0.")
    column: int | None = Field(None, description="The column, counted from 0.")
    expected: str | None = Field(None, description="What would have been right.")
    errors: list[FieldError] | None = Field(None, description="All that is wrong, if it is more.")


class Problem(Exception):  # noqa: N818
    """Raised by a handler to end a request with a problem document.

    Parameters
    ----------
    status : int
        The status of the answer, 400 to 599.
    detail : str
        What happened, for people.
    id : str, optional
        The stable name of the kind of problem; ``about:blank`` is the type without it.
    title : str, optional
        The kind in words; the status's if not given.
    headers : mapping, optional
        Further headers of the answer.
    members
        The extension members: field, row, column, expected, errors, or others. None is left out.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        id: str | None = None,  # noqa: A002
        title: str | None = None,
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.id = id
        self.title = title or HTTPStatus(status).phrase
        self.headers = dict(headers or {})
        self.members = {name: value for name, value in members.items() if value is not None}

    def document(self, request_id: str | None = None) -> dict[str, Any]:
        """Return the members of the document."""
        members: dict[str, Any] = {
            "type": "about:blank" if self.id is None else _TYPE + self.id,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        }
        if request_id is not None:
            members["instance"] = _INSTANCE + request_id
        if self.id is not None:
            members["id"] = self.id
        return members | self.members


def problem_response(problem: Problem, request_id: str | None = None) -> Response:
    """Return the answer that a problem is."""
    return Response(
        orjson.dumps(problem.document(request_id), option=_OPTIONS),
        problem.status,
        problem.headers,
        MEDIA_TYPE,
    )


def from_error(error: Error) -> Problem | None:
    """Return the problem that an error of the library is to a client, None if it is ours.

    What an error has beside the members that all of them have comes along.
    """
    found = _OF_ID.get(error.id or "") or next(
        (_OF_CLASS[one] for one in type(error).__mro__ if one in _OF_CLASS), None
    )
    if found is None:
        return None
    status, title = found
    retry_after = _RETRY_AFTER.get(status)
    members = {name: value for name, value in vars(error).items() if not name.startswith("_")}
    if isinstance(error, DataError):
        members["expected"] = members["expected"] and in_words_of_json(members["expected"])
    return Problem(
        status,
        in_words_of_json(str(error)) if isinstance(error, DataError) else str(error),
        title=title,
        headers=None if retry_after is None else {"Retry-After": retry_after},
        **members,
    )


def internal() -> Problem:
    """Return what a client hears of an error that is ours; the log has the rest."""
    return Problem(
        500, "The service failed; its log says why, under this instance.", id="internal_error"
    )


def from_validation(found: Sequence[ErrorDetails], *, skip: int = 0) -> Problem:
    """Return what pydantic found wrong.

    Parameters
    ----------
    found : sequence of ErrorDetails
        What ``ValidationError.errors()`` returns.
    skip : int
        Parts of each location that are none of the field, such as "query".
    """
    errors = [_field_error(one, skip) for one in found]
    first = errors[0]
    return Problem(
        422,
        f"{first['field']}: {first['detail']}" if first["field"] else first["detail"],
        id="request_invalid",
        title=INVALID,
        field=first["field"] or None,
        expected=first["expected"],
        errors=errors,
    )


def _field_error(found: ErrorDetails, skip: int) -> dict[str, str]:
    kind, message = found["type"], found["msg"]
    field = ".".join(map(str, found["loc"][skip:]))
    if kind == "missing":
        detail, expected = "is missing", "a value"
    elif kind == "extra_forbidden":
        detail, expected = "there is no such field", "no such field"
    else:
        expected = expected_of(message)
        detail = f"expected {expected}, not {_shown(found['input'])}"
    return {"field": field, "detail": detail, "expected": expected}


def _shown(value: object) -> str:
    """Return a value short enough for a message; of large ones only what they are."""
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    if value is None or isinstance(value, (bool, int, float, str)):
        # Not by orjson, which has no integers beyond 64 bits.
        text = json.dumps(value, ensure_ascii=False)
        return text if len(text) <= 60 else f"{text[:60]}…"
    return f"a list of {len(value)}" if isinstance(value, list) else "an object"
