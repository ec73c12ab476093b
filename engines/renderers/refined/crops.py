"""Where the eyes are in a warped picture: a moved mesh goes in, square crops come out.

A crop's place follows the head, not the expression, so that a feature moves within its crop as it
does on the face. The subject's left eye is seen mirrored: one network knows both.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.face_geometry import Points, smoothstep
from engines.face_mesh import LEFT_EYE, OVAL, RIGHT_EYE
from engines.renderers.warp.deform import Moved
from engines.types import Floats, Motion, Rgb

SIDE = 64
"""Pixels of a crop of an eye."""
FEATURES = 4 * len(RIGHT_EYE) + 6
_RINGS = (RIGHT_EYE, LEFT_EYE)
_EYE_SPAN = 2.1  # eye widths
_LIDS_PART = (0.10, 0.35)  # of openness: a slit is painted over, an opening is not
_LIDS_CLOSE = (0.25, 0.50)  # of openness: not corrected, wholly


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


def eye_crop(moved: Moved, number: int, eye_width: float) -> Crop:
    """The crop of the subject's right (0) or left (1) eye; `eye_width`: at rest, frame pixels."""
    outer, inner = (moved.rigid[_RINGS[number][corner], :2] for corner in (0, 8))
    return square(
        (outer + inner) / 2,
        unit(inner - outer),
        _EYE_SPAN * eye_width * moved.scale,
        SIDE,
        mirrored=number == 1,
    )


def eye_width(points: Points, number: int) -> float:
    """Between the corners of the right (0) or left (1) eye, in the points' unit."""
    ring = _RINGS[number]
    return float(np.linalg.norm(points[ring[0], :2] - points[ring[8], :2]))


def eye_features(crop: Crop, moved: Moved, number: int, resting: Floats, motion: Motion) -> Floats:
    """`(FEATURES,)` lids in the crop, their way from `resting`, openness, gaze, turn."""
    lids = lids_in(crop, moved, number)
    sign = np.float32(1 - 2 * number)
    gaze = moved.gaze[number] * [sign, 1.0]
    turn = motion.pose[:3] * [1.0, sign, sign]
    return joined(lids, lids - resting, moved.openness[number : number + 1], gaze, turn)


def lids_in(crop: Crop, moved: Moved, number: int) -> Floats:
    """`(16, 2)` the lids' edges, −1…1 across the crop."""
    return crop.inside(moved.face[_RINGS[number], :2]).astype(np.float32)


def opening(ring: Floats, side: int, edge: int = 0) -> Floats:
    """`(side, side)` 1 within a ring of points and `edge` pixels beyond it, soft.

    `ring`: `(n, 2)` −1…1 across the crop.
    """
    mask = np.zeros((side, side), np.float32)
    corners = np.rint(((ring + 1) * (side / 2) - 0.5) * 16).astype(np.int32)
    cv2.fillPoly(mask, [corners], 1.0, cv2.LINE_8, 4)
    if edge:
        reach = 2 * edge + 1
        mask = np.asarray(cv2.dilate(mask, np.ones((reach, reach), np.uint8)), np.float32)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), side / 96), np.float32)


def eye_opening(features: Floats) -> Floats:
    """`(SIDE, SIDE)` 1 between the lids that features tell of, less where they nearly meet."""
    parted = smoothstep(*_LIDS_PART, _openness(features))
    lids = features[: 2 * len(RIGHT_EYE)].reshape(-1, 2)
    between: Floats = opening(lids, SIDE) * np.float32(parted)
    return between


def eye_strength(features: Floats) -> float:
    """0…1 how far an eye is to be corrected: not while it hardly closes."""
    return float(smoothstep(*_LIDS_CLOSE, 1.0 - _openness(features)))


def _openness(features: Floats) -> float:
    return float(features[4 * len(RIGHT_EYE)])


def face_in(crop: Crop, moved: Moved) -> Floats:
    """`(side, side)` 1 well inside the face's outline, 0 beyond it."""
    mask = np.zeros((crop.side, crop.side), np.float32)
    outline = (crop.inside(moved.face[OVAL, :2]) + 1) * (crop.side / 2) - 0.5
    cv2.fillPoly(mask, [np.rint(outline * 16).clip(-(2**15), 2**15).astype(np.int32)], 1.0, 8, 4)
    sigma = crop.side / 24
    soft = np.asarray(cv2.GaussianBlur(mask, (0, 0), sigma), np.float32)
    inner: Floats = np.asarray(np.clip(2 * soft - 1, 0, 1), np.float32)
    return inner


def joined(*parts: NDArray[np.floating]) -> Floats:
    """`(n,)` all the numbers in a row, none of them beyond ±3."""
    row = np.concatenate([part.ravel() for part in parts])
    held: Floats = np.nan_to_num(row, posinf=0.0, neginf=0.0).clip(-3, 3).astype(np.float32)
    return held


def unit(vector: Points) -> Points:
    """A vector of length 1 of the same direction."""
    short: Points = vector / (np.linalg.norm(vector) + 1e-6)
    return short


def square(
    centre: Points, along: Points, span: float, side: int, *, mirrored: bool = False
) -> Crop:
    """A crop whose x runs along `along`; y runs down the picture, mirrored or not."""
    turn = -1.0 if mirrored else 1.0
    down = turn * np.array([-along[1], along[0]])
    axes = np.stack([along, down], axis=1) * (span / side)
    corner = centre - axes @ np.full(2, (side - 1) / 2)
    return Crop(np.column_stack([axes, corner]), side)
