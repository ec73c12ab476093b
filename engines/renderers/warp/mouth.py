"""The open mouth: its interior laid between the moved lips."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from engines.face_geometry import Points
from engines.face_mesh import INNER_LIPS, OUTER_LIPS
from engines.renderers.warp.deform import Moved
from engines.renderers.warp.drawing import Patch, blend, floats, ramp, smooth_loop
from engines.renderers.warp.framing import Framed
from engines.renderers.warp.mesh import Mesh
from engines.renderers.warp.teeth import SIDE, UNIT, Interior, draw_interior
from engines.types import Floats, Rgb

_CHIN = [152, 175, 199, 200, 17]
_CHEEKS = [50, 280, 205, 425]
_SMALLEST_AREA = 0.004  # of the squared mouth width


@dataclass(frozen=True, slots=True)
class Mouth:
    """What lies behind a portrait's lips."""

    interior: Interior
    width: float
    """Frame pixels at rest."""
    resting_gap: float
    """Of the lips in the portrait, in mouth widths."""


def paint_mouth(framed: Framed, mesh: Mesh, white: Points) -> Mouth:
    """A mouth in the portrait's own colours; `white`: of its eyes, RGB 0…255."""

    def colour(points: list[int]) -> Points:
        column, row = np.rint(framed.landmarks[points, :2] + framed.margin).astype(int).T
        last = len(framed.rgb) - 1
        picked: Points = np.median(
            framed.rgb[np.clip(row, 0, last), np.clip(column, 0, last)], axis=0
        )
        return picked

    gap = float(np.linalg.norm(mesh.points[13] - mesh.points[14])) / mesh.mouth_width
    interior = draw_interior(colour(list(OUTER_LIPS)), colour(_CHEEKS), white)
    return Mouth(interior, mesh.mouth_width, gap)


def draw_mouth(picture: Rgb, mouth: Mouth, moved: Moved) -> None:
    """Draws the interior into the warped picture in place, where the lips are apart."""
    lips = moved.face[INNER_LIPS, :2]
    area_of_opening = cv2.contourArea(lips.astype(np.float32))
    if area_of_opening < _SMALLEST_AREA * (mouth.width * moved.scale) ** 2:
        return
    outline = smooth_loop(lips)
    area = Patch.around(outline, len(picture), 2)
    if area is None:
        return
    mask = area.mask(outline, 0.8)
    width, layer = _lay(mouth, moved, area)
    layer *= _depth_shade(mask, width)[..., None]
    target = area.of(picture)
    gap = float(np.linalg.norm(moved.face[13, :2] - moved.face[14, :2])) + 1e-3
    if mouth.resting_gap > 0.05:
        # the portrait's own open mouth is better than a generic one while it is wide enough
        own = ramp(0.55, 1.0, mouth.resting_gap * mouth.width * moved.scale / gap)
        layer += (target - layer) * np.float32(own)
    blend(target, layer, mask)


def _lay(mouth: Mouth, moved: Moved, area: Patch) -> tuple[float, Floats]:
    """The mouth's width now, and tongue and teeth over the cavity for every pixel of `area`.

    The upper teeth sit on the skull, the lower ones and the tongue on the jaw. The arch reaches to
    the present corners of the mouth, to each side by itself: seen from the side they differ.
    """
    (left_x, left_y), (right_x, right_y) = moved.rigid[[61, 291], :2].tolist()
    width = math.hypot(right_x - left_x, right_y - left_y) + 1e-6
    along_x, along_y = (right_x - left_x) / width, (right_y - left_y) / width
    x, y = moved.rigid[[13, 14], :2].mean(axis=0).tolist()
    jaw_x, jaw_y = moved.expression[_CHIN, :2].mean(axis=0).tolist()
    columns = np.arange(area.left, area.right, dtype=np.float32) - np.float32(x)
    rows = np.arange(area.top, area.bottom, dtype=np.float32)[:, None] - np.float32(y)
    u = columns * np.float32(along_x) + rows * np.float32(along_y)
    v = rows * np.float32(along_x) - columns * np.float32(along_y)
    half = width / 2
    (corner_x, corner_y), (other_x, other_y) = moved.face[[78, 308], :2].tolist()
    to_left = 1.02 * min((corner_x - x) * along_x + (corner_y - y) * along_y, -0.5 * half)
    to_right = 1.02 * max((other_x - x) * along_x + (other_y - y) * along_y, 0.5 * half)
    across = np.where(u < 0, np.float32(UNIT / -to_left), np.float32(UNIT / to_right))
    upright = UNIT / (mouth.width * moved.scale / 2)
    jaw_across, jaw_down = jaw_x * along_x + jaw_y * along_y, jaw_y * along_x - jaw_x * along_y
    layer = np.empty((*u.shape, 3), np.float32)
    layer[:] = mouth.interior.cavity
    for sprite, right_by, down_by in (
        (mouth.interior.tongue, jaw_across, 0.92 * jaw_down + 0.10 * half),
        (mouth.interior.lower, jaw_across, jaw_down),
        (mouth.interior.upper, 0.0, 0.0),
    ):
        sampled = floats(
            cv2.remap(
                sprite,
                (u - np.float32(right_by)) * across + np.float32(SIDE / 2),
                v * np.float32(upright) + np.float32(SIDE / 2 - down_by * upright),
                cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_CONSTANT,
            )
        )
        layer += (sampled[..., :3] - layer) * (sampled[..., 3:] * np.float32(1 / 255))
    return width, layer


def _depth_shade(mask: Floats, width: float) -> Floats:
    """`(h, w)` factor: the lips, most of all the upper one, keep light from what lies behind."""
    reach = max(1.5, 0.05 * width)
    inside = cv2.GaussianBlur(mask, (0, 0), reach)
    drop = round(0.35 * reach)
    if drop:
        inside = cv2.copyMakeBorder(
            inside[: len(inside) - drop], drop, 0, 0, 0, cv2.BORDER_CONSTANT
        )
    shade: Floats = np.minimum(cv2.pow(inside, 1.2) * np.float32(0.80) + np.float32(0.38), 1)
    return shade
