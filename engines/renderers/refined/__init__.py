"""The refined renderer: the warp renderer's pictures with mouth and eyes corrected by a network."""

from engines.renderers.refined.renderer import RefinedRenderer

__all__ = ["RefinedRenderer"]
