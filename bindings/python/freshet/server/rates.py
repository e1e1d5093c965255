"""How many requests may come, and from whom."""

from __future__ import annotations

import ipaddress
import math
from typing import Final

__all__ = ["RateLimiter", "client_of"]

_MAX_CLIENTS: Final = 65_536


class RateLimiter:
    """A token bucket per client, each kept as the time at which it will be full again.

    Parameters
    ----------
    per_second : float
        Tokens that flow in.
    burst : int
        Tokens a full bucket has; those of one second if 0.
    max_clients : int
        Buckets that are kept. Full ones are forgotten first, which nobody notices.

    Attributes
    ----------
    per_second : float
    burst : int
        As they are in effect.
    """

    def __init__(
        self, per_second: float, burst: int = 0, *, max_clients: int = _MAX_CLIENTS
    ) -> None:
        self.per_second = per_second
        self.burst = burst or max(1, math.ceil(per_second))
        self._interval = 1.0 / per_second
        self._capacity = self._interval * self.burst
        self._full_at: dict[str, float] = {}
        self._max_clients = max_clients

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, client: str, now: float) -> float:
        """Take a token; return 0, or the seconds until there is one."""
        # Put at the end again: the first is the one that was not seen for longest.
        full_at = max(self._full_at.pop(client, now), now) + self._interval
        missing = full_at - now - self._capacity
        # A little tolerance: sums of intervals are not exact.
        is_refused = missing > 1e-9
        self._full_at[client] = full_at - self._interval if is_refused else full_at
        if len(self._full_at) > self._max_clients:
            self._forget(now)
        return missing if is_refused else 0.0

    def _forget(self, now: float) -> None:
        kept = {client: at for client, at in self._full_at.items() if at > now}
        # Room for some more, so that this does not happen with every request.
        n_excess = len(kept) - self._max_clients * 7 // 8
        for client in list(kept)[: max(n_excess, 0)]:
            del kept[client]
        self._full_at = kept


def client_of(address: str) -> str:
    """Return what counts as one client: an address, or the network a subscriber of IPv6 has."""
    if ":" not in address:
        return address
    try:
        return str(ipaddress.ip_network((address, 64), strict=False))
    except ValueError:
        return address
