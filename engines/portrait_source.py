"""Where the neural portrait's weights come from: files or a seed go in, networks come out.

Needs torch.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch

from engines.errors import UnusableCheckpoint
from engines.model_card import Card
from engines.nets.portrait.checkpoint import FILES, RETARGETING, find_file, load_checkpoint
from engines.nets.portrait.config import COMPACT, OFFICIAL, PortraitConfig, PortraitModules, build
from engines.portrait_export import Source

CONFIGS: dict[str, PortraitConfig] = {"official": OFFICIAL, "compact": COMPACT}
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
        _centre(modules)
    return Source(modules, name, sizes, origin, licence, seed=seed)


def _centre(modules: PortraitModules) -> None:
    """Gives the last norm before `compressed` the statistics of a random picture.

    Untrained, its few channels may all be negative everywhere, and the rectifier after it would
    let nothing of the portrait through.
    """
    config, motion = modules.config, modules.warping.dense_motion_network
    picture = torch.rand(1, 3, config.input_size, config.input_size)
    motion.norm.momentum = None  # of this one picture
    motion.norm.train()
    with torch.inference_mode():
        motion.compressed(modules.appearance(picture))
    motion.norm.eval()


def checkpoint(
    folder: Path,
    sizes: str,
    *,
    name: str,
    origin: str = "not known to Visavis",
    licence: str = "as its author's; not known to Visavis",
) -> Source:
    """Networks of a checkpoint's files; raises `UnusableCheckpoint`."""
    modules = load_checkpoint(folder, CONFIGS[sizes])
    paths = [find_file(folder, place) for place in (*FILES.values(), RETARGETING)]
    files = {path.name: _sha256(path) for path in paths}
    return Source(modules, name, sizes, origin, licence, files)


def _check_sizes(card: Card, config: PortraitConfig) -> None:
    if (card.keypoints, card.size) != (config.keypoints, config.size):
        raise UnusableCheckpoint(
            f"the set was made of networks of sizes {card.config!r} as another version has them:"
            f" {card.keypoints} keypoints and pictures of {card.size}, not {config.keypoints} and"
            f" {config.size}; export it anew"
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def again(card: Card, folder: Path | None) -> Source:
    """The networks that a set was made of; `UnusableCheckpoint` where `folder` has others."""
    if card.config not in CONFIGS:
        raise UnusableCheckpoint(
            f"the set was made of networks of sizes {card.config!r}, which this version does not"
            f" know; known: {', '.join(CONFIGS)}"
        )
    if folder is None:
        if card.seed is None:
            raise UnusableCheckpoint("the set was made of a checkpoint; name its folder")
        source = random(card.seed, card.config, name=card.name)
        _check_sizes(card, source.modules.config)
        return source
    source = checkpoint(folder, card.config, name=card.name)
    if dict(source.files) != card.source:
        raise UnusableCheckpoint(
            f"the files in {folder} are not those that the set was made of; name the folder that"
            " it was exported from, or export it anew"
        )
    return source
