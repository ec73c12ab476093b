"""espeak-ng as a teacher: its library tells when each phone begins, exactly.

espeak-ng is under GPL 3 and is a tool of training only: nothing that serves loads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from engines.ipa import Timed, phones_in_time
from engines.types import Floats, Phone
from engines.voices import espeak_process

ENGLISH = (
    *("en-us", "en-us", "en-us", "gmw/en", "en-gb-x-rp", "en-gb-scotland", "en-us-nyc", "en-029"),
    *("en-gb-x-gbclan", "en-gb-x-gbcwmd"),
)
FOREIGN = ("de", "fr", "es", "it", "pt-br", "nl", "pl", "sv", "fi", "tr", "cs", "ro", "id", "sw")
"""Languages in which espeak reads any Latin letters by its own rules."""
VARIANTS = (
    *("m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "f1", "f2", "f3", "f4", "f5", "klatt"),
    *("klatt2", "klatt4", "Alex", "Alicia", "Andrea", "Annie", "linda", "steph", "belinda"),
    *("David", "Diogo", "Gene", "Hugo", "Jacky", "Lee", "Marco", "Mike", "Pedro", "Quincy", "rob"),
    *("zac", "anika", "sandro", "shelby", "travis", "victor", "grandma", "grandpa", "adam"),
    *("benjamin", "caleb", "max", "michael", "norbert", "edward", "ed"),
)


class Manner(NamedTuple):
    """Who speaks, and how."""

    voice: str
    """An espeak voice, with `+variant`."""
    words_per_minute: int = 175
    pitch: int = 50
    pitch_range: int = 50


class Espeak:
    """The library, of which a process has one."""

    def __init__(self) -> None:
        """Raises `SystemExit` where it is not installed."""
        try:
            self._library = espeak_process.Espeak("libespeak-ng.so.1")
        except OSError:
            raise SystemExit("libespeak-ng.so.1 is missing; install espeak-ng") from None
        self.rate = self._library.rate

    def say(self, text: str, manner: Manner) -> tuple[Floats, tuple[Phone, ...]]:
        """`(n,)` samples at `self.rate`, and the phones in them."""
        said = self._library.say(
            text, manner.voice, manner.words_per_minute, manner.pitch, manner.pitch_range
        )
        samples = (np.frombuffer(said["samples"], np.int16) / 32768).astype(np.float32)
        return samples, self._phones(said["sounds"], len(samples))

    def _phones(self, sounds: Sequence[tuple[int, str]], length: int) -> tuple[Phone, ...]:
        ends = [*(start for start, _ in sounds), length][1:]
        return phones_in_time(
            Timed(symbol, self._ns(start), self._ns(end))
            for (start, symbol), end in zip(sounds, ends, strict=True)
            if end > start
        )

    def _ns(self, sample: int) -> int:
        return sample * 1_000_000_000 // self.rate
