"""The driver's neutral face: candidates go in over the first second, the best of them comes out.

A relative motion is only as good as the face that it is relative to. A half-open mouth taken for
neutral never closes on the avatar, so the gap of the lips counts most; blinks, smiles and other
expressions count against a candidate too.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from engines.drivers.eyes import EyeReading, keep_gaze, read
from engines.face_geometry import (
    Points,
    Similarity,
    Template,
    eye_distance,
    face_width,
    fit_similarity,
    head_orientation,
    mouth_scale,
    rotation_matrix,
    rotation_vector,
)
from engines.face_mesh import BLENDSHAPE_INDEX, STABLE
from engines.types import Face

WINDOW_S = 1.0
_FADE_S = 0.25
_LIP_GAP_WEIGHT = 6.0
_TURN_WEIGHT = 0.5  # per rad away from the camera
_ALIKE = 0.05  # energies closer than this are the same face: averaged, not exchanged
_BETTER = (
    0.30  # after the window only a far calmer face is taken: what was neutral changes under way
)
_MOST_AVERAGED = 15
_MOST_POSES = 64

_CALM = np.array(
    [
        BLENDSHAPE_INDEX[name]
        for name in (
            "jawOpen",
            "eyeBlinkLeft",
            "eyeBlinkRight",
            "eyeWideLeft",
            "eyeWideRight",
            "mouthSmileLeft",
            "mouthSmileRight",
            "mouthPucker",
            "mouthFunnel",
            "mouthLeft",
            "mouthRight",
            "browInnerUp",
        )
    ]
)


@dataclass(frozen=True)
class Neutral:
    """A neutral face in its reference pose."""

    shape: Points
    """`(478, 3)` eye distances from the mean of the stable points, picture axes."""
    scale: float
    """Pixels per eye distance."""
    centre: Points
    """`(3,)` px: the mean of the stable points."""
    blendshapes: Points
    """`(52,)`."""

    @cached_property
    def face_width(self) -> float:
        """In eye distances."""
        return face_width(self.shape)

    @cached_property
    def stable(self) -> Template:
        """Its points that expression hardly moves."""
        return Template(self.shape[STABLE])

    @cached_property
    def mouth_scale(self) -> Points:
        """`(478, 1)`, see `face_geometry.mouth_scale`."""
        return mouth_scale(self.shape)

    @cached_property
    def orientation(self) -> Points:
        """`(3, 3)` picture ← head: how the head's own axes stand in the reference pose."""
        return head_orientation(self.shape)

    @cached_property
    def eyes(self) -> EyeReading:
        """Lids and irises."""
        return read(self.shape @ self.orientation, self.blendshapes)

    def toward(self, other: Neutral, share: float) -> Neutral:
        """This face, moved by a share of the way to another."""
        return Neutral(
            self.shape + share * (other.shape - self.shape),
            self.scale * (other.scale / self.scale) ** share,
            self.centre + share * (other.centre - self.centre),
            self.blendshapes + share * (other.blendshapes - self.blendshapes),
        )


def shape_of(landmarks: Points) -> Points:
    """Landmarks in eye distances from the mean of the stable points."""
    shape: Points = (landmarks - landmarks[STABLE].mean(axis=0)) / eye_distance(landmarks)
    return shape


def energy(face: Face) -> float:
    """How far from neutral a face looks; 0 is calm, a talking mouth is 0.3…2."""
    gap = np.linalg.norm(face.landmarks[13] - face.landmarks[14]) / eye_distance(face.landmarks)
    facing = face.head[2, 2] / np.linalg.norm(face.head[:3, 2])
    turn = np.arccos(np.clip(facing, -1.0, 1.0))
    return float(_LIP_GAP_WEIGHT * gap + _TURN_WEIGHT * turn + face.blendshapes[_CALM].sum())


class Calmest:
    """Which faces the neutral one is made of: the calmest of the first second, and its like."""

    def __init__(self) -> None:
        """Starts at the first face."""
        self.restart()

    def restart(self) -> None:
        """Takes the next second anew."""
        self._energy, self._averaged, self._age_s = np.inf, 0, 0.0
        self.in_window = True
        """Whether the face weighed last belonged to that second."""
        self.share = 0.0
        """How much it counts: 1 takes the place of all before, 1/n joins n − 1 others, 0 does not
        count."""

    def weigh(self, face: Face, dt_s: float) -> float:
        """The share of one more face, `dt_s` after the one before."""
        level = energy(face)
        self.in_window = self._age_s <= WINDOW_S
        self._age_s += dt_s
        if level < self._energy - (_ALIKE if self.in_window else _BETTER):
            self._energy, self._averaged = level, 1
        elif self.in_window and level < self._energy + _ALIKE and self._averaged < _MOST_AVERAGED:
            self._averaged += 1
            self._energy = min(self._energy, level)
        else:
            self.share = 0.0
            return self.share
        self.share = 1.0 / self._averaged
        return self.share


class NeutralCalibration:
    """Finds the neutral face while the call runs; `current` fades to what has been found."""

    def __init__(self) -> None:
        """Starts at the first face offered."""
        self.calmest = Calmest()
        """What became of the face offered last."""
        self.current: Neutral | None = None
        self._target: Neutral | None = None
        self._shape: Points = np.zeros((0, 3))
        self._blendshapes: Points = np.zeros(0)
        self._poses: list[Points] = []

    def restart(self) -> None:
        """Takes the next second anew; `current` stays until something better is found."""
        self.calmest.restart()
        self._poses.clear()

    def offer(self, face: Face, landmarks: Points, dt_s: float) -> Neutral:
        """Weighs one frame and gives the neutral face to use for it."""
        if self._weigh(face, landmarks, dt_s):
            self._target = self._placed(landmarks, self.calmest.in_window)
        assert self._target is not None
        if self.current is None:
            self.current = self._target
        elif self.current is not self._target:
            self._fade(dt_s)
        return self.current

    def move(self, scale: float, shift: Points) -> None:
        """The picture's size has changed: the reference follows by `p * scale + shift`."""
        self.current = _moved(self.current, scale, shift)
        self._target = _moved(self._target, scale, shift)
        self._poses.clear()

    def _weigh(self, face: Face, landmarks: Points, dt_s: float) -> bool:
        """Whether the candidate or its pose has changed."""
        share, in_window = self.calmest.weigh(face, dt_s), self.calmest.in_window
        if share == 0.0:
            return in_window
        blendshapes = face.blendshapes.astype(np.float64)
        shape = shape_of(landmarks)
        if len(self._shape):
            # Poses are told relative to the candidate: each stands as the one before it stood.
            shape = _aligned(shape, self._shape)
        if share == 1.0:
            if not in_window:  # where one looks is no matter of calm
                keep_gaze(shape, blendshapes, self._shape, self._blendshapes)
            self._shape, self._blendshapes = shape, blendshapes
        else:
            self._shape = self._shape + share * (shape - self._shape)
            self._blendshapes += share * (blendshapes - self._blendshapes)
        return True

    def _placed(self, landmarks: Points, in_window: bool) -> Neutral:
        """The candidate's shape in the reference pose: the window's median, or the one in use."""
        if not in_window:
            assert self._target is not None
            here = self._target
            shape = _aligned(self._shape, here.shape)
            return Neutral(shape, here.scale, here.centre, self._blendshapes)
        fit = fit_similarity(self._shape[STABLE], landmarks[STABLE])
        if len(self._poses) < _MOST_POSES:
            self._poses.append(_pose_of(fit))
        pose = np.median(self._poses, axis=0)
        return Neutral(
            self._shape @ rotation_matrix(pose[:3]).T,
            float(np.exp(pose[3])),
            pose[4:],
            self._blendshapes.copy(),
        )

    def _fade(self, dt_s: float) -> None:
        assert self.current is not None
        assert self._target is not None
        share = fade_share(dt_s)
        self.current = self.current.toward(self._target, share)
        apart = np.abs(self.current.shape - self._target.shape).max()
        moved = np.abs(self.current.centre - self._target.centre).max() / self.current.scale
        if max(apart, moved, abs(self.current.scale / self._target.scale - 1.0)) < 1e-4:
            self.current = self._target


def fade_share(dt_s: float) -> float:
    """How much of the way to what was found the neutral face goes in a step of time."""
    return 1.0 - float(np.exp(-dt_s / _FADE_S))


def _pose_of(fit: Similarity) -> Points:
    return np.concatenate([rotation_vector(fit.rotation), [np.log(fit.scale)], fit.target_centre])


def _aligned(shape: Points, reference: Points) -> Points:
    """A shape turned into the pose of another."""
    fit = fit_similarity(shape[STABLE], reference[STABLE])
    return shape @ fit.rotation.T


def _moved(neutral: Neutral | None, scale: float, shift: Points) -> Neutral | None:
    if neutral is None:
        return None
    return Neutral(
        neutral.shape, neutral.scale * scale, neutral.centre * scale + shift, neutral.blendshapes
    )
