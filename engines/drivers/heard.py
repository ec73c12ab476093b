"""What a listener understood goes in, a mouth comes out: still in silence, shut at bilabials.

The network answers with the mean of what it thinks possible, which is a smaller movement than any
of it. So its curves are stretched, and the two kinds of sounds that anybody sees missed, lips that
shut and a lip on the teeth, are guarded by its phones.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engines.drivers.listening import SMOOTHING_NS, Listener, Moment
from engines.face_geometry import smoothstep
from engines.face_mesh import BLENDSHAPE_INDEX, BLENDSHAPES
from engines.phones import BILABIALS, PHONES, VOWELS
from engines.types import Floats

MILLISECOND = 1_000_000

_BEFORE_NS, _AFTER_NS = 200 * MILLISECOND, 70 * MILLISECOND
_LATE_NS = 60 * MILLISECOND
"""So long the newest frame stands for those that have not come."""

_SIL = PHONES.index("SIL")
_SHUT_BY = np.array([PHONES.index(name) for name in sorted(BILABIALS)])
_BITTEN_BY = np.array([PHONES.index(name) for name in ("F", "V")])
_VOWELS = np.array([PHONES.index(name) for name in sorted(VOWELS)])

# The gate: the mouth begins to move at once, and rests when silence is sure.
_SPEECH_BELOW, _SILENCE_ABOVE = 0.4, 0.8
_DIGITAL_SILENCE = -2.2  # of the mean log-mel: no microphone is as quiet
_OPENS_NS, _RESTS_NS = 50 * MILLISECOND, 120 * MILLISECOND
_SILENT_NS = 70 * MILLISECOND  # of silence before it rests

# The guard of the lips.
_SURE_ABOVE = 0.2
_SHORTEST_NS = 45 * MILLISECOND
_RAMP_NS = 35 * MILLISECOND
_HALF_FRAME_NS = 5 * MILLISECOND

# Effort: louder than usual opens wider.
_USUAL_S = 3.0
_MORE, _LOUDER = 0.15, 0.25
_STRESS_APART_NS = 450 * MILLISECOND

_JAW, _CLOSE = BLENDSHAPE_INDEX["jawOpen"], BLENDSHAPE_INDEX["mouthClose"]


# What the mean of possible mouths falls short of the right one, in speech with known phones.
_STRETCHED = {
    "jawOpen": 1.08,
    "mouthFunnel": 1.2,
    "mouthPucker": 1.25,
    "mouthRollLower": 1.15,
    "mouthUpperUpLeft": 1.1,
    "mouthUpperUpRight": 1.1,
}
_STRETCH = np.array([_STRETCHED.get(name, 1.0) for name in BLENDSHAPES], np.float32)


def _columns(*starts: str) -> NDArray[np.int64]:
    return np.array(
        [number for name, number in BLENDSHAPE_INDEX.items() if name.startswith(starts)]
    )


_PARTING = _columns("mouthFunnel", "mouthLowerDown", "mouthUpperUp")
_PRESSING = _columns("mouthPress", "mouthRoll")
_BITTEN_LIP = BLENDSHAPE_INDEX["mouthRollLower"]
_BARED = _columns("mouthUpperUp")
_OPENING = _columns("jawOpen", "mouthLowerDown", "mouthUpperUp", "mouthClose")


class HeardMouth:
    """Follows one listener through time. Not thread-safe."""

    def __init__(self, listener: Listener, curve_names: tuple[str, ...]) -> None:
        """`curve_names`: what the listener's curves are, names of `face_mesh.BLENDSHAPES`."""
        self._listener = listener
        self._columns = np.array([BLENDSHAPE_INDEX[name] for name in curve_names])
        self._speech = False
        self._gate = 0.0
        self._usual_level: float | None = None
        self._stressed_ns: int | None = None
        self.stressed = False
        """Whether a stressed vowel, as far as loudness tells, began since the moment before."""

    @property
    def speaking(self) -> bool:
        """Whether somebody is heard to speak."""
        return self._gate > 0.3

    def at(self, pts_ns: int, dt_s: float) -> Floats | None:
        """`(52,)` coefficients at a time, `dt_s` after the one before; `None`: nothing is heard."""
        self.stressed = False
        moment = self._listener.around(pts_ns, _BEFORE_NS, _AFTER_NS)
        if not len(moment.times_ns) or moment.times_ns[-1] < pts_ns - _LATE_NS:
            self._speech, self._gate = False, 0.0
            return None
        away = np.abs(moment.times_ns - pts_ns)
        weights = np.maximum(1.0 - away / SMOOTHING_NS, 0.0)
        if weights.sum() <= 0.0:
            weights = (away == away.min()).astype(np.float64)
        weights /= weights.sum()
        self._follow_silence(moment, pts_ns, dt_s)
        mouth = np.zeros(len(BLENDSHAPES), np.float32)
        mouth[self._columns] = np.clip(np.nan_to_num(weights @ moment.curves), 0.0, 1.0)
        mouth = np.minimum(mouth * _STRETCH, 1.0)
        mouth[_OPENING] *= self._effort(moment, weights, pts_ns, dt_s)
        shut = _held(moment, _SHUT_BY, pts_ns)
        mouth = _bitten(mouth, _held(moment, _BITTEN_BY, pts_ns) * (1.0 - shut))
        return _shut(mouth, shut) * np.float32(self._gate)

    def _follow_silence(self, moment: Moment, pts_ns: int, dt_s: float) -> None:
        """Hysteresis over the silence posterior, then a slope to either side."""
        silence = np.where(moment.levels < _DIGITAL_SILENCE, 1.0, moment.phones[:, _SIL])
        times = moment.times_ns
        if self._speech:
            recent = silence[(times > pts_ns - _SILENT_NS) & (times <= pts_ns + SMOOTHING_NS)]
            self._speech = len(recent) == 0 or float(recent.min()) < _SILENCE_ABOVE
        else:
            near = silence[(times > pts_ns - SMOOTHING_NS) & (times <= pts_ns + _AFTER_NS)]
            self._speech = len(near) > 1 and float(np.sort(near)[:2].max()) < _SPEECH_BELOW
        step_ns = dt_s * 1e9
        up, down = step_ns / _OPENS_NS, step_ns / _RESTS_NS
        self._gate = min(1.0, self._gate + up) if self._speech else max(0.0, self._gate - down)

    def _effort(
        self, moment: Moment, weights: NDArray[np.float64], pts_ns: int, dt_s: float
    ) -> float:
        """How much wider than usual the mouth opens; notices loud vowels on the way."""
        level = float(weights @ moment.levels)
        vowel = float(weights @ moment.phones[:, _VOWELS].sum(axis=1))
        if not self._speech:
            return 1.0
        if self._usual_level is None:
            self._usual_level = level
        louder = level - self._usual_level
        if vowel > 0.5:
            self._usual_level += (1.0 - np.exp(-dt_s / _USUAL_S)) * louder
            apart = self._stressed_ns is None or pts_ns - self._stressed_ns > _STRESS_APART_NS
            if louder > 0.5 * _LOUDER and apart:
                self.stressed, self._stressed_ns = True, pts_ns
        return float(1.0 + _MORE * np.tanh(louder / _LOUDER))


def _held(moment: Moment, by: NDArray[np.int64], pts_ns: int) -> float:
    """0…1 how far some phones hold the lips: wholly for `_SHORTEST_NS` wherever they are sure."""
    surely = moment.phones[:, by].sum(axis=1) > _SURE_ABOVE
    if not surely.any():
        return 0.0
    edges = np.flatnonzero(np.diff(np.r_[False, surely, False]))
    held = 0.0
    for first, last in zip(edges[::2], edges[1::2] - 1, strict=True):
        start = float(moment.times_ns[first] - _HALF_FRAME_NS)
        end = max(float(moment.times_ns[last] + _HALF_FRAME_NS), start + _SHORTEST_NS)
        away = max(start - pts_ns, pts_ns - end, 0.0)
        held = max(held, 1.0 - float(smoothstep(0.0, _RAMP_NS, away)))
    return held


def _bitten(mouth: Floats, much: float) -> Floats:
    """The mouth as it is, or with the lower lip on the teeth, or between the two."""
    if much <= 0.0:
        return mouth
    bitten = mouth.copy()
    bitten[_JAW] = min(mouth[_JAW], 0.07)
    bitten[_CLOSE] = 0.0
    bitten[_PARTING] *= 0.4
    bitten[_BARED] = 0.32
    bitten[_BITTEN_LIP] = max(mouth[_BITTEN_LIP], 0.55)
    held: Floats = mouth + np.float32(much) * (bitten - mouth)
    return held


def _shut(mouth: Floats, much: float) -> Floats:
    """The mouth as it is, or with its lips shut, or between the two."""
    if much <= 0.0:
        return mouth
    closed = mouth.copy()
    closed[_JAW] = min(mouth[_JAW], 0.35 * mouth[_JAW] + 0.03)
    closed[_CLOSE] = closed[_JAW]
    closed[_PARTING] = 0.0
    closed[_PRESSING] = np.maximum(mouth[_PRESSING], 0.18)
    held: Floats = mouth + np.float32(much) * (closed - mouth)
    return held
