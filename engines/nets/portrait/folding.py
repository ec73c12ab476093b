"""Norms that a trained network no longer needs, folded into the convolutions beside them.

Exact up to rounding: the new weights are computed in float64.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from engines.nets.portrait.blocks import ResBlock3d
from engines.nets.portrait.dense_motion import DenseMotionNetwork


def without_batch_norms(module: Any) -> Any:
    """A copy in which each batch norm right after a convolution has gone into it.

    The first norm of a pre-activation block has no convolution before it and stays.
    """
    copy = deepcopy(module)
    for part in copy.modules():
        if isinstance(part, ResBlock3d):
            _fold(part, "conv1", "norm2")
        elif isinstance(part, DenseMotionNetwork):
            _fold(part, "compress", "norm")
        elif hasattr(part, "conv") and hasattr(part, "norm"):
            _fold(part, "conv", "norm")
    return copy


def _fold(part: nn.Module, conv_name: str, norm_name: str) -> None:
    conv, norm = getattr(part, conv_name), getattr(part, norm_name)
    gain = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    spread = gain.reshape(-1, *(1 for _ in conv.weight.shape[1:]))
    bias = (conv.bias.double() - norm.running_mean.double()) * gain + norm.bias.double()
    set_weights(conv, conv.weight.double() * spread, bias)
    setattr(part, norm_name, nn.Identity())


def spectral_weight(conv: nn.Module) -> Tensor:
    """The weight under spectral norm in float64: divided by u · W · v of the stored vectors."""
    weight = conv.weight_orig.double()
    stretch = conv.weight_u.double() @ weight.flatten(1) @ conv.weight_v.double()
    return weight / stretch


def convolution(weight: Tensor, bias: Tensor | None, like: nn.Module) -> nn.Conv2d:
    """A convolution with these weights that keeps the size, of the precision of `like`'s bias."""
    out_features, in_features, kernel = weight.shape[:3]
    conv = nn.Conv2d(
        in_features, out_features, kernel, padding=kernel // 2, bias=bias is not None
    ).to(next(like.parameters()).dtype)
    set_weights(conv, weight, bias)
    return conv.requires_grad_(False)


def set_weights(conv: nn.Module, weight: Tensor, bias: Tensor | None) -> None:
    """Rounds the weights to the convolution's precision and puts them in."""
    with torch.no_grad():
        conv.weight.copy_(weight)
        if bias is not None:
            conv.bias.copy_(bias)
