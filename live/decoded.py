"""Decoded frames in, pictures out that are converted as far as somebody looks at them.

Most pictures of a camera are looked at by a tracker alone, and there at a face: three small planes
are cut and converted in a third of the time that the whole picture takes.

By OpenCV: swscale asks for a thread per core, for each frame anew, which costs 8 ms on a busy
machine. It is left for what WebRTC hardly ever carries.
"""

from __future__ import annotations

from typing import NamedTuple

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange
from numpy.typing import NDArray

from engines.types import Picture, Rgb, warped
from live.planes import Plane

_set = object.__setattr__  # pictures are frozen


class _Planes(NamedTuple):
    """Where a decoder has put a frame: lines may be longer than they are wide."""

    luma: Plane
    """`(h, w)` view, h and w even."""
    cb: Plane
    """`(h / 2, w / 2)` view."""
    cr: Plane


class Decoded(Picture):
    """A frame in I420, BT.601 in the narrow range. `replace` is not for it: `at` gives it times."""

    __slots__ = ("_planes", "_rgb")
    _planes: _Planes
    _rgb: Rgb | None

    def __init__(
        self, planes: _Planes, pts_ns: int = 0, captured_ns: int = 0, rgb: Rgb | None = None
    ) -> None:
        """`rgb`: where it is known already."""
        _set(self, "_planes", planes)
        _set(self, "_rgb", rgb)
        _set(self, "pts_ns", pts_ns)
        _set(self, "captured_ns", captured_ns)

    @property
    def rgb(self) -> Rgb:
        """`(h, w, 3)` uint8 sRGB, C-contiguous; made when it is first asked for."""
        rgb = self._rgb
        if rgb is None:
            rgb = _whole(self._planes)
            _set(self, "_rgb", rgb)
        return rgb

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels, even."""
        height, width = self._planes.luma.shape
        return height, width

    def cut(self, matrix: NDArray[np.float64], side: int) -> Rgb:
        """As of any picture, cut from the planes; `side` has to be even."""
        if self._rgb is not None:
            return warped(self._rgb, matrix, side)
        # Pixels of colour are twice as large, so their centres lie elsewhere.
        coarse = matrix.copy()
        coarse[:, 2] = (matrix[:, :2].sum(axis=1) / 2 + matrix[:, 2] - 0.5) / 2
        luma, cb, cr = self._planes
        half = side // 2
        parts = warped(luma, matrix, side), warped(cb, coarse, half), warped(cr, coarse, half)
        return _whole(_Planes(*parts))

    def mirrored(self) -> Picture:
        """As in a mirror."""
        flipped = (np.asarray(cv2.flip(plane, 1), np.uint8) for plane in self._planes)
        return Decoded(_Planes(*flipped), self.pts_ns, self.captured_ns)

    def at(self, pts_ns: int, captured_ns: int | None = None) -> Picture:
        """The same at other times; `None`: captured when this was."""
        kept = self.captured_ns if captured_ns is None else captured_ns
        return Decoded(self._planes, pts_ns, kept, self._rgb)


def decoded(frame: av.VideoFrame) -> Picture:
    """A frame as it comes from a decoder, cut to even sides; it keeps the decoder's memory."""
    if frame.format.name != "yuv420p" or frame.color_range == ColorRange.JPEG:
        frame = frame.reformat(format="yuv420p", dst_color_range=ColorRange.MPEG, threads=1)
    height, width = frame.height & ~1, frame.width & ~1
    if not height or not width:
        return Picture(np.zeros((frame.height, frame.width, 3), np.uint8))
    planes = []
    for plane, part in zip(frame.planes, (1, 2, 2), strict=True):
        lines = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        planes.append(lines[: height // part, : width // part])
    return Decoded(_Planes(*planes))


def _whole(planes: _Planes) -> Rgb:
    """`(h, w, 3)` uint8 sRGB."""
    height, width = planes.luma.shape
    i420 = np.empty((height * 3 // 2, width), np.uint8)
    i420[:height] = planes.luma
    chroma = i420[height:].reshape(2, height // 2, width // 2)
    chroma[0], chroma[1] = planes.cb, planes.cr
    return np.asarray(cv2.cvtColor(i420, cv2.COLOR_YUV2RGB_I420), np.uint8)
