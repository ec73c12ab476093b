"""A picture's luma in, the same with the mark in it: a still texture that the eye passes over."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.mark.carriers import secret, tile, tile_size
from engines.mark.code import encode

_NARROW = 219 / 255  # levels of luma, 16…235, for one of R, G and B
_LEAST, _MOST = 1.55 * _NARROW, 2.6 * _NARROW
"""Root mean square of the mark, in levels of luma, where nothing is going on and where most is."""
_SLOPE = 0.4  # levels more for each level of mean difference from the neighbourhood
_OVERALL = 1.9 * _NARROW
"""What a whole picture gets at most, as root mean square: with rounding that is 42 dB."""

_LOUDEST = 4.5
"""Root mean squares: a tile's rare peaks are cut there, so that the mark is at most 10 levels."""
_PATTERN_BITS, _GAIN_BITS = 6, 5  # behind the point: products of both fit 16 bits
_BITS = _PATTERN_BITS + _GAIN_BITS


class Mark:
    """Marks the pictures of one session with one payload; for one thread."""

    def __init__(self, key: bytes, payload: bytes) -> None:
        """`KEY_BYTES` and `PAYLOAD_BYTES` bytes; raises `ValueError` on other sizes."""
        self._chips = secret(key).chips(encode(payload))
        self._pattern = np.zeros((0, 0), np.int16)
        self._product = np.zeros((0, 0), np.int16)
        self._added = np.zeros((0, 0), np.int8)

    def apply(self, luma: NDArray[np.uint8]) -> None:
        """Marks the luma of a picture in place: `(h, w)` uint8 with even sides, 16…235 (BT.601).

        To add to luma is to add the same grey to R, G and B. Raises `ValueError` on another array.
        0.25 ms at 512 × 512; the first picture of another size costs some milliseconds more.
        """
        even = luma.ndim == 2 and luma.size and not any(side % 2 for side in luma.shape)
        if luma.dtype != np.uint8 or not even:
            raise ValueError(
                f"a picture's luma is (h, w) uint8 with even sides, not {luma.shape} {luma.dtype}"
            )
        if self._pattern.shape != luma.shape:
            self._pattern = _pattern(self._chips, *luma.shape)
            self._product = np.empty(luma.shape, np.int16)
            self._added = np.empty(luma.shape, np.int8)
        height, width = luma.shape
        # Whole numbers in memory of our own: four times as quick as floats in fresh memory. The
        # gain, which is smooth, counts for two lines at once.
        lines = (height // 2, 2, width)
        gain = _gain(luma)[:, None]
        np.multiply(self._pattern.reshape(lines), gain, out=self._product.reshape(lines))
        np.add(self._product, 1 << (_BITS - 1), out=self._product)
        np.right_shift(self._product, _BITS, out=self._product)
        np.copyto(self._added, self._product, casting="unsafe")
        # Modulo 256, and never beyond: 16…235 has room for the mark below and above.
        np.add(luma, self._added.view(np.uint8), out=luma)


def _pattern(chips: NDArray[np.complex64], height: int, width: int) -> NDArray[np.int16]:
    """`(h, w)`: the tile over the whole picture, in fixed point."""
    side = tile_size(height, width)
    rows, columns = -(-height // side), -(-width // side)
    levels = np.clip(tile(chips, side), -_LOUDEST, _LOUDEST)
    whole = np.tile(np.rint(levels * (1 << _PATTERN_BITS)).astype(np.int16), (rows, columns))
    return np.ascontiguousarray(whole[:height, :width])


def _gain(luma: NDArray[np.uint8]) -> NDArray[np.int16]:
    """How much of the mark each place takes, `(h / 2, w)`, in fixed point."""
    height, width = luma.shape
    half = _shrunk(luma)
    busy = _shrunk(np.asarray(cv2.absdiff(half, cv2.blur(half, (5, 5))), np.uint8))
    # An edge with nothing beside it hides nothing: only what is busy all around counts.
    inner = cv2.dilate(cv2.erode(busy, _square(5)), _square(3))
    spread = cv2.blur(np.asarray(inner, np.float32), (5, 5))
    more = np.minimum(_MOST - _LEAST, _SLOPE * spread)
    gain = (_LEAST + _share(more) * more) * (1 << _GAIN_BITS)
    whole = cv2.resize(np.rint(gain).astype(np.int16), (width, height // 2))
    return np.asarray(whole, np.int16)


def _share(more: NDArray[np.float32]) -> float:
    """How much of what busy places get on top they can have for the whole to be `_OVERALL`."""
    mean, square = float(more.mean()), float(np.square(more).mean())
    room = _OVERALL**2 - _LEAST**2
    if 2 * _LEAST * mean + square <= room:
        return 1.0
    return (math.sqrt((_LEAST * mean) ** 2 + square * room) - _LEAST * mean) / square


def _shrunk(levels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Means of 2 × 2."""
    height, width = levels.shape
    half = (max(1, width // 2), max(1, height // 2))
    return np.asarray(cv2.resize(levels, half, interpolation=cv2.INTER_AREA), np.uint8)


def _square(side: int) -> NDArray[np.uint8]:
    return np.ones((side, side), np.uint8)
