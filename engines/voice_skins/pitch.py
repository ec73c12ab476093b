"""The pitch of a voice as it comes in, and a mark in each of its periods.

The period is the lag at which the newest stretch of sound is most like what went before it
(normalised cross-correlation, as in Talkin's RAPT, 1995). The marks are carried from period to
period by likeness of the waveform, so that they keep their place in it.

Positions are samples of 48 kHz counted back from the end of what has been heard: −1 is the newest
one, and with each piece of sound all of them move `PIECE` further down.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engines.types import Floats

RATE = 48_000
PIECE = 960
"""Samples of a piece of sound: 20 ms."""

_STEP = 6
"""The pitch is looked for in every sixth sample, of low-passed sound."""
_REACH = 48
"""The half length of the low-pass filter, in samples."""
_CUTOFF_HZ = 900
_HISTORY = 800
"""Low-passed samples kept: 100 ms."""
_SHORTEST, _LONGEST = 16, 134
"""Periods that are looked for, in low-passed samples: 500 to 60 Hz."""
_WINDOW = 160
"""Low-passed samples that are compared: 20 ms."""
_WINDOW_ENDS = (-136, -56)
"""Where the windows of one piece end, in low-passed samples: 10 ms apart, and as near to the end as
lets their middles meet the sound that is being laid down."""

_MARKED_FROM = -3.0 * PIECE
"""Where marks begin after a pause; further back than any period before the last mark can be."""
_CERTAIN, _LIKELY = 0.68, 0.5
"""From what likeness on a voice is heard where none was before, and where one was."""
_OCTAVE_COST = 0.05
"""By what a period twice as long has to be better: every multiple of the right one is as alike."""
_JUMP_COST = 0.12
"""By what a period has to be better that is quite unlike the one before."""
_JUMP = 0.25
"""From what distance on a period is quite unlike another, in octaves."""
_QUIETEST = 3e-4
"""RMS below which no voice is looked for: −70 dBFS."""


@dataclass(slots=True)
class _Found:
    """The period at one position, in samples of 48 kHz; 0: no voice."""

    at: float
    period: float


class PitchMarks:
    """Follows the periods of one voice; holds 100 ms of it, however long it speaks."""

    def __init__(self) -> None:
        """Has heard nothing yet."""
        self._low = np.zeros(_HISTORY)
        self._found: deque[_Found] = deque([_Found(-math.inf, 0.0)], maxlen=12)
        self._marks: deque[float] = deque([-math.inf], maxlen=64)
        taps = np.arange(-_REACH, _REACH + 1)
        response = np.sinc(taps * 2 * _CUTOFF_HZ / RATE) * np.hanning(taps.size + 2)[1:-1]
        self._low_pass = response / response.sum()

    def hear(self, sound: Floats) -> tuple[float, ...]:
        """Takes in the newest piece; the periods of its two halves in samples, 0 without a voice.

        `sound`: `(n,)` float32 at 48 kHz that ends with the piece and has at least 100 samples
        before it.
        """
        self._marks = deque((mark - PIECE for mark in self._marks), maxlen=self._marks.maxlen)
        for found in self._found:
            found.at -= PIECE
        self._low_passed(sound)
        for end in _WINDOW_ENDS:
            self._found.append(self._find(_HISTORY + end))
        return tuple(found.period for found in list(self._found)[-len(_WINDOW_ENDS) :])

    def period(self, at: float) -> float:
        """The period at a position in samples, 0 where no voice is.

        Beyond the last place where it is known, the last one known.
        """
        later: _Found | None = None
        for found in reversed(self._found):
            if found.at > at:
                later = found
                continue
            if later is None or not found.period or not later.period:
                return found.period
            share = (at - found.at) / (later.at - found.at)
            return found.period + share * (later.period - found.period)
        return 0.0

    def nearest(self, at: float, period: float) -> float | None:
        """The mark nearest to a position; `None`: there is none within a period."""
        mark = min(self._marks, key=lambda mark: abs(mark - at))
        return mark if abs(mark - at) < period else None

    def mark_until(self, end: float) -> None:
        """Marks the periods on, up to a position."""
        at = max(self._marks[-1], _MARKED_FROM)
        while at < end:
            period = self.period(at + 1.0)
            if not period:
                at += RATE / 1000
                continue
            if at + period >= end:
                return
            at = self._next_mark(at, period)
            self._marks.append(at)

    def _next_mark(self, at: float, period: float) -> float:
        """The mark after the one at `at`, or the first one after it where none is there."""
        guess = at + period
        if at > self._marks[-1]:
            return self._strongest(at, guess)
        moved = guess + self._off(at, guess, period)
        return moved if moved > at else guess

    def _low_passed(self, sound: Floats) -> None:
        new = PIECE // _STEP
        self._low[:-new] = self._low[new:]
        reach = sound[-(PIECE + 2 * _REACH) :].astype(np.float64)
        windows = np.lib.stride_tricks.sliding_window_view(reach, self._low_pass.size)
        self._low[-new:] = windows[_STEP - 1 :: _STEP] @ self._low_pass

    def _find(self, end: int) -> _Found:
        """The period where the window ends that ends at the low-passed sample `end`."""
        stretch = self._low[end - _WINDOW - _LONGEST : end]
        stretch = stretch - stretch.mean()
        newest = stretch[-_WINDOW:]
        energy = float(newest @ newest)
        middle = end - _WINDOW / 2
        if energy < _QUIETEST**2 * _WINDOW:
            return _Found(_position(middle), 0.0)
        sums = np.concatenate(([0.0], np.cumsum(np.square(stretch))))
        energies = sums[_WINDOW:] - sums[:-_WINDOW]
        products = np.correlate(stretch, newest, "valid")
        likeness = (products / np.sqrt(energy * energies + 1e-12))[::-1]
        lag, best = self._choose(likeness)
        voiced = best > (_LIKELY if self._found[-1].period else _CERTAIN)
        return _Found(_position(middle - lag / 2), lag * _STEP if voiced else 0.0)

    def _choose(self, likeness: NDArray[np.float64]) -> tuple[float, float]:
        """The period in low-passed samples, and how alike the sound is at it."""
        inner = likeness[_SHORTEST:_LONGEST]
        before, after = likeness[_SHORTEST - 1 : _LONGEST - 1], likeness[_SHORTEST + 1 :]
        lags = np.flatnonzero((inner >= before) & (inner > after)) + _SHORTEST
        if not lags.size:
            return 0.0, 0.0
        score = likeness[lags] - _OCTAVE_COST * np.log2(lags)
        if last := self._found[-1].period / _STEP:
            score -= _JUMP_COST * (np.abs(np.log2(lags / last)) > _JUMP)
        lag = int(lags[np.argmax(score)])
        return lag + _vertex(likeness, lag), float(likeness[lag])

    def _off(self, mark: float, guess: float, period: float) -> float:
        """How far from the guess the sound is most like that around the mark, in samples."""
        half = max(10, round(0.5 * period / _STEP))
        slack = max(2, round(0.15 * period / _STEP))
        here, there = round(_index(mark)), round(_index(guess))
        if here < half or there + half + slack >= _HISTORY:
            return 0.0
        around = self._low[here - half : here + half + 1]
        searched = self._low[there - half - slack : there + half + slack + 1]
        likeness = np.correlate(searched, around, "valid")
        best = int(np.argmax(likeness))
        if best in {0, likeness.size - 1}:
            return 0.0
        shift = (there + best - slack + _vertex(likeness, best) - here) * _STEP
        return mark + shift - guess

    def _strongest(self, start: float, end: float) -> float:
        """The position of the largest swing between two positions."""
        first, last = round(_index(start)), min(round(_index(end)), _HISTORY - 1)
        swing = np.abs(self._low[first : last + 1])
        return _position(first + int(np.argmax(swing)))


def _position(index: float) -> float:
    """Where a low-passed sample lies in the sound."""
    return (index - _HISTORY + 1) * _STEP - 1 - _REACH


def _index(position: float) -> float:
    """The low-passed sample of a position in the sound; the inverse of `_position`."""
    return (position + 1 + _REACH) / _STEP + _HISTORY - 1


def _vertex(values: NDArray[np.float64], peak: int) -> float:
    """How far beside a peak the parabola through it and its neighbours has its top."""
    left, middle, right = values[peak - 1 : peak + 2]
    bend = left - 2.0 * middle + right
    return float(np.clip(0.5 * (left - right) / bend, -0.5, 0.5)) if bend < 0.0 else 0.0
