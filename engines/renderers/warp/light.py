"""The portrait's light estimated once, and how it changes as the face turns and moves."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from engines.face_geometry import Points
from engines.face_mesh import (
    INNER_LIPS,
    LEFT_BROW,
    LEFT_EYE,
    LEFT_EYE_1,
    OUTER_LIPS,
    OVAL,
    RIGHT_BROW,
    RIGHT_EYE,
    RIGHT_EYE_1,
)
from engines.renderers.warp.deform import Moved
from engines.renderers.warp.drawing import floats
from engines.renderers.warp.framing import Framed
from engines.renderers.warp.mesh import EYE_RINGS, FACE, Mesh, smoothed, vertex_normals

DARKEST, BRIGHTEST = 0.6, 1.45
_STRENGTH = 0.7

# Colours of their own, or too thin to measure skin on.
_NOT_SKIN = np.unique(
    np.r_[
        INNER_LIPS, OUTER_LIPS, RIGHT_EYE, LEFT_EYE, RIGHT_EYE_1, LEFT_EYE_1, RIGHT_BROW, LEFT_BROW,
        OVAL, [98, 327, 97, 326, 2, 164],
    ]
)  # fmt: skip

# A smile pushes the cheek up against the eye: it bulges and catches light, and the fold from the
# wing of the nose to the corner of the mouth deepens. Points of the right side, then of the left.
_FOLD = np.array([[203, 206, 216, 92], [423, 426, 436, 322]])
_CHEEK = np.array([[205, 50, 187, 207, 101], [425, 280, 411, 427, 330]])
_CORNERS = np.array([61, 291])
_FOLD_DEPTH, _CHEEK_LIFT = 0.7, 0.5  # change of light per eye distance that the corner moves
_FULL_SMILE = 0.16  # eye distances
_OUTWARDS = np.array([-1.0, 1.0])


@dataclass(frozen=True, slots=True)
class Light:
    """First-order spherical harmonics of a face's luminance over its normals."""

    ambient: float
    direction: Points
    """`(3,)`: luminance is `ambient + normal @ direction`."""
    at_rest: Points
    """`(468,)`."""
    floor: float
    weight: Points
    """`(468,)` 0 at the outline, so that no edge shows."""


def estimate_light(framed: Framed, mesh: Mesh) -> Light:
    """Fits the light to the portrait's skin by ridge regression.

    After Basri and Jacobs, "Lambertian reflectance and linear subspaces", IEEE PAMI 25(2), 2003.
    """
    grey = floats(cv2.cvtColor(framed.rgb, cv2.COLOR_RGB2GRAY))
    grey = floats(cv2.GaussianBlur(grey, (0, 0), 0.02 * mesh.face_width))
    column, row = np.rint(mesh.points[:, :2] + framed.margin).astype(int).T
    last = len(grey) - 1
    luminance = grey[np.clip(row, 0, last), np.clip(column, 0, last)]
    normals = vertex_normals(mesh.points).T
    skin = normals[:, 2] < -0.2
    skin[_NOT_SKIN] = False
    basis = np.column_stack([np.ones(FACE), normals])
    ridge = np.diag([0.0, 4.0, 4.0, 4.0])
    known = basis[skin]
    ambient, *direction = np.linalg.solve(known.T @ known + ridge, known.T @ luminance[skin])
    typical = float(np.median(luminance[skin]))
    aim = 0.8 * np.array(direction)
    inner = np.ones(FACE)
    inner[OVAL] = 0
    weight = np.clip(1.2 * smoothed(inner), 0, 1)
    weight[OVAL] = 0
    return Light(
        float(ambient),
        aim,
        np.maximum(ambient + normals @ aim, 0.35 * typical),
        max(0.35 * typical, 1.0),
        weight,
    )


def relight(light: Light, mesh: Mesh, moved: Moved) -> Points:
    """`(n,)` by what each vertex's colour is to be multiplied: face, rings (1), rims."""
    now = np.maximum(light.ambient + light.direction @ vertex_normals(moved.face), light.floor)
    change = _held(now / light.at_rest) - 1
    change = _STRENGTH * smoothed(change)
    _smile(change, mesh, moved)
    factor = np.ones(len(moved.vertices))
    factor[:FACE] += light.weight * change
    factor[-len(EYE_RINGS) :] = factor[EYE_RINGS]
    return _held(factor)


def _held(factor: Points) -> Points:
    held: Points = np.minimum(np.maximum(factor, DARKEST), BRIGHTEST)
    return held


def _smile(change: Points, mesh: Mesh, moved: Moved) -> None:
    """Adds the fold's shadow and the cheek's light, by how far the mouth's corners went out."""
    right, left = moved.rigid[_CORNERS, :2]
    across = (left - right) / (np.linalg.norm(left - right) + 1e-9)
    went = moved.expression[_CORNERS, :2] / (mesh.eye_distance * moved.scale)
    outwards, upwards = went @ across * _OUTWARDS, went @ mesh.up
    smile = np.minimum(np.maximum(0.6 * outwards + 0.8 * upwards, 0), _FULL_SMILE)[:, None]
    change[_FOLD] -= _FOLD_DEPTH * smile
    change[_CHEEK] += _CHEEK_LIFT * smile
