"""Sights of a face at rest go in; how this person looks straight at the camera comes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from engines.face_geometry import Points
from engines.types import Floats
from live.enrolment.codes import Hint
from live.enrolment.sight import Bearing, Sight

MOST_YAW: Final = 14.0
"""Degrees from the camera's axis that still are straight."""
USUAL_PITCH: Final = 4.0
MOST_PITCH: Final = 20.0
LEAST_WIDTH: Final = 90.0
"""Pixels of a face."""
LEAST_SHARE, MOST_SHARE = 0.14, 0.6
"""Of the picture's width that a face may take."""
DARK, BRIGHT = 0.12, 0.93
OPEN_EYES: Final = 0.17
"""Openness of eyes that are open, whoever's they are."""
MOST_BLINK: Final = 0.45
CLOSED_LIPS: Final = 0.10
"""Eye distances; lips that are ajar are no harm."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """One person at rest, by medians."""

    yaw: float
    pitch: float
    eyes: float
    lips: float
    shape: Points
    """`(478, 3)`, as `Bearing.shape`."""
    patch: Floats
    bearing: Bearing
    """Of the sight nearest to straight."""


def hint(sight: Sight) -> Hint | None:
    """What keeps this picture from showing somebody straight and at rest."""
    now = sight.bearing
    if sight.crowd is not None and sight.crowd > 1:
        return Hint.TWO_FACES
    if now is None:
        return Hint.NO_FACE
    return _of_place(sight, now) or _of_face(now)


def _of_place(sight: Sight, now: Bearing) -> Hint | None:
    if sight.light < DARK:
        return Hint.TOO_DARK
    if sight.light > BRIGHT:
        return Hint.TOO_BRIGHT
    share = now.width / sight.size[0]
    if share < LEAST_SHARE or now.width < LEAST_WIDTH:
        return Hint.TOO_FAR
    return Hint.TOO_NEAR if share > MOST_SHARE else None


def _of_face(now: Bearing) -> Hint | None:
    if abs(now.yaw) > MOST_YAW or abs(now.pitch - USUAL_PITCH) > MOST_PITCH:
        return Hint.LOOK_STRAIGHT
    if now.eyes < OPEN_EYES or now.blink > MOST_BLINK:
        return Hint.OPEN_EYES
    return Hint.CLOSE_MOUTH if now.lips > CLOSED_LIPS else None


def baseline(sights: Sequence[Sight]) -> Baseline:
    """Of sights that have no hint; raises `ValueError` where none has a face."""
    shown = [(one.bearing, one.patch) for one in sights if one.bearing and one.patch is not None]
    if not shown:
        raise ValueError("a baseline needs a face")
    bearings = [bearing for bearing, _ in shown]
    yaw = float(np.median([one.yaw for one in bearings]))
    return Baseline(
        yaw,
        float(np.median([one.pitch for one in bearings])),
        float(np.median([one.eyes for one in bearings])),
        float(np.median([one.lips for one in bearings])),
        np.median([one.shape for one in bearings], axis=0),
        np.asarray(np.median([patch for _, patch in shown], axis=0), np.float32),
        min(bearings, key=lambda one: abs(one.yaw - yaw)),
    )
