"""A square picture in, the same in the middle of a wide one out, as if it had been taken so.

What stands behind the avatar is carried on to both sides, once for an avatar and a background: its
broad shading goes on where it ends, levelling off, and its texture is mirrored and softens with
the distance. Each picture is then laid into the middle of these planes. Towards its edges it fades
into the background that would be there without the person: where nobody is, nothing changes, and
where a shoulder reaches the edge, it fades out instead of being cut.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.types import Floats, Picture, Rgb
from live.planes import Plane, Planes

_FADE = 0.1  # of the square's side, at each of its upright edges
_BROAD = 0.06  # of the side: what is larger is shading, what is smaller texture
_LOOK = 0.2  # of the side: the part that tells how steep the shading is at the edge
_LEVELS_OFF = 0.35  # of the side: over this distance two thirds of that steepness are lost
_SOFT = 0.03  # of the side: how far texture is blurred where it is farthest away
_SMALL = 180  # pixels of a side in which what is broad or soft is worked out


class Canvas:
    """Lays the pictures of one avatar before one background out; read-only, for any thread."""

    def __init__(self, plate: Rgb, width: int) -> None:
        """`plate`: `(s, s, 3)` the background without the person; `width` of what comes out.

        Takes some 30 ms at 720 × 720. Raises `ValueError` where one does not fit the other.
        """
        side = len(plate)
        if plate.shape != (side, side, 3) or side % 2 or width % 4 or not side < width <= 3 * side:
            raise ValueError(f"a plate of {plate.shape} cannot be carried on to {width} pixels")
        self._side = side
        self._empty = Planes.of(Picture(carried_on(plate, (width - side) // 2)))
        ramp = (np.arange(2 * round(_FADE * side / 2), dtype=np.float32) + 0.5) / (_FADE * side)
        eased = np.minimum(ramp, 1)
        eased = np.rint(255 * eased * eased * (3 - 2 * eased)).astype(np.uint8)
        cb, cr = self._empty.chroma
        self._fades = (
            _Fade(self._empty.luma, side, eased),
            _Fade(cb, side // 2, eased[::2]),
            _Fade(cr, side // 2, eased[::2]),
        )

    def planes(self, picture: Picture) -> Planes:
        """A square picture in the middle, in an array of its own; 0.5 ms at 1280 × 720.

        Raises `ValueError` for a picture of another size.
        """
        if picture.shape != (self._side, self._side):
            raise ValueError(f"a picture of {picture.shape} is not one of side {self._side}")
        square = Planes.of(picture)
        whole = Planes(self._empty.i420.copy(), picture.pts_ns, picture.captured_ns)
        planes = (whole.luma, *whole.chroma)
        parts = (square.luma, *square.chroma)
        for plane, part, fade in zip(planes, parts, self._fades, strict=True):
            fade.lay(plane, part)
        return whole


class _Fade:
    """How a part of a plane goes over into what is behind it, at its left and right edges."""

    def __init__(self, behind: Plane, side: int, seen: NDArray[np.uint8]) -> None:
        """`seen`: `(n,)`, how much of 255 is seen of the part, from its edge inwards."""
        self._left = (behind.shape[1] - side) // 2
        self._width = len(seen)
        right = self._left + side - self._width
        self._edges = [
            self._edge(behind, self._left, 0, seen),
            self._edge(behind, right, side - self._width, seen[::-1]),
        ]

    @staticmethod
    def _edge(behind: Plane, start: int, within: int, seen: NDArray[np.uint8]) -> _Edge:
        there = np.s_[:, start : start + len(seen)]
        weights = np.ascontiguousarray(np.broadcast_to(seen, behind[there].shape))
        rest = cv2.multiply(behind[there], cv2.bitwise_not(weights), scale=1 / 255)
        here = np.s_[:, within : within + len(seen)]
        return _Edge(there, here, weights, np.asarray(rest, np.uint8))

    def lay(self, plane: Plane, part: Plane) -> None:
        """Puts the part into the middle of the plane, in place."""
        left, width = self._left, self._width
        plane[:, left + width : left + part.shape[1] - width] = part[:, width:-width]
        for edge in self._edges:
            seen = cv2.multiply(part[edge.here], edge.seen, scale=1 / 255)
            cv2.add(seen, edge.rest, dst=plane[edge.there])


class _Edge(NamedTuple):
    """Where a part fades."""

    there: tuple[slice, slice]
    """In the whole plane."""
    here: tuple[slice, slice]
    """In the part."""
    seen: NDArray[np.uint8]
    """Of 255."""
    rest: Plane
    """What is behind, as much of it as is seen."""


def carried_on(plate: Rgb, more: int) -> Rgb:
    """`(s, s + 2 · more, 3)`: a background carried on by `more` pixels on each side."""
    whole = plate.astype(np.float32)
    shading = _shading(whole)
    right = _beyond(whole, shading, more)
    left = _beyond(whole[:, ::-1], shading[:, ::-1], more)[:, ::-1]
    sides = [np.clip(np.rint(one), 0, 255).astype(np.uint8) for one in (left, right)]
    return np.hstack([sides[0], plate, sides[1]])


def _beyond(plate: Floats, shading: Floats, more: int) -> Floats:
    """`(s, more, 3)`: what lies to the right of a plate."""
    side = len(plate)
    look, reach = round(_LOOK * side), _LEVELS_OFF * side
    steepness = (shading[:, -1] - shading[:, -look]) / (look - 1)
    away = np.arange(1, more + 1, dtype=np.float32)[None, :, None]
    broad = shading[:, -1:] + steepness[:, None] * (reach * (1 - np.exp(-away / reach)))
    texture = np.ascontiguousarray((plate - shading)[:, ::-1][:, :more])
    return np.asarray(broad + texture + (_soft(texture, side) - texture) * (away / more))


def _soft(texture: Floats, side: int) -> Floats:
    height, width = texture.shape[:2]
    scale = _SMALL / side
    small = (max(1, round(width * scale)), _SMALL)
    shrunk = cv2.resize(texture, small, interpolation=cv2.INTER_AREA)
    blurred = cv2.GaussianBlur(shrunk, (0, 0), _SOFT * _SMALL)
    return np.asarray(cv2.resize(blurred, (width, height)), np.float32)


def _shading(plate: Floats) -> Floats:
    """What of a plate is broad; it goes on over the plate's edges as steep as it is there."""
    side, border = len(plate), _SMALL // 2
    small = cv2.resize(plate, (_SMALL, _SMALL), interpolation=cv2.INTER_AREA)
    around = ((border, border), (border, border), (0, 0))
    padded = np.pad(small, around, "reflect", reflect_type="odd")
    blurred = cv2.GaussianBlur(padded, (0, 0), _BROAD * _SMALL)
    inner = np.ascontiguousarray(blurred[border:-border, border:-border])
    return np.asarray(cv2.resize(inner, (side, side), interpolation=cv2.INTER_CUBIC), np.float32)
