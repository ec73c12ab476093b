"""W as it runs once a frame: the same result as `WarpingNetwork`'s, cheaper and easier to compile.

* Batch norms are folded into convolutions.
* The single keypoints' motions are pure translations, so that sampling the volume under each is
  three small matrix products, one along each axis.
* The weights of the motions sum to 1, so that the motion field is the identity and the sum of the
  translations by their weights.
* What depends on the portrait only (`compressed`) comes in from outside. The source's Gaussians are
  computed at each frame: reading them from memory would cost as much.

In float16 are the convolutions and the products before them: keypoints, Gaussians, weights, places
and the sampled volume keep the precision of the keypoints. No product of matrices stays in float32:
TensorRT-RTX 1.7 has none for compute capability 7.5.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from engines.nets.portrait.dense_motion import HEAT_VARIANCE, axis, identity_grid
from engines.nets.portrait.folding import without_batch_norms
from engines.nets.portrait.sampling import SAMPLINGS
from engines.nets.portrait.warping import WarpingNetwork

_LEAST_EXPONENT = -46.0


class FusedWarping(nn.Module):
    """Flat warped features of a volume, for two sets of keypoints."""

    def __init__(self, warping: WarpingNetwork, sampling: str = "native") -> None:
        """`sampling`: one of `sampling.SAMPLINGS`."""
        super().__init__()
        folded = without_batch_norms(warping)
        motion = folded.dense_motion_network
        self.hourglass, self.mask = motion.hourglass, motion.mask
        self.occlusion = motion.occlusion if folded.flag_use_occlusion_map else None
        self.third, self.fourth = folded.third, folded.fourth
        self.sample = SAMPLINGS[sampling]

    def forward(
        self, volume: Tensor, compressed: Tensor, kp_driving: Tensor, kp_source: Tensor
    ) -> Tensor:
        """As `WarpingNetwork`'s `out`; `compressed` is `DenseMotionNetwork.compressed(volume)`."""
        shift = kp_source - kp_driving
        d, h, w = compressed.shape[2:]
        dtype = self.mask.weight.dtype
        heat = _heat(kp_driving, kp_source, (d, h, w)).to(dtype)
        seen = torch.cat([heat, _moved(compressed.to(dtype), shift)], dim=2)
        prediction = self.hourglass(seen.flatten(1, 2))
        shares = self.mask(prediction).to(shift.dtype).softmax(dim=1).flatten(2)
        flow = (shares[:, 1:].unsqueeze(-1) * shift.unsqueeze(2)).sum(dim=1).unflatten(1, (d, h, w))
        places = identity_grid(d, h, w, shift) + flow
        moved = self.sample(volume, places).flatten(1, 2)
        out = self.fourth(self.third(moved.to(dtype)))
        if self.occlusion is not None:
            out = out * self.occlusion(prediction.flatten(1, 2)).sigmoid()
        return out


def _heat(kp_driving: Tensor, kp_source: Tensor, size: tuple[int, int, int]) -> Tensor:
    """`(b, 1 + k, 1, d, h, w)` differences of the keypoints' Gaussians; the background's is 0."""
    heat = _gaussians(kp_driving, size) - _gaussians(kp_source, size)
    return functional.pad(heat, (0, 0, 0, 0, 0, 0, 1, 0)).unsqueeze(2)


def _gaussians(points: Tensor, size: tuple[int, int, int]) -> Tensor:
    """`(b, k, d, h, w)`; what is below 10⁻²⁰ stays there.

    Far from a keypoint a Gaussian is too small for a normal float, and processors take many times
    as long over convolutions of such numbers.
    """
    d, h, w = size
    x, y, z = (
        (axis(n, points) - points[..., i : i + 1]).square() / (-2 * HEAT_VARIANCE)
        for i, n in enumerate((w, h, d))
    )
    exponent = z[..., None, None] + (y.unsqueeze(-1) + x.unsqueeze(-2)).unsqueeze(2)
    return exponent.clamp(min=_LEAST_EXPONENT).exp()


def _moved(compressed: Tensor, shift: Tensor) -> Tensor:
    """`(b, 1 + k, c, d, h, w)`: the volume `(b, c, d, h, w)` under no and each translation.

    The weights of the cells are found in the translations' precision, applied in the volume's.
    """
    b, c, d, h, w = compressed.shape
    shift = functional.pad(shift, (0, 0, 1, 0))
    k = shift.shape[1]
    along_x, along_y, along_z = (
        _tents(n, shift[..., i]).to(compressed.dtype) for i, n in enumerate((w, h, d))
    )
    moved = compressed.reshape(b, 1, c * d * h, w) @ along_x.transpose(-1, -2)
    moved = along_y.unsqueeze(2) @ moved.reshape(b, k, c * d, h, w)
    moved = along_z.unsqueeze(2) @ moved.reshape(b, k, c, d, h * w)
    return moved.reshape(b, k, c, d, h, w)


def _tents(n: int, shift: Tensor) -> Tensor:
    """`(…, n, n)`: row i says of which cells the place of cell i, shifted, is the mean.

    Places run from −1 to 1 between the centres of the outer cells, and are read as between their
    outer faces: so do the networks since they were trained.
    """
    place = axis(n, shift) + shift.unsqueeze(-1)
    cell = ((place + 1) * n - 1) / 2
    numbers = torch.arange(n, dtype=shift.dtype, device=shift.device)
    return (1 - (cell.unsqueeze(-1) - numbers).abs()).clamp(min=0)
