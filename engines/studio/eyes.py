"""Eyeballs for the rendered people: a centre and a radius go in, meshes and an iris come out."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.studio.makehuman import Points
from engines.studio.people import Colour

_IRIS = 0.50  # of the eyeball's radius
_SPAN = 1.6  # the picture's half width in iris radii
_AROUND, _DOWN = 96, 64


def ball(radius: float) -> tuple[Points, NDArray[np.int64], Points]:
    """Vertices, quads and texture coordinates of an eyeball whose iris is a shallow dish."""
    vertices, quads = _sphere(np.full(_DOWN, radius))
    iris = _IRIS * radius
    off = np.hypot(vertices[:, 0], vertices[:, 1])
    dish = (vertices[:, 2] > 0) & (off < 1.02 * iris)
    rim = math.sqrt(radius**2 - iris**2)
    vertices[dish, 2] = rim - 0.10 * radius * (1 - (off[dish] / iris) ** 2)
    uv = 0.5 + vertices[:, :2] / iris / 2 / _SPAN
    uv[vertices[:, 2] < 0] = 0.99
    return vertices, quads, uv


def cornea(radius: float) -> tuple[Points, NDArray[np.int64]]:
    """Vertices and quads of the clear bulge before the iris."""
    tilt = np.linspace(0.0, math.pi, _DOWN)
    bulge = np.exp(-((tilt / (0.8 * math.asin(_IRIS))) ** 4))
    return _sphere(radius * (1.012 + 0.10 * bulge))


def paint_iris(path: Path, colour: Colour, side: int = 512) -> None:
    """Writes the picture of an iris on the white of the eye."""
    rng = np.random.default_rng(2)
    row, column = np.mgrid[0:side, 0:side] - side / 2
    radius, angle = np.hypot(column, row) / (side / 2) * _SPAN, np.arctan2(row, column)
    fibres = np.zeros((side, side))
    for waves in range(12, 90):
        phase = rng.uniform(0, 2 * np.pi) + 1.5 * rng.normal() * radius
        fibres += rng.normal() * np.cos(waves * angle + phase) / 9
    hue = np.array(colour)
    iris = hue * (1.25 + 0.6 * fibres[..., None]) * (1.5 - 0.6 * radius[..., None])
    iris += 0.8 * hue * np.exp(-(((radius - 0.5) / 0.14) ** 2))[..., None]
    iris *= 1 - 0.85 * np.clip((radius - 0.76) / 0.2, 0, 1)[..., None]  # the dark rim
    iris *= np.clip((radius - 0.36) / 0.05, 0, 1)[..., None]  # the pupil
    white = np.array([0.80, 0.765, 0.745]) * np.ones((side, side, 1))
    edge = np.clip((radius - 0.96) / 0.09, 0, 1)[..., None]
    linear = np.clip(iris * (1 - edge) + white * edge, 0, 1)
    cv2.imwrite(str(path), (linear ** (1 / 2.2) * 255).astype(np.uint8)[..., ::-1])


def _sphere(radii: NDArray[np.float64]) -> tuple[Points, NDArray[np.int64]]:
    """`radii` from the front pole to the back one."""
    tilt = np.linspace(0.0, math.pi, _DOWN)[:, None]
    turn = np.linspace(0.0, 2 * math.pi, _AROUND, endpoint=False)[None]
    unit = np.stack(
        [np.sin(tilt) * np.cos(turn), np.sin(tilt) * np.sin(turn), np.cos(tilt) + 0 * turn], axis=-1
    )
    number = np.arange(_DOWN * _AROUND).reshape(_DOWN, _AROUND)
    here, below = number[:-1], number[1:]
    quads = np.stack([here, below, np.roll(below, -1, 1), np.roll(here, -1, 1)], axis=-1)
    return (radii[:, None, None] * unit).reshape(-1, 3), quads.reshape(-1, 4)
