"""Paint for the talking head: a mesh at rest goes in, one picture with all its colours comes out.

The atlas has four square tiles side by side. `SKIN` and `HAIR` are seen from the front, straight
through the head; `EYE` is an eyeball from its own front; `FLAT` holds the mouth's plain colours.
The fourth channel is gloss.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.studio.makehuman import Mesh, Points, mask
from engines.studio.sitter import Colour, Palette

SKIN, HAIR, EYE, FLAT = range(4)
TILES = 4
TILE = 1024
"""Pixels of one tile's side."""
MOUTH_CELL, TONGUE_CELL, TEETH_CELL = (0.25, 0.25), (0.75, 0.25), (0.75, 0.75)
"""Where in `FLAT` each colour is; its lower left quarter has room for a texture."""

_WIDTH = 30.0  # cm seen by SKIN and HAIR
_LEFT, _TOP = -15.0, 14.5
_SCALE = TILE / _WIDTH
_IRIS = 0.47  # of the eyeball's radius

Canvas = NDArray[np.float32]


def front_place(points: Points) -> Points:
    """`(n, 2)` coordinates 0…1 in `SKIN` or `HAIR` of points in cm."""
    return np.stack([points[:, 0] - _LEFT, _TOP - points[:, 1]], axis=1) / _WIDTH


def in_atlas(tile: int, place: Points) -> NDArray[np.float32]:
    """Coordinates 0…1 in the whole atlas of coordinates 0…1 in one of its tiles."""
    held = np.clip(place, 2 / TILE, 1 - 2 / TILE)
    return np.stack([(held[:, 0] + tile) / TILES, held[:, 1]], axis=1).astype(np.float32)


def inside_mouth(rest: Points) -> NDArray[np.bool_]:
    """`(v,)` whether a vertex lines the inside of the mouth (by the mesh's own mask)."""
    front = (np.abs(rest[:, 0]) < 4.0) & (rest[:, 1] < 0.5) & (rest[:, 2] > 0.0)
    marked: NDArray[np.bool_] = (mask("inside-mouth") > 0.5) & front
    return marked


def hair_weight(rest: Points, raised: float = 0.0) -> NDArray[np.float64]:
    """`(v,)` 0…1: how much of a vertex is under hair that begins `raised` cm above the usual."""
    x, y, z = rest.T
    azimuth = np.degrees(np.arctan2(np.abs(x), z))
    line = np.interp(
        azimuth,
        [0, 30, 50, 62, 72, 82, 95, 115, 140, 180],
        [9.7, 9.5, 8.6, 6.8, 3.6, 1.6, 4.2, 3.4, -3.0, -4.5],
    )
    ear = (np.abs(x) > 7.3) & (y < 5.4) & (z > -3.5)
    line += raised + 0.25 * np.sin(2.3 * x + 1.0) + 0.15 * np.sin(5.1 * x)
    weight = np.clip((y - line) / 1.6 + 0.5, 0.0, 1.0)
    return np.where(ear, 0.0, weight)


def bake(mesh: Mesh, places: Points, texture: NDArray[np.uint8], tint: Colour) -> Canvas:
    """`(TILE, TILE, 3)` linear RGB: a skin texture seen from the front, times `tint`.

    `places`: `(v, 3)` cm of the mesh's vertices; `texture`: `(h, w, 3)` sRGB.
    """
    body = mesh.groups == "body"
    corners = np.zeros((len(mesh.uv), 3))
    corners[mesh.face_uv[body].ravel()] = places[mesh.faces[body].ravel()]
    far = 3000.0  # so far away that a lens sees as a plan does
    corners -= [_LEFT + _WIDTH / 2, _TOP - _WIDTH / 2, far]
    settings = cv2.TriangleRasterizeSettings()
    settings.setCullingMode(cv2.RASTERIZE_CULLING_NONE)
    settings.setShadingType(cv2.RASTERIZE_SHADING_SHADED)
    uv = np.zeros((TILE, TILE, 3), np.float32)
    depth = np.full((TILE, TILE), far + 100.0, np.float32)
    values = np.pad(mesh.uv, ((0, 0), (0, 1)), constant_values=1.0).astype(np.float32)
    cv2.triangleRasterize(  # draws into both
        corners.astype(np.float32), mesh.face_uv[body].astype(np.int32), values, uv, depth,
        np.eye(4, dtype=np.float32), 2 * math.atan(_WIDTH / 2 / far), far - 100.0, far + 100.0,
        settings,
    )  # fmt: skip
    height, width = texture.shape[:2]
    seen = cv2.remap(
        texture, uv[..., 0] * width - 0.5, (1 - uv[..., 1]) * height - 0.5, cv2.INTER_AREA
    )
    baked: Canvas = ((seen / 255.0) ** 2.2 * _linear(tint)).astype(np.float32)
    return baked


def atlas(mesh: Mesh, rest: Points, palette: Palette, skin: Canvas | None = None) -> Canvas:
    """`(TILE, TILES · TILE, 4)` float32: linear RGB 0…1 and gloss.

    `skin`: `(TILE, TILE, 3)` linear RGB to paint on, in the place of the palette's plain one.
    """
    rng = np.random.default_rng(palette.seed)
    tiles = [_skin(mesh, rest, palette, skin, rng), _hair(palette, rng), _eye(palette, rng)]
    tiles.append(_flat(palette))
    return np.ascontiguousarray(np.concatenate(tiles, axis=1))


def _noise(rng: np.random.Generator, rows: int, columns: int) -> Canvas:
    """Smooth noise of so many bumps down and across."""
    coarse = rng.standard_normal((rows, columns)).astype(np.float32)
    smooth = cv2.resize(coarse, (TILE, TILE), interpolation=cv2.INTER_CUBIC)
    return np.asarray(smooth, np.float32)


def _blurred(picture: Canvas, sigma: float) -> Canvas:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.float32)


def _pixels(points: Points) -> Points:
    return front_place(points) * TILE


def _over(canvas: Canvas, colour: NDArray[np.float64], cover: NDArray[np.floating]) -> None:
    """Paints `colour` (linear RGB) where `cover` is 1, on top of what is there."""
    cover = cover[..., None].astype(np.float32)
    canvas[..., :3] += cover * (colour.astype(np.float32) - canvas[..., :3])


def _linear(colour: Colour) -> NDArray[np.float64]:
    linear: NDArray[np.float64] = np.array(colour) ** 2.2
    return linear


def _skin(
    mesh: Mesh, rest: Points, palette: Palette, skin: Canvas | None, rng: np.random.Generator
) -> Canvas:
    canvas = np.empty((TILE, TILE, 4), np.float32)
    mottle = (
        1 + 0.03 * _noise(rng, 24, 24) + 0.03 * _noise(rng, 90, 90) + 0.02 * _noise(rng, 400, 400)
    )
    canvas[..., :3] = _linear(palette.skin).astype(np.float32) * mottle[..., None]
    if skin is not None:
        canvas[..., :3] = skin
    canvas[..., 3] = palette.gloss
    row, column = np.mgrid[0:TILE, 0:TILE]
    x, y = column / _SCALE + _LEFT, _TOP - row / _SCALE

    def spot(cx: float, cy: float, rx: float, ry: float) -> NDArray[np.float64]:
        bump: NDArray[np.float64] = np.exp(-(((x - cx) / rx) ** 2) - ((y - cy) / ry) ** 2)
        return bump

    skin_now = np.array(palette.skin) / (0.80, 0.58, 0.47)
    red, brown = (
        _linear(tuple(np.minimum(skin_now * colour, 1.0)))
        for colour in ((0.78, 0.42, 0.36), (0.42, 0.26, 0.21))
    )
    much = palette.blush
    nose = rest[np.argmax(np.where(np.abs(rest[:, 0]) < 1.0, rest[:, 2], -99.0))]
    for side in (-1.0, 1.0):
        _over(canvas, red, 0.35 * much * spot(side * 4.6, -0.6, 2.1, 1.6))
        _over(canvas, brown, 0.40 * much * spot(side * 3.0, 3.7, 2.1, 1.2))
        _over(canvas, brown, 0.85 * much * spot(side * 0.85, nose[1] - 0.75, 0.42, 0.26))
    _over(canvas, red, 0.3 * much * spot(nose[0], nose[1], 0.9, 0.8))
    _over(canvas, brown, 0.55 * much * spot(0.0, -10.3, 6.0, 2.0))  # the chin's shadow on the neck
    if palette.stubble:
        grown = np.clip(0.6 + 0.5 * _noise(rng, 400, 400), 0.0, 1.0) * palette.stubble
        around = np.maximum(spot(0.0, -6.5, 6.5, 3.2), spot(0.0, -1.4, 2.6, 0.9))
        around = np.maximum(around, spot(-6.0, -3.5, 1.5, 4.0) + spot(6.0, -3.5, 1.5, 4.0))
        _over(canvas, _linear(palette.hair), 0.75 * grown * np.minimum(around, 1.0))
    lips = np.zeros((TILE, TILE), np.float32)
    painted = mask("lips")
    body = mesh.faces[mesh.groups == "body"]
    for triangle in body[
        (painted[body].mean(axis=1) > 0.5) & (rest[body][..., 2].mean(axis=1) > 7)
    ]:
        cv2.fillConvexPoly(lips, np.round(_pixels(rest[triangle])).astype(np.int32), 1.0)
    lips = _blurred(lips, 3.0)
    _over(canvas, _linear(palette.lips), palette.lip_cover * lips)
    canvas[..., 3] += 0.35 * lips
    for eye in "lr":
        _brow(canvas, mesh, rest, eye, palette, rng)
        _lashes(canvas, mesh, rest, eye, palette.lashes)
    cloth = y < -11.9 + 0.045 * np.minimum(np.abs(x), 9.0) ** 2
    collar = y > -12.9 + 0.045 * np.minimum(np.abs(x), 9.0) ** 2
    weave = 1 + 0.05 * _noise(rng, 300, 300) + 0.05 * _noise(rng, 12, 12) - 0.25 * collar
    canvas[cloth, :3] = (_linear(palette.cloth) * weave[..., None])[cloth]
    canvas[cloth, 3] = 0.0
    return canvas


def _eye_box(mesh: Mesh, rest: Points, side: str) -> tuple[Points, float]:
    eye = rest[mesh.members(f"helper-{side}-eye")]
    return eye.mean(axis=0), float(np.ptp(eye[:, 0]) / 2)


def _brow(
    canvas: Canvas,
    mesh: Mesh,
    rest: Points,
    side: str,
    palette: Palette,
    rng: np.random.Generator,
) -> None:
    """Hairs that fan from upright at the inner end to flat at the outer one."""
    centre, radius = _eye_box(mesh, rest, side)
    outwards = 1.0 if side == "l" else -1.0
    cover = np.zeros((TILE, TILE), np.float32)
    for _ in range(900):
        t = rng.uniform(0.0, 1.0)
        thick = 0.12 + 0.18 * math.sqrt(1.0 - t)
        rise = 0.5 * math.sin(math.pi * min(1.0, 1.1 * t)) - 0.35 * t
        across, up = radius * (-1.25 + 2.9 * t), 1.22 * radius + rise + rng.uniform(-thick, thick)
        root = centre + np.array([outwards * across, up, 0.0])
        lean = math.radians(rng.uniform(30, 60) * (1 - t) + rng.uniform(-25, 5) * t)
        length = rng.uniform(0.25, 0.5)
        tip = root + length * np.array([outwards * math.cos(lean), math.sin(lean), 0.0])
        (x0, y0), (x1, y1) = np.round(_pixels(np.stack([root, tip])) * 16).astype(int).tolist()
        dark = float(rng.uniform(0.6, 1.0))
        cv2.line(cover, (x0, y0), (x1, y1), dark, 2, cv2.LINE_AA, 4)
    _over(canvas, _linear(palette.hair), palette.brow * _blurred(cover, 0.8))


def _lashes(canvas: Canvas, mesh: Mesh, rest: Points, side: str, strength: float) -> None:
    """Dark edges of the lids, along the roots of the mesh's own lashes."""
    centre, radius = _eye_box(mesh, rest, side)
    cover = np.zeros((TILE, TILE), np.float32)
    for group, reach, thick, dark in ((2, 1.24, 9, 1.0), (1, 1.12, 4, 0.5)):
        points = rest[mesh.members(f"helper-{side}-eyelashes-{group}")]
        roots = points[np.linalg.norm(points - centre, axis=1) < reach * radius]
        line = np.round(_pixels(roots[np.argsort(roots[:, 0])]) * 16).astype(np.int32)
        cv2.polylines(cover, [line.reshape(-1, 1, 2)], False, dark, thick, cv2.LINE_AA, 4)
    _over(canvas, _linear((0.12, 0.08, 0.07)), strength * _blurred(cover, 1.2))


def _hair(palette: Palette, rng: np.random.Generator) -> Canvas:
    """Strands that fall from the crown."""
    canvas = np.zeros((TILE, TILE, 4), np.float32)
    row, column = np.mgrid[0:TILE, 0:TILE].astype(np.float32)
    crown_x, crown_y = TILE * 0.46, -TILE * 0.15
    angle = np.arctan2(column - crown_x, row - crown_y)
    away = np.hypot(column - crown_x, row - crown_y)
    streaks = _noise(rng, 12, 500)
    light = cv2.remap(
        streaks, (angle / math.pi + 0.5) * (TILE - 1), np.clip(away, 0, TILE - 1), cv2.INTER_LINEAR
    )
    canvas[..., :3] = _linear(palette.hair).astype(np.float32) * (1.3 + 0.55 * light[..., None])
    canvas[..., 3] = 0.2
    return np.clip(canvas, 0.0, 1.0)


def _eye(palette: Palette, rng: np.random.Generator) -> Canvas:
    """An eyeball from the front: the tile spans its diameter."""
    row, column = (np.mgrid[0:TILE, 0:TILE] + 0.5) / (TILE / 2) - 1.0
    radius, angle = np.hypot(column, row) / _IRIS, np.arctan2(row, column)
    fibres = sum(rng.normal() * np.cos(k * angle + rng.uniform(0, 6.28)) for k in range(9, 60)) / 8
    iris = _linear(palette.iris) * (1.2 + 0.25 * fibres - 0.3 * radius)[..., None]
    iris *= 1.0 - 0.7 * np.clip((radius - 0.8) / 0.2, 0, 1)[..., None]
    iris *= np.clip((radius - 0.38) / 0.06, 0, 1)[..., None]
    white = _linear(palette.white)
    edge = np.clip((radius - 0.95) / 0.1, 0, 1)[..., None]
    canvas = np.ones((TILE, TILE, 4), np.float32)
    canvas[..., :3] = np.clip(iris * (1 - edge) + white * edge, 0, 1)
    return canvas


def _flat(palette: Palette) -> Canvas:
    canvas = np.zeros((TILE, TILE, 4), np.float32)
    canvas[:] = (*_linear(palette.mouth), 0.2)
    canvas[: TILE // 2, TILE // 2 :] = (*_linear(palette.tongue), 0.4)
    canvas[TILE // 2 :] = (*_linear(palette.teeth), 0.6)
    return canvas
