"""The convolution blocks that the appearance and warping networks are built of."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

KERNEL = 3


class SameBlock2d(nn.Module):
    """Convolution, batch norm, activation; keeps the size."""

    def __init__(self, in_features: int, out_features: int, lrelu: bool = False) -> None:
        """`lrelu`: a leaky ReLU of slope 0.01 in place of a ReLU."""
        super().__init__()
        self.conv = nn.Conv2d(in_features, out_features, KERNEL, padding=KERNEL // 2)
        self.norm = nn.BatchNorm2d(out_features)
        self.ac = nn.LeakyReLU() if lrelu else nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """`(b, in, h, w)` → `(b, out, h, w)`."""
        return self.ac(self.norm(self.conv(x)))


class DownBlock2d(nn.Module):
    """Convolution, batch norm, ReLU, 2 × 2 mean."""

    def __init__(self, in_features: int, out_features: int) -> None:
        """The convolution keeps the size; the mean halves it."""
        super().__init__()
        self.conv = nn.Conv2d(in_features, out_features, KERNEL, padding=KERNEL // 2)
        self.norm = nn.BatchNorm2d(out_features)
        self.pool = nn.AvgPool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        """`(b, in, h, w)` → `(b, out, h/2, w/2)`."""
        return self.pool(functional.relu(self.norm(self.conv(x))))


class DownBlock3d(nn.Module):
    """Convolution, batch norm, ReLU, mean over 1 × 2 × 2: depth is kept."""

    def __init__(self, in_features: int, out_features: int) -> None:
        """The convolution keeps the size; the mean halves height and width."""
        super().__init__()
        self.conv = nn.Conv3d(in_features, out_features, KERNEL, padding=KERNEL // 2)
        self.norm = nn.BatchNorm3d(out_features)

    def forward(self, x: Tensor) -> Tensor:
        """`(b, in, d, h, w)` → `(b, out, d, h/2, w/2)`."""
        x = functional.relu(self.norm(self.conv(x)))
        # Slice by slice: torch has no 3-D mean of float16 on the CPU.
        return functional.avg_pool2d(x.flatten(1, 2), 2).unflatten(1, x.shape[1:3])


class UpBlock3d(nn.Module):
    """Nearest upsampling of height and width by 2, convolution, batch norm, ReLU."""

    def __init__(self, in_features: int, out_features: int) -> None:
        """Depth is kept."""
        super().__init__()
        self.conv = nn.Conv3d(in_features, out_features, KERNEL, padding=KERNEL // 2)
        self.norm = nn.BatchNorm3d(out_features)

    def forward(self, x: Tensor) -> Tensor:
        """`(b, in, d, h, w)` → `(b, out, d, 2h, 2w)`."""
        return functional.relu(
            self.norm(self.conv(functional.interpolate(x, scale_factor=(1, 2, 2))))
        )


class ResBlock3d(nn.Module):
    """Pre-activation residual block: twice batch norm, ReLU, convolution."""

    def __init__(self, features: int) -> None:
        """Keeps features and size."""
        super().__init__()
        self.conv1 = nn.Conv3d(features, features, KERNEL, padding=KERNEL // 2)
        self.conv2 = nn.Conv3d(features, features, KERNEL, padding=KERNEL // 2)
        self.norm1 = nn.BatchNorm3d(features)
        self.norm2 = nn.BatchNorm3d(features)

    def forward(self, x: Tensor) -> Tensor:
        """`(b, features, d, h, w)`, in and out."""
        inner = self.conv1(functional.relu(self.norm1(x)))
        return self.conv2(functional.relu(self.norm2(inner))) + x


class _Encoder(nn.Module):
    def __init__(self, expansion: int, in_features: int, blocks: int, most: int) -> None:
        super().__init__()
        widths = [in_features, *(min(most, expansion * 2 ** (i + 1)) for i in range(blocks))]
        self.down_blocks = nn.ModuleList(
            DownBlock3d(before, after) for before, after in pairwise(widths)
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        outs = [x]
        for block in self.down_blocks:
            outs.append(block(outs[-1]))
        return outs


class _Decoder(nn.Module):
    def __init__(self, expansion: int, in_features: int, blocks: int, most: int) -> None:
        super().__init__()
        self.up_blocks = nn.ModuleList()
        for i in reversed(range(blocks)):
            skips = (
                1 if i == blocks - 1 else 2
            )  # what comes from below, and the encoder's beside it
            self.up_blocks.append(
                UpBlock3d(skips * min(most, expansion * 2 ** (i + 1)), min(most, expansion * 2**i))
            )
        self.out_filters = expansion + in_features
        self.conv = nn.Conv3d(self.out_filters, self.out_filters, KERNEL, padding=KERNEL // 2)
        self.norm = nn.BatchNorm3d(self.out_filters)

    def forward(self, outs: list[Tensor]) -> Tensor:
        x = outs[-1]
        for block, skip in zip(self.up_blocks, reversed(outs[:-1]), strict=True):
            x = torch.cat([block(x), skip], dim=1)
        return functional.relu(self.norm(self.conv(x)))


class Hourglass(nn.Module):
    """A 3-D U-Net that halves height and width only (Newell et al., 2016)."""

    def __init__(
        self, block_expansion: int, in_features: int, num_blocks: int = 3, max_features: int = 256
    ) -> None:
        """Block `i` of the encoder has `min(max_features, block_expansion · 2^(i+1))` features."""
        super().__init__()
        self.encoder = _Encoder(block_expansion, in_features, num_blocks, max_features)
        self.decoder = _Decoder(block_expansion, in_features, num_blocks, max_features)
        self.out_filters = self.decoder.out_filters

    def forward(self, x: Tensor) -> Tensor:
        """`(b, in, d, h, w)` → `(b, block_expansion + in, d, h, w)`."""
        return self.decoder(self.encoder(x))
