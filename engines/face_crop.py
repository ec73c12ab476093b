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
_LINEAR, _MIRRORED = cv2.INTER_LINEAR, cv2.BORDER_REFLECT_101
_ROOM = 4  # pixels beyond the square that a look-up may touch
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
        height, width = picture.shape[:2]
        # Only what is looked at need be shrunk: a face is a small part of a camera's picture.
        reach = np.abs(self.down).sum() * self.half + _ROOM
        low = np.clip(np.floor(self.centre - reach), 0, [width - 1, height - 1]).astype(int)
        high = np.clip(np.ceil(self.centre + reach), low + 1, [width, height]).astype(int)
        matrix = self.matrix(size)
        matrix[:, 2] -= low
        near = picture[low[1] : high[1], low[0] : high[0]]
        matrix, small = _shrunk(cv2.invertAffineTransform(matrix), near.shape[1], near.shape[0])
        if small is not None:
            near = np.asarray(cv2.resize(near, small, interpolation=cv2.INTER_AREA), np.uint8)
        whole = (size, size)
        cut = cv2.warpAffine(near, matrix, whole, flags=_LINEAR, borderMode=_MIRRORED)
        return np.asarray(cut, np.uint8)


class FixedWarp:
    """One similarity for many square pictures; looks up without aliasing."""

    def __init__(self, matrix: NDArray[np.floating], side: int, size: int) -> None:
        """`matrix`: `(2, 3)` target ← picture; `side` and `size`: theirs, in pixels."""
        matrix, self._small = _shrunk(matrix, side, side)
        back = cv2.invertAffineTransform(matrix)
        x, y = np.meshgrid(np.arange(size), np.arange(size))
        across, down = (
            (row[0] * x + row[1] * y + row[2]).astype(np.float32) for row in np.asarray(back)
        )
        # Fixed-point: three fifths of the time of warpAffine, which finds the places each time.
        self._places, self._between = cv2.convertMaps(across, down, cv2.CV_16SC2)

    def __call__(self, picture: Rgb) -> Rgb:
        """`(size, size, 3)`."""
        if self._small is not None:
            small = cv2.resize(picture, self._small, interpolation=cv2.INTER_AREA)
            picture = np.asarray(small, np.uint8)
        there = cv2.remap(picture, self._places, self._between, _LINEAR, borderMode=_MIRRORED)
        return np.asarray(there, np.uint8)


def _shrunk(
    matrix: NDArray[Any], width: int, height: int
) -> tuple[NDArray[np.float64], tuple[int, int] | None]:
    """The size to shrink a picture to before it is looked up, if any, and the matrix from there."""
    matrix = np.asarray(matrix, np.float64)
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    if scale >= _SHRUNK_FROM:
        return matrix, None
    small = (max(1, round(width * scale)), max(1, round(height * scale)))
    # The same places in the smaller picture; whole numbers are pixel centres in both.
    steps = np.array([width / small[0], height / small[1]])
    shift = matrix[:, 2] + matrix[:, :2] @ ((steps - 1) / 2)
    return np.column_stack([matrix[:, :2] * steps, shift]), small


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
