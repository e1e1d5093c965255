"""Which route a request is for, and who may call it: known before anything is read."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, get_type_hints

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from freshet.server.openapi import SCOPE_KEY

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fastapi import APIRouter

    from freshet.server.request_metrics import Tally

__all__ = ["Route", "RouteTable", "endpoints_of", "wide_templates_of"]

Endpoint = Callable[[Request], Awaitable[Response]]

_METHODS: Final = frozenset({"get", "post", "put", "patch", "delete"})


@dataclass(eq=False)
class Route:
    """A method and a template of paths.

    Attributes
    ----------
    method : str
        In capitals.
    template : str
        The path with names in braces for its variable parts.
    scope : str or None
        Who may call it; None, for nobody, if it does not say so.
    endpoint : callable or None
        What answers it, if it needs nothing but the request: the middleware then asks it without
        the detour through FastAPI.
    """

    method: str
    template: str
    scope: str | None
    endpoint: Endpoint | None = None
    # The middleware's, so that it need not look it up for every request.
    tally: Tally | None = None


class RouteTable:
    """The routes of an OpenAPI document; others do not exist.

    Parameters
    ----------
    document : mapping
        The document, whose operations have an ``x-scope``.
    open_paths : iterable of str
        Paths that are no part of it but may be read by anybody.
    endpoints : mapping
        What `endpoints_of` found, by method and path.
    wide : iterable of str
        What `wide_templates_of` found.

    Raises
    ------
    ValueError
        If a path can never be reached because an earlier template matches it too.
    """

    def __init__(
        self,
        document: Mapping[str, Any],
        open_paths: Iterable[str] = (),
        endpoints: Mapping[tuple[str, str], Endpoint] | None = None,
        wide: Iterable[str] = (),
    ) -> None:
        wide = frozenset(wide)
        self._fixed: dict[str, dict[str, Route]] = {}
        self._templates: list[tuple[re.Pattern[str], dict[str, Route]]] = []
        for path in open_paths:
            self._fixed[path] = {"GET": Route("GET", path, "open")}
        for template, operations in document["paths"].items():
            routes: dict[str, Route] = {}
            for name in operations.keys() & _METHODS:
                method, scope = name.upper(), operations[name].get(SCOPE_KEY)
                endpoint = (endpoints or {}).get((method, template))
                routes[method] = Route(method, template, scope, endpoint)
            self._check_order(template, routes)
            if "{" not in template:
                self._fixed[template] = routes
                continue
            variable = ".+" if template in wide else "[^/]+"
            pattern = "".join(
                variable if part.startswith("{") else re.escape(part)
                for part in re.split(r"(\{[^}]*\})", template)
            )
            self._templates.append((re.compile(pattern), routes))

    def find(self, method: str, path: str) -> Route | None:
        """Return the route of a request, or None."""
        routes = self._fixed.get(path)
        if routes is not None and method in routes:
            return routes[method]
        for pattern, routes in self._templates:
            if method in routes and pattern.fullmatch(path):
                return routes[method]
        return None

    def methods(self, path: str) -> list[str]:
        """Return the methods that the document has for a path."""
        found = set(self._fixed.get(path, ()))
        if not found:
            for pattern, routes in self._templates:
                if pattern.fullmatch(path):
                    found.update(routes)
        return sorted(found | {"HEAD"} if "GET" in found else found)

    def routes(self) -> list[Route]:
        """Return all of them."""
        tables = [*self._fixed.values(), *(routes for _, routes in self._templates)]
        return [route for table in tables for route in table.values()]

    def _check_order(self, path: str, routes: Mapping[str, Route]) -> None:
        # FastAPI takes the first that matches, and the scope must be that of the one it takes.
        for pattern, earlier in self._templates:
            if pattern.fullmatch(path) and routes.keys() & earlier.keys():
                raise ValueError(f"{path} is registered after {pattern.pattern}, which matches it")


def endpoints_of(routers: Iterable[APIRouter]) -> dict[tuple[str, str], Endpoint]:
    """Return the functions of fixed paths that make a response of nothing but a request."""
    return {
        (method, route.path): route.endpoint
        for router in routers
        for route in router.routes
        if isinstance(route, APIRoute)
        and "{" not in route.path
        and not route.dependencies
        and _is_plain(route.endpoint)
        for method in route.methods or ()
    }


def wide_templates_of(routers: Iterable[APIRouter]) -> set[str]:
    """Return the templates whose variable part may have slashes, as the document has them."""
    return {
        route.path_format
        for router in routers
        for route in router.routes
        if isinstance(route, APIRoute) and ":path}" in route.path
    }


def _is_plain(function: Callable[..., Any]) -> bool:
    if not inspect.iscoroutinefunction(function):
        return False
    try:
        types = get_type_hints(function)
    except NameError:
        return False
    answer = types.pop("return", None)
    is_response = isinstance(answer, type) and issubclass(answer, Response)
    parameters = inspect.signature(function).parameters
    return is_response and len(parameters) == 1 and list(types.values()) == [Request]
