"""S and R: small networks that correct keypoints."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


class StitchingRetargetingNetwork(nn.Module):
    """Linear layers with ReLUs between; the defaults are those of stitching."""

    def __init__(
        self,
        input_size: int = 126,
        hidden_sizes: Sequence[int] = (128, 128, 64),
        output_size: int = 65,
    ) -> None:
        """One hidden layer for each of `hidden_sizes`."""
        super().__init__()
        self.mlp = nn.Sequential()
        before = input_size
        for size in hidden_sizes:
            self.mlp.append(nn.Linear(before, size))
            self.mlp.append(nn.ReLU())
            before = size
        self.mlp.append(nn.Linear(before, output_size))

    def forward(self, x: Tensor) -> Tensor:
        """`(b, input_size)` → `(b, output_size)`."""
        return self.mlp(x)


def stitched(
    stitcher: Callable[[Tensor], Tensor],
    kp_source: Tensor,
    kp_driving: Tensor,
    strength: Tensor | float = 1.0,
) -> Tensor:
    """Driving keypoints `(b, k, 3)`, moved so that the shoulders stay where the source has them.

    The stitcher gives an offset for each keypoint and one, x and y, for all. `strength`: a number
    or `(b, 1)`, 0 for the keypoints as they are, 1 for all of the offset.
    """
    b, k = kp_source.shape[:2]
    delta = stitcher(torch.cat([kp_source.reshape(b, -1), kp_driving.reshape(b, -1)], dim=1))
    if isinstance(strength, Tensor):
        strength = strength.reshape(b, 1, 1)
    each = delta[:, : 3 * k].reshape(b, k, 3)
    everywhere = functional.pad(delta[:, 3 * k : 3 * k + 2], (0, 1)).reshape(b, 1, 3)
    return kp_driving + strength * (each + everywhere)
