"""Pictures in, what stands still and is no picture out: the mark, and as little else as can be.

A mark of one or two levels lies under a picture of two hundred. What helps: the mark stands still
while the picture moves, so pictures are averaged; the picture's edges are strong and few, so each
place is divided by its own liveliness; and the picture's spectrum is known from the frequencies
between those of a mark, so each frequency is divided by its own strength.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

_SIGMA = 3.0  # pixels: the neighbourhood that a place is compared with
_FLOOR = 1.0  # levels of liveliness below which a place gets no louder
_FLATTEN = 0.75  # the exponent of the variance
_EDGE = 0.04  # of the picture at each side, faded so that its border is no edge
_NEIGHBOURS = 17  # frequencies, in each direction, that a strength is averaged over


@dataclass(frozen=True, slots=True)
class Spectrum:
    """The whitened spectrum of what stands still, around the picture's middle."""

    values: NDArray[np.complex64]
    """`(n, n)`: mean square about 1 at every frequency, the origin in `[0, 0]`."""
    height: int
    width: int

    @property
    def size(self) -> int:
        """`n`: frequency `[v, u]` is `v / n` and `u / n` periods a pixel."""
        return len(self.values)


def still(pictures: Iterable[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """`(h, w)`: the mean of pictures `(h, w, 3)` uint8, without their shading and their edges."""
    total: NDArray[np.float32] | None = None
    count = 0
    for count, rgb in enumerate(pictures, 1):
        grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
        high = grey - cv2.GaussianBlur(grey, (0, 0), _SIGMA)
        total = high if total is None else cv2.add(total, high)
    if total is None:
        raise ValueError("a mark cannot be looked for in no pictures")
    mean = total / count
    variance = cv2.GaussianBlur(mean * mean, (0, 0), _SIGMA)
    return np.asarray(mean / (variance + _FLOOR**2) ** _FLATTEN, np.float32)


def spectrum(residue: NDArray[np.float32]) -> Spectrum:
    """The whitened spectrum of `(h, w)`."""
    height, width = residue.shape
    size = cv2.getOptimalDFTSize(2 * max(height, width))
    faded = residue * _fade(height)[:, None] * _fade(width)
    padded = np.zeros((size, size), np.float32)
    padded[:height, :width] = faded
    padded = np.roll(padded, (-(height // 2), -(width // 2)), (0, 1))
    values = np.fft.fft2(padded).astype(np.complex64)
    power = values.real**2 + values.imag**2
    around = cv2.blur(power, (_NEIGHBOURS, _NEIGHBOURS), borderType=cv2.BORDER_REFLECT)
    return Spectrum(values / np.sqrt(around + 1e-9), height, width)


def _fade(length: int) -> NDArray[np.float32]:
    """1 in the middle, falling to 0 at both ends."""
    edge = max(1.0, _EDGE * length)
    place = np.arange(length) + 0.5
    near = np.minimum(1.0, np.minimum(place, length - place) / edge)
    return np.asarray(0.5 - 0.5 * np.cos(np.pi * near), np.float32)
