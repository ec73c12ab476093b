"""Crops of the mouth, as `engines.renderers.refined.crops` cuts those of the eyes.

The network for them is trained and measured, not shipped: see the notes on portrait training.
"""

from __future__ import annotations

import numpy as np

from engines.face_geometry import smoothstep
from engines.face_mesh import INNER_LIPS, OUTER_LIPS
from engines.renderers.refined.crops import Crop, joined, opening, square, unit
from engines.renderers.warp.deform import Moved
from engines.types import Floats, Motion

SIDE = 96
"""Pixels of a crop."""
_LIPS = np.r_[INNER_LIPS, OUTER_LIPS]
FEATURES = 4 * len(_LIPS) + 3
_SPAN, _DROP = 2.3, 0.20  # mouth widths: of the crop, of its middle below the corners
_LIPS_MOVE = (0.03, 0.10)  # mouth widths that a lip is off its rest: not corrected, wholly
_LIPS_PART = (0.04, 0.14)  # mouth widths between the lips: wholly corrected, not
_EDGE = 3  # pixels of the crop


def mouth_crop(moved: Moved, mouth_width: float) -> Crop:
    """The crop of the mouth; `mouth_width`: at rest, frame pixels."""
    left, right = moved.rigid[61, :2], moved.rigid[291, :2]
    along = unit(right - left)
    down = np.array([-along[1], along[0]])
    width = mouth_width * moved.scale
    return square((left + right) / 2 + _DROP * width * down, along, _SPAN * width, SIDE)


def mouth_features(crop: Crop, moved: Moved, resting: Floats, motion: Motion) -> Floats:
    """`(FEATURES,)` the lips in the crop, their way from `resting`, the head's turn.

    `resting`: `(40, 2)` `lips_in` of the crop at rest.
    """
    lips = lips_in(crop, moved)
    return joined(lips, lips - resting, motion.pose[:3])


def lips_in(crop: Crop, moved: Moved) -> Floats:
    """`(40, 2)` inner and outer lips, −1…1 across the crop."""
    return crop.inside(moved.face[_LIPS, :2]).astype(np.float32)


def mouth_strength(features: Floats) -> float:
    """0…1 how far the mouth is to be corrected: not at rest, and not where it is wide open.

    What an open mouth shows is drawn sharper than a small network could.
    """
    lips = _inner_lips(features)
    way = features[2 * len(_LIPS) : 4 * len(_LIPS)].reshape(-1, 2)
    gap = float(np.linalg.norm(lips[5] - lips[15])) * _SPAN / 2
    moved = float(np.linalg.norm(way, axis=1).max()) * _SPAN / 2
    return float(smoothstep(*_LIPS_MOVE, moved) * (1 - smoothstep(*_LIPS_PART, gap)))


def mouth_opening(features: Floats) -> Floats:
    """`(SIDE, SIDE)` 1 between the lips that features tell of and at their edges.

    Teeth that come into view must not be painted on the lips.
    """
    return opening(_inner_lips(features), SIDE, _EDGE)


def _inner_lips(features: Floats) -> Floats:
    lips: Floats = features[: 2 * len(INNER_LIPS)].reshape(-1, 2)
    return lips
