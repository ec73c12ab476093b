"""The refiner network: a warped crop goes in, a small shift and a correction of colour come out."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from engines.nets.refiner import mouth
from engines.renderers.refined import crops

MOST_SHIFT = 0.15
"""Of the crop's half side: how far a pixel may be fetched from."""
_HIDDEN = 128
_SLOPE = 0.1


@dataclass(frozen=True, slots=True)
class Part:
    """One kind of crop."""

    name: str
    side: int
    features: int


PARTS = {
    "mouth": Part("mouth", mouth.SIDE, mouth.FEATURES),
    "eyes": Part("eyes", crops.SIDE, crops.FEATURES),
}


class _Block(nn.Module):
    """A residual block whose middle is scaled and shifted by the features (FiLM, AAAI 2018)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.film = nn.Linear(_HIDDEN, 2 * width)
        nn.init.zeros_(self.film.weight)
        nn.init.zeros_(self.film.bias)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        scale, shift = self.film(style)[..., None, None].chunk(2, dim=1)
        inner = self.first(functional.leaky_relu(x, _SLOPE)) * (1 + scale) + shift
        changed: Tensor = self.second(functional.leaky_relu(inner, _SLOPE))
        return x + changed


class Refiner(nn.Module):
    """A U-Net of three scales over 2 × 2 blocks of pixels; about 0.4 M parameters.

    Begins as the identity: what it adds is 0 before training.
    """

    def __init__(self, part: Part, widths: tuple[int, int, int] = (24, 48, 80)) -> None:
        """`widths`: channels at a half, a quarter and an eighth of the crop's side."""
        super().__init__()
        fine, middle, coarse = widths
        self.style = nn.Sequential(
            nn.Linear(part.features, _HIDDEN),
            nn.LeakyReLU(_SLOPE),
            nn.Linear(_HIDDEN, _HIDDEN),
            nn.LeakyReLU(_SLOPE),
        )
        self.stem = nn.Conv2d(24, fine, 3, padding=1)
        self.down_1 = nn.Conv2d(fine, middle, 4, 2, padding=1)
        self.down_2 = nn.Conv2d(middle, coarse, 4, 2, padding=1)
        self.in_1, self.in_2 = _Block(fine), _Block(middle)
        self.deep = nn.ModuleList([_Block(coarse), _Block(coarse)])
        self.up_2 = nn.Conv2d(coarse, middle, 1)
        self.out_2 = _Block(middle)
        self.up_1 = nn.Conv2d(middle, fine, 1)
        self.out_1 = _Block(fine)
        self.head = nn.Conv2d(fine, 24, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, warped: Tensor, resting: Tensor, features: Tensor) -> Tensor:
        """`(n, 5, s, s)`: shift x and y (half sides of the crop), what to add to RGB 0…1.

        `warped`, `resting`: `(n, 3, s, s)` 0…1; `features`: `(n, f)`.
        """
        style = self.style(features)
        pixels = torch.cat([warped - 0.5, resting - 0.5], dim=1)
        fine = self.in_1(self.stem(functional.pixel_unshuffle(pixels, 2)), style)
        middle = self.in_2(self.down_1(fine), style)
        coarse = self.down_2(middle)
        for block in self.deep:
            coarse = block(coarse, style)
        middle = self.out_2(middle + _larger(self.up_2(coarse)), style)
        fine = self.out_1(fine + _larger(self.up_1(middle)), style)
        raw = functional.pixel_shuffle(self.head(fine), 2)
        # The gate learns where to leave the warped picture alone.
        gate = torch.sigmoid(raw[:, 5:6])
        shift = MOST_SHIFT * torch.tanh(raw[:, :2])
        return torch.cat([gate * shift, gate * torch.tanh(raw[:, 2:5])], dim=1)


def _larger(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")


def window(side: int) -> Tensor:
    """`(side, side)` 1 in the middle, falling to 0 at the rim: corrections leave no seam."""
    at = (torch.arange(side) + 0.5) / side * 2 - 1
    edge = ((1 - at.abs()) / 0.22).clamp(0, 1)
    smooth = edge * edge * (3 - 2 * edge)
    return smooth[:, None] * smooth[None]


def apply(correction: Tensor, warped: Tensor, opening: Tensor) -> Tensor:
    """`(n, 3, s, s)` the warped crop, shifted, and added to outside the opening.

    `opening`: `(n, 1, s, s)` 1 between the warped crop's lips or lids: what lies there is drawn
    sharper than a network of this size could.
    """
    count, _, side, _ = warped.shape
    faded = correction * window(side)
    at = (torch.arange(side) + 0.5) / side * 2 - 1
    grid = torch.stack(torch.meshgrid(at, at, indexing="xy"), dim=-1)
    moved = grid + faded[:, :2].permute(0, 2, 3, 1)
    fetched = functional.grid_sample(
        torch.cat([warped, opening], dim=1),
        moved.expand(count, -1, -1, -1),
        padding_mode="border",
        align_corners=False,
    )
    return fetched[:, :3] + faded[:, 2:] * (1 - fetched[:, 3:])
