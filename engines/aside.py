"""Long native work is announced here by whoever does it, and heard by whoever shares out a turn.

Python runs one thread at a time. Threads that all draw pictures ask each other for the interpreter
after every small call into native code, which costs more than the calls: so they take turns
(`live.load.turns`), and the thread whose turn it is steps aside while a network computes.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter_ns
from typing import Protocol

_WORTH_NS = 500_000
"""What stepping aside costs is a wait, at times as long as another picture takes."""


class Turn(Protocol):
    """What one thread holds while it works, and lets go of meanwhile."""

    def leave(self) -> None:
        """Somebody else may go on."""

    def resume(self) -> None:
        """Waits until this thread may go on."""


class _Here(threading.local):
    turn: Turn | None = None


_here = _Here()


def take_turns(turn: Turn | None) -> None:
    """Has this thread's turn left and resumed around long native work; `None`: no more."""
    _here.turn = turn


class Aside:
    """One kind of native work: `with aside():` around a call that needs no Python.

    The turn is left where the work has shown to take long enough. Safe to use from any thread, as
    long as that holds nothing meanwhile that another one could wait for in its turn.
    """

    def __init__(self) -> None:
        """How long it takes is not known yet."""
        self._quickest_ns = 0

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Leaves this thread's turn, if it has one, and waits for it again."""
        turn = _here.turn if self._quickest_ns >= _WORTH_NS else None
        if turn is not None:
            turn.leave()
        began_ns = perf_counter_ns()
        try:
            yield
        finally:
            self._note(perf_counter_ns() - began_ns)
            if turn is not None:
                turn.resume()

    def _note(self, took_ns: int) -> None:
        """Of a busy machine's times the shortest ones tell most; they are forgotten slowly."""
        known_ns = self._quickest_ns
        self._quickest_ns = min(took_ns, known_ns + known_ns // 64) if known_ns else took_ns
