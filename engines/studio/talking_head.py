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
from engines.studio import dentures
from engines.studio import head_paint as paint
from engines.studio import makehuman as mh
from engines.studio.performance import rotation
from engines.studio.sitter import Sitter
from engines.types import Rgb

PIVOT = np.array([0.0, -9.0, 0.0])
"""The joint of head and neck, cm."""
_NEAR, _FAR = 10.0, 300.0
_GAZE = {"Out": 25.0, "In": 25.0, "Up": 24.0, "Down": 27.0}
"""Degrees of an eye's turn at a coefficient of 1."""


@dataclass(frozen=True, slots=True)
class _Part:
    """Triangles of one paint."""

    faces: NDArray[np.int32]
    """`(f, 3)` numbers of the head's vertices."""
    marks: NDArray[np.float32]
    """`(v, 3)` place in the atlas, and the weight of hair (skin) or the light let in (others)."""


class TalkingHead:
    """Draws one synthetic person; the pictures depend on the arguments only."""

    def __init__(self, size: int = 512, sitter: Sitter | None = None) -> None:
        """`size`: width and height of the pictures; `sitter`: the test clip's unless told."""
        self._size = size
        self._sitter = sitter = sitter or Sitter()
        self._lens = np.array(sitter.lens)
        mesh = mh.base()
        shape = mh.person(sitter.origins, sitter.sexes, sitter.age, sitter.details)
        rest = mh.placed(shape)
        hair = paint.hair_weight(rest, sitter.hairline)
        kept = (mesh.groups == "body") & (rest[mesh.faces][..., 1].min(axis=1) > -45.0)
        kept &= np.abs(rest[mesh.faces][..., 0]).max(axis=1) < 28.0
        thick = np.clip(hair * 2.0 - 1.0, 0.0, 1.0)[:, None]
        self._rest = rest + 0.9 * thick * mh.vertex_normals(rest, mesh.faces[kept])
        own_teeth = mesh.members("helper-upper-teeth", "helper-lower-teeth")
        self._rest[own_teeth, 2] -= 0.5  # clear of the lips, which they touch
        self._units = [
            mh.face_units().get(name, np.zeros_like(rest)).astype(np.float32)
            for name in BLENDSHAPES
        ]
        self._teeth = None
        if sitter.teeth is not None:
            self._teeth = dentures.fit(sitter.teeth, shape, self._units)
        self._eyes = [_eyeball(rest[mesh.members(f"helper-{side}-eye")]) for side in "rl"]
        # Paint lies where a face with shut lids and parted lips has it: none of it is in a fold.
        spread = rest if sitter.skin is None else rest + _spread(self._units)
        self._atlas = paint.atlas(mesh, spread, sitter.palette, _baked(sitter, mesh, spread))
        if sitter.teeth is not None:
            half = paint.TILE // 2
            tint = (np.array(sitter.palette.teeth) / 0.86) ** 2.2
            corner = self._atlas[half:, paint.FLAT * paint.TILE : paint.FLAT * paint.TILE + half]
            corner[..., :3] = dentures.texture(sitter.teeth, half, tint)
        self._parts = _parts(mesh, rest, spread, hair, kept, self._eyes, self._teeth)
        self._faces = np.concatenate([part.faces for part in self._parts]).astype(np.int64)
        self._backdrop = _backdrop(2 * size, sitter)

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
        seen = vertices - self._lens
        focal = self._size / 2 / math.tan(self._sitter.field_of_view / 2)
        at: mh.Points = self._size / 2 + focal * seen[:, :2] * [1.0, -1.0] / -seen[:, 2:]
        return at

    def _posed(
        self, coefficients: NDArray[np.floating], euler_deg: NDArray[np.floating]
    ) -> mh.Points:
        face = self._rest.copy()
        teeth = np.zeros((0, 3)) if self._teeth is None else self._teeth.rest.copy()
        for number in np.flatnonzero(np.abs(coefficients) > 1e-4):
            face += float(coefficients[number]) * self._units[number]
            if self._teeth is not None:
                teeth += float(coefficients[number]) * self._teeth.units[number]
        eyes = [
            centre + ball @ _gaze(coefficients, side).T
            for (centre, ball, _), side in zip(self._eyes, ("Right", "Left"), strict=True)
        ]
        vertices = np.concatenate([face, *eyes, teeth])
        along = np.clip((vertices[:, 1:2] + 19.0) / 8.0, 0.0, 1.0)  # 0 at the chest, 1 at the chin
        along = along * along * (3.0 - 2.0 * along)
        moved = (vertices - PIVOT) @ rotation(euler_deg).T + PIVOT
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
        world_to_lens[:3, 3] = -self._lens
        settings = cv2.TriangleRasterizeSettings()
        settings.setCullingMode(cv2.RASTERIZE_CULLING_NONE)
        settings.setShadingType(cv2.RASTERIZE_SHADING_SHADED)
        for part, value in zip(self._parts, values, strict=True):
            cv2.triangleRasterize(  # draws into both
                vertices.astype(np.float32), part.faces, value, colours, depth,
                world_to_lens, self._sitter.field_of_view, _NEAR, _FAR, settings,
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
        # Strands part where they are light for this hair, whatever its colour.
        usual = max(self._sitter.palette.hair[0], 0.02) ** 2.2
        edge = marks[..., 2] + 0.062 * (strands[..., 0] / usual - 1.95)
        hair = np.where(is_skin, np.clip((edge - 0.42) / 0.16, 0.0, 1.0), 0.0)[..., None]
        colour += hair * (strands - colour)
        normals /= np.linalg.norm(normals, axis=2, keepdims=True) + 1e-6
        shining = np.full_like(normals, self._sitter.ambient) * (1.0 + 0.25 * normals[..., 1:2])
        glints = np.zeros_like(normals)
        for light in self._sitter.lights:
            towards = np.array(light.direction, np.float32)
            towards /= np.linalg.norm(towards)
            half = towards + np.array([0.0, 0.0, 1.0], np.float32)
            half /= np.linalg.norm(half)
            power = np.array(light.strength, np.float32)
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
    spread: mh.Points,
    hair: NDArray[np.float64],
    kept: NDArray[np.bool_],
    eyes: Sequence[tuple[mh.Points, mh.Points, mh.Triangles]],
    modelled: dentures.Dentures | None,
) -> list[_Part]:
    mouth = kept & paint.inside_mouth(rest)[mesh.faces].all(axis=1)
    teeth = np.isin(mesh.groups, ("helper-upper-teeth", "helper-lower-teeth"))
    total = len(rest) + sum(len(ball) for _, ball, _ in eyes)
    total += 0 if modelled is None else len(modelled.rest)
    deep = _let_in(rest)

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
            marked(paint.SKIN, paint.front_place(spread), hair),
        ),
        _Part(mesh.faces[mouth].astype(np.int32), flat(paint.MOUTH_CELL, 0.5)),
        _Part(
            mesh.faces[mesh.groups == "helper-tongue"].astype(np.int32),
            flat(paint.TONGUE_CELL, 0.8),
        ),
    ]
    if modelled is None:
        parts.append(_Part(mesh.faces[teeth].astype(np.int32), flat(paint.TEETH_CELL, 0.9)))
    first = len(rest)
    for _, ball, faces in eyes:
        radius = np.abs(ball).max()
        marks = np.zeros((total, 3), np.float32)
        own = slice(first, first + len(ball))
        marks[own, :2] = paint.in_atlas(paint.EYE, 0.5 + ball[:, :2] * [1.0, -1.0] / (2 * radius))
        marks[own, 2] = 0.9
        parts.append(_Part((faces + first).astype(np.int32), marks))
        first += len(ball)
    if modelled is not None:
        marks = np.zeros((total, 3), np.float32)
        marks[first:, :2] = paint.in_atlas(paint.FLAT, modelled.uv / 2 + [0.0, 0.5])
        marks[first:, 2] = 0.9 * _let_in(modelled.rest)
        parts.append(_Part((modelled.faces + first).astype(np.int32), marks))
    return parts


def _let_in(points: mh.Points) -> NDArray[np.float64]:
    """`(v,)` how much light comes so deep into the mouth."""
    return np.clip((points[:, 2] - 4.5) / 5.0, 0.04, 1.0) ** 2


def _spread(units: Sequence[NDArray[np.float32]]) -> mh.Points:
    """What shutting the lids and parting the lips adds."""
    much = {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0, "jawOpen": 0.25}
    added: mh.Points = np.zeros(units[0].shape)
    for name, weight in much.items():
        added += weight * units[BLENDSHAPE_INDEX[name]]
    return added


def _baked(sitter: Sitter, mesh: mh.Mesh, spread: mh.Points) -> NDArray[np.float32] | None:
    if sitter.skin is None:
        return None
    texture = cv2.imread(str(sitter.skin), cv2.IMREAD_COLOR)
    if texture is None:
        raise FileNotFoundError(sitter.skin)
    return paint.bake(mesh, spread, np.ascontiguousarray(texture[..., ::-1]), sitter.palette.skin)


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


def _backdrop(side: int, sitter: Sitter) -> NDArray[np.float32]:
    """A plain wall with a soft light on it, linear RGB."""
    row, column = np.mgrid[0:side, 0:side].astype(np.float32) / side
    glow = np.exp(-(((column - 0.42) / 0.6) ** 2) - ((row - 0.3) / 0.6) ** 2)[..., None]
    wall = np.array(sitter.wall, np.float32) + glow * np.array(sitter.glow, np.float32)
    return np.asarray(wall, np.float32)
