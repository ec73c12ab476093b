"""The square around a face that a network looks at: landmarks go in, a cut picture comes out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.face_geometry import Points, mouth_width
from engines.types import Rgb

_EYE_CORNERS = ((33, 133), (362, 263))
_MOUTH_CORNERS = (61, 291)
_LIPS = (13, 14)  # the middle of the upper and of the lower one, inside
_SHRUNK_FROM = 0.75  # of the size: above, a linear look-up skips hardly any pixel


@dataclass(frozen=True, slots=True)
class Crop:
    """A square of a picture, perhaps tilted."""

    centre: Points
    """`(2,)` pixels."""
    side: float
    """Pixels."""
    down: Points
    """`(2,)` which way of the picture is down in the square; of length 1."""

    @property
    def half(self) -> float:
        """Half of the side, in pixels: the unit of a network's places."""
        return self.side / 2

    def matrix(self, size: int) -> Points:
        """`(2, 3)` picture ← square of `size` × `size`; whole numbers are pixel centres."""
        scale = self.side / size
        right = np.array([self.down[1], -self.down[0]])
        axes = np.column_stack([right, self.down]) * scale
        middle = np.full(2, (size - 1) / 2)
        return np.column_stack([axes, self.centre - axes @ middle])

    def cut(self, picture: Rgb, size: int) -> Rgb:
        """`(size, size, 3)`; what lies beyond the picture's edges is mirrored from within."""
        return warp(picture, cv2.invertAffineTransform(self.matrix(size)), size)


def warp(picture: Rgb, matrix: NDArray[Any], size: int) -> Rgb:
    """`(size, size, 3)` a picture under a similarity `(2, 3)`, target ← picture; no aliasing."""
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    if scale < _SHRUNK_FROM:
        height, width = picture.shape[:2]
        small = (max(1, round(width * scale)), max(1, round(height * scale)))
        # The same places in the smaller picture: pixel centres, as above.
        steps = np.array([width / small[0], height / small[1]])
        matrix = np.column_stack(
            [matrix[:, :2] * steps, matrix[:, 2] + matrix[:, :2] @ ((steps - 1) / 2)]
        )
        picture = np.asarray(cv2.resize(picture, small, interpolation=cv2.INTER_AREA), np.uint8)
    flat = cv2.warpAffine(
        picture, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    return np.asarray(flat, np.uint8)


def upright_crop(landmarks: Points, width: float, raise_by: float) -> Crop:
    """A square without roll: `width` × the face, raised by a share of its side.

    `landmarks`: `(478, 2)` or more columns. Which way is down is told by the line from the middle
    of the eyes to that of the mouth.
    """
    points = np.asarray(landmarks, np.float64)[:468, :2]
    eyes = np.mean([points[list(corners)].mean(axis=0) for corners in _EYE_CORNERS], axis=0)
    axis = points[list(_MOUTH_CORNERS)].mean(axis=0) - eyes
    length = float(np.linalg.norm(axis))
    down = axis / length if length > 1e-6 else np.array([0.0, 1.0])
    return _around(points, down, width, raise_by)


def level_crop(landmarks: Points, width: float, raise_by: float) -> Crop:
    """The same along the picture's own axes, so that a roll of the head stays one."""
    points = np.asarray(landmarks, np.float64)[:468, :2]
    return _around(points, np.array([0.0, 1.0]), width, raise_by)


def lip_ratio(landmarks: NDArray[np.floating]) -> float:
    """How far the lips are apart, in widths of the mouth; 0 is shut."""
    points = np.asarray(landmarks, np.float64)[:, :2]
    apart = np.linalg.norm(points[_LIPS[0]] - points[_LIPS[1]])
    return float(apart / max(mouth_width(points), 1e-6))


def _around(points: Points, down: Points, width: float, raise_by: float) -> Crop:
    right = np.array([down[1], -down[0]])
    along = points @ np.column_stack([right, down])
    low, high = along.min(axis=0), along.max(axis=0)
    side = max(float((high - low).max()) * width, 1.0)
    middle = (low + high) / 2 - np.array([0.0, raise_by * side])
    return Crop(middle[0] * right + middle[1] * down, side, down)
