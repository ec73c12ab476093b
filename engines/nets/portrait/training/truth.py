"""What is true of a synthetic head's picture: keypoints, and the pose that puts them there.

The keypoints are vertices of the head. In the head's own axes (x right, y down, z away from the
viewer) and from its own middle they are the canonical ones; what an act does to them, turned with
the head, is the expression. A scale for the middle's depth and its place complete the pose, so that
`keypoints.place` gives them in the picture, but for perspective within the head.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from engines.face_geometry import Points
from engines.face_mesh import BLENDSHAPES
from engines.nets.heads.acts import Act
from engines.studio.performance import rotation
from engines.studio.talking_head import PIVOT, TalkingHead

VERTICES = np.array([
    19158, 20406,  # pupils
    1, 6785, 44, 6828,  # upper and lower lids
    207, 6982, 208, 6983,  # outer and inner brows
    5144, 11758, 468, 494,  # corners, upper and lower lip
    5151, 11765, 5054, 5171,  # cheeks, nose, chin
    5439, 12038, 881,  # ears, crown
])  # fmt: skip
"""Of the keypoints, in MakeHuman's mesh and the eyeballs after it; the subject's right first."""
EYES, MOUTH = (0, 1), 13
"""Which keypoints lie in the middle of the eyes and of the mouth."""
_LIPS, _MOUTH_CORNERS = (468, 494), (5144, 11758)
_LIDS = ((1, 44), (6785, 6828))
_EYE_CORNERS = ((1141, 1181), (7833, 7873))
_UNIT = 25.0
"""cm: so large is the keypoints' unit, and scales are about 1."""
_TURNED = np.array([1.0, -1.0, -1.0])
_MOUTH_SHAPES = np.array([name.startswith(("jaw", "mouth")) for name in BLENDSHAPES])
_LID_SHAPES = np.array(
    [name.startswith(("eyeBlink", "eyeSquint", "eyeWide")) for name in BLENDSHAPES]
)
_BLINKS = np.array([name.startswith("eyeBlink") for name in BLENDSHAPES])


@dataclass(frozen=True, slots=True)
class Truth:
    """Of `n` pictures of one person; floats are float32."""

    canonical: NDArray[np.float32]
    """`(21, 3)` of the person."""
    angles: NDArray[np.float32]
    """`(n, 3)` degrees: pitch, yaw, roll."""
    translation: NDArray[np.float32]
    """`(n, 3)` halves of the picture's side; z is 0."""
    scale: NDArray[np.float32]
    """`(n, 1)`."""
    expression: NDArray[np.float32]
    """`(n, 21, 3)`."""
    lips: NDArray[np.float32]
    """`(n, 3)` how far the lips are apart, in widths of the mouth: as shown; shut; by chance."""
    lip_offsets: NDArray[np.float32]
    """`(n, 2, 21, 3)` what the last two do to the expression."""
    lids: NDArray[np.float32]
    """`(n, 3, 2)` how far the right and the left lids are apart, in widths of the eye: likewise."""
    lid_offsets: NDArray[np.float32]
    """`(n, 2, 21, 3)`."""


class Measured:
    """A head before its camera, and what can be told of it."""

    def __init__(self, head: TalkingHead, lens: Sequence[float], field_of_view: float) -> None:
        """`lens` in cm and `field_of_view` in radians: those of the head's sitter."""
        self._head, self._lens = head, np.asarray(lens, np.float64)
        self._focal = 1 / math.tan(field_of_view / 2)
        self._still = head.vertices(np.zeros(len(BLENDSHAPES)))
        self._rest = self._still[VERTICES]
        self._middle = self._rest.mean(axis=0)
        self._shut = self._gap(self._still, _LIPS)

    def truth(self, acts: Sequence[Act], rng: np.random.Generator) -> Truth:
        """Of a picture of each act; the generator draws the lips and lids by chance."""
        rows = [self._row(act, rng) for act in acts]
        canonical = (self._rest - self._middle) * _TURNED / _UNIT
        columns = [np.array(column, np.float32) for column in zip(*rows, strict=True)]
        return Truth(canonical.astype(np.float32), *columns)

    def _row(self, act: Act, rng: np.random.Generator) -> tuple[Points, ...]:
        turn = rotation(act.euler_deg)
        middle = PIVOT + turn @ (self._middle - PIVOT) - self._lens
        scale = self._focal / -middle[2]
        lips = [act.coefficients, _times(act.coefficients, _MOUTH_SHAPES, 0.0)]
        lips.append(_times(act.coefficients, _MOUTH_SHAPES, rng.uniform(0.0, 1.2)))
        lids = [act.coefficients, np.maximum(act.coefficients, _BLINKS)]
        opened = _times(act.coefficients, _LID_SHAPES, 0.0)
        lids.append(opened + rng.uniform(0.0, 0.8) * _BLINKS)
        shown = [self._head.vertices(one) for one in (*lips, *lids[1:])]
        told = [(one[VERTICES] - self._rest) @ turn.T * _TURNED / _UNIT for one in shown]
        return (
            angles(turn),
            scale * np.array([middle[0], -middle[1], 0.0]),
            np.array([scale * _UNIT]),
            told[0],
            np.array([self._parted(one) for one in shown[:3]]),
            np.array(told[1:3]) - told[0],
            np.array([self._opened(one) for one in (shown[0], *shown[3:])]),
            np.array(told[3:]) - told[0],
        )

    def _parted(self, vertices: Points) -> float:
        gap = self._gap(vertices, _LIPS) - self._shut
        return max(0.0, gap) / self._gap(self._still, _MOUTH_CORNERS)

    def _opened(self, vertices: Points) -> list[float]:
        return [
            self._gap(vertices, lids) / self._gap(self._still, corners)
            for lids, corners in zip(_LIDS, _EYE_CORNERS, strict=True)
        ]

    @staticmethod
    def _gap(vertices: Points, ends: tuple[int, int]) -> float:
        return float(np.linalg.norm(vertices[ends[0]] - vertices[ends[1]]))


def angles(turn: Points) -> Points:
    """`(3,)` pitch, yaw, roll in degrees of a studio rotation (y up, z towards the viewer)."""
    matrix = turn * np.outer(_TURNED, _TURNED)
    found: Points = np.degrees([
        math.atan2(matrix[2, 1], matrix[2, 2]),
        -math.asin(float(np.clip(matrix[2, 0], -1.0, 1.0))),
        math.atan2(matrix[1, 0], matrix[0, 0]),
    ])  # fmt: skip
    return found


def join(truths: Sequence[Truth]) -> Truth:
    """Pictures of several people; `canonical` then has a row for each picture."""
    columns = {
        field.name: np.concatenate([getattr(truth, field.name) for truth in truths])
        for field in fields(Truth)
        if field.name != "canonical"
    }
    rows = [np.broadcast_to(t.canonical, (len(t.angles), *t.canonical.shape)) for t in truths]
    return Truth(np.concatenate(rows), **columns)


def _times(coefficients: Points, which: NDArray[np.bool_], much: float) -> Points:
    scaled: Points = np.where(which, much * coefficients, coefficients)
    return scaled
