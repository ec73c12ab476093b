"""Speech sounds and their times go in, curves of the mouth come out.

A mouth does not jump from sound to sound: lips round before an `UW` is heard, a `K` leaves them
where the vowels around it want them, and only a few sounds take what they need whatever stands
beside them. After Cohen and Massaro, "Modeling coarticulation in synthetic visual speech" (Models
and Techniques in Computer Animation, 1993), each sound pulls at each gesture with a dominance that
fades before and after it, and the gesture is the weighted mean of the sounds' targets. Two
differences: the fading ends (after at most `REACH_NS`, so a long silence is perfectly still and a
moment depends on what is near it only), and what must happen, shut lips for `B`, `M`, `P`, the
lower lip on the teeth for `F`, `V`, is laid over the mean and not left to it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from operator import attrgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engines.gestures import (
    AFTER_NS,
    AHEAD_NS,
    DIPHTHONGS,
    DOMINANCE,
    FIRST_PART,
    GESTURES,
    OPENING,
    TARGETS,
)
from engines.phones import BILABIALS, PHONES, VOWELS
from engines.types import Floats, Phone

CURVES: tuple[str, ...] = (
    *("jawOpen", "mouthClose", "mouthFunnel", "mouthPucker", "mouthRollLower", "mouthRollUpper"),
    *("mouthPressLeft", "mouthPressRight", "mouthStretchLeft", "mouthStretchRight"),
    *("mouthSmileLeft", "mouthSmileRight", "mouthLowerDownLeft", "mouthLowerDownRight"),
    *("mouthUpperUpLeft", "mouthUpperUpRight", "mouthShrugLower", "mouthShrugUpper"),
)
"""The ARKit coefficients that speech moves, 0…1. `mouthClose` equal to `jawOpen` is shut lips over
whatever the jaw does."""

MILLISECOND = 1_000_000
REACH_NS = 240 * MILLISECOND
"""Further away than this a sound moves nothing."""
SHORTEST_CLOSURE_NS = 45 * MILLISECOND
"""Lips stay shut at least this long at a `B`, `M` or `P`, however fast the speech."""
LONGEST_PAUSE_NS = 150 * MILLISECOND
"""The mouth holds through shorter silences and relaxes in longer ones."""

_LABIODENTALS = frozenset(("F", "V"))

_STRESSED_JAW, _UNSTRESSED_JAW = 1.10, 0.88
_CORE_MARGIN = 0.3  # of a sound's length, on each side: there it already gives way
_LONGEST_CORE_MARGIN_NS = 40 * MILLISECOND
_YIELDING_SILENCE = 0.15  # dominance of a pause too short to relax in
_SHORTEST_RAMP_NS, _LONGEST_RAMP_NS = 35 * MILLISECOND, 75 * MILLISECOND
_FARTHEST_HOLD_NS = SHORTEST_CLOSURE_NS + _LONGEST_RAMP_NS
_PLOSIVE_SHUT = 0.7  # of its time: the rest is the burst, with the lips on their way

_NUMBER = {name: number for number, name in enumerate(PHONES)}
_SIL = _NUMBER["SIL"]
_IS_VOWEL = np.array([name in VOWELS for name in PHONES])
_SYMMETRIC = tuple(name.removesuffix("Left").removesuffix("Right") for name in CURVES)
_CHUNK_NS = 2_000 * MILLISECOND
_NEAR_NS = REACH_NS + LONGEST_PAUSE_NS


def curves(phones: Sequence[Phone], times_ns: NDArray[np.int64]) -> Floats:
    """`(n, len(CURVES))` float32, 0…1: the mouth at `(n,)` ascending times.

    `phones`: in order of their starts. Time that no phone covers is silence, and a name that is not
    in `engines.phones.PHONES` counts as silence. A function of its arguments only: the value at a
    time does not depend on which other times are asked for, nor on phones further than `_NEAR_NS`.
    """
    times = np.asarray(times_ns, np.int64)
    out = np.zeros((len(times), len(CURVES)), np.float32)
    start = 0
    while start < len(times):
        stop = int(np.searchsorted(times, times[start] + _CHUNK_NS, side="right"))
        near = _near(phones, int(times[start]) - _NEAR_NS, int(times[stop - 1]) + _NEAR_NS)
        if near:
            out[start:stop] = _moments(near, times[start:stop])
        start = stop
    return out


def _near(phones: Sequence[Phone], low: int, high: int) -> Sequence[Phone]:
    """Those that touch `low`…`high`."""
    first = bisect_left(phones, low, key=attrgetter("end_ns"))
    last = bisect_left(phones, high, lo=first, key=attrgetter("start_ns"))
    return phones[first:last]


class _Part(NamedTuple):
    """A sound, half a diphthong, or a silence; times relative to the moment's origin."""

    sound: int
    start: int
    end: int
    stressed: bool


def _parts(phones: Sequence[Phone], origin: int) -> list[_Part]:
    """The phones with their diphthongs split, and the silence between, before and after them."""
    parts = []
    covered = phones[0].start_ns - origin - 10 * _CHUNK_NS
    for phone in phones:
        start = phone.start_ns - origin
        end = max(phone.end_ns - origin, start + MILLISECOND)
        if start > covered:
            parts.append(_Part(_SIL, covered, start, False))
        if phone.name in DIPHTHONGS:
            first, second = DIPHTHONGS[phone.name]
            middle = start + round(FIRST_PART * (end - start))
            parts.append(_Part(_NUMBER[first], start, middle, phone.stressed))
            parts.append(_Part(_NUMBER[second], middle, end, False))
        else:
            parts.append(_Part(_NUMBER.get(phone.name, _SIL), start, end, phone.stressed))
        covered = max(covered, end)
    parts.append(_Part(_SIL, covered, covered + 10 * _CHUNK_NS, False))
    return _joined_silence(parts)


def _joined_silence(parts: list[_Part]) -> list[_Part]:
    """Neighbouring silences as one: its length decides whether the mouth relaxes."""
    joined: list[_Part] = []
    for part in parts:
        if joined and part.sound == _SIL == joined[-1].sound:
            joined[-1] = joined[-1]._replace(end=max(part.end, joined[-1].end))
        else:
            joined.append(part)
    return joined


def _moments(phones: Sequence[Phone], times_ns: NDArray[np.int64]) -> NDArray[np.float64]:
    origin = int(times_ns[0])
    parts = _parts(phones, origin)
    times = (times_ns - origin).astype(np.float64)
    gestures = dict(zip(GESTURES, _weighed(parts, times).T, strict=True))
    shut = _held(parts, times, BILABIALS)
    bitten = _held(parts, times, _LABIODENTALS) * (1.0 - shut)
    return _as_curves(gestures, shut, bitten)


def _weighed(parts: list[_Part], times: NDArray[np.float64]) -> NDArray[np.float64]:
    """`(n, gestures)` the mean of the parts' targets, weighed by their dominance at each time."""
    sounds = np.array([part.sound for part in parts])
    start, end = np.array([(part.start, part.end) for part in parts], np.float64).T
    stressed = np.array([part.stressed for part in parts])
    length = end - start
    margin = np.minimum(_CORE_MARGIN * length, _LONGEST_CORE_MARGIN_NS)
    before = (start + margin - times[:, None])[..., None] / AHEAD_NS[sounds]
    after = (times[:, None] - end + margin)[..., None] / AFTER_NS
    away = np.clip(np.maximum(before, after), 0.0, 1.0)
    away *= away
    fading = 1.0 - away
    dominance = DOMINANCE[sounds]
    pause = np.clip((length / LONGEST_PAUSE_NS - 0.7) / 0.6, 0.0, 1.0)
    relaxing = _YIELDING_SILENCE + (1.0 - _YIELDING_SILENCE) * pause
    dominance[sounds == _SIL] *= relaxing[sounds == _SIL, None]
    weights = fading * fading * fading * dominance
    targets = TARGETS[sounds]
    vowel = _IS_VOWEL[sounds]
    effort = np.where(stressed, _STRESSED_JAW, _UNSTRESSED_JAW)
    targets[vowel, : len(OPENING)] *= effort[vowel, None]
    mean: NDArray[np.float64] = (weights * targets).sum(axis=1) / weights.sum(axis=1)
    return mean


def _held(
    parts: list[_Part], times: NDArray[np.float64], names: frozenset[str]
) -> NDArray[np.float64]:
    """`(n,)` 1 while one of `names` holds the lips, 0 elsewhere, with the lips' way between."""
    held = np.zeros(len(times))
    wanted = {_NUMBER[name] for name in names}
    low, high = times[0] - _FARTHEST_HOLD_NS, times[-1] + _FARTHEST_HOLD_NS
    for number, part in enumerate(parts):
        if part.sound not in wanted or part.end < low or part.start > high:
            continue
        plosive = PHONES[part.sound] in ("B", "P")
        start, end = float(part.start), float(part.end)
        if plosive:
            end = start + _PLOSIVE_SHUT * (end - start)
        missing = max(SHORTEST_CLOSURE_NS - (end - start), 0.0)
        start, end = start - missing / 2.0, end + missing / 2.0
        coming = (start - times) / _ramp(parts[number - 1])
        going = (times - end) / _ramp(parts[number + 1])
        near = np.clip(1.0 - np.maximum(coming, going), 0.0, 1.0)
        np.maximum(held, near * near * (3.0 - 2.0 * near), out=held)
    return held


def _ramp(neighbour: _Part) -> float:
    """How long the lips take to or from a sound that holds them: a short vowel is to be seen."""
    return min(max(0.6 * (neighbour.end - neighbour.start), _SHORTEST_RAMP_NS), _LONGEST_RAMP_NS)


def _as_curves(
    gestures: dict[str, NDArray[np.float64]],
    shut: NDArray[np.float64],
    bitten: NDArray[np.float64],
) -> NDArray[np.float64]:
    """`(n, len(CURVES))` from the gestures and from what is laid over them."""
    free = 1.0 - np.maximum(shut, bitten)
    jaw = gestures["jaw"] * (1.0 - 0.65 * shut)
    jaw += bitten * (0.07 - jaw)
    pucker = gestures["pucker"] * (1.0 - 0.25 * shut) * (1.0 - 0.5 * bitten)
    wide = 1.0 - 0.5 * np.maximum(shut, bitten)
    stretch, smile = gestures["stretch"] * wide, gestures["smile"] * wide
    lower = gestures["lower"] * free
    upper = gestures["upper"] * free + 0.32 * bitten
    press = 0.2 * shut
    columns = {
        "jawOpen": jaw,
        "mouthClose": shut * jaw,
        "mouthFunnel": gestures["funnel"] * (1.0 - shut) * (1.0 - 0.6 * bitten),
        "mouthPucker": pucker,
        "mouthRollLower": 0.18 * shut + 0.55 * bitten,
        "mouthRollUpper": 0.18 * shut,
        "mouthPress": press,
        "mouthStretch": stretch,
        "mouthSmile": smile,
        "mouthLowerDown": lower,
        "mouthUpperUp": upper,
        "mouthShrugLower": 0.10 * shut + 0.12 * bitten,
        "mouthShrugUpper": 0.06 * shut,
    }
    out = np.empty((len(shut), len(CURVES)))
    for column, name in enumerate(_SYMMETRIC):
        out[:, column] = columns[name]
    return out
