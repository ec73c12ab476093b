"""A mesh at rest and a motion in, the moved mesh out."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from engines.face_geometry import Points, rotation_matrix
from engines.face_mesh import (
    INNER_LIPS,
    LEFT_EYE,
    LEFT_EYE_1,
    LEFT_EYE_2,
    OVAL,
    RIGHT_EYE,
    RIGHT_EYE_1,
    RIGHT_EYE_2,
)
from engines.renderers.warp.mesh import EYE_RINGS, FACE, Mesh
from engines.types import Motion

# What one picture can stand: beyond, there is no texture for what would come into view.
_PITCH, _YAW, _ROLL = np.radians([23.0, 30.0, 38.0])
_SHIFT = 0.6  # face widths
_LOG_SCALE = 0.4
_WIDEST_LIDS = 1.3
_FARTHEST_GAZE = 0.28  # eye widths
_LARGEST_EXPRESSION = 0.8  # eye distances
_GAP_KNEE, _GAP_LIMIT = 0.45, 0.72  # of the lips, in mouth widths

# Chains of a ring of 16, corner to corner without the corners: upper lid above lower lid.
_UPPER, _LOWER = np.arange(15, 8, -1), np.arange(1, 8)
_EYELIDS = ((RIGHT_EYE, RIGHT_EYE_1, RIGHT_EYE_2), (LEFT_EYE, LEFT_EYE_1, LEFT_EYE_2))
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
    pose = np.nan_to_num(motion.pose.astype(np.float64), posinf=0.0, neginf=0.0)
    eyes = np.where(np.isfinite(motion.eyes), motion.eyes, [[1.0, 0.0, 0.0]]).astype(np.float64)
    openness = np.clip(eyes[:, 0], 0.0, _WIDEST_LIDS)
    limit = np.array([_PITCH, _YAW, _ROLL])
    # The head turns about its own axes: a portrait that looks up still turns, not tilts.
    turned = mesh.orientation @ np.clip(pose[:3], -limit, limit)
    rotation = rotation_matrix(turned)
    scale = math.exp(float(np.clip(pose[5], -_LOG_SCALE, _LOG_SCALE)))
    shift = np.array([*np.clip(pose[3:5], -_SHIFT, _SHIFT), 0.0]) * mesh.face_width

    moved = _expression(mesh, motion)
    _close_lids(mesh, moved, openness)
    shape = mesh.points + moved
    _hold_lips(mesh, shape)

    def pose_points(points: Points) -> Points:
        posed: Points = (points - mesh.centre) @ rotation.T * scale + mesh.centre + shift
        return posed

    face, rigid = pose_points(shape), pose_points(mesh.points)
    outline = pose_points(mesh.outline_centre[None])[0]
    roll = math.atan2(rotation[1, 0] - rotation[0, 1], rotation[0, 0] + rotation[1, 1])
    turn = np.array([[math.cos(roll), -math.sin(roll)], [math.sin(roll), math.cos(roll)]])

    def silhouette(points: Points) -> Points:
        """Where the points go if the head's outline only shifts, tilts and grows."""
        out: Points = (points - mesh.outline_centre[:2]) @ turn.T * scale + outline[:2]
        return out

    sides = _side_correction(mesh, rigid, silhouette(mesh.points[:, :2]), turn @ mesh.right)
    face[:, :2] += sides
    rigid[:, :2] += sides
    return Moved(
        face=face,
        rigid=rigid,
        vertices=np.concatenate(
            [
                face[:, :2],
                _move_rings(mesh, face, rigid, silhouette(mesh.rings)),
                face[EYE_RINGS, :2]
                + (mesh.rims - mesh.points[EYE_RINGS, :2]) @ (rotation[:2, :2] * scale).T,
            ]
        ),
        depth=np.concatenate(
            [
                face[:, 2],
                mesh.ring_depth + outline[2] - mesh.outline_centre[2],
                face[EYE_RINGS, 2] - 0.5,
            ]
        ),
        scale=scale,
        expression=face - rigid,
        openness=openness,
        # what shifts the corners of an eye shifts its iris too, or the eyes would cross
        irises=pose_points(mesh.irises)[:, :2] + sides[_EYE_CORNERS].mean(axis=1),
        gaze=np.clip(eyes[:, 1:], -_FARTHEST_GAZE, _FARTHEST_GAZE),
    )


def _expression(mesh: Mesh, motion: Motion) -> Points:
    """`(468, 3)` displacements in pixels at rest."""
    wanted = np.nan_to_num(
        motion.expression[:FACE].astype(np.float64), posinf=0.0, neginf=0.0
    ).clip(-_LARGEST_EXPRESSION, _LARGEST_EXPRESSION)
    moved: Points = wanted @ mesh.orientation.T * (mesh.eye_distance * mesh.reach)
    sideways = moved[:, :2] @ mesh.right
    moved[:, :2] -= (sideways[:, None] * (1 - mesh.narrow)) * mesh.right
    return moved


def _close_lids(mesh: Mesh, moved: Points, openness: Points) -> None:
    """Lets the openness place the lids: the upper one comes down to this face's own lower lid."""
    for (edge, near, far), openness_now in zip(_EYELIDS, openness, strict=True):
        upper, lower = edge[_UPPER], edge[_LOWER]
        gap = mesh.points[upper] - mesh.points[lower]
        moved[edge] *= 0.25
        raised = gap * 0.12 * (1 - min(openness_now, 1.0))
        lowered = gap * (openness_now - 1) + raised
        moved[lower], moved[upper] = raised, lowered
        moved[near[_UPPER]] = 0.55 * lowered + 0.35 * moved[near[_UPPER]]
        moved[near[_LOWER]] = 0.5 * raised + 0.5 * moved[near[_LOWER]]
        moved[far[_UPPER]] = 0.12 * lowered + 0.7 * moved[far[_UPPER]]


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


def _side_correction(mesh: Mesh, rigid: Points, silhouette: Points, right: Points) -> Points:
    apart = silhouette - rigid[:, :2]
    outwards = mesh.points[:, :2] - mesh.outline_centre[:2]
    near_side = (apart * outwards).sum(axis=1, keepdims=True) > 0
    amount = mesh.sideways * np.where(near_side, 0.9, 0.6)
    correction: Points = (apart @ right)[:, None] * right * amount
    return correction


def _move_rings(mesh: Mesh, face: Points, rigid: Points, silhouette: Points) -> Points:
    rings = len(mesh.rings) // len(OVAL)
    rigidly = np.tile(rigid[OVAL, :2] - mesh.points[OVAL, :2], (rings, 1))
    freely = silhouette - mesh.rings
    with_head = ((1 - mesh.loose) * rigidly + mesh.loose * freely) * mesh.head
    with_jaw = np.tile((face - rigid)[OVAL, :2], (rings, 1)) * mesh.jaw
    moved: Points = mesh.rings + with_head + with_jaw * np.minimum(1, 0.25 + mesh.head)
    return moved
