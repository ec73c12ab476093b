"""A network's correction of one crop: planes of the crop go in, the frame's pixels are changed."""

from __future__ import annotations

import cv2
import numpy as np

from engines.renderers.refined.crops import Crop
from engines.renderers.warp.drawing import Patch, floats
from engines.types import Floats, Rgb


def confine(correction: Floats, opening: Floats, face: Floats) -> Floats:
    """`(s, s, 5)` the correction within the face, its colours only outside the opening.

    `correction`: `(5, s, s)` as the network gives it; `opening`, `face`: `(s, s)` 0…1, where the
    crop shows what lies between lips or lids, and the face.
    """
    planes = np.ascontiguousarray(correction.transpose(1, 2, 0)) * face[..., None]
    side = len(opening)
    at = np.arange(side, dtype=np.float32)
    x = at + planes[..., 0] * np.float32(side / 2)
    y = at[:, None] + planes[..., 1] * np.float32(side / 2)
    fetched = cv2.remap(opening, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    planes[..., 2:] *= 1 - fetched[..., None]
    return floats(planes)


def correct(picture: Rgb, crop: Crop, planes: Floats) -> None:
    """Shifts and colours the pixels under a crop, in place; none beyond its edges.

    `planes`: `(s, s, 5)` where each pixel comes from, x and y in half sides of the crop, and what
    is added to RGB 0…1; 0 at the crop's edges.
    """
    corners = np.array([[-0.5, -0.5], [1, 0], [0, 1], [1, 1]]) * crop.side
    outline = corners @ crop.matrix[:, :2].T + crop.matrix[:, 2]
    area = Patch.around(outline, len(picture), 0)
    if area is None:
        return
    to_patch = crop.matrix - np.array([[0, 0, area.left], [0, 0, area.top]])
    shift = planes[..., :2] @ (crop.matrix[:, :2].T * (crop.side / 2)).astype(np.float32)
    width, height = area.right - area.left, area.bottom - area.top

    def laid(plane: Floats) -> Floats:
        return floats(cv2.warpAffine(plane, to_patch, (width, height), flags=cv2.INTER_LINEAR))

    x, y = cv2.split(laid(np.ascontiguousarray(shift)))
    x += np.arange(width, dtype=np.float32)
    y += np.arange(height, dtype=np.float32)[:, None]
    target = area.of(picture)
    fetched = cv2.remap(target, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    added = laid(np.ascontiguousarray(planes[..., 2:])) * np.float32(255.0)
    target[:] = np.clip(np.rint(fetched + added), 0, 255).astype(np.uint8)
