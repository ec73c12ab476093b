"""Pictures of built-in avatars before a camera: who stands where goes in, a frame comes out."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from engines import avatars
from engines.types import Rgb

WIDTH, HEIGHT = 640, 360


@cache
def portrait(name: str) -> Rgb:
    """A built-in avatar's portrait, `(h, w, 3)`."""
    bgr = cv2.imread(str(avatars.folder(name) / "portrait.jpg"))
    assert bgr is not None
    return np.ascontiguousarray(bgr[..., ::-1], np.uint8)


@cache
def _scaled(name: str, side: int) -> Rgb:
    """Head and neck only: a face half as wide as the square."""
    whole = portrait(name)
    left, top, size = (round(len(whole) * part) for part in (0.19, 0.12, 0.62))
    head = whole[top : top + size, left : left + size]
    way = cv2.INTER_AREA if side < size else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(head, (side, side), interpolation=way), np.uint8)


def scene(*people: tuple[str, int, int, int], width: int = WIDTH, height: int = HEIGHT) -> Rgb:
    """`(height, width, 3)`: the portraits of `people`, each `(name, left, top, side)`, on grey."""
    frame = np.full((height, width, 3), 90, np.uint8)
    for name, left, top, side in people:
        person = _scaled(name, side)
        x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + side, width), min(top + side, height)
        if x0 < x1 and y0 < y1:
            frame[y0:y1, x0:x1] = person[y0 - top : y1 - top, x0 - left : x1 - left]
    return frame
