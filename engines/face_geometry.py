"""Geometry of the landmark mesh: points go in, poses, apertures and directions come out.

Rows are points throughout; a rotation `R` is applied as `points @ R.T`.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.face_mesh import CANONICAL, INNER_LIPS, OUTER_LIPS, STABLE

Points = NDArray[np.float64]


class Similarity(NamedTuple):
    """`target ≈ scale · (source − source_centre) @ rotation.T + target_centre`."""

    scale: float
    rotation: Points
    """`(3, 3)`."""
    source_centre: Points
    target_centre: Points


class Template:
    """A set of points to be found again in others, with what of the fit depends on it alone."""

    def __init__(self, points: Points, weights: Points | None = None) -> None:
        """`points`: `(n, 3)`; `weights`: `(n,)` how much each counts; `None`: all the same."""
        w = np.ones(len(points)) if weights is None else weights
        self._weights = w / w.sum()
        self._centre: Points = self._weights @ points
        centred = points - self._centre
        self._weighted: Points = centred * self._weights[:, None]
        self._variance = float((self._weighted * centred).sum())

    def fit(self, target: Points) -> Similarity:
        """The least-squares similarity to `(n, 3)` points (Umeyama, IEEE PAMI 13(4), 1991)."""
        # The template is centred and weighted, so the target need be neither.
        covariance = target.T @ self._weighted
        u, singular, vt = np.linalg.svd(covariance)
        mirrored = np.linalg.det(u @ vt) < 0.0
        if mirrored:
            u[:, 2] *= -1.0
            singular[2] *= -1.0
        scale = float(singular.sum()) / self._variance
        return Similarity(scale, u @ vt, self._centre, self._weights @ target)


def fit_similarity(source: Points, target: Points, weights: Points | None = None) -> Similarity:
    """The least-squares similarity between two `(n, 3)` sets; see `Template`."""
    return Template(source, weights).fit(target)


def rotation_vector(rotation: Points) -> Points:
    """`(3,)` axis times angle in radians of a `(3, 3)` rotation."""
    return cv2.Rodrigues(rotation)[0].reshape(3).astype(np.float64)


def rotation_matrix(vector: NDArray[np.floating]) -> Points:
    """`(3, 3)` rotation of a `(3,)` axis times angle in radians."""
    return cv2.Rodrigues(np.asarray(vector, np.float64))[0].astype(np.float64)


_RIGID = STABLE[np.less(STABLE, len(CANONICAL))]
_CANONICAL_IN_PICTURE = Template(CANONICAL[_RIGID] * (1.0, -1.0, -1.0))


def head_orientation(landmarks: NDArray[np.floating]) -> Points:
    """`(3, 3)` picture ← head: how the head's own axes (right, down, back) stand in the picture."""
    return _CANONICAL_IN_PICTURE.fit(np.asarray(landmarks, np.float64)[_RIGID]).rotation


def eye_distance(landmarks: NDArray[np.floating]) -> float:
    """Between the outer eye corners, in the landmarks' unit."""
    return float(np.linalg.norm(landmarks[33] - landmarks[263]))


def face_width(landmarks: NDArray[np.floating]) -> float:
    """Between the sides of the face, in the landmarks' unit."""
    return float(np.linalg.norm(landmarks[234] - landmarks[454]))


def mouth_width(landmarks: NDArray[np.floating]) -> float:
    """Between the corners of the mouth, in the landmarks' unit."""
    return float(np.linalg.norm(landmarks[61] - landmarks[291]))


def eye_apertures(rings: NDArray[np.floating]) -> Points:
    """`(n,)` mean distance of the lids over the eye's width, of `(n, 16, 3)` rings of points."""
    lids = np.linalg.norm(rings[:, [14, 13, 12, 11, 10]] - rings[:, 2:7], axis=2).mean(axis=1)
    width = np.linalg.norm(rings[:, 0] - rings[:, 8], axis=1)
    apertures: Points = lids / width
    return apertures


def eye_aperture(landmarks: NDArray[np.floating], eye: NDArray[np.int64]) -> float:
    """The same of one eye; `eye` is a ring of `face_mesh`."""
    return float(eye_apertures(landmarks[eye][None])[0])


_CANONICAL_MOUTH = mouth_width(CANONICAL) / eye_distance(CANONICAL)
_LIPS = np.r_[INNER_LIPS, OUTER_LIPS]


def smoothstep(low: float, high: float, value: NDArray[np.floating] | float) -> NDArray[np.float64]:
    """0 below `low`, 1 above `high`, smooth between."""
    t = np.clip((np.asarray(value, np.float64) - low) / (high - low), 0.0, 1.0)
    eased: Points = t * t * (3.0 - 2.0 * t)
    return eased


def mouth_scale(landmarks: NDArray[np.floating]) -> Points:
    """`(478, 1)` how much larger than average the mouth is, faded out away from the lips.

    Displacements near the mouth are divided by the driver's and multiplied by the avatar's, so that
    a small mouth on a large face moves by its own measure. 1 far from the mouth, 0.75…1.3 on it.
    """
    width = mouth_width(landmarks)
    relative = np.clip(width / eye_distance(landmarks) / _CANONICAL_MOUTH, 0.75, 1.3)
    across, down = (landmarks[:, axis, None] - landmarks[_LIPS, axis] for axis in (0, 1))
    apart = np.sqrt((across * across + down * down).min(axis=1))
    fade = np.clip((0.7 - apart / width) / 0.6, 0.0, 1.0)
    near = fade * fade * (3.0 - 2.0 * fade)
    scale: Points = (1.0 + near * (relative - 1.0))[:, None]
    return scale
