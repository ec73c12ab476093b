"""Neural portraits by implicit keypoints: the LivePortrait family (Guo et al., 2024), in torch.

Written anew after the paper and the public reference, with its parameter names and shapes, so that
its official weights load. Needs torch; nothing that serves imports it.
"""

from engines.nets.portrait.appearance import AppearanceFeatureExtractor
from engines.nets.portrait.decoder import SPADEDecoder
from engines.nets.portrait.motion import MotionExtractor
from engines.nets.portrait.stitching import StitchingRetargetingNetwork
from engines.nets.portrait.warping import WarpingNetwork

__all__ = [
    "AppearanceFeatureExtractor",
    "MotionExtractor",
    "SPADEDecoder",
    "StitchingRetargetingNetwork",
    "WarpingNetwork",
]
