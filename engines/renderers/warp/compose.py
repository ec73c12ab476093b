"""Texture, inverse map, light and background in, the picture out.

A band of rows at a time, so that what one step leaves is still in the processor's cache when the
next one takes it; and only where the person may be: the rest is the background, copied.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.face_geometry import Points
from engines.renderers.warp.drawing import Patch, disk, rgb
from engines.types import Floats, Rgb

_ROWS = 48
"""Of a band."""
_COLUMNS = 32
"""OpenCV looks up so many pixels at once, and what is left of a row slowly."""
_UNIT = 170
"""Light 1 as a byte: the brightest still fits, and a step is one level of the picture at most."""


class InverseMap(NamedTuple):
    """Where the picture's pixels come from: planes of fewer pixels, to be enlarged."""

    x: Floats
    """`(m, m)` column of the texture."""
    y: Floats
    """`(m, m)` row."""
    light: Floats
    """`(m, m)` what the colour is multiplied by."""
    step: int
    """Pixels of the picture per pixel of the map, which may reach beyond the picture."""


@dataclass(frozen=True, slots=True)
class Behind:
    """What the person stands before."""

    plate: Rgb
    """`(size, size, 3)`."""
    reach: NDArray[np.uint8]
    """`(s, s)` of the texture; 0 where a pixel of the map that lands there is off the person, and
    so are those around it."""


def reach_of(matte: NDArray[np.uint8], step: int) -> NDArray[np.uint8]:
    """`Behind.reach` of a texture's matte."""
    # a row and a column of the map, diagonally, of a head that is drawn at two thirds of its size
    return rgb(cv2.dilate(matte, disk(3 * step)))


def compose(
    texture: NDArray[np.uint8], maps: InverseMap, lit: Points, size: int, behind: Behind | None
) -> Rgb:
    """`(size, size, 3)` the texture as the map has it, lit, before what is behind it.

    `texture`: `(s, s, 4)`, colours multiplied by the matte. `lit`: `(n, 2)` points of the picture:
    the light is laid on within their bounds. `behind`: `None` where the texture is all there is.
    """
    picture = np.empty((size, size, 3), np.uint8)
    light = cv2.cvtColor(cv2.convertScaleAbs(maps.light, alpha=_UNIT), cv2.COLOR_GRAY2RGB)
    face = Patch.around(lit, size, 0)
    for band in _bands(maps, size, behind):
        if behind is not None:
            rows = slice(band.top, band.bottom)
            picture[rows, : band.left] = behind.plate[rows, : band.left]
            picture[rows, band.right :] = behind.plate[rows, band.right :]
        if band.left == band.right:
            continue
        layer = cv2.remap(
            texture,
            _enlarged(maps.x, band, maps.step),
            _enlarged(maps.y, band, maps.step),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        target = band.of(picture)
        cv2.cvtColor(layer, cv2.COLOR_RGBA2RGB, dst=target)
        lit_here = None if face is None else band.common(face)
        if lit_here is not None:
            bright = lit_here.of(picture)
            factor = _enlarged(light, lit_here, maps.step)
            cv2.multiply(bright, factor, dst=bright, scale=1 / _UNIT)
        if behind is not None:
            rest = cv2.bitwise_not(cv2.extractChannel(layer, 3))
            rest = cv2.cvtColor(rest, cv2.COLOR_GRAY2RGB)
            shown = cv2.multiply(band.of(behind.plate), rest, scale=1 / 255)
            cv2.add(target, shown, dst=target)
    return picture


def _bands(maps: InverseMap, size: int, behind: Behind | None) -> list[Patch]:
    """All rows of the picture, a few at a time, with the columns where the person may be."""
    tops = range(0, size, _ROWS)
    bottoms = [min(top + _ROWS, size) for top in tops]
    if behind is None:
        return [Patch(0, top, size, bottom) for top, bottom in zip(tops, bottoms, strict=True)]
    reach = cv2.remap(
        behind.reach, maps.x, maps.y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE
    )
    near = np.maximum.reduceat(reach, [top // maps.step for top in tops], axis=0) > 0
    left = near.argmax(axis=1) * maps.step // _COLUMNS * _COLUMNS
    right = (len(reach) - near[:, ::-1].argmax(axis=1)) * maps.step
    right = np.minimum(-(-right // _COLUMNS) * _COLUMNS, size)
    right[~near.any(axis=1)] = left[~near.any(axis=1)] = 0
    return [
        Patch(*sides) for sides in zip(left.tolist(), tops, right.tolist(), bottoms, strict=True)
    ]


def _enlarged(plane: NDArray[Any], area: Patch, step: int) -> NDArray[Any]:
    """What of a plane of the map's size belongs to an area, as if all of it had been enlarged."""
    top, left = max(area.top // step - 1, 0), max(area.left // step - 1, 0)
    around = plane[top : -(-area.bottom // step) + 1, left : -(-area.right // step) + 1]
    large = cv2.resize(around, None, fx=step, fy=step, interpolation=cv2.INTER_LINEAR)
    top, left = top * step, left * step
    return large[area.top - top : area.bottom - top, area.left - left : area.right - left]
