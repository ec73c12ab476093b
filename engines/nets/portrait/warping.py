"""W: the feature volume, moved from the source's keypoints to the driving ones, made flat."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn import functional

from engines.nets.portrait.blocks import SameBlock2d
from engines.nets.portrait.dense_motion import DenseMotionNetwork


class WarpingNetwork(nn.Module):
    """Dense motion, warp of the volume, two convolutions, occlusion."""

    def __init__(
        self,
        num_kp: int = 21,
        block_expansion: int = 64,
        max_features: int = 512,
        num_down_blocks: int = 2,
        reshape_channel: int = 32,
        estimate_occlusion_map: bool = True,
        dense_motion_params: Mapping[str, int] | None = None,
        flag_use_occlusion_map: bool = True,
    ) -> None:
        """`max_features`: of the flattened volume; the last mapping: see `DenseMotionNetwork`."""
        super().__init__()
        self.flag_use_occlusion_map = flag_use_occlusion_map
        self.dense_motion_network = DenseMotionNetwork(
            num_kp=num_kp,
            feature_channel=reshape_channel,
            estimate_occlusion_map=estimate_occlusion_map,
            **(dense_motion_params or {}),
        )
        features = block_expansion * 2**num_down_blocks
        self.third = SameBlock2d(max_features, features, lrelu=True)
        self.fourth = nn.Conv2d(features, features, 1)

    def forward(
        self, feature_3d: Tensor, kp_driving: Tensor, kp_source: Tensor
    ) -> dict[str, Tensor | None]:
        """`(b, c, d, h, w)` and keypoints `(b, num_kp, 3)`.

        Gives `occlusion_map` `(b, 1, h, w)` or `None`, `deformation` `(b, d, h, w, 3)` and `out`
        `(b, block_expansion · 2^num_down_blocks, h, w)`.
        """
        motion = self.dense_motion_network(
            feature=feature_3d, kp_driving=kp_driving, kp_source=kp_source
        )
        occlusion = motion.get("occlusion_map")
        moved = functional.grid_sample(feature_3d, motion["deformation"], align_corners=False)
        out = self.fourth(self.third(moved.flatten(1, 2)))
        if self.flag_use_occlusion_map and occlusion is not None:
            out = out * occlusion
        return {"occlusion_map": occlusion, "deformation": motion["deformation"], "out": out}
