"""What a picture is put together from: an inverse map, and what stands behind the person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.renderers.warp.drawing import disk, rgb
from engines.types import Floats, Rgb


class InverseMap(NamedTuple):
    """Where the picture's pixels come from: planes of fewer pixels, to be enlarged."""

    planes: Floats
    """`(3, m, m)` column and row of the texture, and what the colour is multiplied by."""
    step: int
    """Pixels of the picture per pixel of the map, which may reach beyond the picture."""


@dataclass(frozen=True, slots=True)
class Behind:
    """What the person stands before."""

    plate: Rgb
    """`(size, size, 3)`, C-contiguous."""
    reach: NDArray[np.uint8]
    """`(s, s)` of the texture; 0 where a pixel of the picture that is looked up there shows that
    the person is not near."""


_AROUND = np.ones((3, 3), np.uint8)
_EVERY = 2
"""Rows and columns of the map from one place where the person is looked for to the next."""


def reach_of(matte: NDArray[np.uint8], step: int) -> NDArray[np.uint8]:
    """`Behind.reach` of a texture's matte."""
    # a place beyond, diagonally, of a head that is drawn at two thirds of its size
    return rgb(cv2.dilate(matte, disk(3 * _EVERY * step)))


def spans(maps: InverseMap, behind: Behind) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """`(m,)` twice: between which columns of the picture, in multiples of the map's step, the
    person may be in each row of the map; the same column: nowhere."""
    x, y = np.ascontiguousarray(maps.planes[:2, ::_EVERY, ::_EVERY])
    reached = cv2.remap(behind.reach, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
    # where the map is squeezed, more of the texture lies between two places than `reach` covers
    near = cv2.dilate(reached, _AROUND) > 0
    first = near.argmax(axis=1)
    beyond = len(near) - near[:, ::-1].argmax(axis=1)
    beyond = np.where(near.any(axis=1), beyond, first)
    step, rows = _EVERY * maps.step, maps.planes.shape[1]
    return (first * step).repeat(_EVERY)[:rows], (beyond * step).repeat(_EVERY)[:rows]
