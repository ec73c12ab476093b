"""Ranges in, ticks and positions out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Axis:
    """From values to pixels, linearly or by their logarithm."""

    low: float
    high: float
    start: float
    """The pixel of `low`."""
    end: float
    log: bool = False
    whole: bool = False
    """Whether only whole numbers are named, as of calls."""

    def at(self, value: float) -> float:
        """The pixel of a value; what is beyond an end is put at that end."""
        low, high, here = (self._of(each) for each in (self.low, self.high, value))
        share = (min(max(here, low), high) - low) / (high - low)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self) -> list[float]:
        """Round values to name."""
        if self.log:
            first, last = math.ceil(math.log10(self.low)), math.floor(math.log10(self.high))
            return [10.0**power for power in range(first, last + 1)]
        step = _round_step((self.high - self.low) / 5)
        step = max(1.0, step) if self.whole else step
        count = math.ceil(self.low / step - 1e-9)
        found = []
        while count * step <= self.high + step * 1e-6:
            found.append(round(count * step, 10))
            count += 1
        return found

    def _of(self, value: float) -> float:
        return math.log10(max(value, 1e-12)) if self.log else value


def reaching(values: Sequence[float], *, from_zero: bool = True) -> tuple[float, float]:
    """A range that holds all values, with some room above, and never none at all."""
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    if from_zero:
        low = min(low, 0.0)
    room = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
    return (low if from_zero and low >= 0 else low - room), high + room


def _round_step(step: float) -> float:
    size = 10.0 ** math.floor(math.log10(step))
    return next(size * each for each in (1, 2, 5, 10) if size * each >= step * 0.999)
