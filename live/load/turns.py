"""Threads that want to draw go in, one at a time comes out: who has waited longest goes first.

Every picture is hundreds of calls into native code, each of which lets go of the interpreter and
asks for it again. Several threads at once hand it to each other each time, which on a busy machine
costs a third of the processor time and more than twice the delay. So a call draws a picture without
being disturbed by other calls, and lets them go on while a network computes (`engines.aside`).
"""

from __future__ import annotations

import heapq
import itertools
import threading
from types import TracebackType

from live.clock import now_ns

_BEGUN = -1
"""Before any time: a picture that has been begun is finished first."""


class Turns:
    """Shared by all calls of a process."""

    def __init__(self) -> None:
        """Nobody's turn."""
        self._lock = threading.Lock()
        self._taken = False
        self._waiting: list[tuple[int, int, threading.Lock]] = []
        self._numbers = itertools.count()
        self._held_ns = 0

    @property
    def held_ns(self) -> int:
        """How long it has been somebody's turn so far."""
        return self._held_ns

    def take(self, since_ns: int) -> None:
        """Waits for a turn; of several who wait, the one with the earliest `since_ns` gets it."""
        with self._lock:
            if not self._taken:
                self._taken = True
                return
            called = threading.Lock()
            called.acquire()
            heapq.heappush(self._waiting, (since_ns, next(self._numbers), called))
        called.acquire()

    def give(self, held_ns: int) -> None:
        """Ends a turn that has lasted so long."""
        with self._lock:
            self._held_ns += held_ns
            if self._waiting:
                heapq.heappop(self._waiting)[2].release()
            else:
                self._taken = False


class Turn:
    """One thread's: `with turn:` around a picture; an `engines.aside.Turn`."""

    def __init__(self, of: Turns) -> None:
        """Not held."""
        self._of = of
        self._since_ns = self._drawn_ns = 0

    def __enter__(self) -> None:
        """Waits; who has drawn longest ago goes first."""
        self._of.take(self._drawn_ns)
        self._since_ns = self._drawn_ns = now_ns()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Lets the next one draw."""
        self.leave()

    def leave(self) -> None:
        """Lets others go on."""
        self._of.give(now_ns() - self._since_ns)

    def resume(self) -> None:
        """Goes on, before anybody who has not begun yet."""
        self._of.take(_BEGUN)
        self._since_ns = now_ns()
