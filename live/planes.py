"""A picture as encoders take it and decoders give it: I420, BT.601 in the narrow range.

A drawn picture is converted once and for all before it is stamped, and never back on its way out.
By OpenCV: swscale asks for a thread per core, for each frame anew, which costs 8 ms on a busy
machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.types import Picture, Rgb

Plane = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Planes:
    """One video frame."""

    i420: NDArray[np.uint8]
    """`(h · 3/2, w)` uint8, C-contiguous, h and w even: the luma's lines, then those of Cb and Cr,
    two of them in one."""
    pts_ns: int = 0
    """When it is to be seen, on the session's clock."""
    captured_ns: int = 0
    """When its first packet reached us (or when it was made), on the session's clock."""

    @classmethod
    def of(cls, picture: Picture) -> Self:
        """The same picture in an array of its own; an odd row or column is lost.

        Raises `ValueError` for a picture that is nothing else. 0.15 ms at 512 × 512.
        """
        height, width = (side & ~1 for side in picture.rgb.shape[:2])
        if not height or not width:
            raise ValueError(f"a picture has 2 × 2 pixels or more, not {picture.rgb.shape}")
        even = np.ascontiguousarray(picture.rgb[:height, :width])
        i420 = np.asarray(cv2.cvtColor(even, cv2.COLOR_RGB2YUV_I420), np.uint8)
        return cls(i420, picture.pts_ns, picture.captured_ns)

    def at(self, pts_ns: int, captured_ns: int) -> Planes:
        """The same at other times."""
        return Planes(self.i420, pts_ns, captured_ns)

    @property
    def luma(self) -> Plane:
        """`(h, w)` view, 16…235."""
        return self.i420[: self.i420.shape[0] * 2 // 3]

    @property
    def chroma(self) -> tuple[Plane, Plane]:
        """`(h / 2, w / 2)` views of Cb and Cr, 16…240."""
        height, width = self.luma.shape
        cb, cr = self.i420[height:].reshape(2, height // 2, width // 2)
        return cb, cr

    @property
    def rgb(self) -> Rgb:
        """`(h, w, 3)` uint8 sRGB, converted anew each time."""
        return np.asarray(cv2.cvtColor(self.i420, cv2.COLOR_YUV2RGB_I420), np.uint8)
