"""A voice whose sound and whose mouth are known: open vowels of uneven lengths, with uneven pauses.

It stands in a benchmark's own server process in the place of every other voice, and tells its
phones exactly, as voices of ours do.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from engines import registry
from engines.articulation import CURVES, curves
from engines.types import Phone, Speech, SpeechStream
from engines.voices.stream import Stretches
from live.clock import MILLISECOND

SECONDS = 24
_RATE = 24_000
_EDGE_MS = 15

Array = NDArray[np.float64]


def syllables(seconds: float = SECONDS) -> tuple[Phone, ...]:
    """Vowels and pauses."""
    lengths = np.random.default_rng(4).integers(120, 420, round(seconds * 4))
    ends = np.cumsum(lengths)
    return tuple(
        Phone("AA" if i % 2 else "SIL", int(end - length) * MILLISECOND, int(end) * MILLISECOND)
        for i, (end, length) in enumerate(zip(ends, lengths, strict=True))
        if end < 1000 * seconds
    )


def loudness(phones: Sequence[Phone], times_ms: Array) -> Array:
    """0…1 at each time: 1 in a vowel, with short edges."""
    level = np.zeros(len(times_ms))
    for phone in phones:
        if phone.name == "AA":
            start, end = phone.start_ns / MILLISECOND, phone.end_ns / MILLISECOND
            edge = np.minimum(times_ms - start, end - times_ms) / _EDGE_MS
            level = np.maximum(level, np.clip(edge, 0, 1))
    return level


class SyllableVoice:
    """Says the syllables, whatever the text."""

    name = "syllables"
    languages: tuple[str, ...] = ("en",)

    def speak(self, text: str, *, language: str = "", pace: float = 1.0) -> SpeechStream:
        """All of them in one stretch."""
        return Stretches(self._speak(text))

    def _speak(self, text: str) -> Generator[Speech, None, None]:
        phones = syllables()
        times_ms = np.arange(phones[-1].end_ns // MILLISECOND * _RATE // 1000) * 1000 / _RATE
        waves = sum(np.sin(2 * np.pi * 140 * n * times_ms / 1000) / n for n in range(1, 8))
        samples = 0.3 * loudness(phones, times_ms) * waves
        yield Speech(samples.astype(np.float32), _RATE, phones, text)

    def close(self) -> None:
        """Holds nothing."""


@contextmanager
def syllable_voice() -> Iterator[None]:
    """Lets every voice be this one."""
    voice = registry.voice
    registry.voice = lambda name, options=None: SyllableVoice()
    try:
        yield
    finally:
        registry.voice = voice


def jaw(times_ms: Array) -> Array:
    """How far the jaw is to be open, 0…1, as the articulation has it."""
    at_ns = np.asarray(times_ms * MILLISECOND, np.int64)
    return np.asarray(curves(syllables(), at_ns)[:, CURVES.index("jawOpen")], np.float64)
