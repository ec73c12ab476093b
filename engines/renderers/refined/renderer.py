"""The refined renderer: warped pictures whose closing eyes a small network corrects.

The warp renderer draws the picture; crops of its eyes, of the same avatar at rest, and where the
motion has the lids go into the network. An eye that hardly closes is left alone. The
network runs on the processor, whatever else does: for 3 ms it is not worth the way to a device.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engines.backends import onnxruntime
from engines.renderers.refined import crops
from engines.renderers.refined.correction import confine, correct
from engines.renderers.warp import WarpRenderer
from engines.renderers.warp.deform import Moved, deform
from engines.renderers.warp.mesh import Mesh
from engines.renderers.warp.renderer import WarpFeatures, draw
from engines.types import (
    Avatar,
    Backdrop,
    Floats,
    ModelSpec,
    Motion,
    Network,
    Picture,
    Portrait,
    Rgb,
    Space,
)

_MODELS = Path(__file__).parents[2] / "models"


@dataclass(frozen=True, slots=True)
class RefinedFeatures:
    """A warp avatar and what the network knows of it at rest."""

    warped: Avatar
    eyes: tuple[Network, Network]
    """Bound to each eye at rest."""
    lids: tuple[Floats, Floats]
    """`(16, 2)` across the crop."""


class RefinedRenderer:
    """Draws `mesh478` motions of one portrait. No state: one instance serves many sessions."""

    name = "refined"
    space = Space.MESH478

    def __init__(self, models: Path = _MODELS) -> None:
        """Loads the network from the folder `models`; raises `EngineError`."""
        self._warp = WarpRenderer()
        self._network = _load(models)

    def prepare(self, portrait: Portrait, *, id: str, consent: str, size: int = 512) -> Avatar:
        """As `WarpRenderer.prepare`, and a look at the eyes at rest."""
        warped = self._warp.prepare(portrait, id=id, consent=consent, size=size)
        mesh: Mesh = warped.features.mesh
        moved = deform(mesh, Motion.neutral())
        picture = draw(warped.features, moved)
        right, left = _eye_crops(mesh, moved)
        features = RefinedFeatures(
            warped,
            (
                self._network.bind(resting=_planes(right.cut(picture))),
                self._network.bind(resting=_planes(left.cut(picture))),
            ),
            (crops.lids_in(right, moved, 0), crops.lids_in(left, moved, 1)),
        )
        return Avatar(id, portrait, features, self.name, consent)

    def with_backdrop(self, avatar: Avatar, backdrop: Backdrop) -> Avatar:
        """The same person before another background; without a matte nothing can change."""
        features: RefinedFeatures = avatar.features
        warped = self._warp.with_backdrop(features.warped, backdrop)
        return replace(avatar, features=replace(features, warped=warped))

    def plate(self, avatar: Avatar) -> Rgb | None:
        """The background that is shown; `None`: no matte."""
        features: RefinedFeatures = avatar.features
        return self._warp.plate(features.warped)

    def render(self, avatar: Avatar, motion: Motion) -> Picture:
        """One picture, `(size, size, 3)`; a motion that is not finite or too large is held."""
        features: RefinedFeatures = avatar.features
        warped: WarpFeatures = features.warped.features
        mesh = warped.mesh
        moved = deform(mesh, motion)
        picture = draw(warped, moved)
        for number, eye in enumerate(_eye_crops(mesh, moved)):
            known = crops.eye_features(eye, moved, number, features.lids[number], motion)
            if strength := crops.eye_strength(known):
                face = crops.face_in(eye, moved) * np.float32(strength)
                _refine(picture, eye, features.eyes[number], known, face)
        return Picture(picture, motion.pts_ns, motion.captured_ns)


def _refine(picture: Rgb, crop: crops.Crop, network: Network, known: Floats, much: Floats) -> None:
    """`known`: the features; `much`: `(s, s)` how much of the correction is wanted where."""
    correction = network(_planes(crop.cut(picture)), known[None])[0][0]
    correct(picture, crop, confine(correction, crops.eye_opening(known), much))


def _load(models: Path) -> Network:
    crop = (1, 3, crops.SIDE, crops.SIDE)
    return onnxruntime.load(
        ModelSpec(
            "refiner_eyes",
            models / "refiner_eyes.onnx",
            "",
            inputs={"warped": crop, "resting": crop, "features": (1, crops.FEATURES)},
            outputs={"correction": (1, 5, crops.SIDE, crops.SIDE)},
        )
    )


def _eye_crops(mesh: Mesh, moved: Moved) -> tuple[crops.Crop, crops.Crop]:
    right, left = (
        crops.eye_crop(moved, number, crops.eye_width(mesh.points, number)) for number in (0, 1)
    )
    return right, left


def _planes(crop: Rgb) -> NDArray[np.float32]:
    """`(1, 3, s, s)` 0…1."""
    planes = crop.transpose(2, 0, 1)[None].astype(np.float32)
    return np.ascontiguousarray(planes / np.float32(255.0))
