"""What is shown while the face is away: holds a moment, eases to idleness, comes back smoothly."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engines.drivers.one_euro import Values
from engines.face_geometry import smoothstep

HOLD_S = 0.25
EASE_S = 0.5
RETURN_S = 0.3


class Parameters(NamedTuple):
    """What a motion is made of."""

    expression: Values
    """As the space has it: `(478, 3)`, or of implicit keypoints `(21, 3)`."""
    pose: Values
    """`(6,)`."""
    eyes: Values
    """`(2, 3)`."""

    def toward(self, other: Parameters, share: float) -> Parameters:
        """These parameters, moved by a share of the way to others."""
        pairs = zip(self, other, strict=True)
        return Parameters(*(mine + share * (theirs - mine) for mine, theirs in pairs))


NEUTRAL = Parameters(np.zeros((478, 3)), np.zeros(6), np.array([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]))


class Presence:
    """Joins what the face does with what is shown when there is none."""

    def __init__(
        self, hold_s: float = HOLD_S, ease_s: float = EASE_S, neutral: Parameters = NEUTRAL
    ) -> None:
        """Starts at `neutral`, without a face. `hold_s`: how long a lost face stays as it was,
        `ease_s`: how long it takes to go."""
        self._hold_s, self._ease_s = hold_s, ease_s
        self._shown = neutral
        self._start = neutral
        self._since_s = 0.0
        self._fade_s = 0.0
        self._present = False

    def seen(self, live: Parameters, dt_s: float) -> Parameters:
        """What to show when the face is there; after an absence it fades in from what was shown."""
        if not self._present:
            # After one missed frame a long fade would only add lag.
            self._present, self._start = True, self._shown
            self._fade_s, self._since_s = min(RETURN_S, 2.0 * self._since_s), 0.0
        self._since_s += dt_s
        if self._since_s >= self._fade_s:
            self._shown = live
        else:
            self._shown = self._start.toward(live, _eased(self._since_s / self._fade_s))
        return self._shown

    def lost(self, dt_s: float, idle: Parameters = NEUTRAL) -> Parameters:
        """What to show when there is no face; `idle`: what it goes over to, as it is now."""
        if self._present:
            self._present, self._start, self._since_s = False, self._shown, 0.0
        self._since_s += dt_s
        gone = _eased((self._since_s - self._hold_s) / self._ease_s)
        self._shown = self._start.toward(idle, gone)
        return self._shown


def _eased(progress: float) -> float:
    return float(smoothstep(0.0, 1.0, np.array(progress)))
