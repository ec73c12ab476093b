"""The head's pose: landmarks go in, the 4×4 transform of the canonical face comes out.

MediaPipe's face geometry: the canonical face is fitted to the landmarks under a perspective camera
of 63° vertical field of view, in three steps that settle the depth.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from engines.face_geometry import Points, Template
from engines.face_mesh import CANONICAL
from engines.types import Floats

# How much each landmark counts in the fit; facts of the model file's geometry metadata.
# fmt: off
_WEIGHTS = {
    4: 0.07090994, 6: 0.032100145, 10: 0.008446551, 33: 0.058724169, 54: 0.00766708,
    67: 0.009078059, 117: 0.009791938, 119: 0.014565368, 121: 0.018591361, 127: 0.005197994,
    129: 0.120625205, 132: 0.005560019, 133: 0.053286184, 136: 0.066890456, 143: 0.014816548,
    147: 0.014262834, 198: 0.025462192, 205: 0.047252279, 263: 0.058724169, 284: 0.00766708,
    297: 0.009078059, 346: 0.009791938, 348: 0.014565368, 350: 0.018591361, 356: 0.005197994,
    358: 0.120625205, 361: 0.005560019, 362: 0.053286184, 365: 0.066890456, 372: 0.014816548,
    376: 0.014262834, 420: 0.025462192, 425: 0.047252279,
}
# fmt: on
_USED = np.array(list(_WEIGHTS))
_MODEL = Template(CANONICAL[_USED], np.array(list(_WEIGHTS.values())))
_LAST = 468  # of the canonical face; the irises come after
_HALF_HEIGHT = math.tan(math.radians(63) / 2)  # of the image plane at distance 1


def head_pose(landmarks: Floats, width: int, height: int) -> NDArray[np.float64]:
    """`(4, 4)` camera←head transform in cm (x right, y up, z towards the viewer).

    `landmarks`: `(478, 3)` pixels of a picture of `width` × `height`, z in pixels of x.
    """
    unit = 2 * _HALF_HEIGHT / height
    depth = float(landmarks[:_LAST, 2].mean()) * unit
    points = landmarks[_USED].astype(np.float64)
    points -= (width / 2, height / 2, 0)
    points *= (unit, -unit, unit)
    scale = _MODEL.fit(points * (1, 1, -1)).scale
    scale *= _MODEL.fit(_unproject(points, depth, scale)).scale
    fit = _MODEL.fit(_unproject(points, depth, scale))
    pose = np.eye(4)
    pose[:3, :3] = fit.scale * fit.rotation
    pose[:3, 3] = fit.target_centre - pose[:3, :3] @ fit.source_centre
    return pose


def _unproject(points: Points, depth: float, scale: float) -> Points:
    """From the image plane to space, for a face that is `scale` as large as the canonical one."""
    z = (points[:, 2:] - depth + 1) / scale
    return np.concatenate([points[:, :2] * z, -z], axis=1)
