"""Rasteriser and composer by OpenCV, where no machine code can be made."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.renderers.warp.compose import Behind, InverseMap, spans
from engines.renderers.warp.drawing import Image, Patch
from engines.types import Floats, Rgb

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

# A band of rows at a time, so that what one step leaves is in the cache when the next one takes it.
_ROWS = 48
_UNIT = 170
"""Light 1 as a byte: the brightest still fits, and a step is one level of the picture at most."""


def rasterise(
    points: NDArray[np.floating],
    depth: NDArray[np.floating],
    values: Floats,
    triangles: NDArray[np.int64],
    background: Floats,
) -> Floats:
    """As `Way.rasterise`."""
    size = background.shape[1]
    distance = _DISTANCE + depth
    camera = np.empty((len(points), 3), np.float32)
    # Pixel x has its centre at x + 0.5 in the camera's picture; y points up there.
    camera[:, 0] = (points[:, 0] + 0.5 - size / 2) * distance / _DISTANCE
    camera[:, 1] = (size / 2 - 0.5 - points[:, 1]) * distance / _DISTANCE
    camera[:, 2] = -distance
    pixels = np.ascontiguousarray(background.transpose(1, 2, 0))
    area = _signed_areas(points, triangles)
    field_of_view = 2 * math.atan(size / 2 / _DISTANCE)
    # those that are turned over first: what faces us is drawn over them
    for drawn in (triangles[area < -_SMALLEST_AREA], triangles[area > _SMALLEST_AREA]):
        if len(drawn):
            far = np.full((size, size), _FAR, np.float32)
            cv2.triangleRasterize(
                camera, drawn.astype(np.int32), values, pixels, far, _CAMERA, field_of_view,
                _NEAR, _FAR, _SETTINGS,
            )  # fmt: skip
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _signed_areas(points: NDArray[np.floating], triangles: NDArray[np.int64]) -> Floats:
    a, b, c = (points[triangles[:, corner]] for corner in range(3))
    u, v = b - a, c - a
    areas: Floats = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
    return areas


def compose(texture: NDArray[np.uint8], maps: InverseMap, behind: Behind) -> Rgb:
    """As `Way.compose`."""
    picture = behind.plate.copy()
    x, y, light = maps.planes
    units = cv2.cvtColor(cv2.convertScaleAbs(light, alpha=_UNIT), cv2.COLOR_GRAY2RGB)
    for band in _bands(maps, behind):
        layer = cv2.remap(
            texture,
            _enlarged(x, band, maps.step),
            _enlarged(y, band, maps.step),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        lit = cv2.multiply(
            cv2.cvtColor(layer, cv2.COLOR_RGBA2RGB),
            _enlarged(units, band, maps.step),
            scale=1 / _UNIT,
        )
        rest = cv2.bitwise_not(cv2.extractChannel(layer, 3))
        rest = cv2.cvtColor(rest, cv2.COLOR_GRAY2RGB)
        target = band.of(picture)
        cv2.add(lit, cv2.multiply(target, rest, scale=1 / 255), dst=target)
    return picture


def _bands(maps: InverseMap, behind: Behind) -> list[Patch]:
    """The rows of the picture, a few at a time, and the columns where the person may be."""
    size = len(behind.plate)
    first, beyond = spans(maps, behind)
    nowhere = first == beyond
    starts = [top // maps.step for top in range(0, size, _ROWS)]
    lefts = np.minimum.reduceat(np.where(nowhere, size, first), starts).tolist()
    rights = np.maximum.reduceat(np.where(nowhere, 0, beyond), starts).tolist()
    return [
        Patch(left, top, min(right, size), min(top + _ROWS, size))
        for top, left, right in zip(range(0, size, _ROWS), lefts, rights, strict=True)
        if left < min(right, size)
    ]


def _enlarged(plane: Image, area: Patch, step: int) -> Image:
    """What of a plane of the map's size belongs to an area, as if all of it had been enlarged."""
    top, left = max(area.top // step - 1, 0), max(area.left // step - 1, 0)
    around = plane[top : -(-area.bottom // step) + 1, left : -(-area.right // step) + 1]
    large = cv2.resize(around, None, fx=step, fy=step, interpolation=cv2.INTER_LINEAR)
    top, left = top * step, left * step
    return large[area.top - top : area.bottom - top, area.left - left : area.right - left]
