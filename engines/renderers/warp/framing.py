"""A portrait of any size in, a square picture around the head with a margin out."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.face_geometry import Points
from engines.renderers.warp.drawing import rgb
from engines.types import Face, Portrait, Rgb

_WIDTH = 2.3  # of the face's height: room for hair, neck and the start of the shoulders
_RAISE = 0.11  # of the frame, so that hair has more room than the chest
_MARGIN = 0.125  # of the frame on each side: what turns or moves into view comes from here


@dataclass(frozen=True, slots=True)
class Framed:
    """A portrait cut to the frame that the avatar will be shown in."""

    size: int
    """Side of the frame in pixels."""
    margin: int
    """Pixels around the frame that `rgb` and `matte` have in addition."""
    rgb: Rgb
    """`(size + 2·margin, size + 2·margin, 3)` uint8."""
    matte: NDArray[np.uint8] | None
    """Same height and width; 255 on the person."""
    landmarks: Points
    """`(478, 3)` pixels of the frame, not of the margin around it."""

    @property
    def frame(self) -> tuple[slice, slice]:
        """Cuts the margin off."""
        inner = slice(self.margin, self.margin + self.size)
        return inner, inner


def frame(portrait: Portrait, face: Face, size: int) -> Framed:
    """Cuts a portrait around `face` to `size` × `size`; its head may be tilted and stays so."""
    height, width = portrait.rgb.shape[:2]
    points = face.landmarks[:468, :2].astype(np.float64)
    low, high = points.min(axis=0), points.max(axis=0)
    side = min(_WIDTH * (high - low).max(), float(min(height, width)))
    centre = (low + high) / 2 - np.array([0.0, _RAISE * side])
    # Rather a face a little off the middle than an edge in view.
    half = side / 2
    centre = np.clip(centre, half, np.array([width, height]) - half)
    scale = size / side
    margin = round(_MARGIN * size)
    # Pixel centres: position p of the portrait lands on (p + 0.5 − corner) · scale − 0.5.
    corner = centre - half
    offset = (0.5 - corner) * scale - 0.5
    move = np.array([[scale, 0, offset[0] + margin], [0, scale, offset[1] + margin]])
    whole = (size + 2 * margin, size + 2 * margin)
    smooth = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC

    def cut(image: NDArray[np.uint8], border: int) -> NDArray[np.uint8]:
        # warpAffine knows no area averaging: shrink by a whole step first, so nothing aliases
        shrunk, matrix = image, move
        while matrix[0, 0] < 0.6:
            shrunk = rgb(cv2.pyrDown(shrunk))
            matrix = matrix.copy()
            matrix[:, :2] *= 2
        return rgb(cv2.warpAffine(shrunk, matrix, whole, flags=smooth, borderMode=border))

    landmarks = face.landmarks.astype(np.float64) * scale
    landmarks[:, :2] += offset
    return Framed(
        size,
        margin,
        cut(portrait.rgb, cv2.BORDER_REFLECT_101),
        None if portrait.matte is None else cut(portrait.matte, cv2.BORDER_REPLICATE),
        landmarks,
    )
