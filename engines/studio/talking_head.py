"""A painted, animated head: coefficients and angles go in, pictures come out, on any CPU.

MakeHuman's CC0 mesh with its 52 face units, painted by `head_paint` and drawn by OpenCV's
rasterizer at twice the size in two passes, colours' places and normals; light is per pixel.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.face_mesh import BLENDSHAPE_INDEX, BLENDSHAPES
from engines.studio import head_paint as paint
from engines.studio import makehuman as mh
from engines.studio.performance import rotation
from engines.types import Rgb

_PIVOT = np.array([0.0, -9.0, 0.0])  # the joint of head and neck
_LENS = np.array([0.0, -1.5, 92.0])
_FIELD = math.radians(24.0)
_NEAR, _FAR = 10.0, 300.0
_GAZE = {"Out": 25.0, "In": 25.0, "Up": 24.0, "Down": 27.0}
"""Degrees of an eye's turn at a coefficient of 1."""
_LIGHTS = (  # direction, linear RGB
    ((-0.5, 0.55, 0.75), (0.95, 0.90, 0.84)),
    ((0.8, 0.15, 0.6), (0.22, 0.25, 0.30)),
    ((0.0, -0.3, 0.9), (0.14, 0.13, 0.12)),
)
_AMBIENT = (0.27, 0.28, 0.30)


@dataclass(frozen=True, slots=True)
class _Part:
    """Triangles of one paint."""

    faces: NDArray[np.int32]
    """`(f, 3)` numbers of the head's vertices."""
    marks: NDArray[np.float32]
    """`(v, 3)` place in the atlas, and the weight of hair (skin) or the light let in (others)."""


class TalkingHead:
    """Draws one synthetic person; the pictures depend on the arguments only."""

    def __init__(self, size: int = 512) -> None:
        """`size`: width and height of the pictures."""
        self._size = size
        mesh = mh.base()
        rest = mh.placed(
            mh.person(
                {"caucasian": 0.5, "asian": 0.25, "african": 0.25},
                {"female": 0.35, "male": 0.65},
                details={"eyes/*-eye-scale-incr": 0.5, "head/head-oval": 0.4},
            )
        )
        hair = paint.hair_weight(rest)
        kept = (mesh.groups == "body") & (rest[mesh.faces][..., 1].min(axis=1) > -45.0)
        kept &= np.abs(rest[mesh.faces][..., 0]).max(axis=1) < 28.0
        thick = np.clip(hair * 2.0 - 1.0, 0.0, 1.0)[:, None]
        self._rest = rest + 0.9 * thick * mh.vertex_normals(rest, mesh.faces[kept])
        teeth = mesh.members("helper-upper-teeth", "helper-lower-teeth")
        self._rest[teeth, 2] -= 0.5  # clear of the lips, which they touch
        self._units = [
            mh.face_units().get(name, np.zeros_like(rest)).astype(np.float32)
            for name in BLENDSHAPES
        ]
        self._eyes = [_eyeball(rest[mesh.members(f"helper-{side}-eye")]) for side in "rl"]
        self._atlas = paint.atlas(mesh, rest)
        self._parts = _parts(mesh, rest, hair, kept, self._eyes)
        self._faces = np.concatenate([part.faces for part in self._parts]).astype(np.int64)
        self._backdrop = _backdrop(2 * size)

    def draw(self, coefficients: NDArray[np.floating], euler_deg: NDArray[np.floating]) -> Rgb:
        """`(size, size, 3)` for `(52,)` coefficients and `(3,)` yaw, pitch, roll in degrees."""
        vertices = self._posed(coefficients, euler_deg)
        normals = mh.vertex_normals(vertices, self._faces)
        marks, depth = self._rasterize(vertices, [part.marks for part in self._parts])
        facing = (normals * 0.5 + 0.5).astype(np.float32)
        turned, _ = self._rasterize(vertices, [facing] * len(self._parts))
        light = self._lit(marks, turned * 2.0 - 1.0, depth < _FAR * 0.99)
        small = cv2.resize(light, (self._size, self._size), interpolation=cv2.INTER_AREA)
        return (np.clip(small, 0.0, 1.0) ** (1 / 2.2) * 255.0 + 0.5).astype(np.uint8)

    @property
    def skin(self) -> NDArray[np.int32]:
        """`(f, 3)` numbers of the vertices of the skin's triangles."""
        return self._parts[0].faces

    def unit(self, number: int) -> mh.Points:
        """`(v, 3)` cm: what a coefficient of 1 adds to the vertices of a frontal head."""
        added = np.zeros((len(self.vertices(np.zeros(len(BLENDSHAPES)))), 3))
        added[: len(self._rest)] = self._units[number]
        return added

    def vertices(self, coefficients: NDArray[np.floating]) -> mh.Points:
        """`(v, 3)` cm: x to the picture's right, y up, z towards the viewer; a frontal head."""
        return self._posed(coefficients, np.zeros(3))

    def project(self, vertices: mh.Points) -> mh.Points:
        """`(v, 2)` where vertices are in the picture, in pixels."""
        seen = vertices - _LENS
        focal = self._size / 2 / math.tan(_FIELD / 2)
        at: mh.Points = self._size / 2 + focal * seen[:, :2] * [1.0, -1.0] / -seen[:, 2:]
        return at

    def _posed(
        self, coefficients: NDArray[np.floating], euler_deg: NDArray[np.floating]
    ) -> mh.Points:
        face = self._rest.copy()
        for number in np.flatnonzero(np.abs(coefficients) > 1e-4):
            face += float(coefficients[number]) * self._units[number]
        eyes = [
            centre + ball @ _gaze(coefficients, side).T
            for (centre, ball, _), side in zip(self._eyes, ("Right", "Left"), strict=True)
        ]
        vertices = np.concatenate([face, *eyes])
        along = np.clip((vertices[:, 1:2] + 19.0) / 8.0, 0.0, 1.0)  # 0 at the chest, 1 at the chin
        along = along * along * (3.0 - 2.0 * along)
        moved = (vertices - _PIVOT) @ rotation(euler_deg).T + _PIVOT
        posed: mh.Points = vertices + along * (moved - vertices)
        return posed

    def _rasterize(
        self, vertices: mh.Points, values: Sequence[NDArray[np.float32]]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Each part's `(v, 3)` values and the depth, per pixel at twice the size."""
        side = 2 * self._size
        colours = np.zeros((side, side, 3), np.float32)
        depth = np.full((side, side), _FAR, np.float32)
        world_to_lens = np.eye(4, dtype=np.float32)
        world_to_lens[:3, 3] = -_LENS
        settings = cv2.TriangleRasterizeSettings()
        settings.setCullingMode(cv2.RASTERIZE_CULLING_NONE)
        settings.setShadingType(cv2.RASTERIZE_SHADING_SHADED)
        for part, value in zip(self._parts, values, strict=True):
            cv2.triangleRasterize(  # draws into both
                vertices.astype(np.float32), part.faces, value, colours, depth,
                world_to_lens, _FIELD, _NEAR, _FAR, settings,
            )  # fmt: skip
        return colours, depth

    def _lit(
        self,
        marks: NDArray[np.float32],
        normals: NDArray[np.float32],
        covered: NDArray[np.bool_],
    ) -> NDArray[np.float32]:
        """Linear RGB at twice the size."""
        across = marks[..., 0] * (paint.TILES * paint.TILE) - 0.5
        down = marks[..., 1] * paint.TILE - 0.5
        colour = cv2.remap(self._atlas, across, down, cv2.INTER_LINEAR)
        strands = cv2.remap(self._atlas, across + paint.TILE, down, cv2.INTER_LINEAR)
        is_skin = marks[..., 0] < 1 / paint.TILES
        edge = marks[..., 2] + 4.0 * (strands[..., 0] - 0.03)
        hair = np.where(is_skin, np.clip((edge - 0.42) / 0.16, 0.0, 1.0), 0.0)[..., None]
        colour += hair * (strands - colour)
        normals /= np.linalg.norm(normals, axis=2, keepdims=True) + 1e-6
        shining = np.full_like(normals, _AMBIENT) * (1.0 + 0.25 * normals[..., 1:2])
        glints = np.zeros_like(normals)
        for direction, strength in _LIGHTS:
            towards = np.array(direction, np.float32)
            towards /= np.linalg.norm(towards)
            half = towards + np.array([0.0, 0.0, 1.0], np.float32)
            half /= np.linalg.norm(half)
            power = np.array(strength, np.float32)
            # Wrapped diffuse light stands for what skin lets through.
            shining += np.clip((normals @ towards + 0.3) / 1.3, 0.0, None)[..., None] * power
            sharp = np.where(marks[..., 0] >= 2 / paint.TILES, 60.0, 14.0)
            glints += (np.clip(normals @ half, 0.0, 1.0) ** sharp)[..., None] * power
        let_in = np.where(is_skin, 1.0, marks[..., 2])[..., None]
        lit = (colour[..., :3] * shining + 0.35 * colour[..., 3:] * glints) * let_in
        return np.where(covered[..., None], lit, self._backdrop).astype(np.float32)


def _parts(
    mesh: mh.Mesh,
    rest: mh.Points,
    hair: NDArray[np.float64],
    kept: NDArray[np.bool_],
    eyes: Sequence[tuple[mh.Points, mh.Points, mh.Triangles]],
) -> list[_Part]:
    mouth = kept & paint.inside_mouth(rest)[mesh.faces].all(axis=1)
    teeth = np.isin(mesh.groups, ("helper-upper-teeth", "helper-lower-teeth"))
    total = len(rest) + sum(len(ball) for _, ball, _ in eyes)
    deep = np.clip((rest[:, 2] - 4.5) / 5.0, 0.04, 1.0) ** 2

    def marked(tile: int, place: mh.Points, third: NDArray[np.float64]) -> NDArray[np.float32]:
        marks = np.zeros((total, 3), np.float32)
        marks[: len(rest), :2] = paint.in_atlas(tile, np.broadcast_to(place, (len(rest), 2)))
        marks[: len(rest), 2] = third
        return marks

    def flat(cell: tuple[float, float], much: float) -> NDArray[np.float32]:
        return marked(paint.FLAT, np.array(cell), much * deep)

    parts = [
        _Part(
            mesh.faces[kept & ~mouth].astype(np.int32),
            marked(paint.SKIN, paint.front_place(rest), hair),
        ),
        _Part(mesh.faces[mouth].astype(np.int32), flat(paint.MOUTH_CELL, 0.5)),
        _Part(
            mesh.faces[mesh.groups == "helper-tongue"].astype(np.int32),
            flat(paint.TONGUE_CELL, 0.8),
        ),
        _Part(mesh.faces[teeth].astype(np.int32), flat(paint.TEETH_CELL, 0.9)),
    ]
    first = len(rest)
    for _, ball, faces in eyes:
        radius = np.abs(ball).max()
        marks = np.zeros((total, 3), np.float32)
        own = slice(first, first + len(ball))
        marks[own, :2] = paint.in_atlas(paint.EYE, 0.5 + ball[:, :2] * [1.0, -1.0] / (2 * radius))
        marks[own, 2] = 0.9
        parts.append(_Part((faces + first).astype(np.int32), marks))
        first += len(ball)
    return parts


def _eyeball(helper: mh.Points) -> tuple[mh.Points, mh.Points, mh.Triangles]:
    """Centre, `(n, 3)` points about it and triangles of the front half of an eyeball."""
    centre = helper.mean(axis=0)
    radius = float(np.ptp(helper[:, 0])) / 2
    tilt, turn = np.meshgrid(np.linspace(0, 1.7, 26), np.arange(48) / 48 * 2 * np.pi, indexing="ij")
    ball = radius * np.stack(
        [np.sin(tilt) * np.cos(turn), np.sin(tilt) * np.sin(turn), np.cos(tilt)], axis=-1
    )
    number = np.arange(26 * 48).reshape(26, 48)
    here, below = number[:-1], number[1:]
    quads = np.stack(
        [here, below, np.roll(below, -1, axis=1), np.roll(here, -1, axis=1)], axis=-1
    ).reshape(-1, 4)
    return centre, ball.reshape(-1, 3), np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])


def _gaze(coefficients: NDArray[np.floating], side: str) -> NDArray[np.float64]:
    """`(3, 3)` the rotation of one eye."""
    turn = {
        way: degrees * float(coefficients[BLENDSHAPE_INDEX[f"eyeLook{way}{side}"]])
        for way, degrees in _GAZE.items()
    }
    outwards = 1.0 if side == "Left" else -1.0  # the subject's left is the picture's right
    return rotation(
        np.array([outwards * (turn["Out"] - turn["In"]), turn["Down"] - turn["Up"], 0.0])
    )


def _backdrop(side: int) -> NDArray[np.float32]:
    """A plain wall with a soft light on it, linear RGB."""
    row, column = np.mgrid[0:side, 0:side].astype(np.float32) / side
    glow = np.exp(-(((column - 0.42) / 0.6) ** 2) - ((row - 0.3) / 0.6) ** 2)[..., None]
    wall = np.array([0.16, 0.18, 0.19], np.float32) + glow * np.array(
        [0.22, 0.22, 0.20], np.float32
    )
    return np.asarray(wall, np.float32)
