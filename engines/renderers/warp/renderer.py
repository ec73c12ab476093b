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
from engines.renderers.warp.compose import Behind, InverseMap, reach_of
from engines.renderers.warp.deform import Moved, deform
from engines.renderers.warp.drawing import rgb
from engines.renderers.warp.eye_drawing import draw_eyes
from engines.renderers.warp.eyes import Eye, cut_eyes, remove_eyeballs
from engines.renderers.warp.folds import find_folds, soften_folds
from engines.renderers.warp.framing import frame
from engines.renderers.warp.light import Light, estimate_light, relight
from engines.renderers.warp.mesh import Mesh, build_mesh
from engines.renderers.warp.mouth import Mouth, draw_mouth, paint_mouth
from engines.renderers.warp.plate import choose_plate, clean_plate, cut_person
from engines.renderers.warp.way import Way, fastest
from engines.types import Avatar, Backdrop, Floats, Motion, Picture, Portrait, Rgb, Space

_SMALLEST_MAP = 192
"""Pixels of the inverse map: it is smooth, so it is drawn small and enlarged. What is smaller draws
stairs where one part of the face hides another."""
_STEPS = (16, 8, 4, 2)
_SIZES = (64, 2048)
_USUAL_WHITE = np.full(3, 200.0)


@dataclass(frozen=True, slots=True)
class WarpFeatures:
    """All that a portrait's pictures are made from; read-only."""

    size: int
    margin: int
    texture: NDArray[np.uint8]
    """`(s, s, 4)` colours multiplied by the matte, and the matte; s is the frame and a margin on
    each side."""
    clean: Rgb | None
    """The background without the person; `None`: no matte."""
    behind: Behind
    """What is shown behind the person; without a matte it is nowhere seen."""
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

    def __init__(self) -> None:
        """Makes the machine code that draws: a tenth of a second, once in a process."""
        fastest()

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
        skin = remove_eyeballs(framed, eyes)
        if framed.matte is None:
            texture, clean = rgb(cv2.cvtColor(skin, cv2.COLOR_RGB2RGBA)), None
        else:
            texture, clean = cut_person(framed, skin), clean_plate(framed)
        plate = np.zeros((size, size, 3), np.uint8) if clean is None else clean
        behind = Behind(plate, reach_of(texture[..., 3], _step(size)))
        coordinates = np.ones((len(mesh.texture), 3), np.float32)
        coordinates[:, :2] = mesh.texture + framed.margin
        features = WarpFeatures(
            size,
            framed.margin,
            texture,
            clean,
            behind,
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
        behind = replace(features.behind, plate=choose_plate(features.clean, backdrop))
        return replace(avatar, features=replace(features, behind=behind))

    def plate(self, avatar: Avatar) -> Rgb | None:
        """The background that is shown; `None`: no matte."""
        features: WarpFeatures = avatar.features
        return None if features.clean is None else features.behind.plate

    def render(self, avatar: Avatar, motion: Motion) -> Picture:
        """One picture, `(size, size, 3)`; a motion that is not finite or too large is held."""
        features: WarpFeatures = avatar.features
        picture = draw(features, deform(features.mesh, motion))
        return Picture(picture, motion.pts_ns, motion.captured_ns)


def draw(features: WarpFeatures, moved: Moved, way: Way | None = None) -> Rgb:
    """`(size, size, 3)` the avatar as its mesh has moved; `way`: the fastest unless told."""
    way = way or fastest()
    maps = _inverse_map(features, moved, way)
    picture = way.compose(features.texture, maps, features.behind)
    soften_folds(picture, find_folds(maps.planes[:2]), maps.step)
    draw_eyes(picture, features.eyes, moved)
    draw_mouth(picture, features.mouth, moved)
    return picture


def _step(size: int) -> int:
    """Pixels of the picture per pixel of the map."""
    return next((step for step in _STEPS if size >= step * _SMALLEST_MAP), 1)


def _resting_map(size: int, margin: int) -> Floats:
    """`(3, m, m)` texture x, y and light of a frame that does not move."""
    step = _step(size)
    at = (np.arange(-(-size // step)) + 0.5) * step - 0.5 + margin
    x, y = np.meshgrid(at, at)
    return np.stack([x, y, np.ones_like(x)]).astype(np.float32)


def _inverse_map(features: WarpFeatures, moved: Moved, way: Way) -> InverseMap:
    values = features.coordinates.copy()
    values[:, 2] = relight(features.light, features.mesh, moved)
    step = _step(features.size)
    planes = way.rasterise(
        (moved.vertices + 0.5) / step - 0.5,
        moved.depth,
        values,
        features.mesh.triangles,
        features.at_rest,
    )
    return InverseMap(planes, step)
