"""The basis from ARKit coefficients to the 478-point mesh: a synthetic head goes in, an array out.

The head's 52 face units are known exactly, so nothing has to be estimated but where each landmark
lies on its skin: the tracker tells, on two pictures of the head, one at rest and one with parted
lips. What a unit does to the skin there is the landmark's displacement.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engines.face_geometry import eye_distance, head_orientation, mouth_scale, smoothstep
from engines.face_mesh import (
    BLENDSHAPE_INDEX,
    BLENDSHAPES,
    CANONICAL,
    INNER_LIPS,
    LEFT_IRIS,
    OUTER_LIPS,
    RIGHT_IRIS,
    TRIANGLES,
)
from engines.studio.talking_head import TalkingHead
from engines.trackers.litert import LitertTracker
from engines.types import Face, Picture
from engines.weights import ModelStore

Points = NDArray[np.float64]

_SIZE = 768
_PARTED = 0.35  # jawOpen of the second picture: closed lips hide where each begins
_IN_PICTURE = np.array([1.0, -1.0, -1.0])  # the head's y runs up and z towards the viewer
_FACE = len(CANONICAL)
_LIPS = np.r_[INNER_LIPS, OUTER_LIPS]
# Lids and eyeballs move by `Motion.eyes`, the tongue is no landmark.
_ELSEWHERE = ("eyeBlink", "eyeLook", "eyeWide")
# MakeHuman's rounded lips are narrowed less than a speaker's who says `UW`.
_STRONGER = {"mouthPucker": 1.5, "mouthFunnel": 1.1}
_ROUNDS_FAR, _ROUNDS_NEAR = 8, 1
_MOST_BYTES = 200_000


def write_basis(path: Path) -> None:
    """Writes `(52, 478, 3)` float16, in the unit and axes of `Space.MESH478`, as .npz."""
    head = TalkingHead(_SIZE)
    tracker = LitertTracker(ModelStore())
    try:
        triangles, weights = _places(head, tracker)
    finally:
        tracker.close()

    def on_skin(values: Points) -> Points:
        at: Points = np.einsum("pk,pkc->pc", weights, values[triangles]) * _IN_PICTURE
        return at

    face = on_skin(head.vertices(np.zeros(len(BLENDSHAPES))))
    face = np.concatenate([face, np.repeat(face[[33, 263]], 5, axis=0)])
    unit = eye_distance(face) * mouth_scale(face)
    basis = np.zeros((len(BLENDSHAPES), 478, 3))
    for number, name in enumerate(BLENDSHAPES):
        if not name.startswith(_ELSEWHERE):
            basis[number, :_FACE] = on_skin(head.unit(number)) * _STRONGER.get(name, 1.0)
    basis = _smoothed(_symmetric(basis @ head_orientation(face) / unit), face)
    np.savez_compressed(path, basis=basis.astype(np.float16))
    if path.stat().st_size > _MOST_BYTES:
        raise SystemExit(f"{path} has {path.stat().st_size} bytes, more than {_MOST_BYTES}")


def _places(head: TalkingHead, tracker: LitertTracker) -> tuple[NDArray[np.int64], Points]:
    """`(468, 3)` the vertices of the skin's triangle under each landmark, and their weights."""
    places = []
    for jaw in (0.0, _PARTED):
        coefficients = np.zeros(len(BLENDSHAPES))
        coefficients[BLENDSHAPE_INDEX["jawOpen"]] = jaw
        face = _found(tracker, head, coefficients)
        places.append(_under(face.landmarks[:_FACE, :2], head, coefficients))
    (triangles, weights), parted = places
    triangles[_LIPS], weights[_LIPS] = parted[0][_LIPS], parted[1][_LIPS]
    return triangles, weights


def _found(tracker: LitertTracker, head: TalkingHead, coefficients: Points) -> Face:
    faces = tracker.find(Picture(head.draw(coefficients, np.zeros(3))))
    if not faces:
        raise SystemExit("the tracker finds no face in the studio's own head")
    return faces[0]


def _under(
    landmarks: NDArray[np.floating], head: TalkingHead, coefficients: Points
) -> tuple[NDArray[np.int64], Points]:
    """The foremost triangle under each landmark; beside the head, its nearest vertex."""
    vertices = head.vertices(coefficients)
    at = head.project(vertices)
    faces = head.skin
    a, b, c = (at[faces[:, corner]] for corner in range(3))
    ab, ac = b - a, c - a
    area = ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0]
    facing = area < -1e-9
    faces, a, ab, ac, area = faces[facing], a[facing], ab[facing], ac[facing], area[facing]
    depth = vertices[faces][..., 2].mean(axis=1)
    triangles, weights = [], []
    for landmark in landmarks:
        offset = landmark - a
        u = (offset[:, 0] * ac[:, 1] - offset[:, 1] * ac[:, 0]) / area
        v = (ab[:, 0] * offset[:, 1] - ab[:, 1] * offset[:, 0]) / area
        inside = np.flatnonzero((u >= 0.0) & (v >= 0.0) & (u + v <= 1.0))
        if len(inside):
            chosen = inside[np.argmax(depth[inside])]
            triangles.append(faces[chosen])
            weights.append([1.0 - u[chosen] - v[chosen], u[chosen], v[chosen]])
        else:
            corners = faces.ravel()
            nearest = corners[np.hypot(*(at[corners] - landmark).T).argmin()]
            triangles.append(np.full(3, nearest))
            weights.append([1.0, 0.0, 0.0])
    return np.array(triangles), np.array(weights)


def _symmetric(basis: Points) -> Points:
    """Each shape and the mirror image of its counterpart, averaged: tracking errors are not."""
    apart = np.linalg.norm(CANONICAL[:, None] - CANONICAL[None] * [-1.0, 1.0, 1.0], axis=2)
    mirror = np.r_[apart.argmin(axis=0), LEFT_IRIS, RIGHT_IRIS]
    swapped = {"Left": "Right", "Right": "Left"}
    counterparts = []
    for name in BLENDSHAPES:
        side = next((side for side in swapped if name.endswith(side)), "")
        other = name.removesuffix(side) + swapped.get(side, "")
        counterparts.append(BLENDSHAPE_INDEX[other])
    mirrored = basis[counterparts][:, mirror] * [-1.0, 1.0, 1.0]
    average: Points = (basis + mirrored) / 2.0
    return average


def _smoothed(basis: Points, face: Points) -> Points:
    """Averaged over neighbours: much at the outline, whose landmarks lie beside the skin or on a
    turned part of it, little at the lips. What fills the mouth joins nobody."""
    triangles = TRIANGLES[~np.isin(TRIANGLES, INNER_LIPS).all(axis=1)]
    near = np.eye(478)
    for corner in range(3):
        near[triangles[:, corner], triangles[:, corner - 1]] = 1.0
        near[triangles[:, corner - 1], triangles[:, corner]] = 1.0
    near /= near.sum(axis=1, keepdims=True)
    once, often = (
        np.einsum("pq,kqc->kpc", np.linalg.matrix_power(near, rounds), basis)
        for rounds in (_ROUNDS_NEAR, _ROUNDS_FAR)
    )
    lips = face[_LIPS, :2]
    apart = np.linalg.norm(face[:, None, :2] - lips[None], axis=2).min(axis=1)
    width = math.dist(face[61, :2], face[291, :2])
    far = smoothstep(0.15, 0.5, apart / width)[:, None]
    smoothed: Points = once + far * (often - once)
    return smoothed
