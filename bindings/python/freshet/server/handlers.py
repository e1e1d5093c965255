"""From what routes raise to problem documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from freshet.errors import Error
from freshet.server.problems import Problem, from_error, from_validation, internal, problem_response
from freshet.server.requests import request_id

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["install", "problem_of"]


def install(app: FastAPI) -> None:
    """Make problem documents of all that routes of an application raise on purpose.

    What they raise by mistake is answered too, and passes, to be logged by the middleware.
    """
    for kind in (Problem, Error, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, _answer)
    app.add_exception_handler(Exception, _answer_mistake)


def problem_of(error: Exception) -> Problem | None:
    """Return the problem that an exception is to a client; None if it is a mistake of ours."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, Error):
        return from_error(error)
    if isinstance(error, RequestValidationError):
        # The first part of a location is "query", "path" or "body".
        return from_validation(error.errors(), skip=1)
    if isinstance(error, HTTPException):
        return Problem(error.status_code, str(error.detail), headers=error.headers)
    return None


async def _answer(request: Request, error: Any) -> Response:
    problem = problem_of(error)
    if problem is None:
        raise error
    return problem_response(problem, request_id(request.scope))


async def _answer_mistake(request: Request, _: Exception) -> Response:
    return problem_response(internal(), request_id(request.scope))
