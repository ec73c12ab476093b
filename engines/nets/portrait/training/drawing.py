"""The networks in training draw pictures: keypoints and portraits go in."""

from __future__ import annotations

from torch import Tensor

from engines.nets.learning import autocast
from engines.nets.portrait.config import PortraitModules


def draw(modules: PortraitModules, portrait: Tensor, source: Tensor, driving: Tensor) -> Tensor:
    """`(n, 3, size, size)` float32 of portraits whose keypoints go from `source` to `driving`.

    Keypoints `(n, k, 3)` are float32, and so is what is done with places; the rest is autocast.
    """
    with autocast(portrait.device.type):
        volume = modules.appearance(portrait)
        picture: Tensor = modules.decoder(modules.warping(volume, driving, source)["out"])
    return picture.float()
