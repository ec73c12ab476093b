"""Words in, the visible label on a picture out: a small pill that says what the picture is."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.types import Floats
from live.planes import Plane, Planes

DEFAULT_TEXT = "AI avatar"
DEFAULT_LANGUAGE = "en"
LONGEST_TEXT = 40
"""Characters; more would not be legible beside a face."""

# The pill hangs under the chin, over the throat and collar, on the middle of the picture: whoever
# cuts it off cuts at the chin, and it hides nothing of the face. Portraits are framed so that a
# closed mouth's chin lies at 0.78–0.85 of the height.
_TOP = 0.835  # of the height
_TEXT_HEIGHT = 0.05  # of the picture's width: what decides is how wide a viewer shows it …
_HIGHEST_TEXT = 0.09  # … of the height, so that there is room for it under the chin …
_SMALLEST_TEXT = 9  # … and never below what a 160 pixel thumbnail still shows
_PILL = (16, 18, 24)
_PILL_OPACITY = 0.72
_INK = (255, 255, 255)
_OVERSAMPLING = 4
_WEIGHT = 600
_AREA = cv2.INTER_AREA

# BT.601 in the narrow range
_YCBCR = np.array(
    [[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]], np.float32
)
_YCBCR /= 255
_ZERO = np.array([16, 128, 128], np.float32)

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


def draw(planes: Planes, text: str) -> None:
    """Blends the label into the picture in place; 0.02 ms at 512 × 512."""
    height, width = planes.luma.shape
    layers = _pill(text, height, width)
    for plane, layer in zip((planes.luma, *planes.chroma), layers, strict=True):
        rows, columns = layer.colour.shape
        patch = plane[layer.top : layer.top + rows, layer.left : layer.left + columns]
        # colour + patch · (255 − alpha) / 255, by OpenCV, so that the GIL is free meanwhile
        cv2.add(cv2.multiply(patch, layer.inverse, scale=1 / 255), layer.colour, dst=patch)


def _fitting(text: str, height: int, width: int) -> tuple[cv2.FontFace, int, int, int]:
    """Font and size, in pixels, in which a text fits; where it begins and how wide it is then.

    The last two are oversampled.
    """
    size = max(_SMALLEST_TEXT, round(min(_TEXT_HEIGHT * width, _HIGHEST_TEXT * height)))
    font = cv2.FontFace(_font(text))
    while True:
        big = size * _OVERSAMPLING
        x, _, text_width, _ = cv2.getTextSize((0, 0), text, (0, 0), font, big, _WEIGHT)
        if text_width + round(1.3 * big) <= 0.92 * width * _OVERSAMPLING or size <= 1:
            return font, size, x, text_width
        size -= 1


@dataclass(frozen=True, slots=True)
class _Layer:
    """The label's part in one plane."""

    colour: Plane
    """`(h, w)`, multiplied by alpha."""
    inverse: Plane
    """`(h, w)`: 255 − alpha."""
    top: int
    left: int


@lru_cache(maxsize=64)
def _pill(text: str, height: int, width: int) -> tuple[_Layer, _Layer, _Layer]:
    """The label for pictures of one size with even sides: in luma, Cb and Cr."""
    colour, alpha = _drawn(text, height, width)
    rows, columns = alpha.shape
    top = min(round(_TOP * height), height - rows)
    left = (width - columns) // 2
    # a picture smaller than its label keeps as much of it as it has room for
    upper, lower = max(0, top), min(height, top + rows)
    start, stop = max(0, left), min(width, left + columns)
    kept = slice(upper - top, lower - top), slice(start - left, stop - left)
    # whole pixels of colour, each of which is four of luma
    around = ((upper % 2, lower % 2), (start % 2, stop % 2))
    alpha = np.pad(alpha[kept], around)
    premultiplied = np.pad(colour[kept], (*around, (0, 0)))
    ycbcr = premultiplied @ _YCBCR.T + alpha[..., None] * _ZERO
    coarse, coarse_alpha = _halved(ycbcr), _halved(alpha)
    return (
        _layer(ycbcr[..., 0], alpha, upper & ~1, start & ~1),
        _layer(coarse[..., 1], coarse_alpha, upper // 2, start // 2),
        _layer(coarse[..., 2], coarse_alpha, upper // 2, start // 2),
    )


def _halved(values: Floats) -> Floats:
    """Means of 2 × 2."""
    half = (values.shape[1] // 2, values.shape[0] // 2)
    return np.asarray(cv2.resize(values, half, interpolation=_AREA), np.float32)


def _layer(colour: Floats, alpha: Floats, top: int, left: int) -> _Layer:
    inverse = 255 - np.rint(255 * alpha).astype(np.uint8)
    return _Layer(np.rint(colour).astype(np.uint8), inverse, top, left)


def _drawn(text: str, height: int, width: int) -> tuple[Floats, Floats]:
    """The label as RGB · alpha, `(h, w, 3)` 0…255, and alpha, `(h, w)` 0…1."""
    font, size, x, text_width = _fitting(text, height, width)
    big = size * _OVERSAMPLING
    pill_height, pill_width = round(1.7 * big), text_width + round(1.3 * big)
    box = np.zeros((pill_height, pill_width), np.uint8)
    radius = pill_height / 2
    yy, xx = np.mgrid[:pill_height, :pill_width].astype(np.float32) + 0.5
    nearest = np.clip(xx, radius, max(radius, pill_width - radius))
    inside = (np.hypot(xx - nearest, yy - radius) <= radius).astype(np.float32)
    left = (pill_width - text_width) // 2 - x
    cv2.putText(box, text, (left, round(1.17 * big)), (255,), font, big, _WEIGHT)
    ink = (box / 255.0).astype(np.float32)
    alpha = inside * (_PILL_OPACITY + (1 - _PILL_OPACITY) * ink)
    colour = np.array(_PILL) + ink[..., None] * (np.array(_INK) - np.array(_PILL))
    small = (max(1, pill_width // _OVERSAMPLING), max(1, pill_height // _OVERSAMPLING))
    return (
        np.asarray(cv2.resize(alpha[..., None] * colour, small, interpolation=_AREA), np.float32),
        np.asarray(cv2.resize(alpha, small, interpolation=_AREA), np.float32),
    )
