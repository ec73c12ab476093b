"""Words in, the visible label on a picture out: a small pill that says what the picture is."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

DEFAULT_TEXT = "AI avatar"
DEFAULT_LANGUAGE = "en"
LONGEST_TEXT = 40
"""Characters; more would not be legible beside a face."""

# The pill hangs under the chin, over the throat and collar, on the middle of the picture: whoever
# cuts it off cuts at the chin, and it hides nothing of the face. Portraits are framed so that a
# closed mouth's chin lies at 0.78–0.85 of the height.
_CENTRE_Y = 0.8775
_TEXT_HEIGHT = 0.05  # of the picture's shorter side …
_SMALLEST_TEXT = 9  # … and never below what a 160 pixel thumbnail still shows
_PILL = (16, 18, 24)
_PILL_OPACITY = 0.72
_INK = (255, 255, 255)
_OVERSAMPLING = 4
_WEIGHT = 600

_FONTS = ("sans", "uni")
"""OpenCV's own: Rubik, in which the label's weight looks best, and WenQuanYi, which has Greek and
Chinese, Japanese and Korean characters, too. Each borrows from the other what it has not."""
_UNKNOWN = "?"
"""What OpenCV draws in place of a character that neither has."""


@dataclass(frozen=True, slots=True)
class Label:
    """What the operator has to say about every picture."""

    text: str = DEFAULT_TEXT
    language: str = DEFAULT_LANGUAGE
    """A BCP 47 tag."""
    visible: bool = True
    """Whether it stands in the picture; the page and `hello` have it in any case."""

    def __post_init__(self) -> None:
        """Raises `ValueError` for a text that cannot be shown."""
        object.__setattr__(self, "text", check_text(self.text))


def check_text(text: str) -> str:
    """The text without outer blanks, composed (NFC); raises `ValueError`.

    That is for what is too long, and for what cannot be drawn as it is written: characters that
    the fonts have not, scripts from right to left, signs that are put upon others.
    """
    text = unicodedata.normalize("NFC", " ".join(text.split()))
    if not text or not text.isprintable():
        raise ValueError("the disclosure label needs a text of printable characters")
    if len(text) > LONGEST_TEXT:
        raise ValueError(
            f"the disclosure label has {len(text)} characters; at most {LONGEST_TEXT} are legible"
        )
    wrong = sorted({letter for letter in text if not _is_drawable(letter)})
    if wrong:
        names = ", ".join(unicodedata.name(letter, f"U+{ord(letter):04X}") for letter in wrong[:3])
        raise ValueError(
            f"the disclosure label cannot be drawn in this script ({names}): its letters can be"
            " Latin, Cyrillic, Greek, Chinese, Japanese or Korean. Say it in another language that"
            " viewers read"
        )
    return text


def is_short(text: str) -> bool:
    """Whether it can be read in a picture of 160 × 160, too: a long text is drawn smaller."""
    return _fitting(text, 160, 160)[1] >= _SMALLEST_TEXT


def _is_drawable(letter: str) -> bool:
    if unicodedata.bidirectional(letter) in ("R", "AL", "AN"):
        return False
    if unicodedata.category(letter).startswith("M"):
        return False
    if letter in (" ", _UNKNOWN):
        return True
    return any(not np.array_equal(_glyph(font, letter), _glyph(font, _UNKNOWN)) for font in _FONTS)


def _font(text: str) -> str:
    """The first, unless it would borrow: two weights in one word look like a mistake."""
    first, second = _FONTS
    letters = set(text) - {" "}
    borrows = any(np.array_equal(_glyph(first, one), _glyph(second, one)) for one in letters)
    return second if borrows else first


@lru_cache(maxsize=256)
def _glyph(font: str, letter: str) -> NDArray[np.uint8]:
    canvas = np.zeros((48, 64), np.uint8)
    cv2.putText(canvas, letter, (8, 36), (255,), cv2.FontFace(font), 30, _WEIGHT)
    return canvas


def draw(rgb: NDArray[np.uint8], text: str) -> None:
    """Blends the label into the picture `(h, w, 3)` in place; ≤ 0.2 ms at 512 × 512."""
    colour, inverse, top, left = _pill(text, rgb.shape[0], rgb.shape[1])
    height, width = inverse.shape[:2]
    patch = rgb[top : top + height, left : left + width]
    # colour + patch · (255 − alpha) / 255, by OpenCV, so that the GIL is free meanwhile
    cv2.add(cv2.multiply(patch, inverse, scale=1 / 255), colour, dst=patch)


def _fitting(text: str, height: int, width: int) -> tuple[cv2.FontFace, int, int, int]:
    """Font and size, in pixels, in which a text fits; where it begins and how wide it is then.

    The last two are oversampled.
    """
    size = max(_SMALLEST_TEXT, round(_TEXT_HEIGHT * min(height, width)))
    font = cv2.FontFace(_font(text))
    while True:
        big = size * _OVERSAMPLING
        x, _, text_width, _ = cv2.getTextSize((0, 0), text, (0, 0), font, big, _WEIGHT)
        if text_width + round(1.3 * big) <= 0.92 * width * _OVERSAMPLING or size <= 1:
            return font, size, x, text_width
        size -= 1


@lru_cache(maxsize=64)
def _pill(
    text: str, height: int, width: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], int, int]:
    """The label for pictures of one size: colour · alpha, 255 − alpha, top and left.

    Both arrays are `(h, w, 3)` uint8.
    """
    font, size, x, text_width = _fitting(text, height, width)
    big = size * _OVERSAMPLING
    pill_height, pill_width = round(1.7 * big), text_width + round(1.3 * big)
    box = np.zeros((pill_height, pill_width, 3), np.uint8)
    radius = pill_height / 2
    yy, xx = np.mgrid[:pill_height, :pill_width].astype(np.float32) + 0.5
    nearest = np.clip(xx, radius, max(radius, pill_width - radius))
    inside = (np.hypot(xx - nearest, yy - radius) <= radius).astype(np.float32)
    left = (pill_width - text_width) // 2 - x
    cv2.putText(box, text, (left, round(1.17 * big)), (255, 255, 255), font, big, _WEIGHT)
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
