"""The OpenAPI document: what routes say of themselves, and what holds for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from fastapi.openapi.utils import get_openapi

from freshet.server.problems import MEDIA_TYPE, ProblemDocument
from freshet.server.schemas.examples import ANSWERS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fastapi import FastAPI
    from pydantic import BaseModel

__all__ = ["SCOPE_KEY", "Scope", "complete", "operation"]

#: Who may call a route: anybody, or the holder of a key with that scope.
Scope = Literal["open", "read", "write", "admin"]
SCOPE_KEY: Final = "x-scope"

_REFERENCE: Final = "#/components/schemas/{model}"
_DESCRIPTIONS: Final = {
    400: "The body is no JSON",
    401: "The request has no valid API key",
    403: "The API key does not allow this, or a page in a browser may not ask",
    404: "There is no such thing",
    409: "What was asked contradicts what is there",
    413: "The request is larger than the service's limits",
    415: "The body is not declared to be JSON",
    422: "The request cannot be accepted",
    429: "Too many requests, or too many streams",
    500: "The service failed",
    503: "The service cannot do this now",
}


def operation(
    scope: Scope,
    *,
    body: type[BaseModel] | None = None,
    problems: Iterable[int] = (),
) -> dict[str, Any]:
    """Return the arguments of a route's decorator that say who may call it, and what goes wrong.

    Parameters
    ----------
    scope : {"open", "read", "write", "admin"}
        Who may call it. A route that does not say so is refused to everybody.
    body : type of BaseModel, optional
        What the route reads with `read_json`.
    problems : iterable of int
        The statuses of problems of its own, beside those that any request may meet.
    """
    extra: dict[str, Any] = {SCOPE_KEY: scope}
    statuses = set(problems)
    if body is not None:
        schema = body.model_json_schema(ref_template=_REFERENCE)
        extra["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema}},
        }
        statuses |= {400, 413, 415, 422}
    return {"openapi_extra": extra, "responses": {status: _response(status) for status in statuses}}


def complete(app: FastAPI) -> dict[str, Any]:
    """Return the document of an application, with what FastAPI does not know of."""
    if app.openapi_schema is not None:
        return app.openapi_schema
    document = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=app.description,
        tags=app.openapi_tags,
        routes=app.routes,
    )
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for path in document["paths"].values():
        for described in path.values():
            _hoist(described, schemas)
            _complete_operation(described)
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    problem = ProblemDocument.model_json_schema(ref_template=_REFERENCE)
    schemas.update(problem.pop("$defs"), Problem=problem)
    for name, example in ANSWERS.items():
        if name in schemas:
            schemas[name]["examples"] = [example]
    document["components"]["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer"},
        "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    }
    app.openapi_schema = document
    return document


def _response(status: int) -> dict[str, Any]:
    reference = {"$ref": _REFERENCE.format(model="Problem")}
    return {
        "description": _DESCRIPTIONS[status],
        "content": {MEDIA_TYPE: {"schema": reference}},
    }


def _hoist(described: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Move the schema of a body to the components, where FastAPI has the others."""
    content = described.get("requestBody", {}).get("content", {}).get("application/json", {})
    schema = content.get("schema", {})
    if "title" in schema and "$ref" not in schema:
        schemas.update(schema.pop("$defs", {}))
        schemas[schema["title"]] = schema
        content["schema"] = {"$ref": _REFERENCE.format(model=schema["title"])}


def _complete_operation(described: dict[str, Any]) -> None:
    statuses = {403, 500}
    if described.get("parameters"):
        statuses.add(422)
    scope = described.get(SCOPE_KEY)
    if scope != "open":
        statuses |= {401, 429, 503}
        described["security"] = [{"bearer": []}, {"apiKey": []}, {}]
    responses = described["responses"]
    if "HTTPValidationError" in str(responses.get("422")):
        del responses["422"]
    for status in statuses:
        responses.setdefault(str(status), _response(status))
    described["responses"] = dict(sorted(responses.items()))
