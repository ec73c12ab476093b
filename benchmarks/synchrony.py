"""What a page saw and heard goes in, how far picture and sound were apart comes out; plain numbers.

A skew is how much later than its sound a picture comes, in ms: above zero, sound is ahead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.beacon import CYCLE_MS, EVERY_MS, TONES
from benchmarks.timecode import TICK_MS

AHEAD_MS, BEHIND_MS = 45.0, -100.0
"""Between these nobody minds: sound that far ahead, that far behind (ITU-R BT.1359, rounded)."""
CLOSE_MS = 20.0
_PAIRED_MS = 100.0
_TONE_HERTZ = 200
_BLOCK_MS = 10_000.0
_A_SECOND = 1000 // EVERY_MS
"""Of bursts."""

Array = NDArray[np.float64]


@dataclass(slots=True)
class Seen:
    """What came in, by the page's clock in ms."""

    pictures: list[tuple[float, int]] = field(default_factory=list)
    """When each lit up, and its time code."""
    bursts: list[tuple[float, float]] = field(default_factory=list)
    """When each was handed to the sound card, and its pitch in hertz."""
    playouts: list[Mapping[str, Any]] = field(default_factory=list)
    """The browser's statistics."""
    levels: list[tuple[float, float]] = field(default_factory=list)
    """When each block of sound was handed to the sound card, and how loud it was."""
    jpegs: list[tuple[float, str]] = field(default_factory=list)
    """When each picture lit up, and the picture in base64, where they are kept."""

    def card_ms(self) -> float:
        """What the sound card adds before a sample is heard, as the browser has it."""
        cards = [row["card"] for row in self.playouts if row["card"]]
        if len(cards) < 2:
            return 0.0
        samples = cards[-1]["samples"] - cards[0]["samples"]
        delay = cards[-1]["delay"] - cards[0]["delay"]
        return float(1000 * delay / samples) if samples else 0.0


def skews(seen: Seen) -> Array:
    """`(n, 2)`: when each burst was heard, and its skew against the picture of that moment.

    Bursts of no known pitch, and those without a picture near them, are left out.
    """
    if not seen.pictures or not seen.bursts:
        return np.zeros((0, 2))
    displays = np.array([at for at, _ in seen.pictures])
    picture_late = displays - np.array([number for _, number in seen.pictures]) * TICK_MS
    found = []
    for handed, hertz in seen.bursts:
        heard = handed + seen.card_ms()
        tone = round((hertz - 500) / _TONE_HERTZ)
        nearest = int(np.abs(displays - heard).argmin())
        if 0 <= tone < TONES and abs(displays[nearest] - heard) < _PAIRED_MS:
            skew = picture_late[nearest] - (heard - tone * EVERY_MS)
            found.append((heard, (skew + CYCLE_MS / 2) % CYCLE_MS - CYCLE_MS / 2))
    return np.array(found).reshape(-1, 2)


def estimated(seen: Seen) -> Array:
    """`(n, 2)`: the same by the browser's own `estimatedPlayoutTimestamp` of both receivers.

    It knows when a picture is handed to the display, not when it lights up.
    """
    rows = [(row["at"], row["audio"], row["video"]) for row in seen.playouts]
    known = [
        (at, audio["made"] - video["made"])
        for at, audio, video in rows
        if audio and video and audio["made"] and video["made"]
    ]
    return np.array(known, np.float64).reshape(-1, 2)


def spread(values: Array) -> dict[str, float]:
    """Of skews: the middle, how far from zero 95 % of them and the worst are, and the bounds."""
    skew = values[:, 1]
    return {
        "n": len(skew),
        "p50": round(float(np.median(skew)), 1),
        "p95_abs": round(float(np.percentile(np.abs(skew), 95)), 1),
        "max_abs": round(float(np.abs(skew).max()), 1),
        "most_ahead": round(float(skew.max()), 1),
        "most_behind": round(float(skew.min()), 1),
    }


def drift(values: Array) -> dict[str, float] | None:
    """The slope of skews in ms a minute, with its standard error, over means of ten seconds.

    `None`: too short to tell.
    """
    blocks = ((values[:, 0] - values[0, 0]) // _BLOCK_MS).astype(int)
    present = np.unique(blocks)
    if len(present) < 4:
        return None
    minutes = np.array([values[blocks == block, 0].mean() for block in present]) / 60_000
    means = np.array([values[blocks == block, 1].mean() for block in present])
    x = minutes - minutes.mean()
    slope = float((x * means).sum() / (x * x).sum())
    residual = means - means.mean() - slope * x
    error = np.sqrt((residual**2).sum() / (len(x) - 2) / (x * x).sum())
    return {"ms_a_minute": round(slope, 2), "standard_error": round(float(error), 2)}


def recovery(values: Array, end_ms: float, until_ms: float) -> dict[str, float | None]:
    """Seconds from a stall's end until skews stay within bounds, and within `CLOSE_MS`.

    For the latter the middle of each second counts: a display's refresh alone moves a picture by
    17 ms. `None`: they do not before `until_ms`.
    """
    after = values[(values[:, 0] > end_ms) & (values[:, 0] < until_ms)]

    def settled(skew: Array, low: float, high: float) -> float | None:
        outside = np.flatnonzero((skew < low) | (skew > high))
        if not len(skew) or (len(outside) and outside[-1] == len(skew) - 1):
            return None
        first = after[outside[-1] + 1 if len(outside) else 0, 0]
        return round(float(first - end_ms) / 1000, 2)

    middle = [np.median(after[i : i + _A_SECOND, 1]) for i in range(len(after))]
    return {
        "within_bounds_s": settled(after[:, 1], BEHIND_MS, AHEAD_MS),
        "within_20_ms_s": settled(np.array(middle), -CLOSE_MS, CLOSE_MS),
    }


def by_second(values: Array, start_ms: float, seconds: int) -> Sequence[float | None]:
    """The middle skew of each second from `start_ms` on."""
    found: list[float | None] = []
    for second in range(seconds):
        low = start_ms + 1000 * second
        inside = values[(values[:, 0] >= low) & (values[:, 0] < low + 1000), 1]
        found.append(round(float(np.median(inside)), 1) if len(inside) else None)
    return found
