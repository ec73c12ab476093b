"""Callers ask for leave, and each gets so many a minute; no more callers are known than fit."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address

from live.allowance import Allowance

MOST_CALLERS = 4096


class Rates:
    """An allowance for each caller; who has not asked for longest is forgotten first."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives seconds."""
        self._per_minute = per_minute
        self._clock = clock
        self._callers: OrderedDict[str, Allowance] = OrderedDict()

    def take(self, caller: str) -> None:
        """Counts one request of this caller; raises `TooManyRequests`."""
        allowance = self._callers.pop(caller, None) or Allowance(self._per_minute, self._clock)
        self._callers[caller] = allowance
        if len(self._callers) > MOST_CALLERS:
            self._callers.popitem(last=False)
        allowance.take()


def network_of(address: str | None) -> str:
    """Whom an address stands for: itself, and of IPv6 its /64, which one customer has whole."""
    try:
        parsed = ip_address((address or "").split("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(parsed, IPv6Address):
        mapped = parsed.ipv4_mapped
        return str(mapped) if mapped else parsed.exploded[:19]
    return str(parsed)
