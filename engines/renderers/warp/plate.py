"""Person and background taken apart: what moves with the head, and what stands behind it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.renderers.warp.drawing import disk, floats, rgb, spread
from engines.renderers.warp.framing import Framed
from engines.types import Backdrop, BackdropKind, Floats, Rgb

GREEN = (0, 177, 64)  # the usual chroma key
_EDGE_BLUR = 0.8  # pixels at 512
_SMALL = 256


def clean_plate(framed: Framed) -> Rgb:
    """`(size, size, 3)` the background as if nobody stood before it."""
    assert framed.matte is not None
    rows, columns = framed.frame
    picture, matte = framed.rgb[rows, columns], framed.matte[rows, columns]
    # What the matte calls background still has the person's glow and stray hair next to it.
    covered = cv2.dilate((matte > 5).astype(np.uint8), disk(framed.size // 40)) > 0
    small = (_SMALL, _SMALL)
    known = cv2.resize((~covered).astype(np.float32), small, interpolation=cv2.INTER_AREA)
    shrunk = cv2.resize(picture, small, interpolation=cv2.INTER_AREA)
    filled = _fill(floats(shrunk.astype(np.float32)), known > 0.999)
    plate = floats(cv2.resize(filled, (framed.size,) * 2, interpolation=cv2.INTER_CUBIC))
    plate += _borrowed_grain(picture, covered)
    keep = cv2.erode((~covered).astype(np.uint8), disk(framed.size // 64)).astype(np.float32)
    keep = floats(cv2.GaussianBlur(keep, (0, 0), framed.size / 128))[..., None]
    return rgb(np.clip(plate + (picture - plate) * (keep * ~covered[..., None]), 0, 255))


def _fill(picture: Floats, known: NDArray[np.bool_]) -> Floats:
    """Fills a large hole without a seam: a broad gradient through all that is known, and on it
    what is left over."""
    if not known.any():
        return picture
    axis = np.linspace(-1, 1, len(picture))
    x, y = np.meshgrid(axis, axis)
    basis = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y, x**4, y**4], axis=-1)
    weights = np.linalg.lstsq(basis[known], picture[known], rcond=None)[0]
    gradient = (basis @ weights).astype(np.float32)
    left_over = spread(picture - gradient, known)
    return floats(np.where(known[..., None], picture, gradient + left_over))


def _borrowed_grain(picture: Rgb, covered: NDArray[np.bool_]) -> Floats:
    """The texture of canvas or noise that smooth filling lacks, from the other side."""
    fine = picture.astype(np.float32) - cv2.GaussianBlur(picture, (0, 0), 3)
    borrow = covered & ~covered[:, ::-1]
    grain = np.where(borrow[..., None], fine[:, ::-1].clip(-12, 12), 0)
    return floats(grain)


def cut_person(framed: Framed, picture: Rgb) -> NDArray[np.uint8]:
    """`(s, s, 4)` the person, colours multiplied by the matte, and the matte.

    Colours under a soft edge are mixed with what stood behind. They are taken from the nearest
    solid part of the person instead, so that no halo is carried before another background.
    """
    assert framed.matte is not None
    alpha = cv2.GaussianBlur(framed.matte, (0, 0), _EDGE_BLUR * framed.size / 512)
    solid = cv2.erode((framed.matte > 242).astype(np.uint8), disk(max(1, framed.size // 512)))
    colour = picture.astype(np.float32)
    known = solid.astype(np.float32)
    spread = colour * known[..., None]
    weight = known.copy()
    outer = colour.copy()
    have = solid > 0
    for sigma in (1.5, 3.0, 6.0, 12.0):
        near = cv2.GaussianBlur(weight, (0, 0), sigma)
        mean = cv2.GaussianBlur(spread, (0, 0), sigma) / (near[..., None] + 1e-6)
        take = ~have & (near > 0.05)
        outer[take] = mean[take]
        have |= take
    edge = (1 - cv2.GaussianBlur(known, (0, 0), 0.8))[..., None]
    # hair is finer than the matte's solid part: half of its own colour keeps its structure
    mixed = colour + (outer - colour) * np.clip(edge, 0, 1) * 0.75
    premultiplied = mixed.clip(0, 255) * (alpha[..., None] / 255) + 0.5
    return np.dstack([premultiplied.astype(np.uint8), alpha])


def choose_plate(plate: Rgb, backdrop: Backdrop) -> Rgb:
    """The background that `backdrop` asks for, of the clean plate's size."""
    if backdrop.kind is BackdropKind.BLUR:
        sigma = 0.03 * len(plate)
        return cv2.GaussianBlur(plate, (0, 0), sigma).astype(np.uint8)
    if backdrop.kind in (BackdropKind.COLOUR, BackdropKind.GREEN):
        colour = GREEN if backdrop.kind is BackdropKind.GREEN else backdrop.colour
        return np.full_like(plate, colour)
    return plate
