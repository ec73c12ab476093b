"""A portrait's landmarks in, the mesh that carries its texture out.

The 468 points of the face, rings of 36 around its outline that carry hair, neck and background, and
a ring of 16 just outside each eye that moves with the lid's edge, so that lashes are carried along
and not stretched.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engines.face_geometry import (
    Points,
    eye_distance,
    face_width,
    head_orientation,
    mouth_scale,
    mouth_width,
    smoothstep,
)
from engines.face_mesh import (
    LEFT_EYE,
    LEFT_EYE_1,
    LEFT_IRIS,
    OVAL,
    RIGHT_EYE,
    RIGHT_EYE_1,
    RIGHT_IRIS,
    STABLE,
    TRIANGLES,
)

FACE = 468
EYE_RINGS = np.r_[RIGHT_EYE, LEFT_EYE]
UPPER = np.arange(15, 8, -1)
"""The upper lid in a ring of 16, corner to corner without the corners."""
LOWER = np.arange(1, 8)
"""The lower lid, point below point."""
LIDS = np.stack([RIGHT_EYE, LEFT_EYE])
"""The lids' edges."""
_RINGS = np.array([1.08, 1.18, 1.30, 1.45, 1.62, 1.85, 2.15, 2.6, 3.3, 4.6])
"""Radii of the outer rings, the face's outline being 1."""
_RIM = 0.085  # eye widths from the lid's edge to the rim ring


@dataclass(frozen=True, slots=True)
class Mesh:
    """A portrait's mesh at rest; pixels of the frame, x right, y down, z away."""

    points: Points
    """`(468, 3)` the face."""
    rings: Points
    """`(360, 2)`."""
    ring_depth: Points
    """`(360,)`."""
    rims: Points
    """`(32, 2)`."""
    irises: Points
    """`(2, 3)` their centres, the subject's right first."""
    triangles: NDArray[np.int64]
    """`(m, 3)` of face, rings, rims in this order; all turned the same way."""
    centre: Points
    """`(3,)` what the head turns about."""
    outline_centre: Points
    """`(3,)` the middle of the outline, at the depth of the head's silhouette."""
    right: Points
    """`(2,)` the face's own right-hand direction in the picture."""
    up: Points
    """`(2,)`."""
    orientation: Points
    """`(3, 3)` picture axes ← canonical head axes (x right, y down, z away)."""
    eye_distance: float
    face_width: float
    mouth_width: float
    reach: Points
    """`(468, 1)` how far each point follows the expression: all at the lips, hardly at the
    forehead; times the mouth's own scale."""
    narrowed: Points
    """`(468, 1)` what is taken off the sideways part of it: the jaw's outline would go pointed."""
    sideways: Points
    """`(468,)` 0…1: how far a point belongs to the silhouette rather than to the surface."""
    outwards: Points
    """`(468, 2)` from the outline's middle to each point."""
    lid_gaps: Points
    """`(2, 7, 3)` from the lower to the upper lid, the subject's right eye first."""
    ring_rigid: Points
    """`(10, 36, 1)` how far a ring point goes with the outline as a rigid head has it: not where
    the silhouette alone counts, and less from hair to shoulders."""
    ring_loose: Points
    """`(10, 36, 1)` how far with the silhouette."""
    ring_jaw: Points
    """`(10, 36, 1)` how far with the outline's expression."""

    @property
    def rim_offsets(self) -> Points:
        """`(32, 2)` from the lids' edges to the rims."""
        offsets: Points = self.rims - self.points[EYE_RINGS, :2]
        return offsets

    @property
    def texture(self) -> Points:
        """`(n, 2)` where each vertex lies at rest: face, rings, rims."""
        return np.concatenate([self.points[:, :2], self.rings, self.rims])


def build_mesh(landmarks: Points, size: int, *, still_edges: bool) -> Mesh:
    """The mesh of a face with `(478, 3)` landmarks in a frame of `size` × `size` pixels.

    `still_edges`: nothing is known of where the person ends, so the rings fade to rest towards the
    frame's edges; else a matte cuts the person out and they move freely.
    """
    points = landmarks[:FACE]
    up = (points[10] - points[152])[:2]
    height = float(np.linalg.norm(up))
    up = up / height
    right = np.array([-up[1], up[0]])
    middle = points[OVAL, :2].mean(axis=0)
    silhouette_depth = float(np.median(points[[234, 454, 127, 356], 2]))
    rings = (middle + (points[OVAL, :2] - middle) * _RINGS[:, None, None]).reshape(-1, 2)
    stable = STABLE[STABLE < FACE]
    head = _ring_follows_head(rings, middle, right, up, height, size, still_edges)
    loose = _ring_is_loose(points, middle, up)
    # Not down to the collar: an opening jaw would draw it out into a point.
    jaw = np.repeat(1 - smoothstep(1.0, 1.45, _RINGS), len(OVAL)) * np.minimum(1, 0.25 + head)
    outline_centre = np.array([*points[stable].mean(axis=0)[:2], silhouette_depth])
    by_ring = (len(_RINGS), len(OVAL), 1)
    return Mesh(
        points=points,
        rings=rings,
        ring_depth=np.repeat(silhouette_depth + 5 + 20 * (_RINGS - 1), len(OVAL)),
        rims=_eye_rims(points),
        irises=landmarks[[RIGHT_IRIS[0], LEFT_IRIS[0]]],
        triangles=_triangles(points, rings),
        centre=points[stable].mean(axis=0),
        outline_centre=outline_centre,
        right=right,
        up=up,
        orientation=head_orientation(landmarks),
        eye_distance=eye_distance(landmarks),
        face_width=face_width(landmarks),
        mouth_width=mouth_width(landmarks),
        reach=_reach(points, middle, up, height)[:, None] * mouth_scale(landmarks)[:FACE],
        narrowed=(0.5 * smoothstep(0.75, 1.0, _radius(points, middle)))[:, None],
        sideways=_sideways(points, middle, right),
        outwards=points[:, :2] - outline_centre[:2],
        lid_gaps=points[LIDS[:, UPPER]] - points[LIDS[:, LOWER]],
        ring_rigid=((1 - loose) * head).reshape(by_ring),
        ring_loose=(loose * head).reshape(by_ring),
        ring_jaw=jaw.reshape(by_ring),
    )


def _eye_rims(points: Points) -> Points:
    rims = []
    for edge, around in ((RIGHT_EYE, RIGHT_EYE_1), (LEFT_EYE, LEFT_EYE_1)):
        width = np.linalg.norm(points[edge[0], :2] - points[edge[8], :2])
        outwards = points[around, :2] - points[edge, :2]
        length = np.linalg.norm(outwards, axis=1, keepdims=True) + 1e-6
        rims.append(points[edge, :2] + outwards / length * np.minimum(_RIM * width, 0.55 * length))
    return np.concatenate(rims)


def _triangles(points: Points, rings: Points) -> NDArray[np.int64]:
    count = len(OVAL)
    faces = TRIANGLES
    strips = []
    first_rim = FACE + len(rings)
    for number, (edge, around) in enumerate(((RIGHT_EYE, RIGHT_EYE_1), (LEFT_EYE, LEFT_EYE_1))):
        eyelid = np.isin(faces, np.r_[edge, around]).all(axis=1)
        inside = np.isin(faces, edge).all(axis=1)  # what closes the eye's hole stays
        faces = faces[~eyelid | inside]
        rim = first_rim + 16 * number + np.arange(16)
        strips += [_strip(edge, rim), _strip(rim, around)]
    loops = [OVAL, *(FACE + count * ring + np.arange(count) for ring in range(len(_RINGS)))]
    strips += [_strip(inner, outer) for inner, outer in itertools.pairwise(loops)]
    triangles = np.concatenate([faces, *strips]).astype(np.int64)
    at = np.concatenate([points[:, :2], rings, _eye_rims(points)])
    u = at[triangles[:, 1]] - at[triangles[:, 0]]
    v = at[triangles[:, 2]] - at[triangles[:, 0]]
    turned = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0] < 0
    triangles[turned] = triangles[turned][:, [0, 2, 1]]
    return triangles


def _strip(inner: NDArray[np.integer], outer: NDArray[np.integer]) -> NDArray[np.integer]:
    """The triangles between two closed loops of as many points."""
    inner_next, outer_next = np.roll(inner, -1), np.roll(outer, -1)
    return np.concatenate(
        [
            np.stack([inner, outer, outer_next], axis=1),
            np.stack([inner, outer_next, inner_next], axis=1),
        ]
    )


def _radius(points: Points, middle: Points) -> Points:
    """`(n,)` distance from the middle, the outline in that direction being 1."""
    outline = points[OVAL, :2] - middle
    angle = np.arctan2(outline[:, 1], outline[:, 0])
    order = np.argsort(angle)
    length = np.hypot(*outline.T)
    offset = points[:, :2] - middle
    edge = np.interp(
        np.arctan2(offset[:, 1], offset[:, 0]), angle[order], length[order], period=2 * np.pi
    )
    radius: Points = np.hypot(*offset.T) / edge
    return radius


def _reach(points: Points, middle: Points, up: Points, height: float) -> Points:
    """What of the expression each point is trusted with: the forehead and temples hardly move."""
    reach = np.ones(FACE)
    reach[STABLE[STABLE < FACE]] = 0.15
    reach[[8, 9, 55, 285, 107, 336]] = [0.6, 0.6, 1, 1, 1, 1]
    reach[[151, 108, 337, 69, 299]] = 0.45
    reach[[33, 133, 362, 263]] = 0.3
    reach[[168, 6, 197, 195, 5, 4, 1]] = [0.1, 0.1, 0.1, 0.2, 0.4, 0.5, 0.5]
    above = (points[:, :2] - middle) @ up / height
    return np.where(above > 0.33, reach * (1 - smoothstep(0.40, 0.70, above)), reach)


def _sideways(points: Points, middle: Points, right: Points) -> Points:
    """Where the surface turns away to the side, one picture has no texture for what comes round.

    There the outline's own movement takes over, which neither streaks nor folds.
    """
    radius = _radius(points, middle)
    offset = points[:, :2] - middle
    across = np.abs(offset @ right) / (np.hypot(*offset.T) + 1e-6)
    return smoothstep(0.58, 1.0, radius) * smoothstep(0.15, 0.75, across)


def _ring_is_loose(points: Points, middle: Points, up: Points) -> Points:
    """Above the forehead the hair takes longer to become free of it: a nod must not stretch one
    narrow band of it."""
    outline = points[OVAL, :2] - middle
    above = np.clip(outline @ up / np.hypot(*outline.T), 0.0, 1.0) ** 2
    return np.concatenate(
        [smoothstep(0.0, 1.0, (ring - 1) / (0.35 + 0.75 * above)) for ring in _RINGS]
    )


def _ring_follows_head(
    rings: Points,
    middle: Points,
    right: Points,
    up: Points,
    height: float,
    size: int,
    still_edges: bool,
) -> Points:
    across = (rings - middle) @ right / height
    down = -(rings - middle) @ up / height
    follows = (1 - smoothstep(0.50, 1.30, down)) * (1 - smoothstep(1.25, 2.0, np.abs(across)))
    if still_edges:
        follows *= 1 - smoothstep(1.5, 2.4, np.repeat(_RINGS, len(OVAL)))
        follows[((rings <= 0) | (rings >= size)).any(axis=1)] = 0
    return follows


class Groups(NamedTuple):
    """Which of some values belong to each vertex of the face."""

    members: NDArray[np.int64]
    """Numbers of values, vertex after vertex."""
    starts: NDArray[np.int64]
    """`(468,)` where each vertex's begin."""

    @classmethod
    def of(cls, vertices: NDArray[np.integer], values: NDArray[np.integer]) -> Groups:
        """Of pairs; every vertex has one at least."""
        order = np.argsort(vertices, kind="stable")
        return cls(
            values[order].astype(np.int64), np.searchsorted(vertices[order], np.arange(FACE))
        )

    def sums(self, values: Points) -> Points:
        """`(…, 468)` of `(…, n)`."""
        taken = values.take(self.members, axis=-1)
        summed: Points = np.add.reduceat(taken, self.starts, axis=-1)
        return summed


def _neighbours() -> Groups:
    """Each vertex itself and those it shares an edge with."""
    near = np.eye(FACE, dtype=bool)
    for corner, other in itertools.permutations(range(3), 2):
        near[TRIANGLES[:, corner], TRIANGLES[:, other]] = True
    return Groups.of(*np.nonzero(near))


_NEAR = _neighbours()
_SHARE = 1 / _NEAR.sums(np.ones(FACE))
_ROUNDS = 3
_TRIANGLES_AT = Groups.of(TRIANGLES.T.reshape(-1), np.tile(np.arange(len(TRIANGLES)), 3))
_CORNERS = np.ascontiguousarray(TRIANGLES.T)


def smoothed(values: Points) -> Points:
    """`(468,)`: three rounds of averaging over each point's neighbours."""
    for _ in range(_ROUNDS):
        values = _NEAR.sums(values) * _SHARE
    return values


def vertex_normals(points: NDArray[np.floating]) -> Points:
    """`(3, 468)` unit normals of the face, towards the viewer (negative z) where it faces him."""
    corners = np.ascontiguousarray(points.T, np.float64).take(_CORNERS, axis=1)
    (ux, uy, uz), (vx, vy, vz) = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    faces = np.stack([uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx])
    normals = _TRIANGLES_AT.sums(faces)
    normals /= np.sqrt(np.square(normals).sum(axis=0)) + 1e-9
    return normals
