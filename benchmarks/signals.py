"""Comparing two tracked performances: faces or signals go in, figures come out.

Landmarks are `(n, 478, 3)` arrays, one row per frame; signals are `(n,)`. "Reference" is what the
driver did, "output" what the avatar was seen to do. A figure that the material cannot give (nothing
moved, nothing was still) is NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engines.face_geometry import eye_distance, fit_similarity, head_orientation
from engines.face_mesh import BLENDSHAPE_INDEX, STABLE
from engines.types import Face

Array = NDArray[np.float64]

MOST_LAG = 6
"""Frames by which a delay is looked for."""
_MOVES = 0.03  # standard deviation below which a blendshape signal says nothing
_STILL_SHARE = 0.25
_SMOOTHER = np.array([1.0, 4.0, 6.0, 4.0, 1.0]) / 16.0

SIGNALS: dict[str, dict[str, float]] = {
    "jaw": {"jawOpen": 1.0},
    "blink": {"eyeBlinkLeft": 0.5, "eyeBlinkRight": 0.5},
    "gaze": {
        "eyeLookInLeft": 0.5,
        "eyeLookOutLeft": -0.5,
        "eyeLookOutRight": 0.5,
        "eyeLookInRight": -0.5,
    },
    "smile": {"mouthSmileLeft": 0.5, "mouthSmileRight": 0.5},
}
"""Sums of ARKit coefficients; gaze is horizontal, positive to the subject's right."""


class Match(NamedTuple):
    """How well an output signal follows its reference."""

    r: float
    """Pearson's correlation at the best lag."""
    gain: float
    """Slope of the regression of the output on the reference at that lag."""
    lag: float
    """Frames by which the output is late, to a fraction of a frame."""


def signal(coefficients: Array, names: Sequence[str], parts: dict[str, float]) -> Array:
    """A weighted sum of the named columns of `(n, k)` coefficients."""
    column = {name: number for number, name in enumerate(names)}
    total = np.zeros(len(coefficients))
    for name, weight in parts.items():
        total += weight * coefficients[:, column[name]]
    return total


def blendshape_signal(faces: Sequence[Face], name: str) -> Array:
    """One of `SIGNALS` as the tracker reads it."""
    rows = np.stack([face.blendshapes for face in faces]).astype(np.float64)
    return signal(rows, list(BLENDSHAPE_INDEX), SIGNALS[name])


def match(reference: Array, output: Array, least_motion: float = _MOVES) -> Match:
    """Correlation, gain and lag; NaN where the reference hardly moves.

    The lag is the peak of the cross-correlation, refined by a parabola through its three highest
    points.
    """
    if len(reference) < 4 * MOST_LAG or reference.std() < least_motion:
        return Match(np.nan, np.nan, np.nan)
    lags = range(-MOST_LAG, MOST_LAG + 1)
    rows = [_regress(*_overlap(reference, output, lag)) for lag in lags]
    best = int(np.argmax([row[0] for row in rows]))
    lag = float(lags[best])
    if 0 < best < len(rows) - 1:
        before, top, after = (rows[best + step][0] for step in (-1, 0, 1))
        bend = before - 2.0 * top + after
        lag += 0.5 * (before - after) / bend if bend < 0.0 else 0.0
    return Match(rows[best][0], rows[best][1], lag)


def _overlap(reference: Array, output: Array, lag: int) -> tuple[Array, Array]:
    if lag >= 0:
        return reference[: len(reference) - lag], output[lag:]
    return reference[-lag:], output[:lag]


def _regress(x: Array, y: Array) -> tuple[float, float]:
    """Correlation and slope of `y` on `x`."""
    x, y = x - x.mean(), y - y.mean()
    square, product = float(x @ x), float(x @ y)
    return product / max(np.sqrt(square * float(y @ y)), 1e-12), product / max(square, 1e-12)


def landmark_distance(
    reference: Array, output: Array, points: NDArray[np.int64] | slice = slice(0, 468)
) -> float:
    """Mean distance in the picture, in % of the reference's eye distance.

    The place of the head is taken off first: `place_distance` tells it.
    """
    apart = (output - reference)[..., :2]
    apart = apart - apart[:, STABLE].mean(axis=1, keepdims=True)
    return _percent(np.linalg.norm(apart[:, points], axis=2).mean(axis=1), reference)


def place_distance(reference: Array, output: Array) -> float:
    """Mean distance of the heads' places in the picture, in % of the reference's eye distance."""
    apart = (output - reference)[:, STABLE, :2].mean(axis=1)
    return _percent(np.linalg.norm(apart, axis=1), reference)


def _percent(apart: Array, reference: Array) -> float:
    unit = np.array([eye_distance(landmarks) for landmarks in reference])
    return float(100.0 * (apart / unit).mean())


def fit_picture(source: Array, target: Array) -> Array:
    """`(478, 3)` landmarks of one face → a `(2, 3)` matrix that lays them on another's.

    The similarity in the picture plane (scale, roll, place) that fits best.
    """
    a, b = source[:468, :2], target[:468, :2]
    za, zb = a - a.mean(axis=0), b - b.mean(axis=0)
    # A similarity of the plane is one complex factor.
    ca, cb = za[:, 0] + 1j * za[:, 1], zb[:, 0] + 1j * zb[:, 1]
    factor = np.vdot(ca, cb) / np.vdot(ca, ca).real
    turn = np.array([[factor.real, -factor.imag], [factor.imag, factor.real]])
    matrix: Array = np.column_stack([turn, b.mean(axis=0) - turn @ a.mean(axis=0)])
    return matrix


def lay(matrix: Array, landmarks: Array) -> Array:
    """Landmarks `(…, 478, 3)` by a matrix of `fit_picture`; z follows by the scale."""
    plane = landmarks[..., :2] @ matrix[:, :2].T + matrix[:, 2]
    scale = np.hypot(matrix[0, 0], matrix[1, 0])
    return np.concatenate([plane, landmarks[..., 2:] * scale], axis=-1)


def pose_degrees(landmarks: Array, neutral: Array) -> Array:
    """`(n, 3)` pitch, yaw, roll of each frame relative to the neutral face, in its head's axes."""
    own = head_orientation(neutral)
    angles = []
    for frame in landmarks:
        r = own.T @ fit_similarity(neutral[STABLE], frame[STABLE]).rotation @ own
        flat = np.hypot(r[0, 0], r[1, 0])
        angles.append(
            [
                np.arctan2(r[2, 1], r[2, 2]),
                np.arctan2(-r[2, 0], flat),
                np.arctan2(r[1, 0], r[0, 0]),
            ]
        )
    return np.degrees(np.array(angles))


def pose_error(reference: Array, output: Array, within: float = 20.0) -> Array:
    """`(3,)` mean absolute error in degrees over the frames that stay `within` on every axis."""
    inside = np.abs(reference).max(axis=1) <= within
    if not inside.any():
        return np.full(3, np.nan)
    error: Array = np.abs(output - reference)[inside].mean(axis=0)
    return error


def still_frames(landmarks: Array) -> NDArray[np.bool_]:
    """`(n,)` the quietest quarter of a clip, by the smoothed movement of its points.

    The ends, where nothing can be smoothed, are never in it.
    """
    still = np.zeros(len(landmarks), bool)
    smooth = _smoothed(landmarks[:, :468, :2])
    if len(smooth) < 8:
        return still
    speed = np.linalg.norm(np.diff(smooth, axis=0), axis=2).mean(axis=1)
    speed = np.maximum(np.append(speed, speed[-1]), np.append(speed[0], speed))
    still[2:-2] = speed <= np.quantile(speed, _STILL_SHARE)
    return still


def jitter(landmarks: Array, still: NDArray[np.bool_]) -> float:
    """How much points tremble on the still frames, in % of the eye distance.

    Root mean square of what a binomial smoother over five frames takes away.
    """
    if not still[2:-2].any():
        return float("nan")
    points = landmarks[:, :468, :2]
    residual = (points[2:-2] - _smoothed(points))[still[2:-2]]
    unit = np.mean([eye_distance(frame) for frame in landmarks])
    return float(100.0 * np.sqrt(np.square(residual).sum(axis=2).mean()) / unit)


def _smoothed(points: Array) -> Array:
    count = len(points) - len(_SMOOTHER) + 1
    if count <= 0:
        return points[:0]
    total: Array = np.sum(
        [weight * points[k : k + count] for k, weight in enumerate(_SMOOTHER)], axis=0
    )
    return total
