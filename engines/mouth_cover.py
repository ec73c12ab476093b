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


def mouth_is_covered(rgb: Rgb, face: Face) -> bool:
    """Whether there is neither the colour of lips nor a line between them."""
    crop, lips = _crop(rgb, face)
    lab = cv2.GaussianBlur(
        cv2.cvtColor(crop, cv2.COLOR_RGB2LAB).astype(np.float32), (0, 0), 1.5
    ).astype(np.float32, copy=False)
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
