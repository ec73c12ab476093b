"""Where the neural portrait's weights come from: files or a seed go in, networks come out.

Needs torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from engines.errors import UnusableCheckpoint
from engines.model_card import Card
from engines.nets.portrait.config import OFFICIAL, PortraitConfig, build
from engines.portrait_export import Source

CONFIGS: Mapping[str, PortraitConfig] = {"official": OFFICIAL}
"""Sizes of networks by name."""


def random(
    seed: int,
    sizes: str,
    *,
    name: str,
    origin: str = "random numbers",
    licence: str = "none is needed",
) -> Source:
    """Networks of random weights, the same for the same seed; the process's generator stays."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        modules = build(CONFIGS[sizes]).eval()
    return Source(modules, name, sizes, origin, licence, seed=seed)


def checkpoint(
    folder: Path,
    sizes: str,
    *,
    name: str,
    origin: str = "as whoever exported it knows",
    licence: str = "as its author's; not known to Visavis",
) -> Source:
    """Networks of a checkpoint's files; raises `UnusableCheckpoint`."""
    raise NotImplementedError


def again(card: Card, folder: Path | None) -> Source:
    """The networks that a set was made of; `UnusableCheckpoint` where `folder` has others."""
    if card.config not in CONFIGS:
        raise UnusableCheckpoint(
            f"the set was made of networks of sizes {card.config!r}, which this version does not"
            f" know; known: {', '.join(CONFIGS)}"
        )
    if folder is None:
        assert card.seed is not None
        return random(card.seed, card.config, name=card.name)
    source = checkpoint(folder, card.config, name=card.name)
    if dict(source.files) != card.source:
        raise UnusableCheckpoint(
            f"the files in {folder} are not those that the set was made of; name the folder that"
            " it was exported from, or export it anew"
        )
    return source
