"""A mesh at rest and a motion in, the moved mesh out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from engines.face_geometry import Points, rotation_matrix
from engines.face_mesh import (
    INNER_LIPS,
    LEFT_EYE_1,
    LEFT_EYE_2,
    OVAL,
    RIGHT_EYE_1,
    RIGHT_EYE_2,
)
from engines.renderers.warp.mesh import EYE_RINGS, FACE, LIDS, LOWER, UPPER, Mesh
from engines.types import Motion

# What one picture can stand: beyond, there is no texture for what would come into view.
_PITCH, _YAW, _ROLL = (math.radians(limit) for limit in (23.0, 30.0, 38.0))
_SHIFT = 0.6  # face widths
_LOG_SCALE = 0.4
_WIDEST_LIDS = 1.3
_FARTHEST_GAZE = 0.28  # eye widths
_LARGEST_EXPRESSION = 0.8  # eye distances
_GAP_KNEE, _GAP_LIMIT = 0.45, 0.72  # of the lips, in mouth widths

_NEAR, _FAR = np.stack([RIGHT_EYE_1, LEFT_EYE_1]), np.stack([RIGHT_EYE_2, LEFT_EYE_2])
_AROUND = np.stack(
    [LIDS[:, LOWER], LIDS[:, UPPER], _NEAR[:, LOWER], _NEAR[:, UPPER], _FAR[:, UPPER]]
)
# How far these five follow the expression, the lower lid as it rises, the upper as it comes down.
_EXPRESSED = np.array([0.0, 0.0, 0.5, 0.35, 0.7])[:, None, None, None]
_RISING = np.array([[1.0], [0.0], [0.5], [0.0], [0.0]])
_FALLING = np.array([[0.0], [1.0], [0.0], [0.55], [0.12]])
_CORNERS = LIDS[:, [0, 8]].reshape(-1)
_EYE_CORNERS = np.array([[33, 133], [362, 263]])
_UPPER_LIP, _LOWER_LIP = INNER_LIPS[1:10], INNER_LIPS[19:10:-1]


@dataclass(frozen=True, slots=True)
class Moved:
    """A mesh in motion; pixels of the frame."""

    face: Points
    """`(468, 3)`."""
    rigid: Points
    """`(468, 3)` the same without expression."""
    vertices: Points
    """`(n, 2)` in the mesh's order: face, rings, rims."""
    depth: Points
    """`(n,)`."""
    scale: float
    expression: Points
    """`(468, 3)` the displacement in the picture, head turned."""
    openness: Points
    """`(2,)`."""
    irises: Points
    """`(2, 2)` their centres as the head carries them, before any gaze."""
    gaze: Points
    """`(2, 2)` right and down, eye widths."""


def deform(mesh: Mesh, motion: Motion) -> Moved:
    """Applies a `mesh478` motion; what is not a number, or too much, is held to the plausible."""
    pitch, yaw, roll, right, down, log_scale = (_finite(x, 0.0) for x in motion.pose.tolist())
    eyes = motion.eyes.tolist()
    openness = np.array([_held(_finite(eye[0], 1.0), 0.0, _WIDEST_LIDS) for eye in eyes])
    # The head turns about its own axes: a portrait that looks up still turns, not tilts.
    turn = [_held(pitch, -_PITCH, _PITCH), _held(yaw, -_YAW, _YAW), _held(roll, -_ROLL, _ROLL)]
    rotation = rotation_matrix(mesh.orientation @ turn)
    scale = math.exp(_held(log_scale, -_LOG_SCALE, _LOG_SCALE))
    shift = np.array([_held(right, -_SHIFT, _SHIFT), _held(down, -_SHIFT, _SHIFT), 0.0])
    place = mesh.centre + shift * mesh.face_width
    posed = rotation.T * scale

    moved = _expression(mesh, motion)
    _close_lids(mesh, moved, openness)
    shape = mesh.points + moved
    _hold_lips(mesh, shape)

    rigid = (mesh.points - mesh.centre) @ posed + place
    face = (shape - mesh.centre) @ posed + place
    # Where points go if the head's outline only shifts, tilts and grows.
    outline = (mesh.outline_centre - mesh.centre) @ posed + place
    tilt = math.atan2(rotation[1, 0] - rotation[0, 1], rotation[0, 0] + rotation[1, 1])
    cosine, sine = math.cos(tilt), math.sin(tilt)
    tilted = np.array([[cosine, sine], [-sine, cosine]])
    silhouette = Silhouette(mesh.outline_centre[:2], tilted * scale, outline[:2])

    sides = _side_correction(mesh, rigid, silhouette, mesh.right @ tilted)
    face[:, :2] += sides
    rigid[:, :2] += sides
    rims = face[EYE_RINGS]
    return Moved(
        face=face,
        rigid=rigid,
        vertices=np.concatenate(
            [
                face[:, :2],
                _move_rings(mesh, face, rigid, silhouette),
                rims[:, :2] + mesh.rim_offsets @ posed[:2, :2],
            ]
        ),
        depth=np.concatenate(
            [face[:, 2], mesh.ring_depth + (outline[2] - mesh.outline_centre[2]), rims[:, 2] - 0.5]
        ),
        scale=scale,
        expression=face - rigid,
        openness=openness,
        # what shifts the corners of an eye shifts its iris too, or the eyes would cross
        irises=((mesh.irises - mesh.centre) @ posed + place)[:, :2]
        + sides[_EYE_CORNERS].mean(axis=1),
        gaze=np.array(
            [
                [_held(_finite(x, 0.0), -_FARTHEST_GAZE, _FARTHEST_GAZE) for x in eye[1:]]
                for eye in eyes
            ]
        ),
    )


class Silhouette(NamedTuple):
    """The head's outline moved as a whole."""

    centre: Points
    matrix: Points
    place: Points

    def __call__(self, points: Points) -> Points:
        """`(n, 2)` where points of the resting picture go with it."""
        moved: Points = (points - self.centre) @ self.matrix + self.place
        return moved


def _finite(value: float, instead: float) -> float:
    return value if math.isfinite(value) else instead


def _held(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


def _expression(mesh: Mesh, motion: Motion) -> Points:
    """`(468, 3)` displacements in pixels at rest."""
    wanted = motion.expression[:FACE].astype(np.float64)
    if not np.isfinite(wanted).all():
        wanted = np.nan_to_num(wanted, posinf=0.0, neginf=0.0)
    np.maximum(wanted, -_LARGEST_EXPRESSION, out=wanted)
    np.minimum(wanted, _LARGEST_EXPRESSION, out=wanted)
    moved: Points = wanted @ (mesh.orientation.T * mesh.eye_distance)
    moved *= mesh.reach
    sideways = (moved[:, :2] @ mesh.right)[:, None] * mesh.narrowed
    moved[:, :2] -= sideways * mesh.right
    return moved


def _close_lids(mesh: Mesh, moved: Points, openness: Points) -> None:
    """Lets the openness place the lids: the upper one comes down to this face's own lower lid."""
    raised = 0.12 * (1 - np.minimum(openness, 1.0))
    lowered = openness - 1 + raised
    share = _RISING * raised + _FALLING * lowered
    moved[_AROUND] = _EXPRESSED * moved[_AROUND] + share[..., None, None] * mesh.lid_gaps
    moved[_CORNERS] *= 0.25


def _hold_lips(mesh: Mesh, shape: Points) -> None:
    """Keeps the lips from passing through each other, and a mouth from opening beyond belief."""
    up = np.array([*mesh.up, 0.0])
    gap = (shape[_UPPER_LIP] - shape[_LOWER_LIP]) @ up
    crossed = np.minimum(gap, 0.0)[:, None] * up
    shape[_UPPER_LIP] -= 0.5 * crossed
    shape[_LOWER_LIP] += 0.5 * crossed
    widest = gap.max() / mesh.mouth_width
    if widest > _GAP_KNEE:
        room = _GAP_LIMIT - _GAP_KNEE
        held = _GAP_KNEE + room * math.tanh((widest - _GAP_KNEE) / room)
        below = mesh.points[:, :2] @ mesh.up < mesh.points[_LOWER_LIP, :2].mean(axis=0) @ mesh.up
        below[_LOWER_LIP] = True
        opened = (shape - mesh.points)[below]
        along = opened @ up
        shape[below] -= (along * (1 - held / widest))[:, None] * up


def _side_correction(mesh: Mesh, rigid: Points, silhouette: Silhouette, right: Points) -> Points:
    apart = silhouette(mesh.points[:, :2]) - rigid[:, :2]
    near_side = np.einsum("ij,ij->i", apart, mesh.outwards) > 0
    amount = mesh.sideways * np.where(near_side, 0.9, 0.6)
    correction: Points = (apart @ right * amount)[:, None] * right
    return correction


def _move_rings(mesh: Mesh, face: Points, rigid: Points, silhouette: Silhouette) -> Points:
    at_rest = mesh.rings.reshape(-1, len(OVAL), 2)
    rigidly = rigid[OVAL, :2] - mesh.points[OVAL, :2]
    moved: Points = at_rest + mesh.ring_rigid * rigidly
    moved += mesh.ring_loose * (silhouette(at_rest) - at_rest)
    moved += mesh.ring_jaw * (face[OVAL, :2] - rigid[OVAL, :2])
    return moved.reshape(-1, 2)
