"""Where mouth and eyes are in a warped picture: a moved mesh goes in, square crops come out.

A crop's place follows the head, not the expression, so that a feature moves within its crop as it
does on the face. The subject's left eye is seen mirrored: one network knows both.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.face_geometry import Points, smoothstep
from engines.face_mesh import INNER_LIPS, LEFT_EYE, OUTER_LIPS, OVAL, RIGHT_EYE
from engines.renderers.warp.deform import Moved
from engines.types import Floats, Motion, Rgb

MOUTH_SIDE, EYE_SIDE = 96, 64
"""Pixels of the crops."""
_LIPS = np.r_[INNER_LIPS, OUTER_LIPS]
MOUTH_FEATURES = 4 * len(_LIPS) + 3
EYE_FEATURES = 4 * len(RIGHT_EYE) + 6
_RINGS = (RIGHT_EYE, LEFT_EYE)
_MOUTH_SPAN, _MOUTH_DROP = 2.3, 0.20  # mouth widths: of the crop, of its middle below the corners
_EYE_SPAN = 2.1  # eye widths
_LIPS_MOVE = (0.03, 0.10)  # mouth widths that a lip is off its rest: not corrected, wholly
_LIPS_PART = (0.04, 0.14)  # mouth widths between the lips: wholly corrected, not
_LIDS_CLOSE = (0.06, 0.20)  # of openness: not corrected, wholly
_LIP_EDGE = 7  # pixels of the crop


@dataclass(frozen=True, slots=True)
class Crop:
    """A square of the frame."""

    matrix: NDArray[np.float64]
    """`(2, 3)` frame ← crop, pixels."""
    side: int
    """Of the crop, pixels."""

    def cut(self, picture: Rgb) -> Rgb:
        """`(side, side, 3)` of a picture that has the frame's coordinates."""
        return cv2.warpAffine(
            picture,
            self.matrix,
            (self.side, self.side),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        ).astype(np.uint8, copy=False)

    def inside(self, points: Points) -> Points:
        """`(n, 2)` frame pixels as −1…1 across the crop."""
        back = np.linalg.inv(self.matrix[:, :2])
        at = (points - self.matrix[:, 2]) @ back.T
        scaled: Points = (at + 0.5) * (2.0 / self.side) - 1.0
        return scaled


def mouth_crop(moved: Moved, mouth_width: float) -> Crop:
    """The crop of the mouth; `mouth_width`: at rest, frame pixels."""
    left, right = moved.rigid[61, :2], moved.rigid[291, :2]
    along = _unit(right - left)
    down = np.array([-along[1], along[0]])
    width = mouth_width * moved.scale
    return _crop(
        (left + right) / 2 + _MOUTH_DROP * width * down, along, _MOUTH_SPAN * width, MOUTH_SIDE
    )


def eye_crop(moved: Moved, number: int, eye_width: float) -> Crop:
    """The crop of the subject's right (0) or left (1) eye; `eye_width`: at rest, frame pixels."""
    outer, inner = (moved.rigid[_RINGS[number][corner], :2] for corner in (0, 8))
    return _crop(
        (outer + inner) / 2,
        _unit(inner - outer),
        _EYE_SPAN * eye_width * moved.scale,
        EYE_SIDE,
        mirrored=number == 1,
    )


def eye_width(points: Points, number: int) -> float:
    """Between the corners of the right (0) or left (1) eye, in the points' unit."""
    ring = _RINGS[number]
    return float(np.linalg.norm(points[ring[0], :2] - points[ring[8], :2]))


def mouth_features(crop: Crop, moved: Moved, resting: Floats, motion: Motion) -> Floats:
    """`(MOUTH_FEATURES,)` the lips in the crop, their way from `resting`, the head's turn.

    `resting`: `(40, 2)` `lips_in` of the crop at rest.
    """
    lips = lips_in(crop, moved)
    return _finite(lips, lips - resting, motion.pose[:3])


def lips_in(crop: Crop, moved: Moved) -> Floats:
    """`(40, 2)` inner and outer lips, −1…1 across the crop."""
    return crop.inside(moved.face[_LIPS, :2]).astype(np.float32)


def eye_features(crop: Crop, moved: Moved, number: int, resting: Floats, motion: Motion) -> Floats:
    """`(EYE_FEATURES,)` lids in the crop, their way from `resting`, openness, gaze, turn."""
    lids = lids_in(crop, moved, number)
    sign = np.float32(1 - 2 * number)
    gaze = moved.gaze[number] * [sign, 1.0]
    turn = motion.pose[:3] * [1.0, sign, sign]
    return _finite(lids, lids - resting, moved.openness[number : number + 1], gaze, turn)


def lids_in(crop: Crop, moved: Moved, number: int) -> Floats:
    """`(16, 2)` the lids' edges, −1…1 across the crop."""
    return crop.inside(moved.face[_RINGS[number], :2]).astype(np.float32)


def mouth_strength(features: Floats) -> float:
    """0…1 how far the mouth is to be corrected: not at rest, and not where it is wide open.

    What an open mouth shows is drawn sharper than a small network could.
    """
    lips = _ring(features, mouth=True)
    way = features[2 * len(_LIPS) : 4 * len(_LIPS)].reshape(-1, 2)
    gap = float(np.linalg.norm(lips[5] - lips[15])) * _MOUTH_SPAN / 2
    moved = float(np.linalg.norm(way, axis=1).max()) * _MOUTH_SPAN / 2
    return float(smoothstep(*_LIPS_MOVE, moved) * (1 - smoothstep(*_LIPS_PART, gap)))


def eye_strength(features: Floats) -> float:
    """0…1 how far an eye is to be corrected: not where it is as open as at rest."""
    openness = float(features[4 * len(RIGHT_EYE)])
    return float(smoothstep(*_LIDS_CLOSE, 1.0 - openness))


def opening(features: Floats, *, mouth: bool) -> Floats:
    """`(side, side)` 1 between the lips and at their edges, or between the lids; soft.

    `features`: of the mouth or an eye.
    """
    side = MOUTH_SIDE if mouth else EYE_SIDE
    points = _ring(features, mouth=mouth)
    mask = np.zeros((side, side), np.float32)
    ring = np.rint(((points + 1) * (side / 2) - 0.5) * 16).astype(np.int32)
    cv2.fillPoly(mask, [ring], 1.0, cv2.LINE_8, 4)
    if mouth and mask.any():  # teeth that come into view must not be painted on the lips
        mask = np.asarray(cv2.dilate(mask, np.ones((_LIP_EDGE, _LIP_EDGE), np.uint8)), np.float32)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), side / 96), np.float32)


def face_in(crop: Crop, moved: Moved) -> Floats:
    """`(side, side)` 1 well inside the face's outline, 0 beyond it."""
    mask = np.zeros((crop.side, crop.side), np.float32)
    outline = (crop.inside(moved.face[OVAL, :2]) + 1) * (crop.side / 2) - 0.5
    cv2.fillPoly(mask, [np.rint(outline * 16).clip(-(2**15), 2**15).astype(np.int32)], 1.0, 8, 4)
    sigma = crop.side / 24
    soft = np.asarray(cv2.GaussianBlur(mask, (0, 0), sigma), np.float32)
    return np.clip(2 * soft - 1, 0, 1)


def _ring(features: Floats, *, mouth: bool) -> Floats:
    """`(20 or 16, 2)` the inner lips or the lids that features tell of."""
    count = len(INNER_LIPS) if mouth else len(RIGHT_EYE)
    points: Floats = features[: 2 * count].reshape(count, 2)
    return points


def _finite(*parts: NDArray[np.floating]) -> Floats:
    joined = np.concatenate([part.ravel() for part in parts])
    return np.nan_to_num(joined, posinf=0.0, neginf=0.0).clip(-3, 3).astype(np.float32)


def _unit(vector: Points) -> Points:
    unit: Points = vector / (np.linalg.norm(vector) + 1e-6)
    return unit


def _crop(centre: Points, along: Points, span: float, side: int, *, mirrored: bool = False) -> Crop:
    """A crop whose x runs along `along`; y runs down the picture, mirrored or not."""
    turn = -1.0 if mirrored else 1.0
    down = turn * np.array([-along[1], along[0]])
    axes = np.stack([along, down], axis=1) * (span / side)
    corner = centre - axes @ np.full(2, (side - 1) / 2)
    return Crop(np.column_stack([axes, corner]), side)
