"""What all our trainings do alike: the moving average of the weights, and quick arithmetic."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def averaging(net: nn.Module, keep: float) -> Any:
    """A moving average of a network's weights, which keeps the share `keep` of itself a step.

    It forgets the first steps faster.
    """

    def follow(averages: list[Tensor], currents: list[Tensor], count: Tensor | int) -> None:
        done = int(count)  # once for all: a GPU is waited for
        kept = min(keep, (1 + done) / (10 + done))
        with torch.no_grad():
            torch._foreach_lerp_(averages, currents, 1 - kept)

    return torch.optim.swa_utils.AveragedModel(net, multi_avg_fn=follow)


def autocast(device: str = "cpu") -> Any:
    """bfloat16 where the device is quicker with it."""
    quick = device != "cpu" or bool(
        torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    )
    return torch.autocast(device, torch.bfloat16, enabled=quick)
