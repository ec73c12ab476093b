"""Where one part of a turned face hides another: an inverse map in, softened edges out."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.types import Floats, Rgb

_LEAP = 5.0
"""Times the usual step of the map: a larger one is a fold's edge."""


def find_folds(planes: Floats) -> NDArray[np.uint8]:
    """`(m, m)` 255 where one part of the face hides another: there the inverse map leaps.

    `planes`: `(2, m, m)` texture positions in pixels.
    """
    side = planes.shape[1]
    leap = _LEAP * abs(float(planes[0, 0, 1] - planes[0, 0, 0]))
    # both planes as one: what lies between the last row of one and the first of the other is left
    # out
    both = planes.reshape(2 * side, side)
    across = cv2.absdiff(both[:, 1:], both[:, :-1]) > leap
    down = cv2.absdiff(both[1:], both[:-1]) > leap
    across = across[:side] | across[side:]
    down = down[: side - 1] | down[side:]
    folds = np.zeros((side, side), np.uint8)
    if across.any() or down.any():
        for leaps, now, before in (
            (across, folds[:, 1:], folds[:, :-1]),
            (down, folds[1:], folds[:-1]),
        ):
            now[leaps] = before[leaps] = 255
    return folds


def soften_folds(picture: Rgb, folds: NDArray[np.uint8], step: int) -> None:
    """Takes the steps off folds, in place: a map of fewer pixels draws stairs there.

    `step`: pixels of the picture per pixel of the map.
    """
    left, top, width, height = cv2.boundingRect(folds)
    if not width:
        return
    rows = slice(top * step, (top + height) * step)
    columns = slice(left * step, (left + width) * step)
    target = picture[rows, columns]
    amount = cv2.GaussianBlur(folds[top : top + height, left : left + width], (3, 3), 0)
    amount = cv2.resize(amount, (width * step, height * step))
    amount = amount[: target.shape[0], : target.shape[1]]
    soft = cv2.GaussianBlur(target, (0, 0), 0.7 * step)
    where = amount > 0
    share = amount[where, None] / np.float32(255)
    sharp = target[where].astype(np.float32)
    target[where] = (sharp + (soft[where] - sharp) * share + 0.5).astype(np.uint8)
