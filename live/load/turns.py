"""Threads that want to draw go in, one at a time comes out: who has waited longest goes first.

Every picture is hundreds of calls into native code, each of which lets go of the interpreter and
asks for it again. Several threads at once hand it to each other each time, which on a busy machine
costs a third of the processor time and more than twice the delay. So a call draws a picture without
being disturbed by other calls, and lets them go on while a network computes (`engines.aside`).

A picture that takes a second hangs in native code; it must not be what all calls wait for. The next
one's turn comes then, and the end of the hung one's is nobody's business.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
from types import TracebackType

from live.clock import SECOND, now_ns

logger = logging.getLogger(__name__)

_BEGUN = -1
"""Before any time: a picture that has been begun is finished first."""


_HUNG_S = 1.0
"""Then nobody waits for a picture any more; it may go on beside the others."""
_NOBODY = 0


class Turns:
    """Shared by all calls of a process."""

    def __init__(self) -> None:
        """Nobody's turn."""
        self._lock = threading.Lock()
        self._holder = _NOBODY
        self._began_ns = 0
        self._waiting: list[tuple[int, int, threading.Lock]] = []
        self._numbers = itertools.count(1)
        self._held_ns = 0

    @property
    def held_ns(self) -> int:
        """How long it has been somebody's turn so far, but for those that hung."""
        return self._held_ns

    def take(self, since_ns: int) -> int:
        """Waits for a turn; of several who wait, the one with the earliest `since_ns` gets it.

        Its number, for `give`.
        """
        with self._lock:
            number = next(self._numbers)
            if self._holder == _NOBODY:
                self._begin(number)
                return number
            called = threading.Lock()
            called.acquire()
            heapq.heappush(self._waiting, (since_ns, number, called))
        while not called.acquire(timeout=_HUNG_S):
            self._pass_by()
        return number

    def give(self, number: int, held_ns: int) -> None:
        """Ends the turn of this number, which has lasted so long, unless it was passed by."""
        with self._lock:
            if number == self._holder:
                self._held_ns += held_ns
                self._call_next()

    def _pass_by(self) -> None:
        """Lets the next one draw where the turn has hung."""
        with self._lock:
            if now_ns() - self._began_ns < _HUNG_S * SECOND:
                return
            self._call_next()
        logger.warning("a picture hangs: it has taken %g s, and others go on beside it", _HUNG_S)

    def _call_next(self) -> None:
        """With the lock held."""
        if self._waiting:
            _, number, called = heapq.heappop(self._waiting)
            self._begin(number)
            called.release()
        else:
            self._holder = _NOBODY

    def _begin(self, number: int) -> None:
        self._holder, self._began_ns = number, now_ns()


class Turn:
    """One thread's: `with turn:` around a picture; an `engines.aside.Turn`."""

    def __init__(self, of: Turns) -> None:
        """Not held."""
        self._of = of
        self._number = self._since_ns = self._drawn_ns = 0

    def __enter__(self) -> None:
        """Waits; who has drawn longest ago goes first."""
        self._number = self._of.take(self._drawn_ns)
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
        self._of.give(self._number, now_ns() - self._since_ns)

    def resume(self) -> None:
        """Goes on, before anybody who has not begun yet."""
        self._number = self._of.take(_BEGUN)
        self._since_ns = now_ns()
