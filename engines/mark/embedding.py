"""A picture in, the same picture with the mark in it: a still texture that the eye passes over."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.mark.carriers import secret, tile, tile_size
from engines.mark.code import encode

_STRENGTH = 1.5
"""Root mean square of the mark in levels of 255."""
_CELL = 16  # pixels of one reading of how busy the picture is
_LEAST, _MOST = 0.6, 2.0  # gain where nothing is going on, and where most is
_BUSY = 6.0  # levels


class Mark:
    """Marks the pictures of one session with one payload; for one thread."""

    def __init__(self, key: bytes, payload: bytes) -> None:
        """`KEY_BYTES` and `PAYLOAD_BYTES` bytes; raises `ValueError` on other sizes."""
        self._key = bytes(key)
        self._payload = bytes(payload)
        _chips(self._key, self._payload)

    def apply(self, rgb: NDArray[np.uint8]) -> None:
        """Marks a picture `(h, w, 3)` uint8 in place; raises `ValueError` on another array."""
        if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
            raise ValueError(f"a picture is (h, w, 3) uint8, not {rgb.shape} {rgb.dtype}")
        height, width = rgb.shape[:2]
        pattern = _pattern(self._key, self._payload, height, width)
        change = cv2.multiply(pattern, _gain(rgb))
        # two saturating additions of whole numbers are quicker than one of signed ones
        more = cv2.cvtColor(cv2.convertScaleAbs(cv2.max(change, 0.0)), cv2.COLOR_GRAY2RGB)
        less = cv2.cvtColor(cv2.convertScaleAbs(cv2.min(change, 0.0)), cv2.COLOR_GRAY2RGB)
        cv2.add(rgb, more, dst=rgb)
        cv2.subtract(rgb, less, dst=rgb)


@lru_cache(maxsize=64)
def _chips(key: bytes, payload: bytes) -> NDArray[np.complex64]:
    return secret(key).chips(encode(payload))


@lru_cache(maxsize=16)
def _pattern(key: bytes, payload: bytes, height: int, width: int) -> NDArray[np.float32]:
    side = tile_size(height, width)
    one = tile(_chips(key, payload), side)
    rows, columns = -(-height // side), -(-width // side)
    whole = np.tile(one, (rows, columns))[:height, :width]
    return np.ascontiguousarray(_STRENGTH * whole)


def _gain(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """How much of the mark each place takes, `(h, w)`."""
    height, width = rgb.shape[:2]
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    smooth = cv2.blur(grey, (9, 9))
    busy = cv2.absdiff(grey, smooth)
    cells = (max(1, width // _CELL), max(1, height // _CELL))
    coarse = cv2.resize(busy, cells, interpolation=cv2.INTER_AREA).astype(np.float32)
    coarse = cv2.blur(coarse, (3, 3))
    gain = _LEAST + (_MOST - _LEAST) * np.minimum(1.0, coarse / _BUSY)
    return cv2.resize(gain, (width, height), interpolation=cv2.INTER_LINEAR)
