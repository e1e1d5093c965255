"""Who may do what: API keys, their scopes and streams, rate limits, and browsers."""

from __future__ import annotations

import ipaddress
import math
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from freshet.errors import ConfigurationError
from freshet.server.keys import ApiKey, KeyFile, KeyRing
from freshet.server.problems import Problem
from freshet.server.rates import RateLimiter, client_of
from freshet.server.requests import PRINCIPAL_KEY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.types import Scope

    from freshet.server.routing import Route
    from freshet.server.settings import ServerSettings

__all__ = ["Guard", "authorize_stream", "may_use_stream", "stream_prefixes"]

_MISSING: Final = object()
#: Host headers that were found harmless are remembered, and this many of them.
_MAX_HOSTS: Final = 64


def authorize_stream(request: Request, stream_id: str, field: str = "stream_id") -> None:
    """Raise a problem (403) if the key of a request is not for that stream.

    `field` is what the request calls it.
    """
    if not may_use_stream(request, stream_id):
        raise Problem(
            403,
            f"The API key is not for {stream_id}",
            id="stream_forbidden",
            field=field,
            expected="a name that begins with a prefix of the key",
        )


def may_use_stream(request: Request, stream_id: str) -> bool:
    """Return whether the key of a request is for that stream; for lists of streams."""
    principal: Any = request.scope.get(PRINCIPAL_KEY, _MISSING)
    if principal is None:
        return True  # The middleware found that requests need no key.
    return isinstance(principal, ApiKey) and principal.allows_stream(stream_id)


def stream_prefixes(request: Request) -> tuple[str, ...] | None:
    """Return how the names of the streams begin that a request may use; None for all streams."""
    principal: Any = request.scope.get(PRINCIPAL_KEY, _MISSING)
    if principal is None:
        return None
    if not isinstance(principal, ApiKey):
        return ()
    return principal.prefixes or None


class Guard:
    """Decides of each request whether it may go on.

    Parameters
    ----------
    settings : ServerSettings
        ``auth``, the keys' file, the rate limit, and where the service listens.

    Raises
    ------
    ConfigurationError
        If keys are needed and there are none: nobody could do anything.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self._keys: KeyRing | None = None
        if settings.needs_keys:
            self._keys = KeyRing(KeyFile(settings.keys_path))
            if not len(self._keys):
                is_asked_for = settings.auth == "required"
                other = "set auth to auto" if is_asked_for else "listen on a loopback address"
                raise ConfigurationError(
                    f"there is no API key in {settings.keys_path}, and requests to {settings.host} "
                    f"need one: make it with freshet keys create, or {other}",
                    id="parameter_out_of_range",
                    field="auth",
                    expected="a key" if is_asked_for else "a key, or a loopback address as host",
                )
        self._limiter: RateLimiter | None = None
        if settings.rate_limit_per_second:
            self._limiter = RateLimiter(settings.rate_limit_per_second, settings.rate_limit_burst)
        # Without keys, whatever page a browser on this machine shows could send requests.
        self._distrusts_browsers = settings.auth == "auto" and not settings.needs_keys
        self._origins = frozenset(settings.cors_origins)
        self._allowed_hosts = frozenset(settings.allowed_hosts)
        self._hosts: set[bytes] = set()

    def check(
        self, scope: Scope, headers: Mapping[bytes, bytes], route: Route | None
    ) -> Problem | None:
        """Return what stands in the way of a request, and note whose it is.

        Parameters
        ----------
        scope : Scope
            Of ASGI; gets the key, or None where none is needed.
        headers : mapping
            The request's.
        route : Route or None
            None if there is none, which only who has a key gets to know.
        """
        if self._distrusts_browsers:
            problem = self._check_browser(headers)
            if problem is not None:
                return problem
        if route is not None and route.scope == "open":
            return None
        key: ApiKey | None = None
        if self._keys is not None:
            text = _credential(headers)
            key = None if text is None else self._keys.find(text)
        if self._limiter is not None:
            wait = self._limiter.take(_client(scope, key), time.monotonic())
            if wait:
                return _too_many(wait, self._limiter)
        if self._keys is not None:
            if key is None:
                return _unauthenticated(has_credential=_credential(headers) is not None)
            if route is not None and route.scope not in key.scopes:
                return _forbidden(route)
        elif route is not None and route.scope is None:
            return _forbidden(route)
        scope[PRINCIPAL_KEY] = key
        return None

    def _check_browser(self, headers: Mapping[bytes, bytes]) -> Problem | None:
        host = headers.get(b"host", b"")
        if host not in self._hosts:
            if not _is_local_name(host, self._allowed_hosts):
                # A page that gave its own name our address would pass for one of ours.
                return Problem(
                    403,
                    f"The host {host.decode('latin-1')} is not one of this service's; "
                    "the setting allowed_hosts names those that are",
                    id="host_refused",
                    field="Host",
                    expected="an address, a name without a dot, or one of allowed_hosts",
                )
            if len(self._hosts) < _MAX_HOSTS:
                self._hosts.add(host)
        origin = headers.get(b"origin")
        if origin is None:
            return None
        text = origin.decode("latin-1")
        is_own = text.partition("://")[2].encode("latin-1") == host
        if is_own or text in self._origins or "*" in self._origins:
            return None
        return Problem(
            403,
            f"Pages of {text} may not call this service; the setting cors_origins names those "
            "that may",
            id="origin_refused",
            field="Origin",
            expected="the service's own origin, or one of cors_origins",
        )


def _credential(headers: Mapping[bytes, bytes]) -> str | None:
    given = headers.get(b"x-api-key")
    if given is None:
        scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() != b"bearer":
            return None
    return given.strip().decode("latin-1")


def _client(scope: Scope, key: ApiKey | None) -> str:
    if key is not None:
        return key.id
    client = scope.get("client")
    return client_of(client[0]) if client else ""


def _is_local_name(host: bytes, allowed: frozenset[str]) -> bool:
    """Return whether no stranger can own a name: it is an address, or has no dot."""
    try:
        name = urlsplit(f"//{host.decode('ascii')}").hostname or ""
    except ValueError:
        return False
    if "." not in name or name.endswith(".localhost") or name in allowed:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _too_many(wait: float, limiter: RateLimiter) -> Problem:
    return Problem(
        429,
        "Too many requests",
        id="rate_limited",
        expected=f"at most {limiter.per_second:g} requests per second, {limiter.burst} at once",
        headers={"Retry-After": str(math.ceil(wait))},
    )


def _unauthenticated(*, has_credential: bool) -> Problem:
    return Problem(
        401,
        "The API key is not valid" if has_credential else "The request has no API key",
        id="key_invalid" if has_credential else "key_missing",
        expected="Authorization: Bearer KEY, or X-API-Key: KEY",
        headers={"WWW-Authenticate": 'Bearer realm="freshet"'},
    )


def _forbidden(route: Route) -> Problem:
    if route.scope is None:
        return Problem(403, f"{route.template} is closed to everybody", id="scope_undeclared")
    return Problem(
        403,
        f"The API key does not allow this; {route.method} {route.template} needs the scope "
        f"{route.scope}",
        id="scope_missing",
        expected=route.scope,
    )
