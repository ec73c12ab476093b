"""The warp renderer: one portrait becomes a moving head, without a network, on one CPU core.

The portrait's texture is carried by a mesh (`mesh`), which a motion deforms (`deform`). Its
inverse map is rasterised small, enlarged and looked up; eyes and mouth are layers drawn into the
holes that the texture has there. With a matte the person stands before a clean plate.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.errors import UnusablePortrait
from engines.portraits import usable_face
from engines.renderers.warp.deform import Moved, deform
from engines.renderers.warp.drawing import floats, rgb
from engines.renderers.warp.eyes import Eye, cut_eyes, draw_eyes, remove_eyeballs
from engines.renderers.warp.folds import find_folds, soften_folds
from engines.renderers.warp.framing import frame
from engines.renderers.warp.light import Light, estimate_light, relight
from engines.renderers.warp.mesh import Mesh, build_mesh
from engines.renderers.warp.mouth import Mouth, draw_mouth, paint_mouth
from engines.renderers.warp.plate import choose_plate, clean_plate, cut_person
from engines.renderers.warp.rasterise import rasterise
from engines.types import Avatar, Backdrop, Floats, Motion, Picture, Portrait, Rgb, Space

_MAP_SIDE = 192
"""The inverse map is smooth. Drawn at 192 and enlarged, pictures of 512 differ from those of a map
drawn at 512 by 64 dB in the median, 45 dB at worst, and cost half."""
_SIZES = (64, 2048)
_USUAL_WHITE = np.full(3, 200.0)


@dataclass(frozen=True, slots=True)
class WarpFeatures:
    """All that a portrait's pictures are made from; read-only."""

    size: int
    margin: int
    texture: NDArray[np.uint8]
    """`(s, s, 3)` or, with a matte, `(s, s, 4)` with colours already multiplied by it; s is the
    frame and a margin on each side."""
    clean: Rgb | None
    """The background without the person; `None`: no matte."""
    plate: Rgb | None
    """What is shown behind the person; `None`: no matte."""
    mesh: Mesh
    coordinates: Floats
    """`(n, 3)` vertex values to interpolate: texture x and y in pixels, light."""
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
        framed = frame(portrait, usable_face(portrait), size)
        mesh = build_mesh(framed.landmarks, size, still_edges=framed.matte is None)
        eyes = cut_eyes(framed)
        whites = [eye.white_colour for eye in eyes if eye is not None]
        white = np.mean(whites, axis=0) if whites else _USUAL_WHITE
        texture: NDArray[np.uint8] = remove_eyeballs(framed, eyes)
        clean = None
        if framed.matte is not None:
            clean, texture = clean_plate(framed), cut_person(framed, texture)
        coordinates = np.ones((len(mesh.texture), 3), np.float32)
        coordinates[:, :2] = mesh.texture + framed.margin
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
        picture = draw(features, deform(features.mesh, motion))
        return Picture(picture, motion.pts_ns, motion.captured_ns)


def draw(features: WarpFeatures, moved: Moved) -> Rgb:
    """`(size, size, 3)` the avatar as its mesh has moved."""
    x, y, light, folds = _inverse_map(features, moved)
    layer = rgb(
        cv2.remap(features.texture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    )
    soften_folds(layer, folds)
    picture = rgb(cv2.cvtColor(layer, cv2.COLOR_RGBA2RGB) if features.plate is not None else layer)
    _apply_light(picture, light, moved)
    draw_eyes(picture, features.eyes, moved)
    draw_mouth(picture, features.mouth, moved)
    if features.plate is not None:
        picture = _over(picture, rgb(cv2.extractChannel(layer, 3)), features.plate)
    return picture


def _resting_map(size: int, margin: int) -> Floats:
    """`(s, s, 3)` texture x, y and light of a frame that does not move."""
    at = (np.arange(_MAP_SIDE) + 0.5) * (size / _MAP_SIDE) - 0.5 + margin
    x, y = np.meshgrid(at, at)
    return np.dstack([x, y, np.ones_like(x)]).astype(np.float32)


def _inverse_map(
    features: WarpFeatures, moved: Moved
) -> tuple[Floats, Floats, Floats, NDArray[np.uint8]]:
    """Where each pixel comes from, x and y `(size, size)`; light and folds smaller."""
    values = features.coordinates.copy()
    values[:, 2] = relight(features.light, features.mesh, moved)
    scale = _MAP_SIDE / features.size
    small = rasterise(
        (moved.vertices + 0.5) * scale - 0.5,
        moved.depth,
        values,
        features.mesh.triangles,
        _MAP_SIDE,
        features.at_rest,
    )
    # Planes, not pixels of three: OpenCV enlarges and looks up separate planes four times as fast.
    x, y, light = (floats(plane) for plane in cv2.split(small))
    whole = (features.size, features.size)
    return floats(cv2.resize(x, whole)), floats(cv2.resize(y, whole)), light, find_folds(x, y)


def _apply_light(picture: Rgb, light: Floats, moved: Moved) -> None:
    """Multiplies the face's part of the picture in place."""
    scale = len(light) / len(picture)
    face = moved.face[:, :2] * scale
    low = np.maximum(np.floor(face.min(axis=0)).astype(int), 0)
    high = np.minimum(np.ceil(face.max(axis=0)).astype(int) + 1, len(light))
    if (high <= low).any():
        return
    left, top = np.rint(low / scale).astype(int)
    right, bottom = np.rint(high / scale).astype(int)
    part = cv2.resize(light[low[1] : high[1], low[0] : high[0]], (right - left, bottom - top))
    target = picture[top:bottom, left:right]
    target[:] = cv2.multiply(target, cv2.merge([part, part, part]), dtype=cv2.CV_8U)


def _over(picture: Rgb, alpha: NDArray[np.uint8], plate: Rgb) -> Rgb:
    """The person, whose colours are multiplied by `alpha` already, before the plate."""
    rest = cv2.bitwise_not(alpha)
    behind = cv2.multiply(plate, cv2.merge([rest, rest, rest]), scale=1 / 255)
    return rgb(cv2.add(picture, behind))
