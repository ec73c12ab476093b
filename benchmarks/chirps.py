"""A sound that is recognised wherever it comes out again, and how late it then is.

A chirp of 30 ms every 250 ms of the sound's own clock, which sweeps 600 Hz up or down, from another
pitch each time; after eight, two seconds, the first comes again. So each has its own place within
1.5 s, and is found to a fraction of a millisecond by its matched filter, though a codec, a jitter
buffer that stretches time, and noise have been at it. `page/bell.js` makes it, sample by sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RATE = 48_000
EVERY = 12_000
"""Samples from chirp to chirp."""
LENGTH = 1_440
CHIRPS = 8
MOST_S = 1.5
"""By how much a sound may be late to be known."""

_SWEEP_HZ = 600.0
_EDGE = 96
_LEAST_R = 0.6
"""Correlation below which what came is no chirp, or one that was torn."""
_SILENCE = 1e-3

Samples = NDArray[np.float64]


class Heard(NamedTuple):
    """A chirp that was recognised."""

    sent: int
    """Sample of the clock at which it began to be said."""
    late_ms: float


def chirp(number: int) -> Samples:
    """The chirp that begins at sample `number` × `EVERY`, `(LENGTH,)`, at most ±0.5."""
    low = 500.0 + 250.0 * (number % CHIRPS)
    first, last = (low + _SWEEP_HZ, low) if number % 2 else (low, low + _SWEEP_HZ)
    at = np.arange(LENGTH)
    seconds, whole = at / RATE, LENGTH / RATE
    cycles = first * seconds + (last - first) * seconds**2 / (2 * whole)
    edge = np.minimum(1.0, np.minimum(at, LENGTH - at) / _EDGE)
    return np.asarray(0.5 * edge * np.sin(2 * np.pi * cycles), np.float64)


def joined(pieces: Sequence[tuple[int, bytes]]) -> tuple[int, Samples]:
    """Pieces of int16 sound, each with its first sample's place, as one; gaps are silent.

    Raises `ValueError` where there is none.
    """
    if not pieces:
        raise ValueError("no sound came")
    first = min(at for at, _ in pieces)
    end = max(at + len(data) // 2 for at, data in pieces)
    sound = np.zeros(end - first)
    for at, data in pieces:
        samples = np.frombuffer(data, "<i2") / 32768.0
        sound[at - first : at - first + len(samples)] = samples
    return first, sound


def heard(first: int, sound: Samples) -> list[Heard]:
    """The chirps in a stretch of received sound that begins at sample `first` of the clock.

    Only those that could have come in it completely, however late, so that nothing is missed but
    what was lost.
    """
    latest = int(MOST_S * RATE)
    energy = np.concatenate([[0.0], np.cumsum(sound**2)])
    loud = np.sqrt(np.maximum(energy[LENGTH:] - energy[:-LENGTH], 0.0))
    numbers = range(-(-first // EVERY), (first + len(sound) - latest - LENGTH) // EVERY + 1)
    matches = {k: _match(sound, loud, chirp(k)) for k in {n % CHIRPS for n in numbers}}
    found = []
    for number in numbers:
        start = number * EVERY - first
        r = matches[number % CHIRPS][start : start + latest]
        at = int(np.argmax(r))
        if r[at] >= _LEAST_R:
            found.append(Heard(number * EVERY, 1000 * (at + _fraction(r, at)) / RATE))
    return found


def said(first: int, count: int) -> int:
    """How many chirps `heard` looks for in so many samples."""
    numbers = range(-(-first // EVERY), (first + count - int(MOST_S * RATE) - LENGTH) // EVERY + 1)
    return len(numbers)


def _match(sound: Samples, loud: Samples, wave: Samples) -> Samples:
    """Pearson's r (of what has no mean) at each place."""
    size = 1 << int(np.ceil(np.log2(len(sound) + LENGTH)))
    product = np.fft.irfft(np.fft.rfft(sound, size) * np.conj(np.fft.rfft(wave, size)), size)
    scale = np.maximum(loud, _SILENCE * np.sqrt(LENGTH)) * float(np.sqrt((wave**2).sum()))
    return np.asarray(product[: len(loud)] / scale, np.float64)


def _fraction(r: Samples, at: int) -> float:
    """Of a sample, by the parabola through a peak and its neighbours."""
    if not 0 < at < len(r) - 1:
        return 0.0
    before, peak, after = (float(r[at + step]) for step in (-1, 0, 1))
    bend = before - 2 * peak + after
    return 0.5 * (before - after) / bend if bend < 0 else 0.0
