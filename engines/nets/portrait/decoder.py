"""G: features → picture, by spatially adaptive normalisation (SPADE, Park et al., 2019)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import spectral_norm

SLOPE = 0.2
"""Of the leaky ReLUs."""


class SPADE(nn.Module):
    """Instance norm whose scale and shift are read off a map of features."""

    def __init__(self, norm_nc: int, label_nc: int, hidden: int = 128) -> None:
        """`norm_nc` features are normalised by a map of `label_nc` features."""
        super().__init__()
        self.param_free_norm = nn.InstanceNorm2d(norm_nc, affine=False)
        self.mlp_shared = nn.Sequential(nn.Conv2d(label_nc, hidden, 3, padding=1), nn.ReLU())
        self.mlp_gamma = nn.Conv2d(hidden, norm_nc, 3, padding=1)
        self.mlp_beta = nn.Conv2d(hidden, norm_nc, 3, padding=1)

    def forward(self, x: Tensor, segmap: Tensor) -> Tensor:
        """`(b, norm_nc, h, w)`; the map is brought to that size by nearest neighbours."""
        shared = self.mlp_shared(functional.interpolate(segmap, size=x.shape[2:], mode="nearest"))
        return self.param_free_norm(x) * (1 + self.mlp_gamma(shared)) + self.mlp_beta(shared)


class SPADEResnetBlock(nn.Module):
    """Residual block: twice SPADE, leaky ReLU, convolution with spectral norm."""

    def __init__(self, fin: int, fout: int, label_nc: int, hidden: int = 128) -> None:
        """Where `fin` and `fout` differ, the short cut has a SPADE and a convolution too."""
        super().__init__()
        self.learned_shortcut = fin != fout
        fmiddle = min(fin, fout)
        self.conv_0 = spectral_norm(nn.Conv2d(fin, fmiddle, 3, padding=1))
        self.conv_1 = spectral_norm(nn.Conv2d(fmiddle, fout, 3, padding=1))
        if self.learned_shortcut:
            self.conv_s = spectral_norm(nn.Conv2d(fin, fout, 1, bias=False))
        self.norm_0 = SPADE(fin, label_nc, hidden)
        self.norm_1 = SPADE(fmiddle, label_nc, hidden)
        if self.learned_shortcut:
            self.norm_s = SPADE(fin, label_nc, hidden)

    def forward(self, x: Tensor, seg: Tensor) -> Tensor:
        """`(b, fin, h, w)` → `(b, fout, h, w)`."""
        inner = self.conv_0(functional.leaky_relu(self.norm_0(x, seg), SLOPE))
        inner = self.conv_1(functional.leaky_relu(self.norm_1(inner, seg), SLOPE))
        return inner + (self.conv_s(self.norm_s(x, seg)) if self.learned_shortcut else x)


class SPADEDecoder(nn.Module):
    """Warped features → picture of four times their size, times `upscale`."""

    def __init__(
        self,
        upscale: int = 2,
        max_features: int = 512,
        block_expansion: int = 64,
        out_channels: int = 64,
        num_down_blocks: int = 2,
        middle_blocks: int = 6,
        hidden: int = 128,
    ) -> None:
        """`hidden`: features between the map and a SPADE's scale and shift."""
        super().__init__()
        features = min(max_features, block_expansion * 2**num_down_blocks)
        self.upscale = upscale
        self.middle_blocks = middle_blocks
        self.fc = nn.Conv2d(features, 2 * features, 3, padding=1)
        for i in range(middle_blocks):
            block = SPADEResnetBlock(2 * features, 2 * features, features, hidden)
            self.add_module(f"G_middle_{i}", block)
        self.up_0 = SPADEResnetBlock(2 * features, features, features, hidden)
        self.up_1 = SPADEResnetBlock(features, out_channels, features, hidden)
        self.up = nn.Upsample(scale_factor=2)
        self.conv_img: nn.Module = nn.Conv2d(out_channels, 3, 3, padding=1)
        if upscale > 1:
            self.conv_img = nn.Sequential(
                nn.Conv2d(out_channels, 3 * upscale**2, 3, padding=1), nn.PixelShuffle(upscale)
            )

    def middle(self) -> list[SPADEResnetBlock]:
        """The blocks at the features' own size, in order."""
        return [getattr(self, f"G_middle_{i}") for i in range(self.middle_blocks)]

    def forward(self, feature: Tensor) -> Tensor:
        """`(b, features, h, w)` → `(b, 3, 4h · upscale, 4w · upscale)` RGB 0…1."""
        x = self.fc(feature)
        for block in self.middle():
            x = block(x, feature)
        x = self.up_0(self.up(x), feature)
        x = self.up_1(self.up(x), feature)
        return self.conv_img(functional.leaky_relu(x, SLOPE)).sigmoid()
