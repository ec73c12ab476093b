"""The neural portrait: a portrait and a motion in, a picture of a network out; see `renderer`."""

from engines.renderers.portrait.renderer import PortraitRenderer

__all__ = ["PortraitRenderer"]
