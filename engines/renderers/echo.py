"""A portrait and a motion in, a picture out from which the motion can be read back.

The portrait is shifted, tilted and sized by the head's pose, and a row of grey cells along the
upper edge shows the numbers. It needs no face, no network and hardly any time, so tests can tell
whether the motion that was asked for is the one that arrives, even after a video codec.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.errors import UnusablePortrait
from engines.renderers.warp.plate import choose_plate
from engines.types import (
    Avatar,
    Backdrop,
    BackdropKind,
    Floats,
    Motion,
    Picture,
    Portrait,
    Rgb,
    Space,
)

GAUGES = (
    *(f"pose {name}" for name in ("pitch", "yaw", "roll", "right", "down", "log scale")),
    *(f"{side} eye {name}" for side in ("right", "left") for name in ("open", "right", "down")),
    "lips apart",
)
"""What the cells show, from left to right; units as in `Motion`, lips in eye distances."""
LIMIT = 1.5
"""A gauge shows −1.5 (black) to 1.5 (white); one step of grey is 0.014."""

_CELLS = 16  # in a row, square; those after the gauges are left as the picture is
_FACE_WIDTH = 0.25  # of the frame: what a face's width is taken to be
_SMALLEST, _LARGEST = 64, 2048
_GREY, _CONTRAST = 128.0, 108.0  # clear of the ends that a limited-range codec cuts off


@dataclass(frozen=True, slots=True)
class EchoFeatures:
    """A portrait cut square; read-only."""

    picture: Rgb
    """`(size, size, 3)`."""
    matte: NDArray[np.uint8] | None
    """`(size, size)`."""
    shown: Rgb
    """The picture before the chosen backdrop."""


class EchoRenderer:
    """Draws `mesh478` motions as shifts and gauges; no state."""

    name = "echo"
    space = Space.MESH478

    def prepare(self, portrait: Portrait, *, id: str, consent: str, size: int = 512) -> Avatar:
        """Cuts the middle square out of the portrait; raises `UnusablePortrait`."""
        if not _SMALLEST <= size <= _LARGEST:
            raise UnusablePortrait(
                "too_large" if size > _LARGEST else "too_small",
                f"avatars are drawn at {_SMALLEST} to {_LARGEST} pixels, not at {size}",
            )
        picture = _square(portrait.rgb, size)
        matte = None if portrait.matte is None else _square(portrait.matte, size)
        return Avatar(id, portrait, EchoFeatures(picture, matte, picture), self.name, consent)

    def with_backdrop(self, avatar: Avatar, backdrop: Backdrop) -> Avatar:
        """The same person before another background; without a matte nothing can change."""
        features: EchoFeatures = avatar.features
        if features.matte is None:
            return avatar
        shown = features.picture
        if backdrop.kind is not BackdropKind.KEEP:
            person = features.matte[..., None] / np.float32(255)
            plate = choose_plate(features.picture, backdrop)
            shown = np.rint(plate + (features.picture - plate.astype(np.float32)) * person)
        return replace(avatar, features=replace(features, shown=shown.astype(np.uint8)))

    def render(self, avatar: Avatar, motion: Motion) -> Picture:
        """One picture, `(size, size, 3)`; a number that is not finite counts as at rest."""
        features: EchoFeatures = avatar.features
        numbers = _numbers(motion)
        size = len(features.shown)
        roll, right, down, log_scale = numbers[2:6]
        turn = cv2.getRotationMatrix2D(
            ((size - 1) / 2, (size - 1) / 2), -math.degrees(roll), math.exp(log_scale)
        )
        turn[0, 2] += right * _FACE_WIDTH * size
        turn[1, 2] += down * _FACE_WIDTH * size
        picture = cv2.warpAffine(
            features.shown, turn, (size, size), borderMode=cv2.BORDER_REPLICATE
        ).astype(np.uint8)
        levels = np.rint(_GREY + _CONTRAST * numbers / LIMIT).astype(np.uint8)
        cell_of = np.arange(size) * _CELLS // size
        shown = cell_of < len(GAUGES)
        picture[: size // _CELLS, shown] = levels[cell_of[shown], None]
        return Picture(picture, motion.pts_ns, motion.captured_ns)


def read_gauges(rgb: Rgb) -> Floats:
    """`(13,)` the numbers that a picture of `EchoRenderer` shows, in the order of `GAUGES`.

    The picture may have been through a codec and to another size, of 64 pixels or more, as long as
    it is whole.
    """
    height, width = rgb.shape[:2]
    numbers = np.empty(len(GAUGES), np.float32)
    # the middle half of each cell: what lies beside it does not bleed in
    rows = _middle(height, 0)
    for number in range(len(GAUGES)):
        grey = rgb[rows, _middle(width, number)].mean()
        numbers[number] = (grey - _GREY) / _CONTRAST * LIMIT
    return numbers


def _middle(length: int, cell: int) -> slice:
    """The middle half of a cell, in pixels along one side of the picture."""
    return slice(math.ceil((cell + 0.25) * length / _CELLS), int((cell + 0.75) * length / _CELLS))


def _numbers(motion: Motion) -> Floats:
    """`(13,)` what a motion's gauges show; beyond the limit it is held there."""
    neutral = Motion.neutral()
    lips = motion.expression[14, 1] - motion.expression[13, 1]
    rest = np.concatenate([neutral.pose, neutral.eyes.reshape(-1), [0]])
    asked = np.concatenate([motion.pose, motion.eyes.reshape(-1), [lips]])
    numbers: Floats = np.clip(np.where(np.isfinite(asked), asked, rest), -LIMIT, LIMIT)
    return numbers.astype(np.float32)


def _square(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    middle = image[top : top + side, left : left + side]
    smooth = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    return cv2.resize(middle, (size, size), interpolation=smooth).astype(np.uint8)
