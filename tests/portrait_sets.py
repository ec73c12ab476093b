"""Small sets of the neural portrait's networks with random weights in every place."""

from __future__ import annotations

from typing import Any

import torch

from engines.nets.portrait.config import PortraitConfig, PortraitModules, build

TINY = PortraitConfig(
    input_size=64,
    channels=4,
    depth=4,
    appearance_width=4,
    residual_blocks=2,
    backbone_depths=(1, 1, 2, 1),
    backbone_widths=(8, 12, 16, 24),
    compress=2,
    motion_width=4,
    motion_most=16,
    motion_blocks=3,
    motion_kernel=3,
    features=8,
    middle_blocks=2,
    hidden=6,
    out_channels=4,
)
"""Pictures of 64 × 64 in, of 128 × 128 out."""


def random_set(config: PortraitConfig = TINY, seed: int = 0) -> PortraitModules:
    """Networks as if trained: statistics, gains and biases are random too; spectral norms fit."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        modules = build(config)
        for module in modules:
            for part in module.modules():
                _randomise(part)
    return modules.eval()


def _randomise(part: Any) -> None:
    with torch.no_grad():
        if hasattr(part, "running_var") and part.running_var is not None:
            part.running_mean.normal_(0, 0.2)
            part.running_var.uniform_(0.5, 2)
            part.weight.uniform_(0.5, 1.5)
            part.bias.normal_(0, 0.2)
        for name in ("gamma", "beta"):  # a response norm's
            if hasattr(part, name):
                getattr(part, name).normal_(0, 0.3)
        if hasattr(part, "weight_orig"):
            u, _, v = torch.linalg.svd(part.weight_orig.flatten(1), full_matrices=False)
            part.weight_u.copy_(u[:, 0])
            part.weight_v.copy_(v[0])
