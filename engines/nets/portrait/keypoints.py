"""Implicit keypoints from what M says of a face. Always float32 (or finer)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

BINS = 66
_DEGREES_PER_BIN = 3
_FIRST_BIN = 97.5


def degrees(logits: Tensor) -> Tensor:
    """`(b, 66)` logits of bins 3° wide → `(b, 1)` their mean angle; `(b, 1)` passes unchanged."""
    if logits.shape[1] != BINS:
        return logits
    bins = torch.arange(BINS, dtype=logits.dtype, device=logits.device)
    mean = (logits.softmax(dim=1) * bins).sum(dim=1, keepdim=True)
    return mean * _DEGREES_PER_BIN - _FIRST_BIN


def rotation(angles: Tensor) -> Tensor:
    """`(b, 3)` pitch, yaw, roll in degrees → `(b, 3, 3)`, to be applied to rows: `points @ R`.

    It is the transpose of Rz(roll) Ry(yaw) Rx(pitch).
    """
    cp, cy, cr = torch.cos(torch.deg2rad(angles)).unbind(1)
    sp, sy, sr = torch.sin(torch.deg2rad(angles)).unbind(1)
    rows = [
        torch.stack([cr * cy, sr * cy, -sy], dim=1),
        torch.stack([cr * sy * sp - sr * cp, sr * sy * sp + cr * cp, cy * sp], dim=1),
        torch.stack([cr * sy * cp + sr * sp, sr * sy * cp - cr * sp, cy * cp], dim=1),
    ]
    return torch.stack(rows, dim=1)


@dataclass(frozen=True)
class Pose:
    """What M says of one batch of faces, refined."""

    angles: Tensor
    """`(b, 3)` pitch, yaw, roll in degrees."""
    translation: Tensor
    """`(b, 3)`; z is not used."""
    expression: Tensor
    """`(b, k, 3)` offsets in the canonical head, before scale."""
    scale: Tensor
    """`(b, 1)`."""
    keypoints: Tensor
    """`(b, k, 3)` in the canonical head."""

    @staticmethod
    def of(outputs: Mapping[str, Tensor]) -> Pose:
        """From the outputs of `MotionExtractor`."""
        b = outputs["kp"].shape[0]
        return Pose(
            torch.cat([degrees(outputs[name]) for name in ("pitch", "yaw", "roll")], dim=1),
            outputs["t"],
            outputs["exp"].reshape(b, -1, 3),
            outputs["scale"],
            outputs["kp"].reshape(b, -1, 3),
        )

    def implicit(self) -> Tensor:
        """`(b, k, 3)`: s · (keypoints · R + expression) + (tx, ty, 0)."""
        return place(
            self.keypoints, rotation(self.angles), self.expression, self.scale, self.translation
        )


def place(
    keypoints: Tensor, turned: Tensor, expression: Tensor, scale: Tensor, translation: Tensor
) -> Tensor:
    """`(b, k, 3)` keypoints in the picture; `turned`: `(b, 3, 3)`, for rows."""
    flat = translation * translation.new_tensor([1.0, 1.0, 0.0])
    return scale.unsqueeze(-1) * (keypoints @ turned + expression) + flat.unsqueeze(1)


def relative(source: Pose, driving: Pose, first: Pose) -> Tensor:
    """Driving keypoints `(b, k, 3)`: the source, moved as `driving` moved since `first`."""
    turned = (
        rotation(driving.angles) @ rotation(first.angles).transpose(1, 2) @ rotation(source.angles)
    )
    return place(
        source.keypoints,
        turned,
        source.expression + driving.expression - first.expression,
        source.scale * driving.scale / first.scale,
        source.translation + driving.translation - first.translation,
    )
