"""The sizes of a set of networks, and the networks that they give."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

from engines.nets.portrait.appearance import AppearanceFeatureExtractor
from engines.nets.portrait.decoder import SPADEDecoder
from engines.nets.portrait.motion import MotionExtractor
from engines.nets.portrait.stitching import StitchingRetargetingNetwork
from engines.nets.portrait.warping import WarpingNetwork


@dataclass(frozen=True)
class PortraitConfig:
    """Sizes that fit each other; the defaults are those of the public checkpoints."""

    input_size: int = 256
    """Side of the pictures that appearance and motion are read off; a multiple of 32."""
    keypoints: int = 21
    channels: int = 32
    """Of the volume."""
    depth: int = 16
    """Of the volume."""
    halvings: int = 2
    """Of the picture, on its way to the volume's height and width."""
    appearance_width: int = 64
    """Features of the first convolution; each halving doubles them."""
    residual_blocks: int = 6
    backbone_depths: tuple[int, ...] = (3, 3, 9, 3)
    backbone_widths: tuple[int, ...] = (96, 192, 384, 768)
    compress: int = 4
    """Channels of the volume that the dense motion is estimated from."""
    motion_width: int = 32
    """Features of the hourglass where it is widest; each halving doubles them."""
    motion_most: int = 1024
    """Bound of that doubling."""
    motion_blocks: int = 5
    motion_kernel: int = 7
    """Of the convolutions that give the weights of the motions, and the occlusion."""
    features: int = 256
    """Of the flat features between warping and decoder; the decoder works on twice as many."""
    middle_blocks: int = 6
    hidden: int = 128
    """Features between those and a SPADE's scale and shift."""
    out_channels: int = 64
    """Of the decoder's last block."""
    upscale: int = 2
    """From that block to the picture."""

    @property
    def volume_size(self) -> int:
        """Height and width of the volume."""
        return self.input_size >> self.halvings

    @property
    def size(self) -> int:
        """Side of the picture that comes out."""
        return 4 * self.volume_size * self.upscale


OFFICIAL = PortraitConfig()
"""LivePortrait's: 130 million parameters; 1235 GFLOPs a frame as written, 1123 as fused."""

COMPACT = PortraitConfig(
    channels=16,
    depth=8,
    halvings=3,
    appearance_width=32,
    residual_blocks=4,
    backbone_depths=(2, 2, 6, 2),
    backbone_widths=(40, 80, 160, 320),
    compress=1,
    motion_width=16,
    motion_most=128,
    motion_blocks=3,
    motion_kernel=3,
    features=48,
    middle_blocks=3,
    hidden=24,
    out_channels=24,
)
"""For two processor cores: pictures of 256 × 256."""


@dataclass(frozen=True)
class PortraitModules:
    """The networks of one set, by what they do."""

    config: PortraitConfig
    appearance: AppearanceFeatureExtractor
    motion: MotionExtractor
    warping: WarpingNetwork
    decoder: SPADEDecoder
    stitching: StitchingRetargetingNetwork
    lips: StitchingRetargetingNetwork
    eyes: StitchingRetargetingNetwork

    def __iter__(self) -> Iterator[nn.Module]:
        """The networks, in the order of the fields."""
        yield from (self.appearance, self.motion, self.warping, self.decoder)
        yield from (self.stitching, self.lips, self.eyes)

    def eval(self) -> PortraitModules:
        """The same networks, made ready to serve: what the artefacts are built from."""
        for module in self:
            module.eval().requires_grad_(False)
        return self


def build(config: PortraitConfig) -> PortraitModules:
    """Networks of these sizes with fresh random weights, ready to train."""
    flat = config.channels * config.depth
    points = 3 * config.keypoints
    return PortraitModules(
        config,
        AppearanceFeatureExtractor(
            block_expansion=config.appearance_width,
            num_down_blocks=config.halvings,
            max_features=flat,
            reshape_channel=config.channels,
            reshape_depth=config.depth,
            num_resblocks=config.residual_blocks,
        ),
        MotionExtractor(
            num_kp=config.keypoints, depths=config.backbone_depths, dims=config.backbone_widths
        ),
        WarpingNetwork(
            num_kp=config.keypoints,
            block_expansion=config.features,
            max_features=flat,
            num_down_blocks=0,
            reshape_channel=config.channels,
            dense_motion_params={
                "block_expansion": config.motion_width,
                "num_blocks": config.motion_blocks,
                "max_features": config.motion_most,
                "reshape_depth": config.depth,
                "compress": config.compress,
                "kernel_size": config.motion_kernel,
            },
        ),
        SPADEDecoder(
            upscale=config.upscale,
            max_features=config.features,
            block_expansion=config.features,
            out_channels=config.out_channels,
            num_down_blocks=0,
            middle_blocks=config.middle_blocks,
            hidden=config.hidden,
        ),
        StitchingRetargetingNetwork(2 * points, (128, 128, 64), points + 2),
        StitchingRetargetingNetwork(points + 2, (128, 128, 64), points),
        StitchingRetargetingNetwork(points + 3, (256, 256, 128, 128, 64), points),
    )
