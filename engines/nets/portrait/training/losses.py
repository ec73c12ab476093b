"""What a driven portrait is judged by: likeness, the known geometry, a discriminator."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from engines.nets.portrait.keypoints import Pose
from engines.nets.portrait.training.truth import EYES, MOUTH
from engines.nets.refiner.losses import Discriminator

_NEAR = 0.10
"""Halves of the picture's side: how far around eyes and mouth mistakes count more."""
_REST, _FACE = 0.35, 2.0
_DEGREES = 10.0
_PLACES, _CANONICAL, _EXPRESSION = 5.0, 20.0, 50.0


def weight(keypoints: Tensor, size: int) -> Tensor:
    """`(n, 1, size, size)` for placed keypoints: eyes and mouth count most, then the rest."""
    axis = (torch.arange(size, device=keypoints.device) + 0.5) * (2 / size) - 1
    grid = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=-1)
    points = keypoints[:, [*EYES, MOUTH], None, None, :2]
    near = torch.exp(-0.5 * (grid - points).square().sum(-1) / _NEAR**2).sum(1, keepdim=True)
    return _REST + _FACE * near.clamp(max=1.0)


def geometry(told: Pose, true: Pose) -> Tensor:
    """What M says of pictures beside what is true of them."""
    apart = functional.l1_loss
    return (
        apart(told.angles, true.angles) / _DEGREES
        + _PLACES * apart(told.translation[:, :2], true.translation[:, :2])
        + _PLACES * apart(told.scale, true.scale)
        + _CANONICAL * apart(told.keypoints, true.keypoints)
        + _EXPRESSION * apart(told.expression, true.expression)
        + _PLACES * apart(told.implicit(), true.implicit())
    )


def judged(critic: Discriminator, picture: Tensor, source: Tensor) -> tuple[Tensor, list[Tensor]]:
    """The discriminator's scores, and the features that it comes to them by."""
    seen = torch.cat([picture - 0.5, source - 0.5], dim=1)
    features = []
    for layer in critic.layers:
        seen = layer(seen)
        if isinstance(layer, nn.LeakyReLU):
            features.append(seen)
    return seen.float(), features


def matched(made: list[Tensor], true: list[Tensor]) -> Tensor:
    """Mean distance of a made picture's features from those of the true one."""
    apart = [
        functional.l1_loss(a.float(), b.float().detach()) for a, b in zip(made, true, strict=True)
    ]
    return torch.stack(apart).mean()
