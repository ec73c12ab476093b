"""Two faces seen from the front go in, how much their proportions differ comes out.

Eighteen distances between points that expression hardly moves, each as its logarithm against the
mean of all, so that size does not count; differences are in units of what one and the same face
differs by between a portrait and a camera (other lens, distance, light). Geometry of this kind
tells faces apart poorly: docs/avatars.md has the figures. It refuses most strangers, and no
look-alike.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from engines.face_geometry import Points
from engines.portraits import usable_face
from engines.types import Picture, Portrait, Rgb, Tracker
from live.enrolment.sight import bearing

MOST: Final = 1.65
"""Up to here two faces may be one: of forty made heads that nothing was fitted to, none was refused
before its own portrait, and 13.6 % of 1,560 pairs of strangers were accepted."""

_SCATTER: Final = {
    (10, 152): 0.007, (4, 152): 0.013, (168, 152): 0.011, (2, 152): 0.020, (10, 168): 0.017,
    (33, 133): 0.020, (362, 263): 0.022, (133, 362): 0.023, (168, 4): 0.014, (168, 2): 0.017,
    (129, 358): 0.021, (48, 278): 0.023, (98, 327): 0.030, (2, 0): 0.066, (33, 2): 0.009,
    (263, 2): 0.012, (148, 377): 0.028, (54, 284): 0.030,
}  # fmt: skip
"""Pairs of landmarks, and how much the logarithm of their distance differs for one face: root mean
square over sixty made heads (`benchmarks/likeness.py`)."""

_ENDS = np.array(list(_SCATTER))
_UNIT = np.array(list(_SCATTER.values()))


def proportions(shape: Points) -> Points:
    """`(18,)` of landmarks `(478, 3)` in any unit, seen from the front."""
    distances = np.linalg.norm(shape[_ENDS[:, 0]] - shape[_ENDS[:, 1]], axis=1)
    logarithms = np.log(np.maximum(distances, 1e-6))
    relative: Points = logarithms - logarithms.mean()
    return relative


def difference(one: Points, other: Points) -> float:
    """Root mean square difference of two faces' proportions; 1 is usual for one face."""
    return float(np.sqrt(np.square((proportions(one) - proportions(other)) / _UNIT).mean()))


def portrait_face(rgb: Rgb, tracker: Tracker) -> Points:
    """`(478, 3)` the face of a portrait as `sight.Bearing.shape`; raises `UnusablePortrait`."""
    return bearing(usable_face(Portrait(rgb, tuple(tracker.find(Picture(rgb)))))).shape
