"""Lids and gaze: a face in its head's own axes goes in, openness and direction come out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engines.face_geometry import Points, eye_apertures, smoothstep
from engines.face_mesh import (
    BLENDSHAPE_INDEX,
    LEFT_EYE,
    LEFT_IRIS,
    RIGHT_EYE,
    RIGHT_IRIS,
)

_EYES = ((RIGHT_EYE, RIGHT_IRIS), (LEFT_EYE, LEFT_IRIS))
_RINGS = np.stack([ring for ring, _ in _EYES])
_IRISES = np.array([iris[0] for _, iris in _EYES])
# Two witnesses of the gaze, iris landmarks and blendshapes, err independently; their mean is nearer
# to the truth than either. Columns: LookIn, LookOut, LookUp, LookDown.
_LOOKS = np.array(
    [
        [BLENDSHAPE_INDEX[f"eyeLook{where}{side}"] for where in ("In", "Out", "Up", "Down")]
        for side in ("Right", "Left")
    ]
)
_LOOK_RIGHT = np.array([0.21, -0.21])  # eye widths to the picture's right per unit of LookIn
_LOOK_DOWN = 0.15
_BLINK = np.array([BLENDSHAPE_INDEX["eyeBlinkRight"], BLENDSHAPE_INDEX["eyeBlinkLeft"]])

# MediaPipe's blink score never reaches 1 and its landmarks leave a slit between closed lids: a
# score between these two numbers is what closes the avatar's lid for good.
_BLINK_STARTS, _BLINK_CLOSED = 0.35, 0.60
_CLOSED_APERTURE = 0.10  # eye widths, until this driver's own closed lids have been seen
_SURELY_CLOSED = 0.6
_WIDEST = 1.35
# Lids that differ by less than the first number move as one; by more than the second, as a wink.
_TOGETHER, _WINK = 0.15, 0.40


class EyeReading(NamedTuple):
    """Both eyes of one face, the subject's right first."""

    aperture: Points
    """`(2,)` lid distance in eye widths."""
    gaze: Points
    """`(2, 2)` the iris from the middle of the corners, along the eye and down, in eye widths."""
    blink: Points
    """`(2,)` 0…1 as the network sees it."""


def read(shape: Points, blendshapes: NDArray[np.floating]) -> EyeReading:
    """Measures the eyes of a face turned to the front, `(478, 3)` in any unit."""
    rings, irises = shape[_RINGS], shape[_IRISES, :2]
    outer, inner = rings[:, 0, :2], rings[:, 8, :2]
    along = inner - outer
    along *= np.sign(along[:, :1])
    span = np.linalg.norm(along, axis=1, keepdims=True)
    along /= span
    offset = (irises - (outer + inner) / 2.0) / span
    tracked = np.column_stack(
        [(offset * along).sum(axis=1), along[:, 0] * offset[:, 1] - along[:, 1] * offset[:, 0]]
    )
    looks = blendshapes[_LOOKS].astype(np.float64)
    seen = np.column_stack(
        [_LOOK_RIGHT * (looks[:, 0] - looks[:, 1]), _LOOK_DOWN * (looks[:, 3] - looks[:, 2])]
    )
    # Looking down lowers the lids and the network half calls it a blink.
    blink = blendshapes[_BLINK].astype(np.float64) - 0.3 * looks[:, 3]
    return EyeReading(eye_apertures(rings), (tracked + seen) / 2.0, blink)


def keep_gaze(shape: Points, blendshapes: Points, of: Points, of_blendshapes: Points) -> None:
    """Gives a face (in place) the gaze of another in the same pose."""
    for eye, iris in _EYES:
        corners = eye[[0, 8]]
        shape[iris] = of[iris] + shape[corners].mean(axis=0) - of[corners].mean(axis=0)
    blendshapes[_LOOKS] = of_blendshapes[_LOOKS]


class Eyes:
    """Turns readings into openness and gaze; learns how far this driver's lids close."""

    def __init__(self) -> None:
        """Knows nothing of the driver yet."""
        self._closed = np.full(2, _CLOSED_APERTURE)
        self._gaze = np.zeros(2)

    def look(self, now: EyeReading, neutral: EyeReading) -> Points:
        """`(2, 3)` openness, gaze right, gaze down, as in `Motion.eyes`."""
        openness = self._openness(now, neutral)
        # Closed lids hide the iris: its landmarks are a guess then, and the other eye knows better.
        sight = smoothstep(0.1, 0.35, openness)
        if sight.sum() > 0.0:
            seen = (sight[:, None] * (now.gaze - neutral.gaze)).sum(axis=0) / sight.sum()
            self._gaze = self._gaze + sight.max() * (seen - self._gaze)
        return np.column_stack([openness, np.tile(self._gaze, (2, 1))])

    def _openness(self, now: EyeReading, neutral: EyeReading) -> Points:
        shut = now.blink > _SURELY_CLOSED
        self._closed[shut] = np.minimum(self._closed, np.maximum(now.aperture, 0.03))[shut]
        closed = np.minimum(self._closed, 0.6 * neutral.aperture)
        openness = np.clip((now.aperture - closed) / (neutral.aperture - closed), 0.0, None)
        # Narrow eyes score as half closed even when neutral.
        rest = np.clip(neutral.blink, 0.0, 0.4)
        blink = (now.blink - rest) / (1.0 - rest)
        openness = openness * (1.0 - smoothstep(_BLINK_STARTS, _BLINK_CLOSED, blink))
        openness = np.where(openness > 1.0, 1.0 + 0.45 * (openness - 1.0), openness)
        return _as_one(np.minimum(openness, _WIDEST))


def _as_one(openness: Points) -> Points:
    """Small differences between the eyes are noise: they vanish, a wink stays."""
    mean = float(openness.mean())
    apart = openness - mean
    kept: Points = apart * smoothstep(_TOGETHER, _WINK, np.abs(2.0 * apart))
    return kept + mean
