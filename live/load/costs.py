"""What the machine did and what was drawn meanwhile goes in; what a picture costs comes out."""

from __future__ import annotations

from collections import deque
from statistics import median

from live.load.machine import Use

START_MS = 15.0
"""CPU milliseconds of a picture before any was drawn: 512 × 512 by `warp`."""
START_TURN_MS = 8.5
"""And how long it is its turn for."""
_FEWEST = 20.0
"""Pictures in a look, below which it says little."""
_KEPT = 10


class Costs:
    """Keeps the medians of the latest looks: a file that is examined meanwhile is no call's cost.

    Not thread-safe.
    """

    def __init__(self) -> None:
        """Nothing is known but what things start with."""
        self._picture_ms: deque[float] = deque(maxlen=_KEPT)
        self._turn_ms: deque[float] = deque(maxlen=_KEPT)
        self._others: deque[float] = deque(maxlen=_KEPT)
        self._own: deque[float] = deque(maxlen=_KEPT)

    def note(self, use: Use, pictures: float, took_s: float) -> None:
        """One look: `pictures` were drawn in it, counted in ones that are drawn in full."""
        self._own.append(use.own)
        self._others.append(use.others)
        if pictures >= _FEWEST:
            self._picture_ms.append(1000 * use.own * took_s / pictures)
            self._turn_ms.append(1000 * use.turns * took_s / pictures)

    @property
    def measured(self) -> bool:
        """Whether a picture's cost was measured here."""
        return bool(self._picture_ms)

    @property
    def picture_ms(self) -> float:
        """CPU milliseconds of one picture drawn in full, with all that a call needs beside it."""
        return median(self._picture_ms) if self._picture_ms else START_MS

    @property
    def turn_ms(self) -> float:
        """Milliseconds for which a picture keeps other calls from drawing."""
        return median(self._turn_ms) if self._turn_ms else START_TURN_MS

    @property
    def own(self) -> float:
        """Cores that this process keeps busy."""
        return median(self._own) if self._own else 0.0

    @property
    def others(self) -> float:
        """Cores that others keep busy."""
        return median(self._others) if self._others else 0.0
