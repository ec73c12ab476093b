"""Neural portraits by implicit keypoints: the LivePortrait family (Guo et al., 2024), in torch.

Written anew after the paper and the public reference, with its parameter names and shapes, so that
its official weights load (`checkpoint`). What is exported is in `artefacts`. Needs torch; nothing
that serves imports it.

As in the reference: batch and instance norms with eps 1e-5, layer and response norms with 1e-6;
positions run from −1 to 1 between the centres of the outer cells, but volumes are sampled with
`align_corners=False` and zeros outside; nearest upsampling; leaky ReLUs of slope 0.2 in the
decoder, 0.01 before the last convolution of the warping; GELU by the error function; instance norms
without weights; Gaussians of variance 0.01; angles from 66 bins of 3°, from −97.5° on.

Where it is not the reference:

* Constructors have the official sizes as defaults (the reference has none, or others), and take
  more: `MotionExtractor(depths, dims)`, `SPADEDecoder(middle_blocks, hidden)` and, of the dense
  motion, `kernel_size`. `dense_motion_params=None` means the official ones, not no dense motion;
  kernels and paddings of the single blocks are not parameters.
* `SPADEDecoder(upscale)` enlarges by that factor; the reference by 2 for anything above 1.
* No stochastic depth in the motion network: it acts in training only.
* Layer norm over channels and the response norm's energies are computed by torch's own functions,
  means over 1 × 2 × 2 slice by slice: other roundings of the same formulas.
* `FrameArtefact` rounds the picture to the nearest of 256 levels, where the reference cuts off; and
  it rewrites the graph (`folding`, `sampling`, `phases`, `fused_warping`, `fused_decoder`): equal
  up to rounding, in float64 to 10⁻¹⁰.
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
