"""Pictures in, what stands still and is no picture out: the mark, and as little else as can be.

A mark of a level or two lies under a picture of two hundred. What helps: the mark stands still
while the picture moves, so pictures are averaged; a picture's edges are strong and few, so each
place is divided by its own variance, as for a signal of even strength in noise of uneven strength;
and neighbouring frequencies are about equally strong, so each is divided by its neighbourhood.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

_LONGEST_SIDE = 1024
"""Pixels; of larger pictures a mark's waves are long enough to be found in smaller ones."""
_SIGMA = 1 / 80  # of the shorter side: the neighbourhood that a place is compared with
_FLOOR = 0.85  # levels of deviation below which a place gets no louder
_NEIGHBOURS = 13  # frequencies, in each direction, that a strength is averaged over
_NEVER_ZERO = 1e-9


@dataclass(frozen=True, slots=True)
class Reduced:
    """A whitened picture in space, without its highest frequencies."""

    values: NDArray[np.float32]
    """`(h, w)`."""
    down: NDArray[np.float64]
    """`(h,)`: where each row lies, in pixels of the whole picture from its middle."""
    across: NDArray[np.float64]
    """`(w,)`: the same of columns."""


@dataclass(frozen=True, slots=True)
class Spectrum:
    """The whitened spectrum of what stands still, around the picture's middle."""

    values: NDArray[np.complex64]
    """`(n, n)`: mean square about 1 at every frequency, the origin in `[0, 0]`."""
    height: int
    """Of the pictures, in pixels."""
    width: int
    scale: float
    """Pixels of the pictures in one of these."""
    _reduced: dict[int, Reduced] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """`n`: frequency `[v, u]` is `v / n` and `u / n` periods a pixel."""
        return len(self.values)

    def reduced(self, times: int) -> Reduced:
        """The whitened picture with `times` × `times` pixels in one."""
        if times not in self._reduced:
            self._reduced[times] = self._reduce(times)
        return self._reduced[times]

    def _reduce(self, times: int) -> Reduced:
        size, small = self.size, self.size // times
        low = np.r_[: small - small // 2, size - small // 2 : size]
        whole = np.fft.fftshift(np.fft.ifft2(self.values[np.ix_(low, low)]).real)
        places = np.asarray((np.arange(small) - small // 2) * (size / small), np.float64)
        rows, columns = (
            (places >= -(length // 2)) & (places < length - length // 2)
            for length in (self.height, self.width)
        )
        values = whole[np.ix_(rows, columns)].astype(np.float32)
        return Reduced(values, places[rows], places[columns])


def seen(pictures: Iterable[NDArray[np.uint8]]) -> Spectrum:
    """What stands still in pictures `(h, w, 3)` uint8 of one size.

    Raises `ValueError` where there is no picture.
    """
    mean = _mean(pictures)
    share = min(1.0, _LONGEST_SIDE / max(mean.shape))
    if share < 1:
        size = max(1, round(mean.shape[1] * share)), max(1, round(mean.shape[0] * share))
        mean = np.asarray(cv2.resize(mean, size, interpolation=cv2.INTER_AREA), np.float32)
    return _spectrum(_levelled(mean), 1 / share)


def _mean(pictures: Iterable[NDArray[np.uint8]]) -> NDArray[np.float32]:
    total: NDArray[np.float32] | None = None
    count = 0
    for rgb in pictures:
        grey = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.float32)
        total = grey if total is None else np.add(total, grey, out=total)
        count += 1
    if total is None:
        raise ValueError("a mark cannot be looked for in no pictures; give at least one")
    return total / np.float32(count)


def _levelled(mean: NDArray[np.float32]) -> NDArray[np.float32]:
    """Without shading, and with the strong edges no louder than the rest."""
    sigma = _SIGMA * min(mean.shape)
    high = mean - cv2.GaussianBlur(mean, (0, 0), sigma)
    variance = cv2.GaussianBlur(high * high, (0, 0), sigma)
    return np.asarray(high / (variance + _FLOOR**2), np.float32)


def _spectrum(levelled: NDArray[np.float32], scale: float) -> Spectrum:
    height, width = levelled.shape
    size = cv2.getOptimalDFTSize(2 * max(height, width))
    padded = np.zeros((size, size), np.float32)
    padded[:height, :width] = levelled
    padded = np.roll(padded, (-(height // 2), -(width // 2)), (0, 1))
    values = np.fft.fft2(padded).astype(np.complex64)
    power = values.real**2 + values.imag**2
    around = cv2.blur(power, (_NEIGHBOURS, _NEIGHBOURS), borderType=cv2.BORDER_REFLECT)
    return Spectrum(values / np.sqrt(around + np.float32(_NEVER_ZERO)), height, width, scale)
