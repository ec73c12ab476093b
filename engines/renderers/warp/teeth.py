"""A mouth's interior drawn once per portrait, in its colours: teeth, gums, tongue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.face_geometry import Points, smoothstep
from engines.types import Floats

SIDE = 256
UNIT = SIDE / 2.4
"""Sprite pixels per half mouth width; the closed lips meet in the middle of a sprite."""

_HALF_ARCH = 1.05  # half mouth widths: radius of the dental arch seen from the front
# Widths of central incisor, lateral incisor, canine, premolars, molar along the arch, half mouth
# widths; the usual proportions of human teeth.
_UPPER = (0.335, 0.265, 0.30, 0.28, 0.27, 0.33)
_LOWER = (0.215, 0.24, 0.27, 0.28, 0.27, 0.33)
_UPPER_LENGTH = (1.0, 0.90, 0.97, 0.88, 0.80, 0.72)
_LOWER_LENGTH = (0.92, 0.94, 1.0, 0.92, 0.84, 0.76)


@dataclass(frozen=True, slots=True)
class Interior:
    """Sprites of a mouth: `(SIDE, SIDE, 4)` RGB and opacity."""

    upper: NDArray[np.uint8]
    lower: NDArray[np.uint8]
    tongue: NDArray[np.uint8]
    cavity: Floats
    """`(3,)` RGB of the darkness behind."""


def draw_interior(lip: Points, skin: Points, white: Points) -> Interior:
    """Draws a generic mouth; `lip`, `skin`, `white` (of the eyes): RGB 0…255 of the portrait."""
    bright = np.maximum(white, 1.02 * skin)
    tooth = np.clip(0.82 * bright + 0.14 * skin + 8, 0, 238)
    gum = np.clip(0.62 * lip + 0.12 * skin, 0, 230)
    return Interior(
        upper=_row(_UPPER, _UPPER_LENGTH, -0.46, 0.17, 0.10, tooth, gum, above=True),
        lower=_row(_LOWER, _LOWER_LENGTH, 0.24, 0.62, 0.06, 0.86 * tooth, gum, above=False),
        tongue=_tongue(np.clip(lip * [1.0, 0.74, 0.80] + 6, 0, 235)),
        cavity=np.clip(0.15 * lip + [7, 1, 1], 0, 55).astype(np.float32),
    )


def _grid() -> tuple[Points, Points]:
    rows, columns = np.mgrid[:SIDE, :SIDE].astype(np.float64)
    return (columns - SIDE / 2) / UNIT, (rows - SIDE / 2) / UNIT


def _row(
    widths: Sequence[float],
    lengths: Sequence[float],
    root: float,
    tip: float,
    curve: float,
    tooth: Points,
    gum: Points,
    *,
    above: bool,
) -> NDArray[np.uint8]:
    """One dental arch from the front: narrower and darker towards its sides.

    `root`, `tip`: where the middle teeth begin (in the gum) and end, half mouth widths down.
    """
    u, v = _grid()
    opacity = np.zeros_like(u)
    shade = np.ones_like(u)
    if not above:
        root, tip = tip, root
    down = np.sign(tip - root)
    for side in (-1, 1):
        passed = 0.0
        for width, length in zip(widths, lengths, strict=True):
            inner = np.sin(min(passed / _HALF_ARCH, 1.5))
            passed += width
            outer = np.sin(min(passed / _HALF_ARCH, 1.5))
            if outer - inner < 0.01:
                continue
            middle, half = side * (inner + outer) / 2, (outer - inner) / 2
            along = (v - root + curve * down * middle**2) / ((tip - root) * length)
            across = (u - middle) / (1.07 * half)  # neighbours touch: shade parts them, not gaps
            # a rounded rectangle, its free corners rounder than its neck
            corner = np.abs(across) ** (6 - 2.5 * np.clip(along, 0, 1)) + np.abs(2 * along - 1) ** 6
            tooth_opacity = 1 - smoothstep(0.78, 1.0, corner)
            body = 1 - 0.30 * np.abs(np.clip(across, -1, 1)) ** 5
            arch = 1 - 0.50 * (inner + outer) ** 2 / 4
            tip_light = 0.90 + 0.10 * smoothstep(0.1, 0.7, along)
            glass = 1 - 0.07 * smoothstep(0.82, 1.0, along)  # the edge lets the dark through
            mine = tooth_opacity > opacity
            shade = np.where(mine, body * arch * tip_light * glass, shade)
            opacity = np.maximum(opacity, tooth_opacity)
    # gum over the necks, scalloped between the teeth
    neck = (v - root + curve * down * u**2) / (tip - root)
    gum_opacity = (1 - smoothstep(0.16, 0.24, neck)) * smoothstep(-0.9, -0.6, neck)
    gum_opacity *= 1 - smoothstep(0.85, 1.0, np.abs(u))
    colour = tooth * shade[..., None]
    gum_colour = gum * (0.95 - 0.45 * u**2)[..., None]
    colour += (gum_colour - colour) * gum_opacity[..., None]
    return _soft(colour, np.maximum(opacity, gum_opacity))


def _tongue(colour: Points) -> NDArray[np.uint8]:
    u, v = _grid()
    opacity = 1 - smoothstep(0.7, 1.0, (u / 0.74) ** 2 + ((v - 0.24) / 0.46) ** 2)
    light = (
        0.78
        - 0.30 * np.clip((u / 0.74) ** 2, 0, 1)
        - 0.10 * np.exp(-((u / 0.06) ** 2))
        + 0.14 * np.clip(0.1 - v, -0.3, 0.3)
    )
    return _soft(colour * light[..., None], opacity)


def _soft(colour: Points, opacity: Points) -> NDArray[np.uint8]:
    """Colour and opacity as one sprite, blurred to what a lens would show of it."""
    known = np.where(opacity[..., None] > 0.02, colour, colour[opacity > 0.5].mean(axis=0))
    sprite = np.dstack([np.clip(known, 0, 255), 255 * opacity]).astype(np.float32)
    return np.rint(cv2.GaussianBlur(sprite, (0, 0), 1.6)).astype(np.uint8)
