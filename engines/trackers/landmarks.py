"""Face mesh and blendshapes: a region of a picture goes in, the landmarks of its face come out."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engines.trackers.head_pose import head_pose
from engines.trackers.regions import Region
from engines.types import Face, Floats, Network, Picture

SIDE = 256
_PRESENT = 0.5

# The landmarks that the blendshape network takes.
# fmt: off
_EXPRESSIVE = np.array([
    0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58, 61, 63, 65,
    66, 67, 70, 78, 80, 81, 82, 84, 87, 88, 91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136,
    144, 145, 146, 148, 149, 150, 152, 153, 154, 155, 157, 158, 159, 160, 161, 162, 163, 168, 172,
    173, 176, 178, 181, 185, 191, 195, 197, 234, 246, 249, 251, 263, 267, 269, 270, 276, 282, 283,
    284, 285, 288, 291, 293, 295, 296, 297, 300, 308, 310, 311, 312, 314, 317, 318, 321, 323, 324,
    332, 334, 336, 338, 356, 361, 362, 365, 373, 374, 375, 377, 378, 379, 380, 381, 382, 384, 385,
    386, 387, 388, 389, 390, 397, 398, 400, 402, 405, 409, 415, 454, 466, 468, 469, 470, 471, 472,
    473, 474, 475, 476, 477,
])
# fmt: on


class Reading(NamedTuple):
    """What the mesh network sees in one region."""

    landmarks: NDArray[np.float64]
    """`(478, 3)` pixels of the whole picture."""
    score: float
    """Presence, 0…1."""


def read_landmarks(network: Network, picture: Picture, region: Region) -> Reading | None:
    """The landmarks of the face in `region`; `None`: there is no face in it.

    `network` takes `(1, 256, 256, 3)` bytes and gives landmarks `(1, 1, 1, 1434)` in pixels of the
    crop and the presence of a face `(1, 1, 1, 1)` before the sigmoid.
    """
    raw, logit = network(region.crop(picture, SIDE))
    score = 1 / (1 + math.exp(-min(max(float(logit.item()), -80.0), 80.0)))
    if score < _PRESENT:
        return None
    points = raw.reshape(478, 3).astype(np.float64)
    matrix = region.matrix(SIDE)
    landmarks = np.empty_like(points)
    landmarks[:, :2] = points[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    # MediaPipe scales depth by the length, in normalized coordinates, of the region's upper edge.
    height, width = picture.shape
    edge = math.hypot(math.cos(region.angle), math.sin(region.angle) * width / height)
    landmarks[:, 2] = points[:, 2] * (edge * region.size / SIDE)
    return Reading(landmarks, score)


def face(network: Network, picture: Picture, landmarks: NDArray[np.float64], score: float) -> Face:
    """The face with these landmarks: its blendshapes and the pose of its head.

    `network` takes the pixels of 146 landmarks `(1, 146, 2)` and gives `(52,)` 0…1.
    """
    points: Floats = landmarks.astype(np.float32)
    (blendshapes,) = network(points[None, _EXPRESSIVE, :2])
    height, width = picture.shape
    return Face(
        landmarks=points,
        blendshapes=blendshapes,
        head=head_pose(points, width, height),
        score=score,
        pts_ns=picture.pts_ns,
        captured_ns=picture.captured_ns,
    )
