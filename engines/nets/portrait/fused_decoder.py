"""G as it runs once a frame: the same result as `SPADEDecoder`'s, cheaper.

* Spectral norms are folded into weights.
* A SPADE's scale and shift come of one convolution, its 1 added to the bias.
* Two SPADEs on the same input (a block's first and its short cut's) share its normalisation and one
  convolution of the map.
* Instance norm goes before nearest upsampling, which does not change the statistics.
* A convolution of an upsampled map is computed at the map's own size, phase by phase.

In float16, instance norms and the last sigmoid are float32.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from engines.nets.portrait.decoder import SLOPE, SPADE, SPADEDecoder, SPADEResnetBlock
from engines.nets.portrait.folding import convolution, spectral_weight
from engines.nets.portrait.phases import PhasedConvolution


def normalised(x: Tensor) -> Tensor:
    """Instance norm without weights, its statistics in float32 at least."""
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    return functional.instance_norm(wide).to(x.dtype)


class _Spades(nn.Module):
    """SPADEs that normalise the same input by the same map."""

    def __init__(self, spades: list[SPADE], factor: int, phases: bool) -> None:
        super().__init__()
        shared = convolution(
            torch.cat([spade.mlp_shared[0].weight for spade in spades]),
            torch.cat([spade.mlp_shared[0].bias for spade in spades]),
            like=spades[0],
        )
        self.shared: nn.Module = nn.Sequential(shared, nn.ReLU())
        if phases and factor > 1:
            self.shared = PhasedConvolution(shared, factor)
        self.factor = 1 if phases else factor
        self.scale_and_shift = nn.ModuleList(
            convolution(
                torch.cat([spade.mlp_gamma.weight, spade.mlp_beta.weight]),
                torch.cat([spade.mlp_gamma.bias + 1, spade.mlp_beta.bias]),
                like=spade,
            )
            for spade in spades
        )

    def forward(self, normal: Tensor, seg: Tensor) -> list[Tensor]:
        if self.factor > 1:
            seg = functional.interpolate(seg, scale_factor=self.factor, mode="nearest")
        maps = self.shared(seg).chunk(len(self.scale_and_shift), dim=1)
        outs = []
        for conv, each in zip(self.scale_and_shift, maps, strict=True):
            scale, shift = conv(each).chunk(2, dim=1)
            outs.append(normal * scale + shift)
        return outs


class _Block(nn.Module):
    def __init__(self, block: SPADEResnetBlock, factor: int, doubled: bool, phases: bool) -> None:
        """`factor`: from the map's size to the block's; `doubled`: the input is upsampled first."""
        super().__init__()
        self.doubled = doubled
        firsts = [block.norm_0, *([block.norm_s] if block.learned_shortcut else [])]
        self.first = _Spades(firsts, factor, phases)
        self.second = _Spades([block.norm_1], factor, phases)
        self.conv_0 = convolution(spectral_weight(block.conv_0), block.conv_0.bias, block)
        self.conv_1 = convolution(spectral_weight(block.conv_1), block.conv_1.bias, block)
        self.conv_s: nn.Module | None = None
        if block.learned_shortcut:
            self.conv_s = convolution(spectral_weight(block.conv_s), None, block)

    def forward(self, x: Tensor, seg: Tensor) -> Tensor:
        normal = normalised(x)
        if self.doubled:
            normal = functional.interpolate(normal, scale_factor=2, mode="nearest")
        inner, *side = self.first(normal, seg)
        inner = self.conv_0(functional.leaky_relu(inner, SLOPE))
        (inner,) = self.second(normalised(inner), seg)
        inner = self.conv_1(functional.leaky_relu(inner, SLOPE))
        if self.conv_s is not None:
            return inner + self.conv_s(side[0])
        if self.doubled:
            x = functional.interpolate(x, scale_factor=2, mode="nearest")
        return inner + x


class FusedDecoder(nn.Module):
    """Features → picture."""

    def __init__(self, decoder: SPADEDecoder, phases: bool = True) -> None:
        """`phases`: whether convolutions of upsampled maps are computed phase by phase."""
        super().__init__()
        self.fc = convolution(decoder.fc.weight, decoder.fc.bias, decoder)
        self.blocks = nn.ModuleList(_Block(block, 1, False, phases) for block in decoder.middle())
        self.blocks.append(_Block(decoder.up_0, 2, True, phases))
        self.blocks.append(_Block(decoder.up_1, 4, True, phases))
        last = decoder.conv_img if decoder.upscale == 1 else decoder.conv_img[0]
        self.last = convolution(last.weight, last.bias, decoder)
        self.upscale = decoder.upscale

    def forward(self, feature: Tensor) -> Tensor:
        """`(b, features, h, w)` → `(b, 3, 4h · upscale, 4w · upscale)`, 0…1, float32 or finer."""
        x = self.fc(feature)
        for block in self.blocks:
            x = block(x, feature)
        x = self.last(functional.leaky_relu(x, SLOPE))
        x = x.to(torch.promote_types(x.dtype, torch.float32)).sigmoid()
        return functional.pixel_shuffle(x, self.upscale)
