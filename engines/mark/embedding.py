"""A picture in, the same picture with the mark in it: a still texture that the eye passes over."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.mark.carriers import secret, tile, tile_size
from engines.mark.code import encode

_CELL = 4  # pixels of one reading of how busy the picture is
_LEAST, _MOST = 1.4, 2.6
"""Root mean square of the mark, in levels of 255, where nothing is going on and where most is."""
_SLOPE = 0.4  # levels more for each level of mean difference from the neighbourhood


class Mark:
    """Marks the pictures of one session with one payload; for one thread."""

    def __init__(self, key: bytes, payload: bytes) -> None:
        """`KEY_BYTES` and `PAYLOAD_BYTES` bytes; raises `ValueError` on other sizes."""
        self._chips = secret(key).chips(encode(payload))
        self._pattern = np.zeros((0, 0), np.float32)
        self._colour = np.zeros((0, 0, 3), np.uint8)

    def apply(self, rgb: NDArray[np.uint8]) -> None:
        """Marks a picture `(h, w, 3)` uint8 in place; raises `ValueError` on another array.

        0.8 ms at 512 × 512; the first picture of another size costs some milliseconds more.
        """
        if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.size == 0:
            raise ValueError(f"a picture is (h, w, 3) uint8, not {rgb.shape} {rgb.dtype}")
        if self._pattern.shape != rgb.shape[:2]:
            self._pattern = _pattern(self._chips, *rgb.shape[:2])
            self._colour = np.empty(rgb.shape, np.uint8)
        picture = np.ascontiguousarray(rgb)
        gain = _gain(picture)
        # Two saturating additions of whole numbers are quicker than one of signed ones, and fresh
        # memory would cost as much as the sums.
        more = cv2.multiply(self._pattern, gain, dtype=cv2.CV_8U)
        cv2.add(picture, cv2.cvtColor(more, cv2.COLOR_GRAY2RGB, dst=self._colour), dst=picture)
        less = cv2.multiply(self._pattern, gain, scale=-1, dtype=cv2.CV_8U)
        cv2.subtract(picture, cv2.cvtColor(less, cv2.COLOR_GRAY2RGB, dst=self._colour), dst=picture)
        if picture is not rgb:
            rgb[...] = picture


def _pattern(chips: NDArray[np.complex64], height: int, width: int) -> NDArray[np.float32]:
    """`(h, w)`: the tile over the whole picture."""
    side = tile_size(height, width)
    rows, columns = -(-height // side), -(-width // side)
    whole = np.tile(tile(chips, side), (rows, columns))
    return np.ascontiguousarray(whole[:height, :width])


def _gain(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """How much of the mark each place takes, `(h, w)`."""
    height, width = rgb.shape[:2]
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    busy = cv2.absdiff(grey, cv2.blur(grey, (7, 7)))
    cells = (max(1, width // _CELL), max(1, height // _CELL))
    coarse = np.asarray(cv2.resize(busy, cells, interpolation=cv2.INTER_AREA), np.float32)
    # An edge with nothing beside it hides nothing: only what is busy all around counts.
    inner = cv2.dilate(cv2.erode(coarse, _square(5)), _square(3))
    gain = np.minimum(_MOST, _LEAST + _SLOPE * cv2.blur(inner, (5, 5)))
    return np.asarray(cv2.resize(gain, (width, height)), np.float32)


def _square(side: int) -> NDArray[np.uint8]:
    return np.ones((side, side), np.uint8)
