"""Where the head is: landmarks and a neutral face go in, a pose relative to it comes out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engines.drivers.neutral import Neutral
from engines.face_geometry import Points, rotation_vector
from engines.face_mesh import STABLE
from engines.types import Face

# A portrait carries a turn of about 28° sideways and 20° up or down before it looks wrong. Below
# the first number (rad) the head turns as the driver's; the second is never passed.
_ROTATION_KNEE = np.array([0.28, 0.38, 0.45])
_ROTATION_LIMIT = np.array([0.38, 0.50, 0.65])
# The same for the place in the picture (face widths) and the log of the size.
_PLACE_KNEE = np.array([0.40, 0.25, 0.15])
_PLACE_LIMIT = np.array([0.60, 0.40, 0.30])


class HeadPose(NamedTuple):
    """The head relative to the neutral one."""

    rotation: Points
    """`(3, 3)` in picture axes; neutral points as rows turn by `points @ rotation.T`."""
    rotation_vector: Points
    """`(3,)` rad, about the head's own axes: a driver below whose face the camera stands turns
    about another line of the picture than the avatar, but about the same line of the head."""
    place: Points
    """`(3,)` right and down in face widths, log of the scale."""
    scale: float
    """Pixels per eye distance."""
    centre: Points
    """`(3,)` px, of the points that expression hardly moves."""


def measure(landmarks: Points, neutral: Neutral) -> HeadPose:
    """The similarity that takes the neutral face's stable points to these landmarks."""
    fit = neutral.stable.fit(landmarks[STABLE])
    moved = (fit.target_centre - neutral.centre)[:2] / (neutral.scale * neutral.face_width)
    place = np.append(moved, np.log(fit.scale / neutral.scale))
    own = neutral.orientation.T @ rotation_vector(fit.rotation)
    return HeadPose(fit.rotation, own, place, fit.scale, fit.target_centre)


def soft_limit(
    value: Points, knee: NDArray[np.float64] | float, limit: NDArray[np.float64] | float
) -> Points:
    """Unchanged up to ±`knee`, then bending smoothly towards ±`limit`, which is never passed."""
    size = np.abs(value)
    room = np.subtract(limit, knee)
    bent = knee + room * np.tanh((size - knee) / room)
    limited: Points = np.where(size <= knee, value, np.sign(value) * bent)
    return limited


def plausible(rotation: Points, place: Points) -> tuple[Points, Points]:
    """Rotation vector and place, held where a portrait still looks right."""
    return (
        soft_limit(rotation, _ROTATION_KNEE, _ROTATION_LIMIT),
        soft_limit(place, _PLACE_KNEE, _PLACE_LIMIT),
    )


def focal_length(face: Face, scale: float) -> float:
    """The camera's focal length in pixels times a constant of the face, up to a few per cent.

    Landmarks come in pixels of a picture whose size is not known here. What the tracker's transform
    says about the distance, and the landmarks about the size in pixels, give the focal length; it
    changes only where the picture's size does.
    """
    distance = -float(face.head[2, 3])
    unit = float(np.linalg.norm(face.head[:3, 0]))
    return scale * distance / unit
