"""Long native work is announced here by whoever does it, and heard by whoever shares out a turn.

Python runs one thread at a time. Threads that all draw pictures ask each other for the interpreter
after every small call into native code, which costs more than the calls: so they take turns
(`live.load.turns`), and the thread whose turn it is steps aside while a network computes.
"""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Protocol


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
    """`with aside:` around a call of some tenths of a millisecond or more that needs no Python."""

    def __enter__(self) -> None:
        """Leaves this thread's turn, if it has one."""
        if _here.turn is not None:
            _here.turn.leave()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Waits for it again."""
        if _here.turn is not None:
            _here.turn.resume()


aside = Aside()
