"""The neutral face as a motion network sees it: readings of a second go in, one comes out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engines.drivers.face import Seen
from engines.drivers.neutral import fade_share
from engines.face_geometry import Points, rotation_matrix, rotation_vector
from engines.implicit_keypoints import Reading

_MOST_POSES = 64


class Neutral(NamedTuple):
    """What a motion is relative to."""

    expression: Points
    """`(n, 3)`."""
    turn: Points
    """`(3,)` rotation vector."""

    @property
    def rotation(self) -> Points:
        """`(3, 3)`."""
        return rotation_matrix(self.turn)


class ImplicitNeutral:
    """Takes the same faces for neutral as `drivers.neutral`, and fades as it does.

    The expression is that of the calmest face; how the head is held, the median of all.
    """

    def __init__(self) -> None:
        """Starts at the first reading."""
        self._current: Neutral | None = None
        self._target: Neutral | None = None
        self._turns: list[Points] = []

    def restart(self) -> None:
        """Takes the next second anew."""
        self._turns.clear()

    def follow(self, now: Reading, seen: Seen) -> Neutral:
        """Weighs one reading and gives the neutral one to use for it."""
        turn = rotation_vector(now.rotation)
        target = self._target or Neutral(now.expression, turn)
        if seen.calmest.in_window and len(self._turns) < _MOST_POSES:
            self._turns.append(turn)
            target = target._replace(turn=np.median(self._turns, axis=0))
        share = seen.calmest.share
        target = target._replace(
            expression=target.expression + share * (now.expression - target.expression)
        )
        self._target = target
        before = self._current or target
        fade = fade_share(seen.dt_s)
        self._current = Neutral(
            *(mine + fade * (found - mine) for mine, found in zip(before, target, strict=True))
        )
        return self._current
