"""Pictures of a face at rest go in, the best for a portrait comes out.

It is cut to a square around the head, so that less of the room is kept.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from engines.types import Face, Rgb
from live.enrolment.baseline import hint
from live.enrolment.sight import Bearing, Sight

MOST_YAW: Final = 8.0
_GOOD_WIDTH = 260.0
"""Pixels of a face, from which on more are no better."""
_SIDE = 2.4
"""Face heights; a portrait wants hair and shoulders."""
_ABOVE = 0.48
"""Of the side, over the face's middle."""


class BestMoment:
    """Holds one picture: the best so far."""

    def __init__(self) -> None:
        """Has none."""
        self.rgb: Rgb | None = None
        self._score = 0.0

    def forget(self) -> None:
        """What was seen so far was not one attempt's."""
        self.rgb, self._score = None, 0.0

    def see(self, rgb: Rgb, face: Face, sight: Sight) -> None:
        """The next picture; only one that has nothing against it is considered."""
        now = sight.bearing
        if now is None or hint(sight) is not None or abs(now.yaw) > MOST_YAW:
            return
        score = _score(sight, now)
        if score > self._score:
            self.rgb, self._score = cut(rgb, face), score


def cut(rgb: Rgb, face: Face) -> Rgb:
    """`(s, s, 3)`: the square around a head, as far as the picture goes."""
    height, width = rgb.shape[:2]
    points = face.landmarks[:, :2]
    low, high = points.min(axis=0), points.max(axis=0)
    middle, tall = (low + high) / 2, float(high[1] - low[1])
    side = min(height, width, round(_SIDE * tall))
    left, top = np.rint(middle - (side / 2, side * _ABOVE)).astype(int)
    left, top = min(max(0, left), width - side), min(max(0, top), height - side)
    return np.ascontiguousarray(rgb[top : top + side, left : left + side])


def _score(sight: Sight, now: Bearing) -> float:
    large = min(1.0, now.width / _GOOD_WIDTH)
    straight = 1.0 - abs(now.yaw) / (2 * MOST_YAW)
    shut = max(0.0, 1.0 - 5.0 * now.lips)
    return (1.0 + sight.sharpness) * large * straight * (1.0 - now.blink) * shut
