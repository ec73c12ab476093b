"""Pictures with their times in, stretches of two seconds out: what one search for a mark looks at.

Pictures are decoded as the search asks for them; there is never more than one here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import groupby, islice
from typing import NamedTuple

from engines.types import Rgb

Tell = Callable[[int, int | None], None]
"""Told the windows of a film that are done, and those in all where that is known."""

WINDOW_S = 2.0
MOST_PICTURES = 240
"""Of one window; what comes after that in the same two seconds is passed over."""
MOST_WINDOWS = 60
"""Of a film whose length is not known."""


class Shot(NamedTuple):
    """One picture."""

    rgb: Rgb
    at_s: float


class Window:
    """Pictures that follow each other; remembers what was taken of them."""

    def __init__(self, shots: Iterator[Shot], timed: bool = True) -> None:
        """`timed`: the pictures are a film's, not a single one."""
        self._shots = islice(shots, MOST_PICTURES)
        self.timed = timed
        self.pictures = 0
        self.start_s = self.end_s = 0.0

    def __iter__(self) -> Iterator[Rgb]:
        """The pictures, once."""
        for shot in self._shots:
            self.start_s = min(self.start_s, shot.at_s) if self.pictures else shot.at_s
            self.end_s = max(self.end_s, shot.at_s) if self.pictures else shot.at_s
            self.pictures += 1
            yield shot.rgb

    def pass_over(self) -> None:
        """Takes what the search has left, so that the times are the window's."""
        for _ in self:
            pass


def cut(shots: Iterator[Shot], seconds: float | None) -> Iterator[Window]:
    """All pictures of a film, `seconds` long, in windows; the last one has what is left over.

    The pictures of one window are of one size.
    """
    last = MOST_WINDOWS if seconds is None else max(0, int(seconds // WINDOW_S) - 1)

    def of(shot: Shot) -> tuple[int, tuple[int, ...]]:
        return min(last, int(shot.at_s // WINDOW_S)), shot.rgb.shape

    for _, group in groupby(shots, of):
        yield Window(group)
