"""An avatar whose jaw moves with a known sound: is the jaw that arrives as late as the sound?

The server's own process has a voice that says open vowels of uneven lengths with uneven pauses, as
exact phones (`benchmarks.syllables`); the avatar's mouth is driven by those as in any call. The
page keeps the pictures that it shows and how loud the sound is that it hands to the sound card; the
pictures are tracked, and the delay between loudness and jaw is found by cross-correlation
(`benchmarks.delay`). A jaw does not move as loudness does: it opens sooner, and has its own shape.
So the same delay is taken at the source, of the curve that the phones stand for, and subtracted.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from benchmarks import movement
from benchmarks.delay import Delay, delay
from benchmarks.syllables import jaw, loudness, syllables
from engines.types import Rgb
from live.clock import MILLISECOND

_STEP_MS = 10
_BETWEEN_MS = (-350.0, 350.0)


def skew(
    levels: Sequence[tuple[float, float]], pictures: Sequence[tuple[float, str]], card_ms: float
) -> dict[str, Any]:
    """How much later than its sound the jaw comes, in ms; raises `NoDelay`.

    `levels`: when handed to the sound card, which adds `card_ms`, and how loud, root mean square;
    `pictures`: when, and a JPEG in base64.
    """
    source, arrived = at_source(), _arrived(levels, pictures, card_ms)
    return {
        "ms": round(arrived.ms - source.ms, 1),
        "uncertainty_ms": arrived.uncertainty_ms,
        "r": arrived.r,
        "jaw_after_sound_ms": {"at_source": source.ms, "arrived": arrived.ms},
    }


def at_source() -> Delay:
    """How late the jaw is against the sound as the articulation has it."""
    phones = syllables()
    times_ms = np.arange(0, phones[-1].end_ns / MILLISECOND, _STEP_MS)
    level = loudness(phones, times_ms)
    return delay(times_ms, level, times_ms, jaw(times_ms), between=_BETWEEN_MS)


def _arrived(
    levels: Sequence[tuple[float, float]], pictures: Sequence[tuple[float, str]], card_ms: float
) -> Delay:
    heard = np.array(levels, np.float64) + np.array([card_ms, 0.0])
    loud = heard[:, 1] / max(float(np.percentile(heard[:, 1], 90)), 1e-6)
    found = movement.tracked((round(at * 10), _decoded(text)) for at, text in pictures)
    seen = movement.signal([face for _, face in found], "jaw")
    times_ms = np.array([ticks / 10 for ticks, _ in found])
    rising = np.concatenate([[True], np.diff(times_ms) > 0])
    steps = np.arange(heard[0, 0], heard[-1, 0], _STEP_MS)
    level = np.interp(steps, heard[:, 0], loud)
    return delay(steps, level, times_ms[rising], seen[rising], between=_BETWEEN_MS)


def _decoded(text: str) -> Rgb:
    data = np.frombuffer(base64.b64decode(text), np.uint8)
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)
    assert picture is not None
    return np.ascontiguousarray(picture, np.uint8)
