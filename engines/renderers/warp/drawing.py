"""Small pieces of drawing that eyes and mouth share: smooth outlines, soft masks, patches."""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.face_geometry import Points
from engines.types import Floats, Rgb

Image = NDArray[np.integer | np.floating]

_SUBPIXEL_BITS = 4
_PIECES = 4  # of a smooth curve between two of its points


def floats(image: Image) -> Floats:
    """As float32; without a copy where it is that already, which OpenCV's types do not say."""
    return image.astype(np.float32, copy=False)


def rgb(image: Image) -> Rgb:
    """As uint8; without a copy where it is that already."""
    return image.astype(np.uint8, copy=False)


class Patch(NamedTuple):
    """A rectangle of a picture: rows `top`…`bottom`, columns `left`…`right`, both ends open."""

    left: int
    top: int
    right: int
    bottom: int

    @classmethod
    def around(cls, points: Points, size: int, border: int) -> Patch | None:
        """What holds `(n, 2)` points and a border within a picture; `None`: it is out of view."""
        left, top = (max(math.floor(low) - border, 0) for low in points.min(axis=0).tolist())
        right, bottom = (
            min(math.ceil(high) + border + 1, size) for high in points.max(axis=0).tolist()
        )
        return cls(left, top, right, bottom) if right > left and bottom > top else None

    def of(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The patch of a picture, as a view."""
        return picture[self.top : self.bottom, self.left : self.right]

    @property
    def corner(self) -> Points:
        """`(2,)` where the patch begins."""
        return np.array([self.left, self.top], np.float64)

    @property
    def width_height(self) -> tuple[int, int]:
        """For OpenCV, which asks for the width first."""
        return self.right - self.left, self.bottom - self.top

    def mask(self, outline: Points, blur: float = 0.7) -> Floats:
        """`(h, w)` 0…1 inside a closed outline of `(n, 2)` picture positions, with a soft edge."""
        width, height = self.width_height
        mask = np.zeros((height, width), np.uint8)
        cv2.fillPoly(mask, [_fixed_point(outline - self.corner)], 255, cv2.LINE_AA, _SUBPIXEL_BITS)
        return soften(mask, blur)

    def stroke(self, line: Points, thickness: int, blur: float = 0.8) -> Floats:
        """`(h, w)` 0…1 along an open line."""
        width, height = self.width_height
        mask = np.zeros((height, width), np.uint8)
        points = [_fixed_point(line - self.corner)]
        cv2.polylines(mask, points, False, 255, thickness, cv2.LINE_AA, _SUBPIXEL_BITS)
        return soften(mask, blur)


def soften(mask: NDArray[np.uint8], blur: float) -> Floats:
    """A mask of 0…255 as 0…1 with an edge blurred by `blur` pixels."""
    return floats(cv2.GaussianBlur(mask, (0, 0), blur)) / np.float32(255)


def _fixed_point(points: Points) -> NDArray[np.int32]:
    return np.rint(points * (1 << _SUBPIXEL_BITS)).astype(np.int32)


def smooth_loop(points: Points) -> Points:
    """A closed Catmull-Rom curve through `(n, 2)` points, four pieces between two of them."""
    return _loop_weights(len(points)) @ points


def smooth_line(points: Points) -> Points:
    """An open Catmull-Rom curve through `(n, 2)` points."""
    return _line_weights(len(points)) @ points


@cache
def _loop_weights(count: int) -> Points:
    """`(4n, n)`: a curve is linear in its points."""
    points = np.eye(count)
    before, after = np.roll(points, 1, axis=0), np.roll(points, -1, axis=0)
    return _catmull_rom(before, points, after, np.roll(points, -2, axis=0))


@cache
def _line_weights(count: int) -> Points:
    """`(4n − 3, n)`."""
    points = np.eye(count)
    padded = np.concatenate([points[:1], points, points[-1:]])
    curve = _catmull_rom(padded[:-3], padded[1:-2], padded[2:-1], padded[3:])
    return np.concatenate([curve, points[-1:]])


def _catmull_rom(a: Points, b: Points, c: Points, d: Points) -> Points:
    """Catmull and Rom, "A class of local interpolating splines", 1974; tension one half."""
    t = (np.arange(_PIECES) / _PIECES)[None, :, None]
    a, b, c, d = (points[:, None] for points in (a, b, c, d))
    curve = 0.5 * (
        2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3
    )
    return curve.reshape(-1, a.shape[-1])


def ramp(low: float, high: float, value: float) -> float:
    """`smoothstep` of one number, which costs numpy ten times as much."""
    t = min(max((value - low) / (high - low), 0.0), 1.0)
    return t * t * (3.0 - 2.0 * t)


def blend(target: NDArray[np.uint8], layer: Floats, mask: Floats) -> None:
    """Lays `(h, w, 3)`, or one colour, over `target` in place, as far as `mask` `(h, w)` says."""
    mixed = layer - target
    mixed *= mask[..., None]
    mixed += target
    mixed += np.float32(0.5)
    np.copyto(target, mixed, casting="unsafe")


def inpaint(
    picture: NDArray[np.uint8], hole: NDArray[np.bool_], radius: float
) -> NDArray[np.uint8]:
    """Fills a hole from its edges (Telea, "An image inpainting technique", 2004)."""
    if not hole.any():
        return picture
    return rgb(cv2.inpaint(picture, hole.astype(np.uint8) * 255, radius, cv2.INPAINT_TELEA))


def disk(radius: int) -> NDArray[np.uint8]:
    """A structuring element for growing and shrinking masks."""
    side = 2 * max(radius, 0) + 1
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)).astype(np.uint8)


def spread(picture: Floats, known: NDArray[np.bool_]) -> Floats:
    """`(h, w, 3)` with what is not known filled smoothly from what is; all zero if nothing is.

    Pull-push: Gortler et al., "The lumigraph", SIGGRAPH 1996, section 3.4.
    """
    weight = known.astype(np.float32)[..., None]
    return _pull_push(picture * weight, weight)


def _pull_push(weighted: Floats, weight: Floats) -> Floats:
    height, width = weight.shape[:2]
    if min(height, width) < 4:
        return floats(weighted / np.maximum(weight, 1e-6))
    half = (width // 2, height // 2)
    below = _pull_push(
        floats(cv2.resize(weighted, half, interpolation=cv2.INTER_AREA)),
        floats(cv2.resize(weight, half, interpolation=cv2.INTER_AREA))[..., None],
    )
    wide = floats(cv2.resize(below, (width, height), interpolation=cv2.INTER_LINEAR))
    return floats(weighted + wide * (1 - np.minimum(weight, 1)))
