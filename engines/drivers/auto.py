"""A face, a voice, both or neither go in; one `Motion` in `mesh478` comes out.

Pose, eyes and brows are the face's while there is one, and the idle life's when there is none. The
mouth belongs to the face or to the voice, whichever is better founded (`mouth_choice`), and passes
from one to the other over a few frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from engines.blendshapes import to_mesh
from engines.drivers.face import FaceDriver, Seen, as_motion
from engines.drivers.life import Life, Living
from engines.drivers.listening import LOOK_AHEAD_NS
from engines.drivers.mouth_choice import MouthChoice
from engines.drivers.presence import NEUTRAL, Parameters, Presence
from engines.drivers.speech import Clock
from engines.drivers.speech_network import SpeechNetwork, speech_network
from engines.drivers.voice import Voice
from engines.face_geometry import Points, smoothstep
from engines.face_mesh import CANONICAL
from engines.types import Face, Motion, Sound, Space

_HOLD_S, _EASE_S = 0.1, 0.4
"""A lost face has gone over to idle life after half a second."""


def _mouth() -> Points:
    """`(478, 1)` 1 on lips, chin and jaw, 0 from the tip of the nose upwards, smooth between."""
    height = CANONICAL[:, 1]
    below = smoothstep(0.0, 1.0, (height[1] - height) / (height[1] - height[0]))
    mouth: Points = np.concatenate([below, np.zeros(10)])[:, None]
    return mouth


_MOUTH = _mouth()


class Followed(NamedTuple):
    """One picture's motion, with and without the voice."""

    camera: Parameters
    """What the face moves, or the idle life where there is none."""
    shown: Parameters
    """The same, its mouth the voice's as far as that has it; `camera` itself where it has
    nothing."""
    pts_ns: int
    captured_ns: int
    dt_s: float
    """Since the picture before."""


class AutoDriver:
    """One per session; not thread-safe."""

    space = Space.MESH478

    def __init__(
        self,
        seed: int | None = None,
        liveliness: float = 0.5,
        network: SpeechNetwork | None = None,
    ) -> None:
        """`seed`: of its own movements, any unless told; `network`: ours unless told."""
        self._face = FaceDriver(Presence(_HOLD_S, _EASE_S))
        self._voice = Voice(network or speech_network())
        self._life = Life(seed, liveliness)
        self._choice = MouthChoice()
        self._clock = Clock()

    @property
    def look_ahead_ns(self) -> int:
        """How far sound has to reach beyond a picture's time; 0 while the camera has the mouth."""
        return LOOK_AHEAD_NS if self._choice.is_voice else 0

    @property
    def liveliness(self) -> float:
        """0: still where nobody drives; 0.5: as a listener; 1: as somebody who tells a story."""
        return self._life.liveliness

    @liveliness.setter
    def liveliness(self, much: float) -> None:
        self._life.liveliness = much

    def calibrate(self) -> None:
        """Takes the best face of the next second as neutral; the avatar fades over to it."""
        self._face.calibrate()

    def drive(
        self, face: Face | None, sounds: Sequence[Sound] = (), pts_ns: int | None = None
    ) -> Sequence[Motion]:
        """One motion per call; `pts_ns`: the face's own time unless told."""
        followed = self.follow(face, sounds, pts_ns)
        return [as_motion(followed.shown, followed.pts_ns, followed.captured_ns)]

    @property
    def seen(self) -> Seen | None:
        """What was made of the last picture's face."""
        return self._face.seen

    def follow(self, face: Face | None, sounds: Sequence[Sound], pts_ns: int | None) -> Followed:
        """What `drive` shows, and what it would be without the voice."""
        if pts_ns is None and face is not None:
            pts_ns = face.pts_ns
        pts_ns, dt_s = self._clock.step(pts_ns)
        seen = face is None or self._choice.shows_voice
        said = self._voice.at(pts_ns, dt_s, sounds, seen=seen)
        living = self._life.at(pts_ns, speaking=said.speaking, stressed=said.stressed)
        idle = _idle(living) if face is None else NEUTRAL
        camera = shown = self._face.follow(face, idle, dt_s)
        share = self._choice.share(face, said, dt_s)
        if share > 0.0:
            spoken = to_mesh(said.mouth) * _MOUTH
            mine = shown.expression * (1.0 - share * _MOUTH)
            shown = shown._replace(expression=mine + share * spoken)
        captured_ns = face.captured_ns if face is not None else pts_ns
        return Followed(camera, shown, pts_ns, captured_ns, dt_s)


def _idle(living: Living) -> Parameters:
    brows = to_mesh(living.coefficients).astype(np.float64)
    return Parameters(brows, living.pose, living.eyes)
