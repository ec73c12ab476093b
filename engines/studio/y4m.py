"""Video for Chromium's fake camera: a clip goes in, a YUV4MPEG2 (.y4m) file comes out."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np


def write_y4m(clip: Path, out: Path, *, width: int | None = None, height: int | None = None) -> int:
    """Unpacks `clip` into `out`, scaled where a size is given, and returns the number of frames.

    What Chromium's `--use-file-for-fake-video-capture` plays in a loop: 4:2:0 planes one after
    another, each frame behind the word FRAME.
    """
    count = 0
    with av.open(clip) as container, out.open("wb") as target:
        stream = container.streams.video[0]
        wide, high = width or stream.width, height or stream.height
        rate = stream.average_rate
        assert rate is not None
        header = (
            f"YUV4MPEG2 W{wide} H{high} F{rate.numerator}:{rate.denominator} Ip A1:1 C420jpeg\n"
        )
        target.write(header.encode())
        for frame in container.decode(stream):
            planes = frame.reformat(wide, high, format="yuv420p").to_ndarray()
            target.write(b"FRAME\n" + np.ascontiguousarray(planes).tobytes())
            count += 1
    return count
