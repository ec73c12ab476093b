"""From a tracked face to motion: `Face` or `None` goes in, one `Motion` in `mesh478` comes out.

Everything is relative to the driver's own neutral face, so that the avatar keeps its proportions:
the head's pose is taken off first, what is left of the landmarks is expression.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from engines.drivers.eyes import Eyes, read
from engines.drivers.neutral import Calmest, Neutral, NeutralCalibration
from engines.drivers.one_euro import OneEuro
from engines.drivers.pose import HeadPose, focal_length, measure, plausible, soft_limit
from engines.drivers.presence import NEUTRAL, Parameters, Presence
from engines.face_geometry import Points
from engines.types import Face, Motion, Sound, Space

# Lowest cutoff in Hz, Hz per unit and second, cutoff of the speed in Hz; the units are rad, face
# widths, eye distances, openness, eye widths. The usual speed cutoff of 1 Hz notices a syllable
# when it is over: with 8 Hz the mouth's lag falls from 0.6 to 0.15 frames, and a still face
# trembles no more (0.6…0.8 of the tracker's jitter).
_ROTATION_FILTER = (1.5, 30.0, 8.0)
_PLACE_FILTER = (1.5, 24.0, 8.0)
_EXPRESSION_FILTER = (1.5, 30.0, 8.0)
_OPENNESS_FILTER = (3.0, 16.0, 8.0)
_GAZE_FILTER = (2.0, 20.0, 8.0)

# No point of a face moves further from neutral than this; what would is a tracking error.
_EXPRESSION_KNEE, _EXPRESSION_LIMIT = 0.45, 0.65
_RESIZED = 1.15  # a focal length that changes by more from one frame to the next is a new picture
_SHORTEST_S, _LONGEST_S = 1.0 / 240.0, 0.5
_USUAL_S = 1.0 / 30.0


class Seen(NamedTuple):
    """What the driver made of a face, for those who read more of its picture."""

    neutral: Neutral
    pose: HeadPose
    calmest: Calmest
    """What this face has to do with the neutral one."""
    dt_s: float
    """Since the face before."""


class FaceDriver:
    """The driver of a camera call. One per session; not thread-safe."""

    space = Space.MESH478

    def __init__(self, presence: Presence | None = None) -> None:
        """Calibrates itself over the first second of the first face.

        `presence`: how it goes and comes back where the face does.
        """
        self._calibration = NeutralCalibration()
        self._eyes = Eyes()
        self._presence = presence or Presence()
        self._rotation = OneEuro(*_ROTATION_FILTER)
        self._place = OneEuro(*_PLACE_FILTER)
        self._expression = OneEuro(*_EXPRESSION_FILTER)
        self._openness = OneEuro(*_OPENNESS_FILTER)
        self._gaze = OneEuro(*_GAZE_FILTER)
        self._pace = Pace()
        self._focal: float | None = None
        self._last_pose: HeadPose | None = None
        self.seen: Seen | None = None
        """The face of the last frame; `None`: there was none."""

    def calibrate(self) -> None:
        """Takes the best face of the next second as neutral; the avatar fades over to it."""
        self._calibration.restart()

    def drive(
        self, face: Face | None, sounds: Sequence[Sound] = (), pts_ns: int | None = None
    ) -> Sequence[Motion]:
        """One motion per call; without a face it holds, then eases to neutral.

        A missing face has no time of its own: one usual frame interval is taken to have passed.
        """
        shown = self.follow(face)
        return [as_motion(shown, self._pace.pts_ns, self._pace.captured_ns)]

    def follow(
        self, face: Face | None, idle: Parameters = NEUTRAL, passed_s: float | None = None
    ) -> Parameters:
        """What `drive` shows; without a face it holds, then eases to `idle`, as it is now.

        `passed_s`: the seconds since the frame before, for a frame without a face.
        """
        if face is None:
            self.seen = None
            return self._presence.lost(self._pace.missed(passed_s), idle)
        dt_s = self._pace.step(face)
        return self._presence.seen(self._follow(face, dt_s), dt_s)

    def _follow(self, face: Face, dt_s: float) -> Parameters:
        landmarks = face.landmarks.astype(np.float64)
        before, pose = self._calibration.current, self._follow_picture_size(face, landmarks)
        neutral = self._calibration.offer(face, landmarks, dt_s)
        if pose is None or neutral is not before:
            pose = measure(landmarks, neutral)
        self._last_pose = pose
        self.seen = Seen(neutral, pose, self._calibration.calmest, dt_s)
        # In the reference pose, eye distances; then in the head's own axes.
        shape = (landmarks - pose.centre) @ pose.rotation / pose.scale
        moved = (shape - neutral.shape) @ neutral.orientation / neutral.mouth_scale
        eyes = self._eyes.look(read(shape @ neutral.orientation, face.blendshapes), neutral.eyes)
        rotation, place = plausible(pose.rotation_vector, pose.place)
        return Parameters(
            self._expression(_bounded(moved), dt_s),
            np.concatenate([self._rotation(rotation, dt_s), self._place(place, dt_s)]),
            np.column_stack([self._openness(eyes[:, :1], dt_s), self._gaze(eyes[:, 1:], dt_s)]),
        )

    def _follow_picture_size(self, face: Face, landmarks: Points) -> HeadPose | None:
        """Where the picture's size changed, moves the reference so that the head stays in place.

        The pose relative to a reference that was not moved.
        """
        neutral = self._calibration.current
        if neutral is None:
            return None
        now = measure(landmarks, neutral)
        focal, before = focal_length(face, now.scale), self._focal
        self._focal = focal
        if before is None or self._last_pose is None or focal <= 0.0:
            return now
        if 1.0 / _RESIZED < focal / before < _RESIZED:
            return now
        scale = now.scale / self._last_pose.scale
        self._calibration.move(scale, now.centre - self._last_pose.centre * scale)
        return None


class Pace:
    """Seconds between frames from timestamps that may repeat, run back or stop."""

    def __init__(self) -> None:
        """Expects 30 frames a second until it has seen some."""
        self.captured_ns = 0
        self._usual_s = _USUAL_S
        self._pts_ns: int | None = None
        self._guessed = False

    @property
    def pts_ns(self) -> int:
        """The time of the last frame, guessed where it had none of its own."""
        return self._pts_ns or 0

    def step(self, face: Face) -> float:
        """Seconds since the frame before."""
        before, self._pts_ns, self.captured_ns = self._pts_ns, face.pts_ns, face.captured_ns
        passed_s = 0.0 if before is None else (face.pts_ns - before) * 1e-9
        if passed_s <= 0.0:
            return self._usual_s
        if self._guessed:
            # What a guess was short by is no time in which anything was shown.
            self._guessed = False
            return min(passed_s, self._usual_s)
        passed_s = min(max(passed_s, _SHORTEST_S), _LONGEST_S)
        self._usual_s += 0.2 * (passed_s - self._usual_s)
        return passed_s

    def missed(self, passed_s: float | None = None) -> float:
        """Seconds that a frame without a face lasted, or is taken to have lasted."""
        passed_s = self._usual_s if passed_s is None else passed_s
        step_ns = round(passed_s * 1e9)
        self._pts_ns = self.pts_ns + step_ns
        self.captured_ns += step_ns
        self._guessed = True
        return passed_s


def _bounded(moved: Points) -> Points:
    """Displacements whose length is held to what a face can do."""
    length = np.sqrt(np.square(moved).sum(axis=1, keepdims=True))
    if length.max() <= _EXPRESSION_KNEE:
        return moved
    held = soft_limit(length, _EXPRESSION_KNEE, _EXPRESSION_LIMIT)
    bounded: Points = moved * (held / np.maximum(length, 1e-9))
    return bounded


def as_motion(shown: Parameters, pts_ns: int, captured_ns: int) -> Motion:
    """Parameters with their times."""
    return Motion(
        Space.MESH478,
        shown.expression.astype(np.float32),
        shown.pose.astype(np.float32),
        shown.eyes.astype(np.float32),
        pts_ns,
        captured_ns,
    )
