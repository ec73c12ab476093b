"""What the three small networks learn, from keypoints alone.

S learns where a head belongs on its neck: driving keypoints that were shifted and scaled, as
another person's would be, are to come back to where they were. The lips' and the eyes' networks
learn what another opening does to the keypoints, which the synthetic heads tell exactly.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from engines.nets.portrait.config import PortraitModules
from engines.nets.portrait.stitching import stitched
from engines.nets.portrait.training.batches import Batch

_SHIFT, _SCALE = 0.08, 0.08
_WEIGHT = 20.0


def loss(modules: PortraitModules, batch: Batch, generator: torch.Generator) -> Tensor:
    """Of all three; `generator`, of the processor, draws what S is to undo."""
    return _WEIGHT * (_stitching(modules, batch, generator) + _openings(modules, batch))


def _stitching(modules: PortraitModules, batch: Batch, generator: torch.Generator) -> Tensor:
    source, driving = batch.source.pose.implicit(), batch.driving.pose.implicit()
    drawn = torch.randn(len(source), 1, 3, generator=generator).to(source.device)
    kept = (torch.rand(len(source), 1, 1, generator=generator) < 0.25).to(source.device)
    middle = driving.mean(dim=1, keepdim=True)
    grown = middle + (driving - middle) * (1 + _SCALE * drawn[..., 2:])
    astray = grown + functional.pad(_SHIFT * drawn[..., :2], (0, 1))
    back = stitched(modules.stitching, source, torch.where(kept, driving, astray))
    return functional.l1_loss(back, driving)


def _openings(modules: PortraitModules, batch: Batch) -> Tensor:
    side = batch.driving
    source, scale = side.pose.implicit().flatten(1), side.pose.scale[:, :, None]
    total = source.new_zeros(())
    for wanted in (1, 2):
        ratios = side.lips[:, [0, wanted]]
        offsets = scale * side.lip_offsets[:, wanted - 1]
        total = total + _missed(modules.lips, source, ratios, offsets)
        # Of the eyes the portrait's own two ratios go in, and one that both are to have.
        ratios = torch.cat([side.lids[:, 0], side.lids[:, wanted].mean(1, keepdim=True)], dim=1)
        offsets = scale * side.lid_offsets[:, wanted - 1]
        total = total + _missed(modules.eyes, source, ratios, offsets)
    return total


def _missed(network: torch.nn.Module, source: Tensor, ratios: Tensor, offsets: Tensor) -> Tensor:
    told: Tensor = network(torch.cat([source, ratios], dim=1))
    return functional.l1_loss(told, offsets.flatten(1))
