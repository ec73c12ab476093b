"""One picture of the camera and the faces in it go in, the few numbers that are looked at come out.

The picture itself goes no further.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.face_geometry import (
    Points,
    eye_aperture,
    eye_distance,
    face_width,
    fit_similarity,
)
from engines.face_mesh import BLENDSHAPE_INDEX, CANONICAL, LEFT_EYE, RIGHT_EYE, STABLE
from engines.types import Face, Floats, Rgb

PATCH: Final = 24
"""Pixels of a patch's side."""

_UPPER_LIP, _LOWER_LIP = (82, 13, 312), (87, 14, 317)
_BLINKS = [BLENDSHAPE_INDEX["eyeBlinkRight"], BLENDSHAPE_INDEX["eyeBlinkLeft"]]
_RIGID = STABLE[np.less(STABLE, len(CANONICAL))]
_IN_PICTURE = CANONICAL[_RIGID] * (1.0, -1.0, -1.0)
_LEAST_WIDTH = 4.0
"""Pixels; what is smaller is no face."""
_CORNERS = np.array([33, 263, 152])
"""Outer corners of the eyes and the chin: what a patch is aligned by."""
_PLACES = np.array([[0.2, 0.28], [0.8, 0.28], [0.5, 1.0]], np.float32) * PATCH


@dataclass(frozen=True, slots=True)
class Bearing:
    """How a face is held, in numbers that do not depend on the picture's size."""

    yaw: float
    """Degrees; above zero: to the person's own left."""
    pitch: float
    """Degrees; above zero: down. A level head has about 8 before a camera at eye level."""
    centre: tuple[float, float]
    """Pixels."""
    width: float
    """Of the face, in pixels."""
    eyes: float
    """How far the wider of the two is open, as `eye_aperture`: about 0.3 open, 0.05 closed."""
    blink: float
    """The lesser of both blink coefficients, 0…1."""
    lips: float
    """Height of the opening between the lips, in eye distances."""
    shape: Points
    """`(478, 3)` landmarks as if seen from the front, in eye distances, about the eyes' middle."""
    outline: Points
    """`(n, 2)` rigid landmarks as they are in the picture, in face widths, about their centre."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What is kept of one picture while an enrolment runs."""

    at_ns: int
    size: tuple[int, int]
    """Width and height in pixels."""
    bearing: Bearing | None
    """`None`: no face."""
    light: float = 0.5
    """Mean brightness of the face, or of the picture without one, 0…1."""
    sharpness: float = 0.0
    """Variance of the Laplacian over the face at a fixed size; a higher one is sharper."""
    patch: Floats | None = None
    """`(PATCH, PATCH)` brightness of the face, mean 0 and deviation 1."""
    crowd: int | None = None
    """Faces of comparable size, the followed one too; `None`: not counted this time."""


def bearing(face: Face) -> Bearing:
    """How this face is held."""
    landmarks = np.asarray(face.landmarks, np.float64)
    turn = face.head[:3, :3] / np.cbrt(np.linalg.det(face.head[:3, :3]))
    frontal = fit_similarity(landmarks[_RIGID], _IN_PICTURE)
    shape = (landmarks - (landmarks[33] + landmarks[263]) / 2) @ frontal.rotation.T
    eyes = eye_distance(landmarks)
    rigid, width = landmarks[_RIGID, :2], face_width(landmarks)
    centre = rigid.mean(axis=0)
    gap = landmarks[_LOWER_LIP, :] - landmarks[_UPPER_LIP, :]
    return Bearing(
        yaw=math.degrees(math.atan2(turn[0, 2], turn[2, 2])),
        pitch=math.degrees(math.asin(max(-1.0, min(1.0, -turn[1, 2])))),
        centre=(float(centre[0]), float(centre[1])),
        width=width,
        eyes=max(eye_aperture(landmarks, ring) for ring in (RIGHT_EYE, LEFT_EYE)),
        blink=float(face.blendshapes[_BLINKS].min()),
        lips=float(np.linalg.norm(gap, axis=1).mean() / eyes),
        shape=shape / eyes,
        outline=(rigid - centre) / width,
    )


def look(rgb: Rgb, face: Face | None, at_ns: int, among: Sequence[Face] | None = None) -> Sight:
    """What is looked at of one picture; `among`: all its faces, where they were searched for."""
    size = (rgb.shape[1], rgb.shape[0])
    if face is None or face_width(face.landmarks) < _LEAST_WIDTH:
        crowd = None if among is None else len(among)
        return Sight(at_ns, size, None, float(rgb[::8, ::8].mean()) / 255.0, crowd=crowd)
    grey = _patch(rgb, face, 4 * PATCH)
    small = np.asarray(cv2.resize(grey, (PATCH, PATCH), interpolation=cv2.INTER_AREA), np.float32)
    even = (small - small.mean()) / max(float(small.std()), 1.0)
    return Sight(
        at_ns,
        size,
        bearing(face),
        float(grey.mean()) / 255.0,
        float(cv2.Laplacian(grey, cv2.CV_32F).var()),
        even,
        None if among is None else _comparable(face, among),
    )


def alike(one: Floats, other: Floats) -> float:
    """Correlation of two patches, −1…1."""
    return float(np.mean(one * other))


def _patch(rgb: Rgb, face: Face, side: int) -> NDArray[np.uint8]:
    """`(side, side)` grey: the face upright, eyes and chin at fixed places."""
    scale = side / PATCH
    matrix = cv2.getAffineTransform(
        np.ascontiguousarray(face.landmarks[_CORNERS, :2], np.float32), _PLACES * scale
    )
    cut = cv2.warpAffine(rgb, matrix, (side, side), flags=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(cut, cv2.COLOR_RGB2GRAY), np.uint8)


_COMPARABLE = 0.4
"""Of the followed face's width."""


def _comparable(face: Face, among: Sequence[Face]) -> int:
    least = _COMPARABLE * face_width(face.landmarks)
    return sum(face_width(other.landmarks) >= least for other in among)
