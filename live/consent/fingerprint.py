"""Pixels in, what a portrait is known by out: a hash of every pixel, and one of how it looks.

The exact hash is SHA-256 over size and RGB values, so that metadata and lossless containers make no
difference. The perceptual hash is the signs of the 16 × 16 lowest frequencies, without the mean of
any row or column, of the discrete cosine transform of a 64 × 64 luma picture (after Zauner,
"Implementation and benchmarking of perceptual image hash functions", 2010). A mirrored picture
differs in exactly half of the bits, as every second frequency changes its sign.

A perceptual hash tells copies from other pictures; it is no proof against somebody who makes a
picture for the sake of its hash: some faint blotches in a photograph are enough
(`tests/test_permits.py`). So only an operator, who may grant anyway, can have a picture taken for a
copy, and from then on its exact pixels are sealed.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

import cv2
import numpy as np

from engines.types import Rgb

BITS = 256
MOST_DIFFERENT = 16
"""Bits in which a copy may differ. Of the nine built-in portraits, JPEG of quality 30 to 95, WebP
of 30 and 80, scaling by 0.5 to 2 and brightness changed 8 at most; two different ones differ in 65
at least, mirrored ones in 128, and those that were given the middle of another's face in 21
(`tests/test_fingerprints.py`)."""

_LEAST_SIGNS = BITS // 4
"""Of each kind. A flat picture has one kind alone; by that, it would be like any other flat one.
The built-in portraits have 120 to 136 of each."""
_SIDE = 64
_LOWEST = slice(1, 17)


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a portrait is known by."""

    sha256: str
    """Of its size and pixels; 64 hexadecimal digits."""
    perceptual: str
    """Of how it looks; 64 hexadecimal digits."""


def fingerprint(rgb: Rgb) -> Fingerprint:
    """Of `(h, w, 3)` pixels."""
    return Fingerprint(pixels_sha256(rgb), perceptual(rgb))


def pixels_sha256(rgb: Rgb) -> str:
    """SHA-256 of height and width (4 bytes each, big-endian) and the RGB values, row by row."""
    height, width = rgb.shape[:2]
    digest = sha256(height.to_bytes(4, "big") + width.to_bytes(4, "big"))
    digest.update(np.ascontiguousarray(rgb).data)
    return digest.hexdigest()


def perceptual(rgb: Rgb) -> str:
    """The 256 signs of low frequencies, first those of the lowest vertical one."""
    small = cv2.resize(rgb, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    luma = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)
    signs = cv2.dct(luma)[_LOWEST, _LOWEST] > 0
    return np.packbits(signs).tobytes().hex()


def difference(one: str, other: str) -> int:
    """In how many bits two perceptual hashes differ."""
    return (int(one, 16) ^ int(other, 16)).bit_count()


def same_portrait(one: Fingerprint, other: Fingerprint) -> bool:
    """Whether one is the other, or a re-encoded or scaled copy of it."""
    if one.sha256 == other.sha256:
        return True
    if not (_has_shape(one.perceptual) and _has_shape(other.perceptual)):
        return False
    return difference(one.perceptual, other.perceptual) <= MOST_DIFFERENT


def _has_shape(text: str) -> bool:
    return _LEAST_SIGNS <= int(text, 16).bit_count() <= BITS - _LEAST_SIGNS
