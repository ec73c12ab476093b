"""Which mouth is better founded at the moment: the one that is seen, or the one that is heard.

Each side's evidence is explicit. The camera's mouth is doubted where the face is half hidden to the
tracker, far away, turned aside or trembling, as it is in bad light, and where it keeps still while
somebody speaks, as it seems to behind a hand, a mask or a microphone. The voice counts only while
there is one: lips that move in silence are the camera's. Where both agree, the camera shows more.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engines.drivers.voice import Said
from engines.face_geometry import eye_distance, mouth_width, smoothstep
from engines.face_mesh import STABLE
from engines.types import Face

HAND_OVER_S = 0.4
"""From the camera's mouth to the voice's or back."""
_LONGEST_STEP = 0.1  # of a hand-over in one picture: no coefficient moves by more than 0.15
_TO_UTTERANCE_S = 0.3
_DWELL_S = 0.6  # no change of mind before, but for what forces one
_MISSED_S = 0.1  # a face that is away for no longer was only missed

# Where doubt begins and where it ends.
_SCORE = (0.75, 0.90)
_TURN = np.radians([25.0, 19.0])
_EYE_DISTANCE = (22.0, 28.0)  # pixels
_TREMBLE = (0.05, 0.03)  # eye distances for each frame and frame
_TREMBLE_S = 0.3

# Lips: eye distances a second, smoothed.
_LIPS_S = 0.25
_STILL, _MOVING = 0.10, 0.22
_STILL_FOR_S = 0.35
_HEARD_FOR_S = 0.25
_VOICE_LASTS_S = 1.0


class _Doubts(NamedTuple):
    """How far beyond the first and the second threshold of doubt a face is."""

    begin: bool
    remain: bool


class MouthChoice:
    """Weighs the evidence picture by picture. Not thread-safe."""

    def __init__(self) -> None:
        """Believes in the camera."""
        self.is_voice = False
        """Whether the mouth is the voice's, or is on its way to be."""
        self._decided_s = _DWELL_S
        self._forced = False
        self._lost_s = 0.0
        self._progress = 0.0
        self._lips: NDArray[np.float64] | None = None
        self._lips_speed = 0.0
        self._still_s = 0.0
        self._heard_s = 0.0
        self._unheard_s = _VOICE_LASTS_S
        self._shapes: list[NDArray[np.float64]] = []
        self._tremble = 0.0
        self._doubted = False

    @property
    def shows_voice(self) -> bool:
        """Whether any of the mouth is the voice's, or is to be."""
        return self.is_voice or self._progress > 0.0

    def share(self, face: Face | None, said: Said, dt_s: float) -> float:
        """0…1: how much of the mouth is the voice's."""
        self._heard_s = self._heard_s + dt_s if said.speaking else 0.0
        self._unheard_s = 0.0 if said.speaking else self._unheard_s + dt_s
        if face is None:
            self._lips, self._shapes, self._still_s = None, [], 0.0
        else:
            self._watch_lips(face, dt_s)
            self._watch_tremble(face, dt_s)
        self._lost_s = self._lost_s + dt_s if face is None else 0.0
        self._decide(face, said, dt_s)
        lasting = _TO_UTTERANCE_S if said.exact else HAND_OVER_S
        step = min(dt_s / lasting, _LONGEST_STEP)
        self._progress = np.clip(self._progress + (step if self.is_voice else -step), 0.0, 1.0)
        return float(smoothstep(0.0, 1.0, self._progress))

    def _decide(self, face: Face | None, said: Said, dt_s: float) -> None:
        self._decided_s += dt_s
        before, self._forced = self._forced, said.exact or self._lost_s > _MISSED_S
        if self._forced:
            wanted = True
        elif face is None:  # one missed picture is no event
            wanted = self.is_voice
        else:
            wanted = self._voice_is_better(face)
        at_once = self._forced or before
        if wanted != self.is_voice and (at_once or self._decided_s >= _DWELL_S):
            self.is_voice, self._decided_s = wanted, 0.0

    def _voice_is_better(self, face: Face) -> bool:
        doubts = self._doubts(face)
        self._doubted = doubts.remain if self._doubted else doubts.begin
        heard = self._unheard_s < _VOICE_LASTS_S
        if self._doubted and heard:
            return True
        speaks = self._heard_s >= _HEARD_FOR_S
        if self.is_voice:  # behind a hand, until the hand goes or nobody speaks
            return heard and self._lips_speed < _MOVING
        return speaks and self._still_s >= _STILL_FOR_S

    def _doubts(self, face: Face) -> _Doubts:
        forward = face.head[:3, 2] / np.linalg.norm(face.head[:3, 2])
        turn = np.arccos(np.clip(forward[2], -1.0, 1.0))
        size = eye_distance(face.landmarks)
        begin, remain = (
            face.score < _SCORE[number]
            or turn > _TURN[number]
            or size < _EYE_DISTANCE[number]
            or self._tremble > _TREMBLE[number]
            for number in (0, 1)
        )
        return _Doubts(bool(begin), bool(remain))

    def _watch_lips(self, face: Face, dt_s: float) -> None:
        gap = float(np.linalg.norm(face.landmarks[13] - face.landmarks[14]))
        lips = np.array([gap, mouth_width(face.landmarks)]) / eye_distance(face.landmarks)
        if self._lips is not None and dt_s > 0.0:
            speed = float(np.abs(lips - self._lips).sum()) / dt_s
            share = 1.0 - float(np.exp(-dt_s / _LIPS_S))
            self._lips_speed += share * (speed - self._lips_speed)
        self._lips = lips
        self._still_s = self._still_s + dt_s if self._lips_speed < _STILL else 0.0

    def _watch_tremble(self, face: Face, dt_s: float) -> None:
        """The second difference of points that only a turn of the head moves apart, and slowly."""
        shape = face.landmarks[STABLE, :2].astype(np.float64)
        shape -= shape.mean(axis=0)
        self._shapes = [*self._shapes[-2:], shape / eye_distance(face.landmarks)]
        if len(self._shapes) == 3:
            first, second, third = self._shapes
            bend = float(np.linalg.norm(first - 2.0 * second + third, axis=1).mean())
            share = 1.0 - float(np.exp(-dt_s / _TREMBLE_S))
            self._tremble += share * (bend - self._tremble)
