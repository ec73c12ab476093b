"""The warp renderer: a portrait and a motion in, a picture out; see `renderer`."""

from engines.renderers.warp.renderer import WarpRenderer

__all__ = ["WarpRenderer"]
