"""M: canonical keypoints, head pose and expression of a face (ConvNeXt V2, Woo et al., 2023)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

_EPS = 1e-6
HEADS = ("kp", "scale", "pitch", "yaw", "roll", "t", "exp")


class _LayerNorm(nn.Module):
    """Over the channels of `(b, h, w, c)`."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.bias = nn.Parameter(torch.zeros(dim))

    def forward(self, x: Tensor) -> Tensor:
        return functional.layer_norm(x, self.weight.shape, self.weight, self.bias, _EPS)


class _ChannelNorm(_LayerNorm):
    """Over the channels of `(b, c, h, w)`."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class _ResponseNorm(nn.Module):
    """Global response normalisation: each channel by its share of the picture's energy."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1, 1, 1, dim))
        self.beta = nn.Parameter(torch.zeros(1, 1, 1, dim))

    def forward(self, x: Tensor) -> Tensor:
        energy = torch.linalg.vector_norm(x, dim=(1, 2), keepdim=True)
        share = energy / (energy.mean(dim=-1, keepdim=True) + _EPS)
        return self.gamma * (x * share) + self.beta + x


class _Block(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(dim, dim, 7, padding=3, groups=dim)
        self.norm = _LayerNorm(dim)
        self.pwconv1 = nn.Linear(dim, 4 * dim)
        self.grn = _ResponseNorm(4 * dim)
        self.pwconv2 = nn.Linear(4 * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.norm(self.dwconv(x).permute(0, 2, 3, 1))
        inner = self.pwconv2(self.grn(functional.gelu(self.pwconv1(inner))))
        return x + inner.permute(0, 3, 1, 2)


class _ConvNeXtV2(nn.Module):
    def __init__(
        self, num_kp: int, num_bins: int, depths: Sequence[int], dims: Sequence[int], in_chans: int
    ) -> None:
        super().__init__()
        stem = nn.Sequential(nn.Conv2d(in_chans, dims[0], 4, stride=4), _ChannelNorm(dims[0]))
        self.downsample_layers = nn.ModuleList([stem])
        for before, after in pairwise(dims):
            self.downsample_layers.append(
                nn.Sequential(_ChannelNorm(before), nn.Conv2d(before, after, 2, stride=2))
            )
        self.stages = nn.ModuleList(
            nn.Sequential(*(_Block(dim) for _ in range(depth)))
            for depth, dim in zip(depths, dims, strict=True)
        )
        self.norm = nn.LayerNorm(dims[-1], eps=_EPS)
        widths = {"kp": 3 * num_kp, "scale": 1, "t": 3, "exp": 3 * num_kp}
        for head in HEADS:
            setattr(self, f"fc_{head}", nn.Linear(dims[-1], widths.get(head, num_bins)))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        for downsample, stage in zip(self.downsample_layers, self.stages, strict=True):
            x = stage(downsample(x))
        x = self.norm(x.mean((-2, -1)))
        return {head: getattr(self, f"fc_{head}")(x) for head in HEADS}


class MotionExtractor(nn.Module):
    """Face picture → what `keypoints` makes implicit keypoints of. Keep it in float32."""

    def __init__(
        self,
        num_kp: int = 21,
        backbone: str = "convnextv2_tiny",
        num_bins: int = 66,
        depths: Sequence[int] = (3, 3, 9, 3),
        dims: Sequence[int] = (96, 192, 384, 768),
        in_chans: int = 3,
    ) -> None:
        """`backbone` names the family that the checkpoints use; there is no other."""
        super().__init__()
        if backbone != "convnextv2_tiny":
            raise ValueError(f"no backbone {backbone!r}; there is convnextv2_tiny")
        self.detector = _ConvNeXtV2(num_kp, num_bins, depths, dims, in_chans)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """`(b, 3, h, w)` RGB 0…1, sides multiples of 32.

        Gives `pitch`, `yaw`, `roll`: `(b, num_bins)` logits; `t`: `(b, 3)`; `exp`, `kp`:
        `(b, 3 · num_kp)`; `scale`: `(b, 1)`.
        """
        return self.detector(x)
