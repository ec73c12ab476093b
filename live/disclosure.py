"""Picture in, the same picture marked as synthetic out: the only door to what leaves the server.

`Stamped` is the proof that a picture has been through a stamp. Nothing but this module can make
one, a `Pipeline` cannot be built without a stamp, and `live.egress` takes nothing else.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NoReturn

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.types import Picture

logger = logging.getLogger(__name__)

DEFAULT_TEXT = "AI avatar"
LONGEST_TEXT = 40
"""Characters; more would not be legible beside a face."""

# The pill hangs under the chin, over the throat and collar, on the middle of the picture: whoever
# cuts it off cuts at the chin, and it hides nothing of the face. Portraits are framed so that a
# closed mouth's chin lies at 0.78–0.85 of the height.
_CENTRE_Y = 0.905
_TEXT_HEIGHT = 0.042  # of the picture's shorter side …
_SMALLEST_TEXT = 9  # … and never below what a 160 pixel thumbnail still shows
_PILL = (16, 18, 24)
_PILL_OPACITY = 0.72
_INK = (255, 255, 255)
_OVERSAMPLING = 4


@dataclass(frozen=True, slots=True)
class _Key:
    """Known to this module alone."""


_KEY = _Key()


class Stamped:
    """A picture that is marked as synthetic; made by a stamp, never by hand."""

    __slots__ = ("_picture",)

    def __init__(self, picture: Picture, key: object = None) -> None:
        """Raises `TypeError` for whoever is not a stamp."""
        if key is not _KEY:
            raise TypeError("only a stamp of live.disclosure can make a Stamped picture")
        self._picture = picture

    @property
    def picture(self) -> Picture:
        """The marked picture; its array is nobody else's."""
        return self._picture

    def __reduce__(self) -> NoReturn:
        """A copy or a pickle would be a second way to make one."""
        raise TypeError("a Stamped picture cannot be copied or pickled")


Stamp = Callable[[Picture], Stamped]


class VisibleLabel:
    """The stamp of this version: a small pill that says in words what the picture is."""

    def __init__(self, text: str = DEFAULT_TEXT, *, visible: bool = True) -> None:
        """`visible=False` is for an operator who discloses by other means; it is logged."""
        self.text = check_text(text)
        self.visible = visible
        if not visible:
            logger.warning("the visible disclosure label is off by the operator's setting")

    def __call__(self, picture: Picture) -> Stamped:
        """The picture with the label on it, in an array of its own; ≤ 0.2 ms at 512 × 512."""
        rgb = picture.rgb.copy()
        if self.visible:
            _draw(rgb, self.text)
        return Stamped(replace(picture, rgb=rgb), _KEY)


def check_text(text: str) -> str:
    """The label's text without outer blanks; raises `ValueError` where it cannot be shown."""
    text = " ".join(text.split())
    if not text or not text.isprintable():
        raise ValueError("the disclosure label needs a text of printable characters")
    if len(text) > LONGEST_TEXT:
        raise ValueError(
            f"the disclosure label has {len(text)} characters; at most {LONGEST_TEXT} are legible"
        )
    return text


def _draw(rgb: NDArray[np.uint8], text: str) -> None:
    """Blends the label into the picture in place."""
    colour, inverse, top, left = _pill(text, rgb.shape[0], rgb.shape[1])
    height, width = inverse.shape[:2]
    patch = rgb[top : top + height, left : left + width]
    # colour + patch · (255 − alpha) / 255, by OpenCV, so that the GIL is free meanwhile
    cv2.add(cv2.multiply(patch, inverse, scale=1 / 255), colour, dst=patch)


@lru_cache(maxsize=64)
def _pill(
    text: str, height: int, width: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], int, int]:
    """The label for pictures of one size: colour · alpha, 255 − alpha, top and left.

    Both arrays are `(h, w, 3)` uint8.
    """
    size = max(_SMALLEST_TEXT, round(_TEXT_HEIGHT * min(height, width)))
    font = cv2.FontFace("sans")
    while True:
        big = size * _OVERSAMPLING
        x, _, text_width, _ = cv2.getTextSize((0, 0), text, (0, 0), font, big, 600)
        pill_height = round(1.7 * big)
        pill_width = text_width + round(1.3 * big)
        if pill_width <= 0.92 * width * _OVERSAMPLING or size <= 1:
            break
        size -= 1
    box = np.zeros((pill_height, pill_width, 3), np.uint8)
    radius = pill_height / 2
    yy, xx = np.mgrid[:pill_height, :pill_width].astype(np.float32) + 0.5
    nearest = np.clip(xx, radius, max(radius, pill_width - radius))
    inside = (np.hypot(xx - nearest, yy - radius) <= radius).astype(np.float32)
    left = (pill_width - text_width) // 2 - x
    cv2.putText(box, text, (left, round(1.17 * big)), (255, 255, 255), font, big, 600)
    ink = (box[..., :1] / 255.0).astype(np.float32)
    alpha = inside[..., None] * (_PILL_OPACITY + (1 - _PILL_OPACITY) * ink)
    colour = alpha * (ink * np.array(_INK) + (1 - ink) * np.array(_PILL))
    small = (max(1, pill_width // _OVERSAMPLING), max(1, pill_height // _OVERSAMPLING))
    colour = cv2.resize(colour, small, interpolation=cv2.INTER_AREA)
    alpha = cv2.resize(alpha, small, interpolation=cv2.INTER_AREA)
    top = min(round(_CENTRE_Y * height - small[1] / 2), height - small[1])
    left = (width - small[0]) // 2
    # a picture smaller than its label keeps as much of it as it has room for
    rows, columns = slice(max(0, -top), None), slice(max(0, -left), max(0, -left) + width)
    inverse = np.repeat(255 - np.rint(255 * alpha)[..., None], 3, axis=2)
    return (
        np.ascontiguousarray(np.rint(colour)[rows, columns].astype(np.uint8)),
        np.ascontiguousarray(inverse[rows, columns].astype(np.uint8)),
        max(0, top),
        max(0, left),
    )
