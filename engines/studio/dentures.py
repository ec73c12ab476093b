"""Modelled teeth for a talking head: a fitted MakeHuman part goes in, moving triangles come out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.studio import makehuman as mh


@dataclass(frozen=True, slots=True)
class Dentures:
    """Teeth and gums; each vertex has one place in the texture."""

    rest: mh.Points
    """`(v, 3)` cm."""
    units: list[NDArray[np.float32]]
    """`(v, 3)` cm that each face unit adds."""
    faces: mh.Triangles
    uv: mh.Points
    """`(v, 2)` 0…1, v downwards."""


def fit(part: Path, shape: mh.Points, units: Sequence[NDArray[np.float32]]) -> Dentures:
    """Fits the `.mhclo` file `part` to a whole person; `units`: `(v, 3)` cm of the base mesh."""
    rest = mh.placed(shape, mh.fit_part(part, shape))
    moved = [
        (mh.placed(shape, mh.fit_part(part, shape + unit / 10.0)) - rest).astype(np.float32)
        if np.abs(unit).any()
        else np.zeros(rest.shape, np.float32)
        for unit in units
    ]
    mesh = mh.read_obj(part.with_suffix(".obj"))
    corners, number = np.unique(
        np.stack([mesh.faces.ravel(), mesh.face_uv.ravel()], axis=1), axis=0, return_inverse=True
    )
    own = corners[:, 0]
    uv = mesh.uv[corners[:, 1]] * [1.0, -1.0] + [0.0, 1.0]
    return Dentures(rest[own], [unit[own] for unit in moved], number.reshape(-1, 3), uv)


def texture(part: Path, side: int, tint: NDArray[np.float64]) -> NDArray[np.float32]:
    """`(side, side, 3)` linear RGB of the picture beside the part, times `tint`."""
    picture = cv2.imread(str(part.with_suffix(".png")), cv2.IMREAD_COLOR)
    if picture is None:
        raise FileNotFoundError(part.with_suffix(".png"))
    small = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)[..., ::-1]
    linear: NDArray[np.float32] = ((small / 255.0) ** 2.2 * tint).astype(np.float32)
    return linear
