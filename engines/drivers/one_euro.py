"""A low-pass filter that gives way to speed: noisy values go in, calm ones come out.

The 1€ filter (Casiez, Roussel, Vogel: CHI 2012): a first-order low-pass whose cutoff rises with the
speed of the value, so that a still face does not tremble and a moving one does not lag.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


def smoothing_factor(cutoff_hz: Values, dt_s: float) -> Values:
    """The share of the newest sample in a first-order low-pass, 0…1."""
    r = 2.0 * math.pi * dt_s * cutoff_hz
    factor: Values = r / (1.0 + r)
    return factor


class OneEuro:
    """One filter for an array of any shape.

    The last axis is one quantity (a point, an angle vector): its components share a speed and so a
    cutoff, which keeps the path of a moving point straight.
    """

    def __init__(self, min_cutoff: float, beta: float, speed_cutoff: float = 1.0) -> None:
        """`min_cutoff` in Hz; `beta` in Hz per (unit of the value / s); `speed_cutoff` in Hz: how
        quickly a change of speed is believed."""
        self._min_cutoff = min_cutoff
        self._beta = beta
        self._speed_cutoff = np.array(speed_cutoff)
        self._value: Values | None = None
        self._speed: Values = np.zeros(())

    def __call__(self, value: NDArray[np.floating], dt_s: float) -> Values:
        """The filtered value, `dt_s` seconds after the one before; the first passes unchanged.

        A sample that is not later than the one before (`dt_s <= 0`) is not used.
        """
        if self._value is None:
            self._value = np.array(value, np.float64)
            self._speed = np.zeros_like(self._value)
        elif dt_s > 0.0:
            change = value - self._value
            a = smoothing_factor(self._speed_cutoff, dt_s)
            self._speed = (1.0 - a) * self._speed + (a / dt_s) * change
            speed = np.sqrt(np.square(self._speed).sum(axis=-1, keepdims=True))
            cutoff = self._min_cutoff + self._beta * speed
            self._value = self._value + smoothing_factor(cutoff, dt_s) * change
        return self._value

    def reset(self) -> None:
        """Forgets everything; the next value passes unchanged."""
        self._value = None
