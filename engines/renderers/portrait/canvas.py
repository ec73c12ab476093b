"""What a portrait network is shown of a portrait, and where its picture goes back to.

The frame is cut as the warp renderer cuts it, so that an avatar keeps its place whoever draws it.
The network sees an upright square around the face; what it draws is laid over the frame with a
soft edge, and beyond that edge the portrait stands still.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.face_crop import Crop, FixedWarp, upright_crop
from engines.face_geometry import Points
from engines.renderers.warp.drawing import rgb
from engines.renderers.warp.framing import Framed, frame
from engines.renderers.warp.plate import choose_plate, clean_plate, cut_person
from engines.types import Backdrop, BackdropKind, Face, Portrait, Rgb

_LEAST_SOURCE = 512
"""Pixels a side of the frame that the network sees, however small the avatar is."""
_CROP_WIDTH, _CROP_RAISE = 2.3, 0.125
_FEATHER = 0.07  # of the crop's side, within its edges


@dataclass(frozen=True, slots=True)
class Canvas:
    """A portrait ready to be looked at and drawn over; read-only."""

    framed: Framed
    """At `_LEAST_SOURCE` or more, with a margin."""
    crop: Crop
    """In pixels of `framed.rgb`."""
    landmarks: Points
    """`(478, 3)` pixels of `framed.rgb`."""

    @classmethod
    def of(cls, portrait: Portrait, face: Face, size: int) -> Canvas:
        """The canvas of a portrait whose avatar is drawn at `size` × `size`."""
        framed = frame(portrait, face, max(size, _LEAST_SOURCE))
        landmarks = framed.landmarks.copy()
        landmarks[:, :2] += framed.margin
        return cls(framed, upright_crop(landmarks, _CROP_WIDTH, _CROP_RAISE), landmarks)

    def before(self, backdrop: Backdrop) -> Rgb:
        """`framed.rgb`, the person before another background; without a matte nothing changes."""
        if self.framed.matte is None or backdrop.kind is BackdropKind.KEEP:
            return self.framed.rgb
        plate = self._behind(backdrop)
        margin = self.framed.margin
        behind = cv2.copyMakeBorder(plate, *(margin,) * 4, cv2.BORDER_REPLICATE)
        person = cut_person(self.framed, self.framed.rgb)
        rest = cv2.bitwise_not(cv2.extractChannel(person, 3))
        behind = cv2.multiply(behind, cv2.merge([rest, rest, rest]), scale=1 / 255)
        return rgb(cv2.add(cv2.cvtColor(person, cv2.COLOR_RGBA2RGB), behind))

    def plate(self, backdrop: Backdrop, size: int) -> Rgb | None:
        """`(size, size, 3)` what stands behind the person then; `None`: no matte."""
        if self.framed.matte is None:
            return None
        return rgb(cv2.resize(self._behind(backdrop), (size, size), interpolation=cv2.INTER_AREA))

    def _behind(self, backdrop: Backdrop) -> Rgb:
        return choose_plate(clean_plate(self.framed), backdrop)


@dataclass(frozen=True, slots=True)
class Paste:
    """Lays a network's picture over the still frame; made once for an avatar and a background."""

    size: int
    there: FixedWarp
    """Frame ← network's picture."""
    mask: NDArray[np.uint8]
    """`(size, size, 3)` how much of the network's picture is seen."""
    rest: Rgb
    """`(size, size, 3)` the still frame, as much of it as is seen."""

    @classmethod
    def of(cls, canvas: Canvas, picture: Rgb, size: int, drawn: int) -> Paste:
        """`picture`: as `Canvas.before` gave it; `drawn`: the network's pixels a side."""
        inner, margin = canvas.framed.size, canvas.framed.margin
        still = picture[canvas.framed.frame]
        if size != inner:
            still = rgb(cv2.resize(still, (size, size), interpolation=cv2.INTER_AREA))
        # Frame ← canvas: without the margin, then smaller; whole numbers are pixel centres.
        scale = size / inner
        matrix = canvas.crop.matrix(drawn)
        matrix = np.column_stack(
            [matrix[:, :2] * scale, (matrix[:, 2] - margin + 0.5) * scale - 0.5]
        )
        soft = _soft_square(drawn)
        mask = cv2.warpAffine(soft, matrix, (size, size), flags=cv2.INTER_LINEAR)
        mask = rgb(cv2.merge([mask, mask, mask]))
        rest = cv2.multiply(still, cv2.bitwise_not(mask), scale=1 / 255)
        return cls(size, FixedWarp(matrix, drawn, size), mask, rgb(rest))

    def over(self, drawn: Rgb) -> Rgb:
        """`(size, size, 3)` the frame with a network's picture in it."""
        shown = cv2.multiply(self.there(drawn), self.mask, scale=1 / 255)
        return rgb(cv2.add(shown, self.rest))


def _soft_square(size: int) -> NDArray[np.uint8]:
    """255 within, 0 at the edges, eased between."""
    feather = max(1.0, _FEATHER * size)
    from_edge = np.minimum(np.arange(size), np.arange(size)[::-1]) / feather
    t = np.clip(from_edge, 0.0, 1.0)
    ramp = t * t * (3.0 - 2.0 * t)
    return np.rint(255.0 * np.outer(ramp, ramp)).astype(np.uint8)
