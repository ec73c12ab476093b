"""A voice moved in pitch and formants as it is spoken, by overlap-add at the pitch.

Grains of two periods are cut out around the marks of the pitch, read faster or slower (which moves
the formants) and laid down again closer together or further apart (which moves the pitch): TD-PSOLA
(Moulines, Charpentier: Speech Communication 9, 1990) with the resampled grains of Lent (Computer
Music Journal 13(4), 1989). Where no pitch is, grains of one length follow each other.

Positions are samples counted back from the newest one heard, as in `engines.voice_skins.pitch`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from engines.types import Floats
from engines.voice_skins.changes import Change, change
from engines.voice_skins.pitch import PIECE, RATE, PitchMarks

DELAY = 1440
"""By how many samples the voice comes out later than it went in: what a low voice's grains need."""
DELAY_NS = DELAY * 1_000_000_000 // RATE

_HISTORY = 5 * PIECE
_LONGEST_RISE = 480
"""The longest first half of a grain: what lies before a mark is mostly the end of the period
before."""
_MARKED_UNTIL = -560
_HOP = 240
"""From grain to grain where no pitch is, in samples."""
_LOWEST, _HIGHEST = 55.0, 600.0
"""Between what the pitch stays, in Hz."""
_OFFSET_SHARE = 0.1
"""How much of a change of the sound's constant part is believed with each piece."""

_Positions = NDArray[np.float64]


class VoiceSkin:
    """Changes one speaker's voice, piece by piece; not thread-safe.

    What comes out lies `DELAY_NS` behind what goes in. Whatever goes in, what comes out is finite
    and within −1…1; silence comes out as silence.
    """

    def __init__(self, skin: str | Change) -> None:
        """`skin`: a name of `changes.CHANGES`, or a change of one's own; raises `UnknownPart`."""
        self._change = change(skin) if isinstance(skin, str) else skin
        self._pitch = PitchMarks()
        self._sound = np.zeros(_HISTORY, np.float32)
        self._laid = np.zeros(DELAY + PIECE, np.float32)
        self._next = float(-DELAY)
        self._offset = 0.0

    def __call__(self, samples: Floats) -> Floats:
        """The next piece: `(960,)` float32 mono at 48 kHz, −1…1, for another such.

        Raises `ValueError` for another shape.
        """
        if samples.shape != (PIECE,):
            raise ValueError(f"a piece of sound has the shape ({PIECE},), not {samples.shape}")
        self._take(samples)
        for period in self._pitch.hear(self._sound):
            if period:
                self._change.hear(RATE / period)
        self._pitch.mark_until(_MARKED_UNTIL)
        self._next -= PIECE
        while self._next < -DELAY + _LONGEST_RISE:
            self._next += self._lay(self._next)
        return np.clip(self._laid[:PIECE], -1.0, 1.0)

    def _take(self, samples: Floats) -> None:
        """Makes room for a piece and puts it in, without its constant part.

        Grains of a sound that does not swing about zero would themselves be heard as a tone.
        """
        finite = np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)
        piece = np.clip(finite, -1.0, 1.0)
        before = self._offset
        self._offset += _OFFSET_SHARE * (float(piece.mean()) - before)
        self._sound[:-PIECE] = self._sound[PIECE:]
        self._sound[-PIECE:] = piece - np.linspace(before, self._offset, PIECE, dtype=np.float32)
        self._laid[:-PIECE] = self._laid[PIECE:]
        self._laid[-PIECE:] = 0.0

    def _lay(self, at: float) -> float:
        """Lays one grain down; how far from it the next one comes."""
        period = self._pitch.period(at)
        mark = self._pitch.nearest(at, period) if period else None
        if mark is None:
            # Neighbours are not in phase: their powers add, hence the sine.
            self._add(at, at, _HOP, _HOP, _sine)
            return _HOP
        formants = self._change.formants
        pitch = min(max(self._change.pitch(RATE / period), _LOWEST), _HIGHEST)
        step = RATE / pitch
        half = period / formants
        # As loud as before: more grains a second carry more power, and shorter ones less.
        gain = math.sqrt(formants * step / period)
        self._add(at, mark, min(half, _LONGEST_RISE), half, _hann, gain)
        return step

    def _add(
        self,
        at: float,
        source: float,
        rise: float,
        fall: float,
        window: Callable[[_Positions], _Positions],
        gain: float = 1.0,
    ) -> None:
        """Lays down at `at` what was heard around `source`, over `rise` samples before and `fall`
        after it."""
        speed = self._change.formants
        fall = min(fall, (-3.0 - source) / speed, -1.0 - at)
        first = max(math.ceil(at - rise), -self._laid.size)
        times = np.arange(first, math.floor(at + fall) + 1, dtype=np.float64) - at
        shape = gain * window(np.where(times < 0.0, times / rise, times / fall))
        grain = _read(self._sound, source + speed * times + _HISTORY)
        self._laid[first + self._laid.size :][: times.size] += shape * grain


def _hann(place: _Positions) -> _Positions:
    """1 at 0, 0 at ±1; two of them a half apart add up to 1."""
    shape: _Positions = 0.5 + 0.5 * np.cos(math.pi * place)
    return shape


def _sine(place: _Positions) -> _Positions:
    """1 at 0, 0 at ±1; the squares of two of them a half apart add up to 1."""
    shape: _Positions = np.cos(0.5 * math.pi * place)
    return shape


def _read(sound: Floats, places: _Positions) -> _Positions:
    """The sound between its samples, by Catmull-Rom splines."""
    index = places.astype(np.int64)
    t = places - index
    before, left, right, after = (sound[index + k] for k in (-1, 0, 1, 2))
    bend = 2.0 * before - 5.0 * left + 4.0 * right - after
    twist = 3.0 * (left - right) + after - before
    value: _Positions = left + 0.5 * t * (right - before + t * (bend + t * twist))
    return value
