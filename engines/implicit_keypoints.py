"""A neural portrait's keypoints: what the motion network tells and a motion in, where they go out.

Keypoints are rows. The network's head has axes of its own: x right and y down in the picture, z
away from the viewer; a head turned by `M` has its points at `points @ M.T`. After Guo et al.,
"LivePortrait", arXiv 2407.03168, section 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.face_geometry import Points, rotation_matrix
from engines.types import Floats, Network, Rgb


class Reading(NamedTuple):
    """What the motion network tells of one picture."""

    rotation: Points
    """`(3, 3)` `M`: how the head is turned."""
    translation: Points
    """`(3,)` halves of the picture's side."""
    expression: Points
    """`(n, 3)` offsets in the picture's axes, in the keypoints' unit before `scale`."""
    scale: float
    keypoints: Points
    """`(n, 3)` the head's own, without expression."""

    def placed(self) -> Points:
        """`(n, 3)` where the keypoints are in the picture, −1…1."""
        return placed(self.keypoints, self.rotation, self.expression, self.scale, self.translation)


class Change(NamedTuple):
    """What a motion changes of a portrait's own reading."""

    turn: Points
    """`(3,)` rotation vector in the head's own axes, rad."""
    shift: Points
    """`(2,)` right and down, halves of the picture's side."""
    log_scale: float
    expression: Points
    """`(n, 3)`."""


def read(network: Network, picture: Rgb) -> Reading:
    """Lets the motion network look at a picture, `(h, w, 3)` of its own size."""
    told = dict(zip(network.outputs, network(as_input(picture)), strict=True))
    return Reading(
        rotation(_numbers(told["angles"])[0]),
        _numbers(told["translation"])[0],
        _numbers(told["expression"])[0],
        float(_numbers(told["scale"]).reshape(-1)[0]),
        _numbers(told["keypoints"])[0],
    )


def as_input(picture: Rgb) -> Floats:
    """`(1, 3, h, w)` float32 0…1 of `(h, w, 3)` uint8."""
    height, width = picture.shape[:2]
    planes = np.empty((1, 3, height, width), np.float32)
    for number, plane in enumerate(planes[0]):  # a seventh of what whole pixels take
        np.multiply(cv2.extractChannel(picture, number), np.float32(1 / 255), out=plane)
    return planes


def rotation(angles: Sequence[float] | NDArray[np.floating]) -> Points:
    """`(3, 3)` `M` for pitch, yaw and roll in degrees: pitch first, roll last."""
    pitch, yaw, roll = np.radians(np.asarray(angles, np.float64))
    matrix: Points = (
        rotation_matrix(np.array([0, 0, roll]))
        @ rotation_matrix(np.array([0, yaw, 0]))
        @ rotation_matrix(np.array([pitch, 0, 0]))
    )
    return matrix


def placed(
    keypoints: Points, turned: Points, expression: Points, scale: float, translation: Points
) -> Points:
    """`(n, 3)` keypoints in the picture; depth is not shifted."""
    there: Points = scale * (keypoints @ turned.T + expression)
    there[:, :2] += translation[:2]
    return there


def driven(source: Reading, change: Change) -> Points:
    """`(n, 3)` where a portrait's keypoints go: all of a motion is relative to the neutral face.

    With `M_s` the portrait's turn and `D` the motion's, the head is turned by `M_s D`: about its
    own axes, wherever it looks in the portrait.
    """
    return placed(
        source.keypoints,
        source.rotation @ rotation_matrix(change.turn),
        source.expression + change.expression,
        source.scale * float(np.exp(change.log_scale)),
        source.translation + np.append(change.shift, 0.0),
    )


def _numbers(output: NDArray[Any]) -> Points:
    return np.asarray(output, np.float64)
