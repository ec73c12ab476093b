"""Faces of the canonical mesh: pose, mouth, lids and gaze go in, a tracked `Face` comes out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engines.face_geometry import rotation_matrix
from engines.face_mesh import (
    BLENDSHAPE_INDEX,
    CANONICAL,
    INNER_LIPS,
    LEFT_EYE,
    LEFT_IRIS,
    RIGHT_EYE,
    RIGHT_IRIS,
)
from engines.types import Face

FOCAL_PER_HEIGHT = 0.5 / np.tan(np.radians(63.0) / 2.0)
"""MediaPipe's camera: 63° from top to bottom."""
DISTANCE_CM = 45.0
_LOWER_LIP = [*INNER_LIPS[11:], 17, 84, 181, 91, 314, 405, 321, 199, 200, 152, 175]


def head(
    turn: tuple[float, float, float] = (0.0, 0.0, 0.0),
    *,
    jaw: float = 0.0,
    closed: tuple[float, float] = (0.0, 0.0),
    gaze: tuple[float, float] = (0.0, 0.0),
    place: tuple[float, float] = (0.5, 0.5),
    size: tuple[int, int] = (640, 480),
    time_s: float = 0.0,
    noise: float = 0.0,
    rng: np.random.Generator | None = None,
) -> Face:
    """A face as a tracker would give it.

    `turn`: rotation vector in radians, picture axes; `jaw` 0…1; `closed` 0…1, right eye first;
    `gaze` right and down in eye widths; `place` of the head in the picture, 0…1; `noise` in pixels.
    """
    shape = _shape(jaw, closed, gaze)
    rotation = rotation_matrix(np.array(turn))
    width, height = size
    scale = FOCAL_PER_HEIGHT * height / DISTANCE_CM  # pixels per cm, without perspective
    landmarks = shape @ rotation.T * scale + (place[0] * width, place[1] * height, 0.0)
    if noise:
        assert rng is not None
        landmarks = landmarks + rng.normal(0.0, noise, landmarks.shape)
    blendshapes = np.zeros(52, np.float32)
    blendshapes[BLENDSHAPE_INDEX["jawOpen"]] = 0.7 * jaw
    blendshapes[BLENDSHAPE_INDEX["eyeBlinkRight"]] = 0.75 * closed[0]
    blendshapes[BLENDSHAPE_INDEX["eyeBlinkLeft"]] = 0.75 * closed[1]
    looks = {"InRight": 1, "OutRight": -1, "InLeft": -1, "OutLeft": 1}
    for name, sign in looks.items():
        blendshapes[BLENDSHAPE_INDEX[f"eyeLook{name}"]] = max(0.0, sign * gaze[0] / 0.21)
    for side in ("Right", "Left"):
        blendshapes[BLENDSHAPE_INDEX[f"eyeLookDown{side}"]] = max(0.0, gaze[1] / 0.15)
        blendshapes[BLENDSHAPE_INDEX[f"eyeLookUp{side}"]] = max(0.0, -gaze[1] / 0.15)
    transform = np.eye(4)
    flip = np.diag([1.0, -1.0, -1.0])
    transform[:3, :3] = flip @ rotation @ flip
    transform[:3, 3] = (place[0] - 0.5, 0.5 - place[1], -DISTANCE_CM)
    time_ns = round(time_s * 1e9)
    return Face(landmarks.astype(np.float32), blendshapes, transform, 1.0, time_ns, time_ns)


def _shape(
    jaw: float, closed: tuple[float, float], gaze: tuple[float, float]
) -> NDArray[np.float64]:
    """`(478, 3)` cm, picture axes, seen from the front."""
    shape = np.zeros((478, 3))
    shape[:468] = CANONICAL * (1.0, -1.0, -1.0)
    for eye, iris, shut in ((RIGHT_EYE, RIGHT_IRIS, closed[0]), (LEFT_EYE, LEFT_IRIS, closed[1])):
        upper, lower = eye[9:16][::-1], eye[1:8]
        width = np.linalg.norm(shape[eye[0]] - shape[eye[8]])
        middle = (shape[eye[0]] + shape[eye[8]]) / 2.0
        # The canonical face has narrow eyes; a slit of a twentieth stays between closed lids.
        shape[upper, 1] = shape[lower, 1] - width * (0.05 + 0.25 * (1.0 - shut))
        rim = width * 0.2 * np.array([[0, 0], [1, 0], [0, -1], [-1, 0], [0, 1]])
        shape[iris] = middle
        shape[iris, :2] += rim + width * np.array(gaze)
    shape[_LOWER_LIP, 1] += 3.0 * jaw
    return shape
