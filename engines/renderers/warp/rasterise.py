"""Triangles in, a dense picture of their interpolated vertex values out, nearest surface first."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.types import Floats

# OpenCV's camera is a perspective one. From so far away, in pixels, the face's own depth (some
# hundred pixels) changes nothing: points are put on the ray through their pixel.
_DISTANCE = 1e4
# The depth buffer is float32 and spends its steps near the camera: with a near plane there, pixels
# of depth out here would be one and the same.
_NEAR, _FAR = 0.5 * _DISTANCE, 1.5 * _DISTANCE
_SETTINGS = (
    cv2.TriangleRasterizeSettings()
    .setCullingMode(cv2.RASTERIZE_CULLING_NONE)
    .setShadingType(cv2.RASTERIZE_SHADING_SHADED)
)
_CAMERA = np.eye(4, dtype=np.float32)
_SMALLEST_AREA = 1e-3  # pixels²


def rasterise(
    points: NDArray[np.floating],
    depth: NDArray[np.floating],
    values: Floats,
    triangles: NDArray[np.int32],
    size: int,
    background: Floats,
) -> Floats:
    """Draws triangles into a `(size, size, 3)` float32 array that begins as a copy of `background`.

    `points` `(n, 2)`: pixel positions, whole numbers are pixel centres. `depth` `(n,)`: pixels,
    smaller is nearer, |depth| well below 5000. `values` `(n, 3)` float32 in 0…1. `triangles`
    `(m, 3)` int32; one that is turned over (its corners no longer in their first order) only shows
    where no other is.
    """
    distance = _DISTANCE + depth
    camera = np.empty((len(points), 3), np.float32)
    # Pixel x has its centre at x + 0.5 in the camera's picture; y points up there.
    camera[:, 0] = (points[:, 0] + 0.5 - size / 2) * distance / _DISTANCE
    camera[:, 1] = (size / 2 - 0.5 - points[:, 1]) * distance / _DISTANCE
    camera[:, 2] = -distance
    picture = background.copy()
    area = _signed_areas(points, triangles)
    for drawn in (triangles[area < -_SMALLEST_AREA], triangles[area > _SMALLEST_AREA]):
        if len(drawn):
            far = np.full((size, size), _FAR, np.float32)
            field_of_view = 2 * math.atan(size / 2 / _DISTANCE)
            cv2.triangleRasterize(
                camera,
                drawn,
                values,
                picture,
                far,
                _CAMERA,
                field_of_view,
                _NEAR,
                _FAR,
                _SETTINGS,
            )
    return picture


def _signed_areas(points: NDArray[np.floating], triangles: NDArray[np.int32]) -> Floats:
    a, b, c = (points[triangles[:, corner]] for corner in range(3))
    u, v = b - a, c - a
    areas: Floats = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
    return areas
