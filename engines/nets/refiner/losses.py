"""What a corrected crop is judged by; any pair of pictures can be."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

_SCALES = 3
_EDGES = 1.0
_GMSD_C = 0.0026


def likeness(made: Tensor, true: Tensor, weight: Tensor) -> Tensor:
    """L1 of colours and of their gradients at three scales; `weight` `(n or 1, 1, h, w)`."""
    total = made.new_zeros(())
    for scale in range(_SCALES):
        total = total + _weighted((made - true).abs(), weight)
        for axis in (2, 3):
            edges = made.diff(dim=axis) - true.diff(dim=axis)
            kept = weight.narrow(axis, 0, weight.shape[axis] - 1)
            total = total + _EDGES * _weighted(edges.abs(), kept)
        if scale + 1 < _SCALES:
            made, true, weight = (functional.avg_pool2d(x, 2) for x in (made, true, weight))
    return total / _SCALES


def _weighted(error: Tensor, weight: Tensor) -> Tensor:
    return (error * weight).mean() / weight.mean()


class Discriminator(nn.Module):
    """Tells true crops from made ones, patch by patch (pix2pix, CVPR 2017)."""

    def __init__(self, width: int = 24) -> None:
        """`width`: channels of the first layer."""
        super().__init__()
        layers: list[nn.Module] = []
        inwards = 6
        for outwards in (width, 2 * width, 4 * width):
            layers += [nn.Conv2d(inwards, outwards, 4, 2, padding=1), nn.LeakyReLU(0.2)]
            inwards = outwards
        layers.append(nn.Conv2d(inwards, 1, 3, padding=1))
        self.layers = nn.Sequential(*layers)

    def forward(self, made: Tensor, resting: Tensor) -> Tensor:
        """`(n, 1, h, w)` scores: high is true. `resting`: the same person's crop at rest."""
        scores: Tensor = self.layers(torch.cat([made - 0.5, resting - 0.5], dim=1))
        return scores


def hinge(true: Tensor, made: Tensor) -> Tensor:
    """The discriminator's loss."""
    return functional.relu(1 - true).mean() + functional.relu(1 + made).mean()


def psnr(made: Tensor, true: Tensor, weight: Tensor) -> Tensor:
    """`(n,)` dB; `weight` `(n or 1, 1, h, w)`."""
    square = ((made - true) ** 2).mean(dim=1, keepdim=True)
    error = (square * weight).flatten(1).sum(1) / weight.expand_as(square).flatten(1).sum(1)
    return -10 * torch.log10(error.clamp_min(1e-8))


def gmsd(made: Tensor, true: Tensor) -> Tensor:
    """`(n,)` gradient magnitude similarity deviation of `(n, 3, h, w)` (IEEE TIP 23(2), 2014)."""
    grey = torch.cat([made, true]).mean(dim=1, keepdim=True)
    small = functional.avg_pool2d(grey, 2)
    prewitt = torch.tensor([[1.0, 0.0, -1.0]] * 3) / 3
    kernel = torch.stack([prewitt, prewitt.T])[:, None]
    size = functional.conv2d(small, kernel).square().sum(dim=1).add(1e-12).sqrt()
    a, b = size.chunk(2)
    alike = (2 * a * b + _GMSD_C) / (a * a + b * b + _GMSD_C)
    return alike.flatten(1).std(dim=1)
