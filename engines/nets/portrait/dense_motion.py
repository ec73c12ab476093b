"""The part of W that turns two sets of keypoints into a dense motion field."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from engines.nets.portrait.blocks import Hourglass

HEAT_VARIANCE = 0.01
"""Of a keypoint's Gaussian, in units of half the volume's side, squared."""


def axis(size: int, like: Tensor) -> Tensor:
    """`(size,)` positions from −1 at the first cell to 1 at the last."""
    return 2 * torch.arange(size, dtype=like.dtype, device=like.device) / (size - 1) - 1


def identity_grid(d: int, h: int, w: int, like: Tensor) -> Tensor:
    """`(d, h, w, 3)` positions x, y, z of the cells; x right, y down, z in."""
    z, y, x = torch.meshgrid(axis(d, like), axis(h, like), axis(w, like), indexing="ij")
    return torch.stack([x, y, z], dim=-1)


class DenseMotionNetwork(nn.Module):
    """Weighs the motions of the single keypoints, and of the still background, in each cell."""

    def __init__(
        self,
        block_expansion: int = 32,
        num_blocks: int = 5,
        max_features: int = 1024,
        num_kp: int = 21,
        feature_channel: int = 32,
        reshape_depth: int = 16,
        compress: int = 4,
        estimate_occlusion_map: bool = True,
        kernel_size: int = 7,
    ) -> None:
        """`kernel_size`: of the two convolutions that give the weights and the occlusion."""
        super().__init__()
        self.num_kp = num_kp
        self.hourglass = Hourglass(
            block_expansion, (num_kp + 1) * (compress + 1), num_blocks, max_features
        )
        features, padding = self.hourglass.out_filters, kernel_size // 2
        self.mask = nn.Conv3d(features, num_kp + 1, kernel_size, padding=padding)
        self.compress = nn.Conv3d(feature_channel, compress, 1)
        self.norm = nn.BatchNorm3d(compress)
        self.occlusion = (
            nn.Conv2d(features * reshape_depth, 1, kernel_size, padding=padding)
            if estimate_occlusion_map
            else None
        )

    def compressed(self, feature: Tensor) -> Tensor:
        """`(b, feature_channel, d, h, w)` → `(b, compress, d, h, w)`: of the portrait only."""
        return functional.relu(self.norm(self.compress(feature)))

    def forward(self, feature: Tensor, kp_driving: Tensor, kp_source: Tensor) -> dict[str, Tensor]:
        """Volume and keypoints `(b, num_kp, 3)` → `mask`, `deformation`, `occlusion_map`.

        `mask`: `(b, num_kp + 1, d, h, w)`, background first; `deformation`: `(b, d, h, w, 3)`, the
        place in the source that each cell shows; `occlusion_map`: `(b, 1, h, w)`, if estimated.
        """
        small = self.compressed(feature)
        motions = _sparse_motions(small, kp_driving, kp_source)
        moved = _sample_each(small, motions)
        heat = _heat_difference(small, kp_driving, kp_source)
        prediction = self.hourglass(torch.cat([heat, moved], dim=2).flatten(1, 2))
        mask = self.mask(prediction).softmax(dim=1)
        out = {"mask": mask, "deformation": (motions * mask.unsqueeze(-1)).sum(dim=1)}
        if self.occlusion is not None:
            out["occlusion_map"] = self.occlusion(prediction.flatten(1, 2)).sigmoid()
        return out


def _sparse_motions(small: Tensor, kp_driving: Tensor, kp_source: Tensor) -> Tensor:
    """`(b, 1 + num_kp, d, h, w, 3)`: the still background's, then each keypoint's translation."""
    b, _, d, h, w = small.shape
    still = identity_grid(d, h, w, kp_source).expand(b, 1, d, h, w, 3)
    shift = (kp_source - kp_driving)[:, :, None, None, None]
    return torch.cat([still, still + shift], dim=1)


def _sample_each(small: Tensor, motions: Tensor) -> Tensor:
    """`(b, 1 + num_kp, c, d, h, w)`: the features under each motion."""
    b, k = motions.shape[:2]
    repeated = small.unsqueeze(1).expand(-1, k, -1, -1, -1, -1).flatten(0, 1)
    moved = functional.grid_sample(repeated, motions.flatten(0, 1), align_corners=False)
    return moved.unflatten(0, (b, k))


def _heat_difference(small: Tensor, kp_driving: Tensor, kp_source: Tensor) -> Tensor:
    """`(b, 1 + num_kp, 1, d, h, w)`: Gaussians at the driving less at the source keypoints."""
    d, h, w = small.shape[2:]
    grid = identity_grid(d, h, w, kp_source)
    driving, source = (
        torch.exp(-0.5 * (grid - kp[:, :, None, None, None]).square().sum(-1) / HEAT_VARIANCE)
        for kp in (kp_driving, kp_source)
    )
    heat = driving - source
    return torch.cat([torch.zeros_like(heat[:, :1]), heat], dim=1).unsqueeze(2)
