"""Linear layers as convolutions of one pixel: the same numbers, compiled for more devices.

TensorRT-RTX 1.7 has no float32 matrix product for compute capability 7.5 (Turing), but it has the
convolutions; on the other targets and on processors both are the same product.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from torch import Tensor, nn

from engines.nets.portrait.folding import set_weights


class _OnePixel(nn.Module):
    """A linear layer over the last axis of `(b, n)` or `(b, h, w, n)`."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        has_bias = linear.bias is not None
        self.conv = nn.Conv2d(linear.in_features, linear.out_features, 1, bias=has_bias)
        self.conv.to(linear.weight.dtype).requires_grad_(False)
        set_weights(self.conv, linear.weight[:, :, None, None], linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() == 2:
            return self.conv(x[:, :, None, None]).flatten(1)
        return self.conv(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


def without_linears(module: Any) -> Any:
    """A copy in which each linear layer is a convolution."""
    copy = deepcopy(module)
    for part in list(copy.modules()):
        for name, child in list(part.named_children()):
            if isinstance(child, nn.Linear):
                setattr(part, name, _OnePixel(child))
    return copy
