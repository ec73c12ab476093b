"""Person and background taken apart: what moves with the head, and what stands behind it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.renderers.warp.drawing import disk, inpaint, rgb
from engines.renderers.warp.framing import Framed
from engines.types import Backdrop, BackdropKind, Floats, Rgb

GREEN = (0, 177, 64)  # the usual chroma key
_EDGE_BLUR = 0.8  # pixels at 512
_SMALLEST = 256


def clean_plate(framed: Framed) -> Rgb:
    """`(size, size, 3)` the background as if nobody stood before it."""
    assert framed.matte is not None
    rows, columns = framed.frame
    picture, matte = framed.rgb[rows, columns], framed.matte[rows, columns]
    covered = cv2.dilate((matte > 12).astype(np.uint8), disk(max(2, framed.size // 64))) > 0
    small = (_SMALLEST, _SMALLEST)
    shrunk = rgb(cv2.resize(picture, small, interpolation=cv2.INTER_AREA))
    hole = cv2.resize(covered.astype(np.uint8), small, interpolation=cv2.INTER_AREA) > 0
    filled = _fill(shrunk, hole)
    whole = (framed.size, framed.size)
    plate = cv2.resize(filled, whole, interpolation=cv2.INTER_CUBIC).astype(np.float32)
    plate += _borrowed_grain(picture, covered)
    keep = 1 - cv2.GaussianBlur(covered.astype(np.float32), (0, 0), 3)[..., None]
    keep *= ~covered[..., None]
    return np.clip(plate + (picture - plate) * keep, 0, 255).astype(np.uint8)


def _fill(picture: Rgb, hole: NDArray[np.bool_]) -> Rgb:
    """Fills a large hole smoothly: what is known is blurred into it, widest first."""
    known = (~hole).astype(np.float32)
    filled = inpaint(picture, hole, 4).astype(np.float32)
    for sigma in (48.0, 24.0, 12.0):
        weight = cv2.GaussianBlur(known, (0, 0), sigma)[..., None] + 1e-4
        wide = cv2.GaussianBlur(picture * known[..., None], (0, 0), sigma) / weight
        trust = np.clip(weight * 4, 0, 1)
        filled = np.where(hole[..., None], filled + (wide - filled) * 0.5 * trust, filled)
    smooth = cv2.GaussianBlur(filled, (0, 0), 4)
    return np.where(hole[..., None], smooth, filled).clip(0, 255).astype(np.uint8)


def _borrowed_grain(picture: Rgb, covered: NDArray[np.bool_]) -> Floats:
    """The texture of canvas or noise that smooth filling lacks, from the other side."""
    fine = picture.astype(np.float32) - cv2.GaussianBlur(picture, (0, 0), 3)
    mirrored_known = ~covered[:, ::-1]
    grain: Floats = np.where(
        (covered & mirrored_known)[..., None], fine[:, ::-1].clip(-24, 24), 0
    ).astype(np.float32)
    return grain


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
