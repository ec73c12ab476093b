"""Triangles in, dense planes of their interpolated vertex values out, nearest surface first."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engines.renderers.warp.rasteriser_code import VERTEX, rasteriser
from engines.types import Floats

_FAR = 1e5


def rasterise(
    points: NDArray[np.floating],
    depth: NDArray[np.floating],
    values: Floats,
    triangles: NDArray[np.int64],
    background: Floats,
) -> Floats:
    """Draws triangles into `(3, s, s)` float32 planes that begin as a copy of `background`.

    `points` `(n, 2)`: pixel positions, whole numbers are pixel centres. `depth` `(n,)`: pixels,
    smaller is nearer, |depth| well below 2000. `values` `(n, 3)`, one for each plane. `triangles`
    `(m, 3)` int64, m at least 1; one that is turned over (its corners no longer in their first
    order, which has a positive area where y runs down) only shows where no other is.
    """
    vertices = np.empty((len(points), VERTEX), np.float32)
    vertices[:, :2], vertices[:, 2], vertices[:, 3:] = points, depth, values
    side = background.shape[1]
    planes = np.empty((1 + len(background), side, side), np.float32)
    planes[0], planes[1:] = _FAR, background
    sides = np.array([len(triangles), side], np.int64)
    rasteriser().run(*(array.ctypes.data for array in (vertices, triangles, planes, sides)))
    return planes[1:]
