"""Requests ask for leave: so many a minute get it (a token bucket), or so many at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

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


class AtOnce:
    """No more of one kind than these at the same time, such as bodies held in memory."""

    def __init__(self, most: int, what: str) -> None:
        """`what` they are, in the plural, for whoever has to wait."""
        self._most, self._what = most, what
        self._present = 0

    @contextmanager
    def one(self) -> Iterator[None]:
        """While it lasts; raises `TooManyRequests`."""
        if self._present >= self._most:
            raise TooManyRequests(f"other {self._what} are under way; try again in a few seconds")
        self._present += 1
        try:
            yield
        finally:
            self._present -= 1
