"""Rasteriser and composer as machine code of their own, by `engines.backends.llvm`.

To import it takes llvmlite; the first pictures' code takes a tenth of a second to make.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.backends.llvm.machine_code import here
from engines.renderers.warp.compose import Behind, InverseMap, spans
from engines.renderers.warp.machine.composer import composer
from engines.renderers.warp.machine.formulas import LANES
from engines.renderers.warp.machine.rasteriser import VERTEX, rasteriser
from engines.types import Floats, Rgb

_FAR = 1e5


def make() -> None:
    """Makes the code; raises `EngineError` where that does not work."""
    here()
    rasteriser()
    composer()


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
    picture = behind.plate.copy()
    size, rows = len(picture), maps.planes.shape[1]
    columns = rows * maps.step
    enlarged = np.empty((3, rows, columns), np.float32)
    for plane, wide in zip(maps.planes, enlarged, strict=True):
        cv2.resize(plane, (columns, rows), dst=wide)
    first, beyond = spans(maps, behind)
    numbers = np.empty(5 + 2 * rows, np.int64)
    numbers[:5] = size, len(texture), rows, columns, maps.step
    numbers[5::2], numbers[6::2] = first, -((first - beyond) // LANES)
    composer().run(*(array.ctypes.data for array in (texture, enlarged, picture, numbers)))
    return picture
