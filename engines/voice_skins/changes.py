"""How a skin changes a voice: where its pitch goes, and by what its formants move."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Protocol

from engines.errors import UnknownPart

NO_SKIN = "none"
"""The name under which a voice stays as it is."""
_FORMANT_GLIDE = 0.05
"""The share of the way to other formants that is gone in 10 ms."""


class Change(Protocol):
    """What is done to one speaker's voice."""

    formants: float
    """By what the frequencies of the formants are multiplied, at this moment."""

    def hear(self, pitch: float) -> None:
        """Takes in the pitch (Hz) heard in 10 ms of voiced sound."""

    def pitch(self, heard: float) -> float:
        """The pitch (Hz) to speak at where `heard` (Hz) was spoken."""


class Shift:
    """Moves every voice by the same: two speakers stay as far apart as they were."""

    def __init__(self, semitones: float, formants: float) -> None:
        """`semitones`: of the pitch, −12…12; `formants`: the factor of the formants, 0.7…1.4."""
        if not -12.0 <= semitones <= 12.0:
            raise ValueError(f"a pitch moves by −12 to 12 semitones, not by {semitones}")
        if not 0.7 <= formants <= 1.4:
            raise ValueError(f"formants are multiplied by 0.7 to 1.4, not by {formants}")
        self.formants = formants
        self._ratio = math.exp2(semitones / 12.0)

    def hear(self, pitch: float) -> None:
        """Nothing is learnt from the voice."""

    def pitch(self, heard: float) -> float:
        """The same interval away from every pitch."""
        return heard * self._ratio


class Levelling:
    """Brings all voices near to each other: one mean pitch, a flatter melody, formants met halfway.

    A voice lower than the common pitch gets higher formants, a higher one lower formants, always
    by the whole factor: nobody, however near to the common pitch, keeps their own.
    """

    _FINEST_STEP = 0.0005
    """Octaves by which the median moves in 10 ms when it has long been found: it follows a speaker
    in many seconds, not the melody of a sentence."""
    _FIRST_STEP = 0.3
    _DEADBAND = 0.08
    """Octaves on either side of the common pitch within which the formants stay where they are."""

    def __init__(self, mean: float, melody: float, formants: float) -> None:
        """`mean`: the common pitch in Hz; `melody`: what is left of its movements, 0…1;
        `formants`: the factor for low voices; high ones get its inverse."""
        self.formants = formants
        self._mean = mean
        self._melody = melody
        self._for_low = formants
        self._wanted = formants
        self._median: float | None = None
        self._heard = 0

    def hear(self, pitch: float) -> None:
        """Follows the median of the speaker's pitch, and lets the formants glide to their place."""
        octaves = math.log2(pitch / self._mean)
        if self._median is None:
            self._median = octaves
            self._wanted = self._for_low if octaves < 0.0 else 1.0 / self._for_low
            self.formants = self._wanted
        self._heard += 1
        step = max(self._FINEST_STEP, self._FIRST_STEP / self._heard)
        self._median += math.copysign(
            min(step, abs(octaves - self._median)), octaves - self._median
        )
        if abs(self._median) > self._DEADBAND:
            self._wanted = self._for_low if self._median < 0.0 else 1.0 / self._for_low
        self.formants += _FORMANT_GLIDE * (self._wanted - self.formants)

    def pitch(self, heard: float) -> float:
        """The common pitch, and around it what is left of the melody."""
        octaves = math.log2(heard / self._mean) - (self._median or 0.0)
        return self._mean * math.exp2(self._melody * octaves)


CHANGES: Mapping[str, Callable[[], Change]] = {
    "grey": lambda: Levelling(150.0, 0.7, 1.15),
    "lower": lambda: Shift(-4.0, 0.87),
    "higher": lambda: Shift(4.0, 1.15),
    "deep": lambda: Shift(-7.0, 0.8),
    "bright": lambda: Shift(7.0, 1.22),
}
"""The skins by name, the one that hides best first; each call makes a new one, for one speaker."""

SKINS: tuple[str, ...] = (NO_SKIN, *CHANGES)
"""All that can be asked for."""


def change(name: str) -> Change:
    """A new change for one speaker; raises `UnknownPart`."""
    if name not in CHANGES:
        raise UnknownPart(f"no voice skin is called {name!r}; there are: {', '.join(CHANGES)}")
    return CHANGES[name]()
