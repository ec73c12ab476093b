"""What was seen of a mouth and heard of a voice goes in; whether a phrase was read comes out.

Whether the words were those of the phrase is not looked at: that would take a recogniser.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from engines.types import Floats
from live.clock import MILLISECOND, SECOND
from live.enrolment.codes import Fault
from live.enrolment.hearing import FRAMES, Voice

LEAST_SPEECH_S: Final = 0.18
"""Of voice for each word, at least; fast readers need a quarter of a second."""
LEAST_MOVEMENT: Final = 0.02
"""Deviation of the opening of the lips, in eye distances: a mouth at rest trembles by 0.004."""
LEAST_AGREEMENT: Final = 0.45
"""Correlation of the lips that were seen with those that were heard."""
SILENCE_NS: Final = 900 * MILLISECOND
"""After which a phrase is over."""

_ABOVE_FLOOR_DB = 12.0
_LEAST_DB = -55.0
_LAGS_NS = range(-66 * MILLISECOND, 331 * MILLISECOND, 33 * MILLISECOND)
"""How much later than its sound a picture may come: it is larger, and has to be compressed."""
_SMOOTHING = np.hanning(9) / np.hanning(9).sum()


class Lips(NamedTuple):
    """One picture's."""

    at_ns: int
    opening: float
    """In eye distances."""


class Speech(NamedTuple):
    """The voice so far."""

    seconds: float
    """In which something was said."""
    ended_ns: int
    """When it was last heard; 0: not yet."""


def speech(voice: Voice) -> Speech:
    """How much was said."""
    if not len(voice.level):
        return Speech(0.0, 0)
    floor = float(np.percentile(voice.level, 10))
    loud = voice.level > max(floor + _ABOVE_FLOOR_DB, _LEAST_DB)
    ended = int(voice.times_ns[loud][-1]) if loud.any() else 0
    return Speech(int(loud.sum()) / FRAMES, ended)


def movement(lips: Sequence[Lips]) -> float:
    """Deviation of the opening of the lips, in eye distances."""
    return float(np.std([one.opening for one in lips])) if lips else 0.0


def agreement(lips: Sequence[Lips], voice: Voice) -> float:
    """Correlation of what was seen and what was heard at the delay where it is best, −1…1."""
    if len(voice.times_ns) < FRAMES or len(lips) < 2:
        return 0.0
    heard = np.convolve(voice.lips, _SMOOTHING, "same")
    times = np.array([one.at_ns for one in lips])
    seen = np.array([one.opening for one in lips], np.float32)
    start, stop = voice.times_ns[0], voice.times_ns[-1]
    best = -1.0
    for lag_ns in _LAGS_NS:
        inside = (times - lag_ns >= start) & (times - lag_ns <= stop)
        if (stop - start) / SECOND * 4 <= inside.sum():  # four pictures a second at least
            expected = np.interp(times[inside] - lag_ns, voice.times_ns, heard)
            best = max(best, _correlation(seen[inside], np.asarray(expected, np.float32)))
    return best


def judge(lips: Sequence[Lips], voice: Voice | None, words: int) -> Fault | None:
    """What is wrong with how a phrase was read; `voice` is `None` where nobody listens."""
    moved = movement(lips) >= LEAST_MOVEMENT
    if voice is None:
        return None if moved else Fault.MOUTH_STILL
    if speech(voice).seconds < LEAST_SPEECH_S * words:
        return Fault.NO_SOUND if moved else Fault.TOO_SLOW
    if not moved:
        return Fault.MOUTH_STILL
    return None if agreement(lips, voice) >= LEAST_AGREEMENT else Fault.SOUND_DISAGREES


def _correlation(one: Floats, other: Floats) -> float:
    a, b = one - one.mean(), other - other.mean()
    return float(a @ b / np.sqrt((a @ a) * (b @ b) + 1e-12))
