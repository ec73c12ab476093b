"""ARKit coefficients go in, displacements of the 478-point mesh come out.

A sum of shapes, as ARKit means it (`data/blendshape_basis.npz`, made by `engines.studio`), and two
things that a sum cannot do: lips that are to be shut meet wherever the jaw is, and an opening
between rounded lips is round, where the sum would give a slot as wide as the mouth.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engines.face_geometry import Points, eye_distance, smoothstep
from engines.face_mesh import BLENDSHAPE_INDEX, BLENDSHAPES, CANONICAL, INNER_LIPS
from engines.types import Floats

with np.load(Path(__file__).parent / "data" / "blendshape_basis.npz") as _data:
    BASIS: Floats = _data["basis"].astype(np.float32)
    """`(52, 478, 3)` what each coefficient adds at 1, as in `Space.MESH478`; nothing for lids and
    gaze, which travel in `Motion.eyes`."""
_FLAT = np.ascontiguousarray(BASIS.reshape(len(BLENDSHAPES), -1))

_JAW, _CLOSE = BLENDSHAPE_INDEX["jawOpen"], BLENDSHAPE_INDEX["mouthClose"]
_PUCKER, _FUNNEL = BLENDSHAPE_INDEX["mouthPucker"], BLENDSHAPE_INDEX["mouthFunnel"]
_UPPER, _LOWER = INNER_LIPS[1:10], INNER_LIPS[19:10:-1]
"""Points that meet when the lips do, from the picture's left to its right."""
_OVERLAP = 0.012  # eye distances that shut lips go beyond meeting: a portrait's may be ajar
_FULLY_OVERLAPPING = 0.03  # mouthClose
_LOWER_SHARE = 0.65  # of the way that lips go to meet
_SURELY_SHUT = (0.5, 0.9)  # mouthClose over jawOpen
_FUNNEL_ROUNDS = 0.7  # as much as a pucker
_ROUND_WIDTH = 0.85  # of a round opening, the corners of the lips being 1
_MIDDLE = 4  # of the nine pairs of lip points
_FOLLOWING = 0.16  # eye distances within which the skin follows the edge of its lip


def _across() -> Points:
    """`(9,)` how far from the middle each pair of lip points is, the corner being 1."""
    x = np.abs(CANONICAL[_UPPER, 0])
    across: Points = x / np.abs(CANONICAL[INNER_LIPS[0], 0])
    return across


def _roundness() -> Points:
    """`(9,)` the height of a round opening, its middle being 1."""
    roundness: Points = np.sqrt(np.maximum(1.0 - np.square(_across() / _ROUND_WIDTH), 0.0))
    return roundness


def _following() -> tuple[Points, Points]:
    """`(478, 9)` twice: how far each point follows the edge of the upper and of the lower lip."""
    flat = CANONICAL[:, :2] / eye_distance(CANONICAL)
    corners = sorted(flat[[78, 308]].tolist())
    middle = np.interp(flat[:, 0], *np.transpose(corners))
    sides = []
    for edge, own, sign in ((_UPPER, INNER_LIPS[:11], 1.0), (_LOWER, INNER_LIPS[10:], -1.0)):
        apart = np.linalg.norm(flat[:, None] - flat[None, edge], axis=2)
        near = np.exp(-np.square(apart / 0.05)) + 1e-12
        share = near / near.sum(axis=1, keepdims=True)
        share *= (1.0 - smoothstep(0.0, _FOLLOWING, apart.min(axis=1)))[:, None]
        belongs = (flat[:, 1] - middle) * sign > 0.0
        belongs[INNER_LIPS] = False
        belongs[own[1:10] if sign > 0 else own[1:]] = True
        share[~belongs] = 0.0
        share[edge] = np.eye(len(edge))
        sides.append(np.concatenate([share, np.zeros((10, len(edge)))]))
    return sides[0], sides[1]


_ROUNDNESS = _roundness()
_UPPER_FOLLOWING, _LOWER_FOLLOWING = _following()


def to_mesh(coefficients: NDArray[np.floating]) -> Floats:
    """`(478, 3)` float32 displacements for `(52,)` coefficients in the order of `BLENDSHAPES`."""
    weights = np.asarray(coefficients, np.float32)
    moved = (weights @ _FLAT).reshape(-1, 3)
    opened = moved[_LOWER, 1] - moved[_UPPER, 1]
    more = _rounded(weights, opened)
    more = _shut(weights, opened + more) + more
    if np.abs(more).max() > 1e-4:
        moved[:, 1] += _LOWER_FOLLOWING @ (_LOWER_SHARE * more)
        moved[:, 1] -= _UPPER_FOLLOWING @ ((1.0 - _LOWER_SHARE) * more)
    return moved


def _rounded(weights: Floats, opened: Floats) -> Points:
    """`(9,)` what rounding adds to the opening of each pair."""
    much = min(1.0, float(weights[_PUCKER] + _FUNNEL_ROUNDS * weights[_FUNNEL]))
    height = max(float(opened[_MIDDLE]), 0.0)
    added: Points = much * (height * _ROUNDNESS - np.maximum(opened, 0.0))
    return added


def _shut(weights: Floats, opened: Points) -> Points:
    """`(9,)` what the lips still lack to meet, as far as they are to."""
    jaw = float(weights[_JAW])
    if jaw < 1e-3:
        return np.zeros(len(opened))
    much = smoothstep(*_SURELY_SHUT, float(weights[_CLOSE]) / jaw)
    overlap = _OVERLAP * min(1.0, float(weights[_CLOSE]) / _FULLY_OVERLAPPING)
    missing: Points = much * np.minimum(-overlap - opened, 0.0)
    return missing
