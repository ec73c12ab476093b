"""Phones with times come in piece by piece, the mouth that says them comes out: nobody listens."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from engines.articulation import REACH_NS, curves
from engines.types import Floats, Phone, Sound

_RELAXED_NS = 150_000_000
"""After the end of a stretch the mouth is its own for so long, to come to rest."""
_KEPT_NS = 1_000_000_000
_MOST_PHONES = 20_000
_SAMPLE_NS = 62_500
_JOINED_NS = 5_000_000


class Spoken:
    """What synthesised voices say, and when. Not thread-safe."""

    def __init__(self) -> None:
        """Knows of nothing."""
        self._phones: list[Phone] = []
        self._spans: list[tuple[int, int]] = []

    def tell(self, sound: Sound) -> bool:
        """Takes in a piece with phones; says whether it took back something told before.

        What had been told from its time on is forgotten, and what its phones cover is as they say.
        """
        told = sound.phones or ()
        start = sound.pts_ns
        first = min((phone.start_ns for phone in told), default=start)
        before = set(self._phones)
        self._cut(min(start, first))
        self._phones = (self._phones + list(told))[:_MOST_PHONES]
        self._spans = [(low, min(high, start)) for low, high in self._spans if low < start]
        end = start + len(sound.samples) * _SAMPLE_NS
        if self._spans and self._spans[-1][1] >= start - _JOINED_NS:
            self._spans[-1] = (self._spans[-1][0], max(end, self._spans[-1][1]))
        elif end > start:
            self._spans.append((start, end))
        return any(phone.end_ns > start for phone in before.difference(self._phones))

    def take_back(self, start_ns: int) -> bool:
        """Forgets all from a time on; says whether that was anything."""
        return self.tell(Sound(np.zeros(0, np.float32), start_ns, phones=()))

    def _cut(self, at_ns: int) -> None:
        kept = [phone for phone in self._phones if phone.start_ns < at_ns]
        self._phones = [
            phone if phone.end_ns <= at_ns else replace(phone, end_ns=at_ns) for phone in kept
        ]

    def sounds(self, pts_ns: int) -> bool:
        """Whether the mouth is theirs at this time: from its first movement until it is at rest."""
        return any(first - REACH_NS <= pts_ns <= last + _RELAXED_NS for first, last in self._spans)

    def mouth(self, pts_ns: int) -> Floats:
        """`(k,)` the curves of `engines.articulation` at this time."""
        (mouth,) = curves(self._phones, np.array([pts_ns]))
        return np.asarray(mouth)

    def stressed(self, after_ns: int, until_ns: int) -> bool:
        """Whether a stressed vowel begins in a stretch of time."""
        return any(
            phone.stressed and after_ns < phone.start_ns <= until_ns for phone in self._phones
        )

    def speaking(self, pts_ns: int, margin_ns: int) -> bool:
        """Whether something other than silence is said about this time."""
        return any(
            phone.name != "SIL" and phone.start_ns - margin_ns <= pts_ns <= phone.end_ns + margin_ns
            for phone in self._phones
        )

    def forget(self, before_ns: int) -> None:
        """Drops what no picture at or after this time needs."""
        oldest = before_ns - _KEPT_NS
        if self._phones and self._phones[0].end_ns < oldest:
            self._phones = [phone for phone in self._phones if phone.end_ns >= oldest]
        self._spans = [span for span in self._spans if span[1] >= oldest]
