"""What a face does by itself: the time goes in, blinks, gaze, brows and small movements come out.

Blinks come at log-normal intervals, oftener at the end of a phrase (Bentivoglio et al., Movement
Disorders 12(6), 1997; Nakano and Kitazawa, Experimental Brain Research 205, 2010), eyes fixate and
leap, the head sways, nods on stressed words and breathes. All of it depends on the seed and the
time since the first moment; how often one asks changes nothing but the last digits.
"""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engines.face_mesh import BLENDSHAPE_INDEX, BLENDSHAPES
from engines.types import Floats

# Blinks: seconds.
_BLINK_MEDIAN, _BLINK_SPREAD, _BLINK_RANGE = 3.3, 0.45, (0.9, 9.0)
_CLOSING, _CLOSED, _REOPENING = 0.075, 0.04, 0.125
_BLINK = _CLOSING + _CLOSED + _REOPENING
_SPEAKERS_BLINKS = 0.8  # of the interval
_DOUBLE, _DOUBLE_AFTER = 0.12, (0.30, 0.42)
_PHRASE_END, _PHRASE_END_WITHIN, _NO_BLINK_WITHIN = 0.6, 0.2, 0.8

# Gaze: eye widths and seconds.
_GLANCES = 0.22  # of the fixations; the rest is on the viewer
_ON_VIEWER, _FIXATION_MEDIAN, _FIXATION_RANGE = 0.012, 1.9, (0.5, 6.0)
_ASIDE, _UP_OR_DOWN, _GLANCE_RANGE = (0.06, 0.15), (-0.05, 0.04), (0.35, 1.0)
_MICRO, _MICRO_RANGE = 0.005, (0.4, 1.3)
_SACCADE, _HEAD_FOLLOWS = 0.045, 0.40
_HEAD_SHARE = (-0.30, 0.25)  # rad about the downward and the rightward axis for each eye width

# Head: rad, face widths and log of the scale at a liveliness of 1, in the order of `Motion.pose`.
_SWAY = np.array([0.022, 0.040, 0.022, 0.014, 0.006, 0.004])
_SPEAKERS_SWAY = np.array([0.030, 0.032, 0.020, 0.006, 0.004, 0.0])
_SWAY_HZ = np.array([0.07, 0.13, 0.23, 0.37])
_SPEAKERS_HZ = np.array([0.41, 0.67, 0.97, 1.33])
_BREATH_S = 4.1
_BREATH = np.array([0.006, 0.0, 0.0, 0.0, 0.006, 0.005])
_JOINS_IN_S = 0.35  # how soon the body joins in when one begins to speak

# Beats: nods and brows on stressed words.
_BEAT_S, _BEATS_APART_S = 0.40, 0.28
_NOD, _BROW, _BROWS = 0.055, 0.5, 0.45  # rad and coefficient at a liveliness of 1, share of beats
_BROW_S = 0.55

_INNER_BROW = BLENDSHAPE_INDEX["browInnerUp"]
_OUTER_BROWS = np.array([BLENDSHAPE_INDEX[f"browOuterUp{side}"] for side in ("Left", "Right")])
_LISTENER = 0.5
_LONGEST_S = 10.0  # a longer step is another time: nothing is made up for


class Living(NamedTuple):
    """What is to be added to a neutral face."""

    coefficients: Floats
    """`(52,)`: the brows."""
    pose: NDArray[np.float64]
    """`(6,)` as in `Motion.pose`."""
    eyes: NDArray[np.float64]
    """`(2, 3)` as in `Motion.eyes`."""


class _Leap(NamedTuple):
    """From one place to another, at once for the eyes, later for the head."""

    at_s: float
    start: NDArray[np.float64]
    end: NDArray[np.float64]

    def where(self, now_s: float, lasting_s: float) -> NDArray[np.float64]:
        share = _eased((now_s - self.at_s) / lasting_s)
        place: NDArray[np.float64] = self.start + share * (self.end - self.start)
        return place


class Life:
    """One face's own life. Not thread-safe."""

    def __init__(self, seed: int | None = None, liveliness: float = _LISTENER) -> None:
        """`seed`: any unless told; `liveliness`: 0 still, 0.5 a listener, 1 who tells a story."""
        self.liveliness = liveliness
        rng = np.random.default_rng(seed)
        self._phases = rng.uniform(0.0, 2.0 * np.pi, (2, len(_SWAY), len(_SWAY_HZ)))
        hertz = np.stack([_SWAY_HZ, _SPEAKERS_HZ])[:, None]
        self._waves = 2.0 * np.pi * hertz * rng.uniform(0.85, 1.15, self._phases.shape)
        # Each has its own luck: what falls into one picture and what into two changes nothing.
        self._blinks_rng, self._gaze_rng, self._micro_rng, self._beats_rng = rng.spawn(4)
        self._first_ns: int | None = None
        self._now_s = 0.0
        self._speaking = False
        self._joined_in = 0.0
        self._blinks: deque[float] = deque([-1.0], maxlen=4)
        self._next_blink_s = self._interval() / 2.0
        self._beats: deque[tuple[float, float, float]] = deque(maxlen=6)
        here = np.zeros(2)
        self._gaze = _Leap(-1.0, here, here)
        self._next_gaze_s = 1.0
        self._micro = _Leap(-1.0, here, here)
        self._next_micro_s = 0.5

    def at(self, pts_ns: int, *, speaking: bool = False, stressed: bool = False) -> Living:
        """The face at a time; `stressed`: a stressed vowel begins now."""
        if self._first_ns is None:
            self._first_ns = pts_ns
        now_s = (pts_ns - self._first_ns) * 1e-9
        passed_s = now_s - self._now_s
        if not 0.0 <= passed_s <= _LONGEST_S:
            self._first_ns = pts_ns - round(self._now_s * 1e9)
            now_s, passed_s = self._now_s, 0.0
        self._now_s = now_s
        self._follow_speech(speaking, stressed, passed_s)
        self._happen()
        much = max(0.0, min(1.0, self.liveliness))
        if much <= 0.0:
            return Living(np.zeros(len(BLENDSHAPES), np.float32), np.zeros(6), _OPEN.copy())
        return Living(self._brows(much), self._pose(much), self._eyes(much))

    def _follow_speech(self, speaking: bool, stressed: bool, passed_s: float) -> None:
        if self._speaking and not speaking and self._blinks_rng.random() < _PHRASE_END:
            soon = self._now_s + self._blinks_rng.uniform(0.0, _PHRASE_END_WITHIN)
            if soon - self._blinks[-1] > _NO_BLINK_WITHIN:
                self._next_blink_s = min(self._next_blink_s, soon)
        self._speaking = speaking
        share = 1.0 - math.exp(-passed_s / _JOINS_IN_S)
        self._joined_in += share * (float(speaking) - self._joined_in)
        last = self._beats[-1][0] if self._beats else -_BEATS_APART_S
        if stressed and self._now_s - last >= _BEATS_APART_S:
            brows = self._beats_rng.uniform(0.5, 1.0) if self._beats_rng.random() < _BROWS else 0.0
            self._beats.append((self._now_s, self._beats_rng.uniform(0.45, 1.0), brows))

    def _happen(self) -> None:
        """Lets happen what was to happen until now, each at its own time."""
        while self._next_blink_s <= self._now_s:
            self._blinks.append(self._next_blink_s)
            double = self._blinks_rng.random() < _DOUBLE
            after = self._blinks_rng.uniform(*_DOUBLE_AFTER) if double else self._interval()
            self._next_blink_s += after
        while self._next_gaze_s <= self._now_s:
            self._gaze, lasting = self._next_fixation()
            self._next_gaze_s += lasting
        while self._next_micro_s <= self._now_s:
            offset = self._micro_rng.normal(0.0, _MICRO, 2)
            self._micro = _Leap(self._next_micro_s, self._micro.end, offset)
            self._next_micro_s += self._micro_rng.uniform(*_MICRO_RANGE)

    def _interval(self) -> float:
        drawn = self._blinks_rng.lognormal(math.log(_BLINK_MEDIAN), _BLINK_SPREAD)
        often = _SPEAKERS_BLINKS if self._speaking else 1.0
        return float(np.clip(often * drawn, *_BLINK_RANGE))

    def _next_fixation(self) -> tuple[_Leap, float]:
        aside = np.any(np.abs(self._gaze.end) > 3.0 * _ON_VIEWER)
        if not aside and self._gaze_rng.random() < _GLANCES:
            across = self._gaze_rng.choice([-1.0, 1.0]) * self._gaze_rng.uniform(*_ASIDE)
            place = np.array([across, self._gaze_rng.uniform(*_UP_OR_DOWN)])
            lasting = self._gaze_rng.uniform(*_GLANCE_RANGE)
        else:
            place = self._gaze_rng.normal(0.0, _ON_VIEWER, 2)
            drawn = self._gaze_rng.lognormal(math.log(_FIXATION_MEDIAN), 0.5)
            lasting = float(np.clip(drawn, *_FIXATION_RANGE))
        return _Leap(self._next_gaze_s, self._gaze.end, place), lasting

    def _brows(self, much: float) -> Floats:
        coefficients = np.zeros(len(BLENDSHAPES), np.float32)
        raised = max((size * self._bump(at, _BROW_S) for at, _, size in self._beats), default=0.0)
        coefficients[_INNER_BROW] = _BROW * much * raised
        coefficients[_OUTER_BROWS] = 0.8 * _BROW * much * raised
        return coefficients

    def _pose(self, much: float) -> NDArray[np.float64]:
        swings = np.sin(self._waves * self._now_s + self._phases).mean(axis=2)
        pose: NDArray[np.float64] = _SWAY * swings[0] + self._joined_in * _SPEAKERS_SWAY * swings[1]
        pose += _BREATH * math.sin(2.0 * math.pi * self._now_s / _BREATH_S)
        pose[0] += _NOD * sum(size * self._bump(at, _BEAT_S) for at, size, _ in self._beats)
        towards = self._gaze.where(self._now_s, _HEAD_FOLLOWS)
        pose[1] += _HEAD_SHARE[0] * towards[0]
        pose[0] += _HEAD_SHARE[1] * towards[1]
        return pose * much

    def _eyes(self, much: float) -> NDArray[np.float64]:
        # Somebody who hardly moves still looks and blinks as people do.
        gaze = self._gaze.where(self._now_s, _SACCADE) + self._micro.where(self._now_s, _SACCADE)
        gaze = gaze * min(1.0, 2.0 * much)
        open_now = 1.0 - max(_lids(self._now_s - at) for at in self._blinks)
        open_now *= 1.0 - max(0.0, 1.2 * gaze[1])
        return np.tile([open_now, *gaze], (2, 1))

    def _bump(self, at_s: float, lasting_s: float) -> float:
        """0 to 1 and back to 0, with level ends."""
        phase = (self._now_s - at_s) / lasting_s
        return math.sin(math.pi * phase) ** 2 if 0.0 < phase < 1.0 else 0.0


_OPEN = np.array([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])


def _lids(since_s: float) -> float:
    """0 open, 1 shut; lids fall faster than they rise."""
    if not 0.0 < since_s < _BLINK:
        return 0.0
    if since_s < _CLOSING:
        return _eased(since_s / _CLOSING)
    return 1.0 - _eased((since_s - _CLOSING - _CLOSED) / _REOPENING)


def _eased(progress: float) -> float:
    """0 at 0 and before, 1 at 1 and after, smooth between."""
    t = min(max(progress, 0.0), 1.0)
    return t * t * (3.0 - 2.0 * t)
