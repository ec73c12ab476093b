"""Where one part of a turned face hides another: an inverse map in, softened edges out."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.types import Floats, Rgb

_LEAP = 5.0
"""Times the usual step of the map: a larger one is a fold's edge."""


def find_folds(x: Floats, y: Floats) -> NDArray[np.uint8]:
    """255 where one part of the face hides another: there the inverse map leaps.

    `x`, `y`: `(h, w)` texture positions in pixels.
    """
    leaps = np.zeros(x.shape, np.uint8)
    usual = abs(float(x[0, 1] - x[0, 0]))
    for plane in (x, y):
        for now, before in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
            leap = cv2.absdiff(plane[now], plane[before]) > _LEAP * usual
            leaps[now] |= leap
            leaps[before] |= leap
    return leaps * np.uint8(255)


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
