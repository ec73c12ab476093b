"""What draws meshes and puts pictures together on this machine."""

from __future__ import annotations

import logging
from functools import cache
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from engines.errors import EngineError
from engines.renderers.warp import opencv
from engines.renderers.warp.compose import Behind, InverseMap
from engines.types import Floats, Rgb

_log = logging.getLogger(__name__)


class Rasterise(Protocol):
    """Triangles in, dense planes of their interpolated vertex values out, nearest surface first."""

    def __call__(
        self,
        points: NDArray[np.floating],
        depth: NDArray[np.floating],
        values: Floats,
        triangles: NDArray[np.int64],
        background: Floats,
    ) -> Floats:
        """Draws triangles into `(3, s, s)` float32 planes that begin as a copy of `background`.

        `points` `(n, 2)`: pixel positions, whole numbers are pixel centres. `depth` `(n,)`: pixels,
        smaller is nearer, |depth| well below 2000. `values` `(n, 3)` float32, one for each plane.
        `triangles` `(m, 3)`, m at least 1; one that is turned over (its corners no longer in their
        first order, which has a positive area where y runs down) only shows where no other is.
        """


class Compose(Protocol):
    """Texture, inverse map, light and plate in, the picture out."""

    def __call__(self, texture: NDArray[np.uint8], maps: InverseMap, behind: Behind) -> Rgb:
        """`(size, size, 3)` the texture as the map has it, lit, before what is behind it.

        `texture`: `(s, s, 4)`, colours multiplied by the matte, and the matte; C-contiguous.
        """


class Way(NamedTuple):
    """The two of one kind."""

    rasterise: Rasterise
    compose: Compose


OPENCV = Way(opencv.rasterise, opencv.compose)


@cache
def fastest() -> Way:
    """Machine code where it can be made, else OpenCV, which takes one and a half times as long."""
    try:
        # only here is it known whether llvmlite is installed and knows the processor
        from engines.renderers.warp import machine  # noqa: PLC0415

        machine.make()
    except (ImportError, EngineError) as error:
        _log.info("avatars are drawn by OpenCV alone: %s", error)
        return OPENCV
    return Way(machine.rasterise, machine.compose)
