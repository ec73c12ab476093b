"""A contact sheet: a clip and its performances go in, one picture with a row for each comes out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.reenactment import Clip, Performance
from benchmarks.signals import SIGNALS, signal
from engines.face_mesh import BLENDSHAPES, OVAL
from engines.types import Face, Rgb

_TILE = 256
_FRAMES = 10


def contact_sheet(file: Path, strips: Sequence[tuple[Clip, Sequence[Performance]]]) -> None:
    """Writes the sheet: for each clip a driver row, then a row for each avatar.

    The columns are the frames that ask most of an avatar, then evenly chosen ones.
    """
    rows = []
    for clip, performances in strips:
        chosen = telling_frames(clip.faces, _FRAMES)
        corner, side = _window(clip)
        rows.append([_crop(clip.pictures[number].rgb, corner, side) for number in chosen])
        rows += [[_tile(done.pictures[number]) for number in chosen] for done in performances]
    width = max(map(len, rows))
    blank = np.zeros((_TILE, _TILE, 3), np.uint8)
    lines = [np.hstack([*row, *[blank] * (width - len(row))]) for row in rows]
    if not cv2.imwrite(str(file), cv2.cvtColor(np.vstack(lines), cv2.COLOR_RGB2BGR)):
        raise OSError(f"the contact sheet {file} cannot be written")


def telling_frames(faces: Sequence[Face | None], most: int) -> list[int]:
    """Numbers of frames: the extremes of mouth, lids, gaze, smile and turn, then an even choice."""
    seen = [number for number, face in enumerate(faces) if face is not None]
    kept = [face for face in faces if face is not None]
    rows = np.stack([face.blendshapes for face in kept]).astype(np.float64)
    turn = np.array([face.head[0, 2] / np.linalg.norm(face.head[:, 2]) for face in kept])
    chosen: dict[int, None] = {}
    for name, parts in SIGNALS.items():
        values = signal(rows, BLENDSHAPES, parts)
        chosen[seen[int(values.argmax())]] = None
        if name == "gaze":
            chosen[seen[int(values.argmin())]] = None
    chosen |= dict.fromkeys((seen[int(turn.argmin())], seen[int(turn.argmax())]))
    evenly = np.linspace(0, len(seen) - 1, most).round().astype(int)
    for index in evenly:
        if len(chosen) >= most:
            break
        chosen[seen[int(index)]] = None
    return sorted(list(chosen)[:most])


def _window(clip: Clip) -> tuple[NDArray[np.float64], float]:
    """Corner and side of a square around all of the driver's places."""
    ovals = np.concatenate([face.landmarks[OVAL, :2] for face in clip.faces if face is not None])
    low, high = ovals.min(axis=0), ovals.max(axis=0)
    side = float((high - low).max()) * 1.35
    return ((low + high) / 2 - side / 2).astype(np.float64), side


def _crop(rgb: Rgb, corner: NDArray[np.float64], side: float) -> Rgb:
    scale = _TILE / side
    matrix = np.array([[scale, 0, -corner[0] * scale], [0, scale, -corner[1] * scale]])
    return cv2.warpAffine(rgb, matrix, (_TILE, _TILE), flags=cv2.INTER_AREA).astype(np.uint8)


def _tile(rgb: Rgb) -> Rgb:
    return cv2.resize(rgb, (_TILE, _TILE), interpolation=cv2.INTER_AREA).astype(np.uint8)
