"""The map between two spaces: `mesh478` motions go in, motions of a neural portrait come out.

A motion network tells expression in offsets of keypoints that nobody has named. How they answer to
ARKit coefficients, lids and gaze, and how the network's turns answer to ours, is fitted once for
each set of networks (`engines.implicit_map_fit`) and kept beside its card. The map is linear:
offsets of one shape are added to those of another.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engines import atomic_file
from engines.blendshape_inverse import to_coefficients
from engines.errors import ModelUnavailable
from engines.face_mesh import BLENDSHAPES
from engines.types import Floats, Motion, Space

FILE = "map.npz"
VERSION = 1
EYES = ("shutRight", "shutLeft", "wideRight", "wideLeft", "gazeRight", "gazeDown")
"""What follows the coefficients: 1 − openness of each lid where it is below 1, openness − 1 where
it is above; both eyes' gaze in eye widths."""
FEATURES = len(BLENDSHAPES) + len(EYES)

_MOST_BYTES = 1 << 20
_OPEN = np.array([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]], np.float32)
_MEND = "fit it by `visavis models fit portrait`"
_SHAPES = {"version": (), "motion": (), "pose": (6, 6), "held_out": ()}


def features(coefficients: NDArray[np.floating], eyes: NDArray[np.floating]) -> Floats:
    """`(58,)` what the map takes, of `(52,)` coefficients and `(2, 3)` eyes as in `Motion.eyes`."""
    opened = eyes[:, 0]
    return np.concatenate(
        [
            coefficients,
            np.clip(1.0 - opened, 0.0, 1.0),
            np.clip(opened - 1.0, 0.0, 1.0),
            eyes[:, 1:].mean(axis=0),
        ]
    ).astype(np.float32)


@dataclass(frozen=True, slots=True)
class ImplicitMap:
    """Fitted for one motion network."""

    expression: Floats
    """`(58, n, 3)` what each feature adds to the keypoints."""
    pose: NDArray[np.float64]
    """`(6, 6)` the network's pose for each number of `Motion.pose`: both in that order and units,
    so that a network whose axes point elsewhere, or whose head turns about another point, is
    matched."""
    motion: str
    """SHA-256 of the motion network that it was fitted to."""
    held_out: float
    """What share of the offsets' variance it explains on portraits that it was not fitted to."""

    @property
    def keypoints(self) -> int:
        """How many the network has."""
        return int(self.expression.shape[1])

    def offsets(self, mesh: NDArray[np.floating], eyes: NDArray[np.floating]) -> Floats:
        """`(n, 3)` for `(478, 3)` displacements and `(2, 3)` eyes of a `mesh478` motion."""
        told = features(to_coefficients(mesh), eyes)
        return np.tensordot(told, self.expression, axes=1).astype(np.float32, copy=False)

    def translate(self, motion: Motion) -> Motion:
        """A `mesh478` motion in `implicit21`; what is not a number counts as neutral."""
        mesh = np.nan_to_num(motion.expression, posinf=0.0, neginf=0.0)
        eyes = np.where(np.isfinite(motion.eyes), motion.eyes, _OPEN)
        pose = np.nan_to_num(motion.pose, posinf=0.0, neginf=0.0)
        return replace(
            motion,
            space=Space.IMPLICIT21,
            expression=self.offsets(mesh, eyes),
            pose=(self.pose @ pose).astype(np.float32),
            eyes=_OPEN.copy(),  # they are in the expression now
        )


def write(fitted: ImplicitMap, folder: Path) -> Path:
    """Puts the map beside the card of its set; raises `EngineError` as `atomic_file.write`."""
    content = io.BytesIO()
    np.savez_compressed(
        content,
        version=np.array(VERSION),
        motion=np.array(fitted.motion),
        expression=fitted.expression,
        pose=fitted.pose,
        held_out=np.array(fitted.held_out),
    )
    path = folder / FILE
    atomic_file.write(path, content.getvalue())
    return path


def read(folder: Path, motion: str) -> ImplicitMap:
    """The map in `folder` of the motion network whose SHA-256 is `motion`.

    Raises `ModelUnavailable` where there is none, or one of another network or version.
    """
    path = folder / FILE
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise ModelUnavailable(
            f"the networks in {folder} lack {FILE} ({error.strerror}), which tells how camera and"
            f" voice drive them; {_MEND}"
        ) from error
    try:
        return _parsed(content, motion)
    # A zip archive can be wrong in more ways than its reader has exceptions for.
    except Exception as error:
        raise ModelUnavailable(f"{path} cannot be used ({error}); {_MEND}") from error


def _parsed(content: bytes, motion: str) -> ImplicitMap:
    if len(content) > _MOST_BYTES:
        raise ValueError(f"it is larger than {_MOST_BYTES} bytes")
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        found = {name: arrays[name] for name in (*_SHAPES, "expression")}
    if int(found["version"]) != VERSION:
        raise ValueError(f"it is of version {int(found['version'])}, not {VERSION}")
    if str(found["motion"]) != motion:
        raise ValueError("it was fitted to another motion network")
    expression = found["expression"]
    if expression.ndim != 3 or expression.shape[::2] != (FEATURES, 3):
        raise ValueError(f"its expression has the shape {expression.shape}")
    for name, shape in _SHAPES.items():
        if found[name].shape != shape:
            raise ValueError(f"its {name!r} has the shape {found[name].shape}, not {shape}")
    numbers = [expression, found["pose"], found["held_out"]]
    if not all(each.dtype.kind == "f" and np.isfinite(each).all() for each in numbers):
        raise ValueError("not all of it are numbers")
    return ImplicitMap(
        expression.astype(np.float32),
        found["pose"].astype(np.float64),
        motion,
        float(found["held_out"]),
    )
