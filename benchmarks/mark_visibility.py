"""Marked and unmarked pictures go in; how well the mark hides, and what it costs, comes out.

PSNR is over all three channels, of marked against unmarked, before any codec.

Flicker is change that was not there: the temporal difference of (marked − unmarked) luma, from
picture to picture, as root mean square in levels of 255; once for each pixel, and once after means
over 8 × 8 pixels, because an eye sees flicker in areas sooner than in grain. The yardstick is what
the call's codec does at its highest rate to the same unmarked pictures.

Cost is CPU of the whole process in `Mark.apply`, picture by picture in turn with the label's, so
that both meet the same machine.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks import spread
from benchmarks.mark_codecs import Codec, Video, call
from benchmarks.mark_trials import Applies, Stream
from engines.types import Rgb
from live import label

_AREA = 8
_HIGH_BITRATE = 1_500_000

Floats = NDArray[np.float32]


def psnr(stream: Stream) -> list[float]:
    """Decibels for each picture, 99 where nothing was changed."""
    pairs = zip(stream.unmarked, stream.marked, strict=True)
    return [min(99.0, cv2.PSNR(plain, marked)) for plain, marked in pairs]


def flicker(stream: Stream) -> dict[str, float]:
    """Root mean squares in levels: the mark's and a codec's, by pixels and by areas."""
    coded = call(Video(stream.unmarked), Codec.H264, _HIGH_BITRATE).video.pictures
    found: dict[str, float] = {}
    for name, others in (("mark", stream.marked), ("codec", coded)):
        pixels, areas = _changes(stream.unmarked, others)
        found |= {f"{name}_pixels": pixels, f"{name}_areas": areas}
    return found


def cost(mark: Applies, pictures: Sequence[Rgb]) -> dict[str, Any]:
    """Milliseconds of CPU a picture for the label and for the mark, and their ratio."""
    spent: dict[str, list[float]] = {"label": [], "mark": []}
    for rgb in pictures:
        copy = rgb.copy()
        began = time.process_time_ns()
        label.draw(copy, label.DEFAULT_TEXT)
        between = time.process_time_ns()
        mark.apply(copy)
        ended = time.process_time_ns()
        spent["label"].append((between - began) / 1e6)
        spent["mark"].append((ended - between) / 1e6)
    medians = {name: float(np.median(values)) for name, values in spent.items()}
    return {
        **{f"{name}_ms": spread.summary(values, 3) for name, values in spent.items()},
        "mark_over_label": round(medians["mark"] / medians["label"], 2),
    }


def _changes(plain: Sequence[Rgb], others: Sequence[Rgb]) -> tuple[float, float]:
    squares: list[tuple[float, float]] = []
    before: Floats | None = None
    for mine, theirs in zip(plain, others, strict=True):
        difference = _luma(theirs) - _luma(mine)
        if before is not None:
            change = difference - before
            area = cv2.blur(change, (_AREA, _AREA))
            squares.append((float(np.square(change).mean()), float(np.square(area).mean())))
        before = difference
    pixels, areas = np.sqrt(np.mean(squares, axis=0))
    return float(pixels), float(areas)


def _luma(rgb: Rgb) -> Floats:
    weights = np.array([[0.299, 0.587, 0.114]], np.float32)
    return np.asarray(cv2.transform(rgb.astype(np.float32), weights), np.float32)
