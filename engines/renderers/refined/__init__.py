"""The refined renderer: the warp renderer's pictures with closing eyes corrected by a network."""

from engines.renderers.refined.renderer import RefinedRenderer

__all__ = ["RefinedRenderer"]
