"""The warp renderer: one portrait becomes a moving head, without a network, on one CPU core.

The portrait's texture is carried by a mesh (`mesh`), which a motion deforms (`deform`). Its inverse map
is rasterised small, enlarged and looked up; eyes and mouth are layers drawn into the holes that the
texture has there. With a matte the person stands before a clean plate of the background.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.errors import UnusablePortrait
from engines.renderers.warp.deform import Moved, deform
from engines.renderers.warp.eyes import Eye, cut_eyes, draw_eyes, remove_eyeballs
from engines.renderers.warp.framing import frame
from engines.renderers.warp.light import BRIGHTEST, Light, estimate_light, relight
from engines.renderers.warp.mesh import FACE, Mesh, build_mesh
from engines.renderers.warp.mouth import Mouth, draw_mouth, paint_mouth
from engines.renderers.warp.plate import choose_plate, clean_plate, cut_person
from engines.renderers.warp.rasterise import rasterise
from engines.types import Avatar, Backdrop, Floats, Motion, Picture, Portrait, Rgb, Space

_MAP_SIDE = 256
"""The inverse map is smooth: drawn at 256 and enlarged it differs by 54 dB from one drawn at 512."""
_SIZES = (64, 2048)
_USUAL_WHITE = np.full(3, 200.0)


@dataclass(frozen=True, slots=True)
class WarpFeatures:
    """All that a portrait's pictures are made from; read-only."""

    size: int
    margin: int
    texture: NDArray[np.uint8]
    """`(s, s, 3)` or, with a matte, `(s, s, 4)`; s is the frame and a margin on each side."""
    clean: Rgb | None
    """The background without the person; `None`: no matte."""
    plate: Rgb | None
    """What is shown behind the person; `None`: no matte."""
    mesh: Mesh
    coordinates: Floats
    """`(n, 3)` vertex values to interpolate: texture x and y over the texture's side, light."""
    at_rest: Floats
    """The map of a mesh that does not move: what shows where no triangle is."""
    eyes: tuple[Eye | None, Eye | None]
    mouth: Mouth
    light: Light


class WarpRenderer:
    """Draws `mesh478` motions of one portrait. No state: one instance serves many sessions."""

    name = "warp"
    space = Space.MESH478

    def prepare(self, portrait: Portrait, *, id: str, consent: str, size: int = 512) -> Avatar:
        """Takes a portrait apart into what its pictures are made from; about half a second.

        Raises `UnusablePortrait`.
        """
        if not _SIZES[0] <= size <= _SIZES[1]:
            raise UnusablePortrait(
                "too_large" if size > _SIZES[1] else "too_small",
                f"avatars are drawn at {_SIZES[0]} to {_SIZES[1]} pixels, not at {size}",
            )
        if not portrait.faces:
            raise UnusablePortrait(
                "no_face", "no face was found in the portrait; use one that shows it whole"
            )
        framed = frame(portrait, portrait.faces[0], size)
        mesh = build_mesh(framed.landmarks, size, still_edges=framed.matte is None)
        eyes = cut_eyes(framed)
        whites = [eye.white_colour for eye in eyes if eye is not None]
        white = np.mean(whites, axis=0) if whites else _USUAL_WHITE
        texture: NDArray[np.uint8] = remove_eyeballs(framed, eyes)
        clean = None
        if framed.matte is not None:
            clean, texture = clean_plate(framed), cut_person(framed, texture)
        side = len(framed.rgb)
        coordinates = np.ones((len(mesh.texture), 3), np.float32)
        coordinates[:, :2] = (mesh.texture + framed.margin) / side
        features = WarpFeatures(
            size,
            framed.margin,
            texture,
            clean,
            clean,
            mesh,
            coordinates,
            _resting_map(size, framed.margin),
            eyes,
            paint_mouth(framed, mesh, white),
            estimate_light(framed, mesh),
        )
        return Avatar(id, portrait, features, self.name, consent)

    def with_backdrop(self, avatar: Avatar, backdrop: Backdrop) -> Avatar:
        """The same person before another background; without a matte nothing can change."""
        features: WarpFeatures = avatar.features
        if features.clean is None:
            return avatar
        plate = choose_plate(features.clean, backdrop)
        return replace(avatar, features=replace(features, plate=plate))

    def render(self, avatar: Avatar, motion: Motion) -> Picture:
        """One picture, `(size, size, 3)`; a motion that is not finite or too large is held."""
        features: WarpFeatures = avatar.features
        moved = deform(features.mesh, motion)
        lookup, light = _inverse_map(features, moved)
        layer = cv2.remap(
            features.texture, lookup, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        picture = np.ascontiguousarray(layer[..., :3])
        _apply_light(picture, light, moved)
        draw_eyes(picture, features.eyes, moved)
        draw_mouth(picture, features.mouth, moved)
        if features.plate is not None:
            picture = _over(picture, layer[..., 3], features.plate)
        return Picture(picture, motion.pts_ns, motion.captured_ns)


def _resting_map(size: int, margin: int) -> Floats:
    """`(256, 256, 3)` texture x, y (over the texture's side) of an unmoved frame; light 1."""
    step = size / _MAP_SIDE
    at = (np.arange(_MAP_SIDE) + 0.5) * step - 0.5 + margin
    x, y = np.meshgrid(at, at)
    light = np.full_like(x, 1 / BRIGHTEST)
    return np.dstack([x / (size + 2 * margin), y / (size + 2 * margin), light]).astype(np.float32)


def _inverse_map(features: WarpFeatures, moved: Moved) -> tuple[Floats, Floats]:
    """`(size, size, 2)` where each pixel comes from, and `(256, 256)` its light."""
    values = features.coordinates.copy()
    values[:, 2] = relight(features.light, features.mesh, moved) / BRIGHTEST
    scale = _MAP_SIDE / features.size
    small = rasterise(
        (moved.vertices + 0.5) * scale - 0.5,
        moved.depth,
        values,
        features.mesh.triangles,
        _MAP_SIDE,
        features.at_rest,
    )
    side = features.size + 2 * features.margin
    lookup = cv2.resize(
        small[..., :2] * np.float32(side),
        (features.size, features.size),
        interpolation=cv2.INTER_LINEAR,
    )
    return lookup, small[..., 2] * np.float32(BRIGHTEST)


def _apply_light(picture: Rgb, light: Floats, moved: Moved) -> None:
    """Multiplies the face's part of the picture in place."""
    size = len(picture)
    scale = len(light) / size
    low = np.maximum(np.floor(moved.face[:FACE, :2].min(axis=0) * scale).astype(int), 0)
    high = np.minimum(
        np.ceil(moved.face[:FACE, :2].max(axis=0) * scale).astype(int) + 1, len(light)
    )
    if (high <= low).any():
        return
    part = light[low[1] : high[1], low[0] : high[0]]
    left, top = np.rint(low / scale).astype(int)
    right, bottom = np.rint(high / scale).astype(int)
    wide = cv2.resize(part, (right - left, bottom - top), interpolation=cv2.INTER_LINEAR)
    target = picture[top:bottom, left:right]
    target[:] = cv2.multiply(target, cv2.merge([wide, wide, wide]), dtype=cv2.CV_8U)


def _over(picture: Rgb, alpha: NDArray[np.uint8], plate: Rgb) -> Rgb:
    """The person before the plate."""
    weight = alpha.astype(np.float32) * np.float32(1 / 255)
    blended: Rgb = cv2.blendLinear(picture, plate, weight, 1 - weight).astype(np.uint8, copy=False)
    return blended
