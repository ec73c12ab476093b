"""F: what the portrait looks like, as a volume of features."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from engines.nets.portrait.blocks import DownBlock2d, ResBlock3d, SameBlock2d


class AppearanceFeatureExtractor(nn.Module):
    """Portrait → feature volume; runs once per avatar."""

    def __init__(
        self,
        image_channel: int = 3,
        block_expansion: int = 64,
        num_down_blocks: int = 2,
        max_features: int = 512,
        reshape_channel: int = 32,
        reshape_depth: int = 16,
        num_resblocks: int = 6,
    ) -> None:
        """`max_features` is `reshape_channel · reshape_depth`."""
        super().__init__()
        if max_features != reshape_channel * reshape_depth:
            raise ValueError(
                f"{max_features} features do not fold into {reshape_channel} × {reshape_depth}"
            )
        self.reshape_channel = reshape_channel
        self.reshape_depth = reshape_depth
        self.first = SameBlock2d(image_channel, block_expansion)
        widths = [min(max_features, block_expansion * 2**i) for i in range(num_down_blocks + 1)]
        self.down_blocks = nn.ModuleList(DownBlock2d(a, b) for a, b in pairwise(widths))
        self.second = nn.Conv2d(widths[-1], max_features, 1)
        self.resblocks_3d = nn.Sequential()
        for i in range(num_resblocks):
            self.resblocks_3d.add_module(f"3dr{i}", ResBlock3d(reshape_channel))

    def forward(self, source_image: Tensor) -> Tensor:
        """`(b, 3, h, w)` RGB 0…1 → `(b, reshape_channel, reshape_depth, h/2^n, w/2^n)`."""
        x = self.first(source_image)
        for block in self.down_blocks:
            x = block(x)
        x = self.second(x)
        b, _, h, w = x.shape
        return self.resblocks_3d(x.reshape(b, self.reshape_channel, self.reshape_depth, h, w))
