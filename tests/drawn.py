"""A drawn person with known landmarks, in flat colours that a test can find again."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.face_mesh import (
    INNER_LIPS,
    LEFT_BROW,
    LEFT_EYE,
    LEFT_IRIS,
    OUTER_LIPS,
    OVAL,
    RIGHT_BROW,
    RIGHT_EYE,
    RIGHT_IRIS,
)
from engines.types import Portrait, Rgb
from tests.heads import head

SIDE = 1024
SKIN = (224, 172, 140)
WHITE = (244, 246, 250)
IRIS = (30, 90, 220)
LIPS = (190, 70, 80)
HAIR = (60, 44, 36)
SHIRT = (40, 120, 110)
WALL = (210, 60, 200)
"""A background that no part of the person resembles."""
NOSE = (250, 220, 30)
"""A dot on the tip of the nose."""

_SUBPIXEL = 4


def person(
    *, matte: bool = True, jaw: float = 0.0, closed: tuple[float, float] = (0, 0)
) -> Portrait:
    """Head and shoulders from the front."""
    face = head(jaw=jaw, closed=closed, place=(0.5, 0.46), size=(SIDE, SIDE))
    landmarks = face.landmarks[:, :2].astype(np.float64)
    rgb = np.full((SIDE, SIDE, 3), WALL, np.uint8)
    cut = np.zeros((SIDE, SIDE), np.uint8)
    for canvas, colours in ((rgb, (HAIR, SKIN, SHIRT)), (cut, ((255,) * 3,) * 3)):
        hair, skin, shirt = colours
        middle = landmarks[OVAL].mean(axis=0)
        _fill(canvas, middle + (landmarks[OVAL] - middle) * 1.22 - (0, 16), hair)
        x, y = landmarks[152]
        _fill(
            canvas,
            np.array([[x - 80, y - 60], [x + 80, y - 60], [x + 90, SIDE], [x - 90, SIDE]]),
            skin,
        )
        _fill(
            canvas,
            np.array([[x - 90, y + 70], [x + 90, y + 70], [x + 300, SIDE], [x - 300, SIDE]]),
            shirt,
        )
        _fill(canvas, landmarks[OVAL], skin)
    for eye, iris, shut in (
        (RIGHT_EYE, RIGHT_IRIS, closed[0]),
        (LEFT_EYE, LEFT_IRIS, closed[1]),
    ):
        if shut >= 1:
            continue
        opening = np.zeros((SIDE, SIDE), np.uint8)
        _fill(opening, landmarks[eye], (255,) * 3)
        ball = np.full_like(rgb, WHITE)
        radius = np.linalg.norm(landmarks[iris[1:]] - landmarks[iris[0]], axis=1).mean()
        centre = np.rint(landmarks[iris[0]] * 2**_SUBPIXEL).astype(int)
        size = round(float(radius) * 2**_SUBPIXEL)
        cv2.circle(ball, centre.tolist(), size, IRIS, -1, cv2.LINE_AA, _SUBPIXEL)
        amount = opening[..., None] / 255
        rgb = np.rint(rgb + (ball - rgb.astype(np.float64)) * amount).astype(np.uint8)
    for brow in (RIGHT_BROW, LEFT_BROW):
        hull = cv2.convexHull(landmarks[brow].astype(np.float32))[:, 0]
        _fill(rgb, hull.astype(np.float64), HAIR)
    _fill(rgb, landmarks[OUTER_LIPS], LIPS)
    if jaw:
        _fill(rgb, landmarks[INNER_LIPS], (40, 10, 10))
    tip = np.rint(landmarks[1]).astype(int)
    cv2.circle(rgb, tip.tolist(), 9, NOSE, -1, cv2.LINE_AA)
    return Portrait(rgb, (face,), cut if matte else None)


def resembles(rgb: Rgb, colour: tuple[int, int, int], within: float = 40.0) -> NDArray[np.bool_]:
    """`(h, w)` where a picture has about that colour."""
    apart = rgb.astype(np.float64) - colour
    near: NDArray[np.bool_] = np.sqrt(np.square(apart).sum(axis=2)) < within
    return near


def centre_of(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """`(2,)` x and y of the middle of what is marked."""
    rows, columns = np.nonzero(mask)
    assert len(rows), "the colour is nowhere in the picture"
    return np.array([columns.mean(), rows.mean()])


def _fill(
    canvas: NDArray[np.uint8], outline: NDArray[np.floating], colour: tuple[int, ...]
) -> None:
    points = np.rint(outline * 2**_SUBPIXEL).astype(np.int32)
    cv2.fillPoly(canvas, [points], colour, cv2.LINE_AA, _SUBPIXEL)
