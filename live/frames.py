"""Stamped pictures in, the frames that encoders take out."""

from __future__ import annotations

import av

from live.disclosure import Stamped, leaving

_LINES = 4
"""PyAV wraps arrays whose height is a multiple of that; others it takes for lower than they are."""


def to_frame(stamped: Stamped) -> av.VideoFrame:
    """I420, BT.601 in the narrow range; without a copy: the frame holds the stamped planes."""
    planes = leaving(stamped)
    wraps = len(planes.luma) % _LINES == 0
    make = av.VideoFrame.from_numpy_buffer if wraps else av.VideoFrame.from_ndarray
    return make(planes.i420, format="yuv420p")
