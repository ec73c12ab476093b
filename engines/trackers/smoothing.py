"""The One-Euro filter (Casiez et al., CHI 2012) with MediaPipe's settings for landmarks."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_CUTOFF_HZ = 0.05
_CUTOFF_PER_SPEED = 80.0
_SPEED_CUTOFF_HZ = np.array(1.0)


class LandmarkFilter:
    """Smooths a stream of landmark sets: hard when they rest, hardly at all when they move.

    As MediaPipe has it, each coordinate has a speed of its own, taken between raw values and
    measured in sizes of the face per second.
    """

    def __init__(self) -> None:
        """Starts with nothing seen."""
        self._time_s: float | None = None

    def reset(self) -> None:
        """Forgets what was seen; the next set passes as it is."""
        self._time_s = None

    def __call__(self, points: NDArray[np.float64], time_s: float) -> NDArray[np.float64]:
        """The smoothed `(478, 3)` set; `time_s` has to advance from call to call."""
        if self._time_s is None:
            self._time_s, self._last, self._smooth = time_s, points, points
            self._speed = np.zeros_like(points)
            return points
        step_s = time_s - self._time_s
        face_size = np.ptp(points[:, :2], axis=0).mean()
        speed = (points - self._last) / (face_size * step_s)
        self._speed += _share(_SPEED_CUTOFF_HZ, step_s) * (speed - self._speed)
        share = _share(_CUTOFF_HZ + _CUTOFF_PER_SPEED * np.abs(self._speed), step_s)
        self._smooth = self._smooth + share * (points - self._smooth)
        self._time_s, self._last = time_s, points
        return self._smooth


def _share(cutoff_hz: NDArray[np.float64], step_s: float) -> NDArray[np.float64]:
    """What a new value counts in a first-order low-pass."""
    share: NDArray[np.float64] = 1 / (1 + 1 / (2 * math.pi * step_s * cutoff_hz))
    return share
