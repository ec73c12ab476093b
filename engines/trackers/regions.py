"""A region of interest: a rotated square of a picture that holds one face, as MediaPipe lays it."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engines.types import Picture, Rgb

_MARGIN = 1.5  # the square's side over the larger side of the face's box


class Region(NamedTuple):
    """A square around a face, in pixels and radians."""

    x: float
    y: float
    """The centre."""
    size: float
    """The side."""
    angle: float
    """From the subject's right eye to the left one; 0 for an upright head."""

    @staticmethod
    def around(box: tuple[float, float, float, float], angle: float) -> Region:
        """The square with MediaPipe's margin around a box (x0, y0, x1, y1)."""
        x0, y0, x1, y1 = box
        return Region((x0 + x1) / 2, (y0 + y1) / 2, max(x1 - x0, y1 - y0) * _MARGIN, angle)

    @staticmethod
    def of_landmarks(landmarks: NDArray[np.floating]) -> Region:
        """The square around `(478, 2+)` landmarks in pixels."""
        x0, y0 = landmarks[:, :2].min(axis=0)
        x1, y1 = landmarks[:, :2].max(axis=0)
        right, left = landmarks[33], landmarks[263]
        angle = math.atan2(left[1] - right[1], left[0] - right[0])
        return Region.around((float(x0), float(y0), float(x1), float(y1)), angle)

    def matrix(self, side: int) -> NDArray[np.float64]:
        """`(2, 3)` map of a crop of `side` pixels to the picture."""
        cos = math.cos(self.angle) * self.size / side
        sin = math.sin(self.angle) * self.size / side
        half = side / 2
        return np.array(
            [
                [cos, -sin, self.x - cos * half + sin * half],
                [sin, cos, self.y - sin * half - cos * half],
            ]
        )

    def crop(self, picture: Picture, side: int) -> Rgb:
        """`(1, side, side, 3)`; what is beyond the picture repeats its border."""
        return picture.cut(self.matrix(side), side)[None]

    def scaled(self, factor: float) -> Region:
        """The same region of a picture that is `factor` as large."""
        return Region(self.x * factor, self.y * factor, self.size * factor, self.angle)

    def resembles(self, other: Region) -> bool:
        """Whether both may show the same face a moment apart."""
        apart = math.hypot(self.x - other.x, self.y - other.y)
        return apart < 0.6 * max(self.size, other.size) and 0.6 < self.size / other.size < 1.67

    def overlaps(self, other: Region) -> bool:
        """Whether both show the same face of one picture."""
        apart = math.hypot(self.x - other.x, self.y - other.y)
        return apart < 0.25 * max(self.size, other.size)
