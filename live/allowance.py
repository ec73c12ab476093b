"""Requests ask for leave, and so many a minute get it: a token bucket for the whole process."""

from __future__ import annotations

import time
from collections.abc import Callable

from live.errors import TooManyRequests


class Allowance:
    """Full at first, so that a burst of a minute's requests is served, then refilled evenly."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives seconds."""
        self._most = self._left = float(per_minute)
        self._clock = clock
        self._filled_at = clock()

    def take(self) -> None:
        """Counts one request; raises `TooManyRequests`."""
        now = self._clock()
        self._left = min(self._most, self._left + (now - self._filled_at) * self._most / 60)
        self._filled_at = now
        if self._left < 1:
            raise TooManyRequests("too many requests of this kind in a minute; wait a little")
        self._left -= 1
