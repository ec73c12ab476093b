"""`visavis models fit`: how a portrait's networks answer to camera and voice is found out."""

from __future__ import annotations

import argparse
import sys

from engines import avatars, implicit_map, implicit_map_fit, registry
from engines.network_source import NetworkSource
from engines.portrait_models import PortraitModels
from engines.portrait_networks import PortraitNetworks
from engines.types import Picture, Portrait, Tracker
from engines.weights import ModelStore
from live import parts, settings
from live.avatar_files import Contents
from live.commands.models.sets import meant
from live.renderers import RESERVE

_USEFUL = 0.5
"""Below, a mouth that is driven by the map would not be believed."""


def run(args: argparse.Namespace) -> int:
    """Draws the built-in avatars in motions that are known, and writes the map beside the card."""
    chosen = settings.load(args.config)
    models = PortraitModels(meant(args.network, chosen.models.folder), untrained=True)
    source = NetworkSource(chosen.models.folder, chosen.engines.backend, chosen.engines.threads)
    networks = PortraitNetworks(models, source)
    tracker = parts.tracker(ModelStore(chosen.models.folder))
    try:
        fitted = implicit_map_fit.fit(
            networks.open("motion"),
            models.spec("motion").sha256,
            registry.renderer(RESERVE),
            [_portrait(name, tracker) for name in avatars.ids()],
            samples=args.samples,
            progress=_tell,
        )
    finally:
        tracker.close()
        networks.close()
    path = implicit_map.write(fitted, models.folder)
    print(f"{path}: explains {fitted.held_out:.0%} of what strangers' keypoints do")
    if fitted.held_out < _USEFUL:
        sys.stderr.write(
            "that is little: this motion network hardly sees what these faces do, and voices will"
            " move the portrait poorly; are these its trained weights?\n"
        )
    return 0


def _portrait(name: str, tracker: Tracker) -> Portrait:
    files = avatars.contents(name)
    contents = Contents(name, files.portrait, files.matte)
    rgb = contents.rgb()
    return Portrait(rgb, tuple(tracker.find(Picture(rgb))), contents.coverage())


def _tell(done: int, total: int) -> None:
    sys.stderr.write(f"{done} of {total} pictures seen\n")
