"""The guided filter for colour pictures (He, Sun, Tang: IEEE PAMI 35(6), 2013)."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.types import Floats, Rgb

_COEFFICIENTS_SIDE = 1024
"""The filter's coefficients are smooth: they are found at this size at most and enlarged (He, Sun:
Fast Guided Filter, 2015, arXiv:1505.00996)."""


def guided_filter(guide: Rgb, values: Floats, radius: int, softness: float = 1e-4) -> Floats:
    """`values` `(h, w)` 0…1 as a function of the guide's colours, linear within each window.

    `radius` of the windows in pixels; a larger `softness` (a variance of colours 0…1) gives
    smoother answers that follow the guide less.
    """
    height, width = values.shape
    scale = min(1.0, _COEFFICIENTS_SIDE / max(height, width))
    size = round(width * scale), round(height * scale)
    small = cv2.resize(guide, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    small *= 1 / 255
    p = np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA), np.float32)
    window = 2 * max(1, round(radius * scale)) + 1

    def mean(x: NDArray[np.floating]) -> Floats:
        return np.asarray(cv2.blur(x, (window, window)), np.float32)

    r, g, b = (small[..., i] for i in range(3))
    mean_colour, mean_p = mean(small), mean(p)
    mr, mg, mb = (mean_colour[..., i] for i in range(3))
    # The colours' covariance in each window, a symmetric 3×3 matrix, and its inverse by cofactors.
    rr, gg, bb = (mean(x * x) - m * m + softness for x, m in ((r, mr), (g, mg), (b, mb)))
    rg, rb, gb = mean(r * g) - mr * mg, mean(r * b) - mr * mb, mean(g * b) - mg * mb
    i_rr, i_gg, i_bb = gg * bb - gb * gb, rr * bb - rb * rb, rr * gg - rg * rg
    i_rg, i_rb, i_gb = rb * gb - rg * bb, rg * gb - rb * gg, rb * rg - rr * gb
    determinant = rr * i_rr + rg * i_rg + rb * i_rb
    with_p = [mean(small[..., i] * p) - mean_colour[..., i] * mean_p for i in range(3)]
    slopes = np.stack(
        [
            sum(c * i for c, i in zip(with_p, row, strict=True)) / determinant
            for row in ((i_rr, i_rg, i_rb), (i_rg, i_gg, i_gb), (i_rb, i_gb, i_bb))
        ],
        axis=2,
    ).astype(np.float32)
    offset = mean_p - (slopes * mean_colour).sum(axis=2)
    line = np.concatenate([mean(slopes), mean(offset)[..., None]], axis=2)
    line = cv2.resize(line, (width, height), interpolation=cv2.INTER_LINEAR)
    filtered: Floats = (line[..., :3] * (guide.astype(np.float32) / 255)).sum(axis=2) + line[..., 3]
    return filtered
