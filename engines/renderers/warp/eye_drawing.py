"""Eyeballs and lash lines drawn into a picture, between the moved lids.

A patch is some thousand pixels, so what it costs is the number of calls: whatever is a handful of
numbers is worked out without arrays.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.face_geometry import Points
from engines.renderers.warp.deform import Moved
from engines.renderers.warp.drawing import (
    Patch,
    blend,
    floats,
    ramp,
    smooth_line,
    smooth_loop,
)
from engines.renderers.warp.eyes import BEYOND, LOWER, SCALE, Eye
from engines.types import Floats, Rgb

_LASH_FROM = 0.5  # openness below which the closing lid shows its lash line
# The driver's landmarks see less of a gaze than the iris does: measured by tracking the output.
_GAZE_GAIN = 1.25
_UPPER = [0, 15, 14, 13, 12, 11, 10, 9, 8]


def draw_eyes(picture: Rgb, eyes: tuple[Eye | None, Eye | None], moved: Moved) -> None:
    """Draws both eyes into the warped picture in place."""
    for number, eye in enumerate(eyes):
        if eye is None:
            continue
        openness = float(moved.openness[number])
        if openness < _LASH_FROM:
            _draw_lash_line(picture, eye, moved, openness)
        if openness > 0.04:
            _draw_eyeball(picture, eye, moved, number)


def _draw_lash_line(picture: Rgb, eye: Eye, moved: Moved, openness: float) -> None:
    lid = smooth_line(moved.face[eye.ring[_UPPER], :2])
    area = Patch.around(lid, len(picture), 4)
    if area is None:
        return
    strength = 0.75 * (1 - openness / _LASH_FROM)
    thickness = max(1, round(0.045 * eye.width * moved.scale))
    mask = area.stroke(lid, thickness) * np.float32(strength)
    blend(area.of(picture), eye.lash_colour, mask)


def _draw_eyeball(picture: Rgb, eye: Eye, moved: Moved, number: int) -> None:
    openness = float(moved.openness[number])
    (left_x, left_y), (right_x, right_y) = moved.face[list(eye.corners), :2].tolist()
    width = math.hypot(right_x - left_x, right_y - left_y) + 1e-6
    along = ((right_x - left_x) / width, (right_y - left_y) / width)
    lids = moved.face[eye.ring, :2]
    beyond = _beyond_lids(lids, eye, moved, openness, along)
    outline = smooth_loop(beyond)
    area = Patch.around(outline, len(picture), 2)
    if area is None:
        return
    mask = area.mask(outline)
    # the eye's own axes, its present width, the head's scale
    axes = _Axes(*along, SCALE * eye.width / width, SCALE / moved.scale)
    columns, rows = eye.patch_size
    middle = ((left_x + right_x) / 2, (left_y + right_y) / 2)
    to_patch = axes.map(middle, (columns / 2, rows / 2), area)
    layer = _sample(eye.resting, to_patch, area)
    widened = ramp(1.0, 1.15, openness)
    if widened > 0:
        layer += (_sample(eye.white, to_patch, area) - layer) * np.float32(widened)
    # The iris lies nearer than the corners' line, so a turning head carries it by itself; from
    # there it looks aside.
    aside, lower = (_GAZE_GAIN * eye.width * moved.scale * moved.gaze[number]).tolist()
    iris_x, iris_y = moved.irises[number].tolist()
    # gaze is told in the eye's axes
    looks = (
        iris_x + aside * along[0] - lower * along[1],
        iris_y + aside * along[1] + lower * along[0],
    )
    half = len(eye.iris) // 2
    iris = _sample(eye.iris, axes.map(looks, (half, half), area), area, cv2.BORDER_CONSTANT)
    lids[LOWER] = beyond[LOWER]
    over = iris[..., 3] * area.mask(smooth_loop(lids)) * np.float32(1 / 255)
    layer += (iris[..., :3] - layer) * over[..., None]
    layer *= _lid_shadow(mask, width, openness)[..., None]
    blend(area.of(picture), layer, mask)


def _beyond_lids(
    lids: Points, eye: Eye, moved: Moved, openness: float, along: tuple[float, float]
) -> Points:
    """An outline a little larger than the opening: the patch has the lids' own edges on it."""
    ring = lids.copy()
    width = eye.width * moved.scale
    down = np.array([-along[1], along[0]])
    at_rest = ramp(0.75, 1.0, openness) * (1 - ramp(1.0, 1.15, openness))
    ring[LOWER] += eye.below[:, None] * (down * (width * min(1.0, 2 * openness)))
    ring[9:16] -= down * (BEYOND * width * at_rest)
    return ring


class _Axes(NamedTuple):
    """Turns and sizes of the way from frame to patch."""

    along_x: float
    along_y: float
    zoom_along: float
    zoom_down: float

    def map(
        self, here: tuple[float, float], there: tuple[float, float], area: Patch
    ) -> NDArray[np.float64]:
        """`(2, 3)` area → patch, such that a point of the frame lands on one of the patch."""
        x, y = here[0] - area.left, here[1] - area.top
        a, b = self.zoom_along * self.along_x, self.zoom_along * self.along_y
        c, d = -self.zoom_down * self.along_y, self.zoom_down * self.along_x
        return np.array([[a, b, there[0] - a * x - b * y], [c, d, there[1] - c * x - d * y]])


def _sample(
    image: NDArray[np.uint8],
    to_patch: NDArray[np.float64],
    area: Patch,
    border: int = cv2.BORDER_REPLICATE,
) -> Floats:
    return floats(
        cv2.warpAffine(
            image,
            to_patch,
            area.width_height,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=border,
        )
    )


def _lid_shadow(mask: Floats, width: float, openness: float) -> Floats:
    """`(h, w)` factor: darker under the upper lid, the more it moves from rest."""
    reach = max(2.0, 0.10 * width)
    below = cv2.GaussianBlur(mask, (0, 0), 0.5 * reach)
    drop = round(0.45 * reach)
    below = cv2.copyMakeBorder(below[: len(below) - drop], drop, 0, 0, 0, cv2.BORDER_CONSTANT)
    depth = np.float32(0.38 * min(1.0, 2.5 * abs(1 - openness)))
    shadow: Floats = 1 - depth + depth * np.minimum(below * np.float32(1.4), 1)
    return shadow
