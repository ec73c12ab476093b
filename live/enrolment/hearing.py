"""Pieces of the microphone's sound go in; how loud it was and how the lips stood comes out.

The lips are what the speech network makes of the sound (`engines.drivers.speech_network`), so that
they can be held against those that the camera saw. Only these two curves are kept, and for a while.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engines.drivers.speech_network import SpeechNetwork
from engines.log_mel import HOP, RATE, LogMel
from engines.types import Floats
from live.clock import SECOND

FRAMES: Final = RATE // HOP
"""A second."""
LONGEST_S: Final = 40
"""Of sound that is remembered: longer than the step in which it counts."""

_LATEST_NS = SECOND
"""Sound later than this against its own count of samples has lost some of it."""
OPENING: Final = (
    ("jawOpen", 1.0),
    ("mouthClose", -1.0),
    ("mouthLowerDownLeft", 0.3),
    ("mouthUpperUpLeft", 0.2),
)
"""How far each curve of a mouth opens its lips."""


class Voice(NamedTuple):
    """A stretch of sound, a value every 10 ms."""

    times_ns: NDArray[np.int64]
    level: Floats
    """`(n,)` decibels of full scale."""
    lips: Floats
    """`(n,)` how far they would be open, about 0…1."""


@dataclass(slots=True)
class _Curves:
    level: Floats = field(default_factory=lambda: np.zeros(0, np.float32))
    lips: Floats = field(default_factory=lambda: np.zeros(0, np.float32))


class Hearing:
    """One attempt's ear. Not thread-safe."""

    def __init__(self, network: SpeechNetwork) -> None:
        """`network`: may be shared."""
        self._network, self._states = network, network.start()
        self._weights = np.zeros(len(network.curve_names), np.float32)
        for name, weight in OPENING:
            self._weights[network.curve_names.index(name)] = weight
        self._mel = LogMel()
        self._rest: Floats = np.zeros(0, np.float32)
        self._curves = _Curves()
        self._start_ns: int | None = None
        """When the first sample was spoken, by the least delay that was seen."""
        self._samples = 0
        self._dropped = 0
        """Frames that were forgotten."""

    def hear(self, samples: Floats, at_ns: int) -> None:
        """`(n,)` samples at 16 kHz, −1…1, the last of which was there at `at_ns`."""
        self._samples += len(samples)
        start_ns = at_ns - self._samples * SECOND // RATE
        if self._start_ns is None or not 0 <= start_ns - self._start_ns <= _LATEST_NS:
            self._start_ns = start_ns
        sound = np.concatenate([self._rest, samples])
        whole = len(sound) // HOP * HOP
        self._rest = sound[whole:]
        power = np.square(sound[:whole].reshape(-1, HOP)).mean(axis=1)
        kept = self._curves
        kept.level = np.append(kept.level, 10 * np.log10(power + 1e-10)).astype(np.float32)
        mel = self._mel.push(samples)
        if len(mel):
            heard = self._network.hear(mel, self._states)
            self._states = heard.states
            kept.lips = np.append(kept.lips, heard.curves @ self._weights).astype(np.float32)
        surplus = len(kept.lips) - LONGEST_S * FRAMES
        if surplus > 0:
            kept.level, kept.lips = kept.level[surplus:], kept.lips[surplus:]
            self._dropped += surplus

    def between(self, start_ns: int, end_ns: int) -> Voice:
        """What was heard in a stretch of time, as far as it is remembered."""
        ahead = self._network.look_ahead_frames
        lips = self._curves.lips[ahead:]  # what it says after a frame is about an earlier one
        level = self._curves.level[: len(lips)]
        lips = lips[: len(level)]
        first = self._dropped
        origin = (self._start_ns or 0) + SECOND // FRAMES // 2
        times = origin + (first + np.arange(len(lips), dtype=np.int64)) * (SECOND // FRAMES)
        inside = (times >= start_ns) & (times < end_ns)
        return Voice(times[inside], level[inside], lips[inside])
