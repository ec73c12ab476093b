"""From a voice to motion: pieces of sound go in, one `Motion` in `mesh478` comes out.

The driver of a call without a camera, and of a voice that the program itself speaks.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engines.blendshapes import to_mesh
from engines.drivers.face import as_motion
from engines.drivers.life import Life
from engines.drivers.listening import LOOK_AHEAD_NS
from engines.drivers.presence import Parameters
from engines.drivers.speech_network import SpeechNetwork, speech_network
from engines.drivers.voice import Voice
from engines.types import Face, Motion, Sound, Space

_USUAL_NS = 33_333_333
_LONGEST_S = 0.5


class SpeechDriver:
    """One per session; not thread-safe."""

    space = Space.MESH478

    def __init__(
        self,
        seed: int | None = None,
        liveliness: float = 0.5,
        network: SpeechNetwork | None = None,
    ) -> None:
        """`seed`: of its own movements, any unless told; `network`: ours unless told."""
        self._voice = Voice(network or speech_network())
        self._life = Life(seed, liveliness)
        self._clock = Clock()

    @property
    def look_ahead_ns(self) -> int:
        """How far sound has to reach beyond a picture's time."""
        return LOOK_AHEAD_NS

    @property
    def liveliness(self) -> float:
        """0: still but for the mouth; 0.5: as a listener; 1: as somebody who tells a story."""
        return self._life.liveliness

    @liveliness.setter
    def liveliness(self, much: float) -> None:
        self._life.liveliness = much

    def calibrate(self) -> None:
        """Does nothing: there is no face to compare with."""

    def drive(
        self, face: Face | None, sounds: Sequence[Sound] = (), pts_ns: int | None = None
    ) -> Sequence[Motion]:
        """One motion per call; `face` is not looked at."""
        pts_ns, dt_s = self._clock.step(pts_ns)
        said = self._voice.at(pts_ns, dt_s, sounds)
        living = self._life.at(pts_ns, speaking=said.speaking, stressed=said.stressed)
        expression = to_mesh(said.mouth + living.coefficients).astype(np.float64)
        shown = Parameters(expression, living.pose, living.eyes)
        return [as_motion(shown, pts_ns, pts_ns)]


class Clock:
    """The times of the pictures that a driver is asked for."""

    def __init__(self) -> None:
        """Starts with the first picture."""
        self._pts_ns: int | None = None

    def step(self, pts_ns: int | None) -> tuple[int, float]:
        """The time of this picture, and the seconds since the one before, 0…`_LONGEST_S`."""
        before = self._pts_ns
        if pts_ns is None:
            pts_ns = 0 if before is None else before + _USUAL_NS
        self._pts_ns = pts_ns
        passed_s = 0.0 if before is None else (pts_ns - before) * 1e-9
        return pts_ns, min(max(passed_s, 0.0), _LONGEST_S)
