"""Rasteriser and composer as machine code of their own, by `engines.backends.llvm`.

To import it takes llvmlite; the first pictures' code takes a tenth of a second to make.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engines.backends.llvm.machine_code import here
from engines.renderers.warp.compose import Behind, InverseMap, spans
from engines.renderers.warp.machine.composer import composer
from engines.renderers.warp.machine.formulas import LANES
from engines.renderers.warp.machine.rasteriser import VERTEX, rasteriser
from engines.types import Floats, Rgb

_FAR = 1e5
_USUAL_STEP = 2  # of pictures of 512


def make() -> None:
    """Makes the code; raises `EngineError` where that does not work."""
    here()
    rasteriser()
    composer(_USUAL_STEP)


def rasterise(
    points: NDArray[np.floating],
    depth: NDArray[np.floating],
    values: Floats,
    triangles: NDArray[np.int64],
    background: Floats,
) -> Floats:
    """As `Way.rasterise`."""
    vertices = np.empty((len(points), VERTEX), np.float32)
    vertices[:, :2], vertices[:, 2], vertices[:, 3:] = points, depth, values
    side = background.shape[1]
    planes = np.empty((1 + len(background), side, side), np.float32)
    planes[0], planes[1:] = _FAR, background
    sides = np.array([len(triangles), side], np.int64)
    rasteriser().run(*(array.ctypes.data for array in (vertices, triangles, planes, sides)))
    return planes[1:]


def compose(texture: NDArray[np.uint8], maps: InverseMap, behind: Behind) -> Rgb:
    """As `Way.compose`."""
    size, rows = len(behind.plate), maps.planes.shape[1]
    width = -(-size // LANES) * LANES
    picture = np.empty((size, width, 3), np.uint8)
    picture[:, :size] = behind.plate
    first, beyond = spans(maps, behind)
    left = first // LANES * LANES
    numbers = np.empty(4 + 2 * rows, np.int64)
    numbers[:4] = size, width, len(texture), rows
    numbers[4::2], numbers[5::2] = left, np.where(first < beyond, -((left - beyond) // LANES), 0)
    arrays = (texture, np.ascontiguousarray(maps.planes), picture, numbers)
    composer(maps.step).run(*(array.ctypes.data for array in arrays))
    return np.ascontiguousarray(picture[:, :size])
