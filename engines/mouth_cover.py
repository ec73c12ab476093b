"""Whether something hides the mouth: a picture and its face go in, yes or no comes out.

The tracker guesses a mouth behind a mask and is sure of it, so its scores do not tell. What tells
is the picture: lips differ from the skin around them in colour, and the line between them is dark.
In painted, drawn and rendered faces the detail of the mouth spanned 38 to 144 of 255 steps of
lightness, and on plain masks laid over them 1 to 20. A hand, a microphone or a patterned mask has
detail of its own and is not noticed.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.face_geometry import mouth_width
from engines.face_mesh import OUTER_LIPS
from engines.types import Face, Rgb

_SIDE = 64  # pixels of the mouth's width in the crop that is looked at
_LEAST_DETAIL = 22.0
_LEAST_COLOUR = 2.0

# From linear sRGB to the three of CIE 1931, each as a part of its white (D65).
_TO_XYZ = np.array(
    [[0.4339, 0.3763, 0.1898], [0.2127, 0.7152, 0.0722], [0.0177, 0.1095, 0.8728]], np.float32
)
_TO_LAB = np.array([[0, 116, 0], [500, -500, 0], [0, 200, -200]], np.float32)
_STEPS = np.array([255 / 100, 1, 1], np.float32)


def mouth_is_covered(rgb: Rgb, face: Face) -> bool:
    """Whether there is neither the colour of lips nor a line between them."""
    crop, lips = _crop(rgb, face)
    lab = cv2.GaussianBlur(_lab(crop), (0, 0), 1.5).astype(np.float32, copy=False)
    inside = np.zeros(crop.shape[:2], np.uint8)
    cv2.fillPoly(inside, [np.round(lips).astype(np.int32)], 1)
    near = cv2.dilate(inside, np.ones((5, 5))) > 0
    around = (cv2.dilate(inside, np.ones((15, 15))) > 0) & ~near
    mouth = inside > 0
    lightness = lab[..., 0]
    detail = (lightness - cv2.GaussianBlur(lightness, (0, 0), 8))[mouth]
    colour = np.linalg.norm((lab[mouth].mean(axis=0) - lab[around].mean(axis=0))[1:])
    low, high = np.percentile(detail, [5, 95])
    return bool(high - low < _LEAST_DETAIL and colour < _LEAST_COLOUR)


def _lab(rgb: Rgb) -> NDArray[np.float32]:
    """CIE L*a*b* (1976), L* in 255 steps, up to a constant.

    OpenCV's conversion makes tables of 0.1 s when a process calls it first, for one small picture.
    """
    value = rgb.astype(np.float32) / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    xyz = linear @ _TO_XYZ.T
    root = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    lab: NDArray[np.float32] = (root @ _TO_LAB.T * _STEPS).astype(np.float32)
    return lab


def _crop(rgb: Rgb, face: Face) -> tuple[Rgb, NDArray[np.float32]]:
    """A square around the mouth at a scale that does not depend on the picture's, and the lips."""
    lips = face.landmarks[OUTER_LIPS, :2]
    scale = _SIDE / mouth_width(face.landmarks)
    shift = _SIDE - lips.mean(axis=0) * scale
    to_crop = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    side = 2 * _SIDE
    crop = cv2.warpAffine(
        rgb, to_crop, (side, side), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE
    )
    return crop.astype(np.uint8), lips * np.float32(scale) + shift.astype(np.float32)
