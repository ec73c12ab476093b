"""A learning curve: the training's notes go in, a small picture comes out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

_WIDTH, _HEIGHT, _MARGIN = 640, 300, 46
_INK, _GRID = (60, 60, 60), (225, 225, 225)
_COLOURS = ((180, 90, 20), (40, 110, 210), (60, 150, 60), (150, 60, 150))
_FONT = cv2.FONT_HERSHEY_SIMPLEX

Line = tuple[NDArray[np.float64], NDArray[np.float64]]


def notes(path: Path) -> Line:
    """Minutes of processor time, and by how many dB held-out crops beat the warp renderer's."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    minutes = np.array([row["minutes"] for row in rows])
    return minutes, np.array([row["refined"] - row["warp"] for row in rows])


def draw(lines: Mapping[str, Line], path: Path) -> None:
    """Writes a PNG file with one line for each name; raises `OSError`."""
    picture = np.full((_HEIGHT, _WIDTH, 3), 255, np.uint8)
    right = max(1.0, *(float(x.max()) for x, _ in lines.values()))
    top = max(1.0, *(float(np.ceil(y.max())) for _, y in lines.values()))

    def place(x: float, y: float) -> tuple[int, int]:
        across = _MARGIN + x / right * (_WIDTH - 2 * _MARGIN)
        down = _HEIGHT - _MARGIN - y / top * (_HEIGHT - 2 * _MARGIN)
        return round(across), round(down)

    for level in range(int(top) + 1):
        cv2.line(picture, place(0, level), place(right, level), _GRID, 1)
        _write(picture, f"{level} dB", (4, place(0, level)[1] + 4), _INK)
    for minute in np.linspace(0, right, 5):
        _write(picture, f"{minute:.0f} min", (place(minute, 0)[0] - 16, _HEIGHT - 22), _INK)
    for (name, (x, y)), colour in zip(lines.items(), _COLOURS, strict=False):
        points = np.array([place(*point) for point in zip(x.tolist(), y.tolist(), strict=True)])
        cv2.polylines(picture, [points.reshape(-1, 1, 2)], False, colour, 2, cv2.LINE_AA)
        end = points[-1]
        _write(picture, name, (min(int(end[0]) - 30, _WIDTH - 150), int(end[1]) - 8), colour)
    _write(picture, "PSNR of held-out people above the warp renderer's", (_MARGIN, 20), _INK)
    if not cv2.imwrite(str(path), picture):
        raise OSError(f"the curve {path} cannot be written")


def _write(
    picture: NDArray[np.uint8], text: str, at: tuple[int, int], colour: tuple[int, int, int]
) -> None:
    cv2.putText(picture, text, at, _FONT, 0.42, colour, 1, cv2.LINE_AA)
