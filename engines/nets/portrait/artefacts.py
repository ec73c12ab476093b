"""What is exported: modules whose inputs and outputs are exactly those of an artefact file.

Batch 1, static shapes; inputs and outputs are float32 (the frame's picture uint8) whatever the
precision inside.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from engines.nets.portrait.config import PortraitModules
from engines.nets.portrait.folding import without_batch_norms
from engines.nets.portrait.fused_decoder import FusedDecoder
from engines.nets.portrait.fused_warping import FusedWarping
from engines.nets.portrait.keypoints import Pose
from engines.nets.portrait.linears import without_linears
from engines.nets.portrait.stitching import stitched

Sampling = Literal["native", "atlas", "gather"]


class Artefact(nn.Module):
    """A module to be exported."""

    name: ClassVar[str]
    inputs: ClassVar[tuple[str, ...]]
    """Names in the order of `forward`'s parameters."""
    outputs: ClassVar[tuple[str, ...]]
    """Names in the order of what `forward` gives."""

    def __init__(self, modules: PortraitModules) -> None:
        """Of networks that are ready to serve (`PortraitModules.eval`); leaves them as they are."""
        super().__init__()
        if any(module.training for module in modules):
            raise ValueError("networks in training: call eval() first")
        self.config = modules.config
        self.eval()  # exporters leave everything inside in the mode in which this is

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each input."""
        config = self.config
        side = config.volume_size
        known = {
            "picture": (1, 3, config.input_size, config.input_size),
            "keypoints": (1, config.keypoints, 3),
            "source_keypoints": (1, config.keypoints, 3),
            "volume": (1, config.channels, config.depth, side, side),
            "compressed": (1, config.compress, config.depth, side, side),
            "stitching": (1, 1),
        }
        return {name: known[name] for name in self.inputs}

    def example_inputs(self, seed: int = 0) -> dict[str, Tensor]:
        """Random inputs such as may occur, in order."""
        generator = torch.Generator().manual_seed(seed)
        return {name: _example(name, shape, generator) for name, shape in self.shapes().items()}


def _example(name: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    values = torch.rand(shape, generator=generator)
    if name.endswith("keypoints"):
        return 0.6 * values - 0.3
    if name == "volume":
        return torch.randn(shape, generator=generator)
    return values


class AppearanceArtefact(Artefact):
    """Portrait → the volume, and what the dense motion is estimated from."""

    name = "appearance"
    inputs = ("picture",)
    outputs = ("volume", "compressed")

    def __init__(self, modules: PortraitModules) -> None:
        """Of F, and of the part of W that depends on the portrait only."""
        super().__init__(modules)
        self.appearance = without_batch_norms(modules.appearance)
        motion = without_batch_norms(modules.warping.dense_motion_network)
        self.compress = nn.Sequential(motion.compress, nn.ReLU())

    def half(self) -> AppearanceArtefact:
        """Convolutions become float16 in place."""
        self.appearance.half()
        self.compress.half()
        return self

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        """RGB 0…1."""
        volume = self.appearance(picture.to(self.compress[0].weight.dtype))
        return volume.float(), self.compress(volume).float()


class MotionArtefact(Artefact):
    """Face → pose, expression and canonical keypoints; in float32 only."""

    name = "motion"
    inputs = ("picture",)
    outputs = ("angles", "translation", "expression", "scale", "keypoints")

    def __init__(self, modules: PortraitModules) -> None:
        """Of M."""
        super().__init__(modules)
        self.motion = without_linears(modules.motion)

    def forward(self, picture: Tensor) -> tuple[Tensor, ...]:
        """RGB 0…1; angles in degrees: pitch, yaw, roll."""
        pose = Pose.of(self.motion(picture))
        return pose.angles, pose.translation, pose.expression, pose.scale, pose.keypoints


class FrameArtefact(Artefact):
    """Driving keypoints → picture: stitching, warping and decoding in one graph."""

    name = "frame"
    inputs = ("keypoints", "volume", "compressed", "source_keypoints", "stitching")
    outputs = ("picture",)

    def __init__(
        self, modules: PortraitModules, sampling: Sampling = "native", phases: bool = True
    ) -> None:
        """`sampling`: the form of the volume's sampling; `phases`: of `FusedDecoder`."""
        super().__init__(modules)
        self.stitching = without_linears(modules.stitching)
        self.warping = FusedWarping(modules.warping, sampling)
        self.decoder = FusedDecoder(modules.decoder, phases)

    def half(self) -> FrameArtefact:
        """Convolutions become float16 in place; what would not bear it stays float32."""
        self.warping.half()
        self.decoder.half()
        return self

    def picture(
        self,
        keypoints: Tensor,
        volume: Tensor,
        compressed: Tensor,
        source_keypoints: Tensor,
        stitching: Tensor,
    ) -> Tensor:
        """`(1, 3, size, size)` RGB 0…1."""
        moved = stitched(self.stitching, source_keypoints, keypoints, stitching)
        return self.decoder(self.warping(volume, compressed, moved, source_keypoints))

    def forward(
        self,
        keypoints: Tensor,
        volume: Tensor,
        compressed: Tensor,
        source_keypoints: Tensor,
        stitching: Tensor,
    ) -> Tensor:
        """`(1, size, size, 3)` uint8 RGB, rounded to the nearest."""
        picture = self.picture(keypoints, volume, compressed, source_keypoints, stitching)
        return (picture * 255 + 0.5).floor().permute(0, 2, 3, 1).to(torch.uint8)


class _Retargeting(Artefact):
    def __init__(self, modules: PortraitModules) -> None:
        """Of one R."""
        super().__init__(modules)
        network = getattr(modules, self.name)
        self._ratios = network.mlp[0].in_features - 3 * self.config.keypoints
        self.network = without_linears(network)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each input."""
        return {"source_keypoints": (1, self.config.keypoints, 3), "ratios": (1, self._ratios)}

    def forward(self, source_keypoints: Tensor, ratios: Tensor) -> Tensor:
        """Offsets `(1, keypoints, 3)`, to be added to the driving keypoints."""
        both = torch.cat([source_keypoints.flatten(1), ratios], dim=1)
        return self.network(both).reshape(source_keypoints.shape)


class LipsArtefact(_Retargeting):
    """Lip ratios (source's, wanted) → offsets that open or close the lips."""

    name = "lips"
    inputs = ("source_keypoints", "ratios")
    outputs = ("offsets",)


class EyesArtefact(_Retargeting):
    """Eye ratios (source's right and left, wanted) → offsets that open or close the eyes."""

    name = "eyes"
    inputs = ("source_keypoints", "ratios")
    outputs = ("offsets",)


ARTEFACTS: dict[str, type[Artefact]] = {
    each.name: each
    for each in (AppearanceArtefact, MotionArtefact, FrameArtefact, LipsArtefact, EyesArtefact)
}
"""Every artefact of a set, by name."""
