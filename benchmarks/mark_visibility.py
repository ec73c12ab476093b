"""Marked and unmarked pictures go in; how well the mark hides, and what it costs, comes out.

PSNR is over all three channels, of marked against unmarked, before any codec and both by way of the
planes in which the server marks.

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
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks import spread
from benchmarks.mark_codecs import Codec, Video, call
from benchmarks.mark_planes import Applies, planes_of
from benchmarks.mark_trials import Stream
from engines.types import Rgb
from live import label

_AREA = 8
_HIGH_BITRATE = 1_500_000

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of one stream."""

    psnr: list[float]
    """Decibels for each picture, 99 where nothing was changed."""
    flicker: dict[str, float]
    """Root mean squares in levels: the mark's and a codec's, by pixels and by areas."""
    label_ms: list[float]
    mark_ms: list[float]
    """CPU for each picture."""


def look(stream: Stream, mark: Applies) -> Look:
    """Compares a stream with itself unmarked; `mark` is timed on its pictures once more."""
    pairs = zip(stream.unmarked, stream.marked, strict=True)
    return Look(
        [min(99.0, cv2.PSNR(plain, marked)) for plain, marked in pairs],
        flicker(stream),
        *_costs(mark, stream.unmarked),
    )


def summary(looks: Sequence[Look]) -> dict[str, Any]:
    """PSNR, flicker and cost over some streams."""
    decibels = np.concatenate([each.psnr for each in looks])
    label_ms = np.concatenate([each.label_ms for each in looks])
    mark_ms = np.concatenate([each.mark_ms for each in looks])
    return {
        "psnr_db": {"mean": round(float(decibels.mean()), 2), "min": round(decibels.min(), 2)},
        "flicker": {
            name: round(float(np.mean([each.flicker[name] for each in looks])), 3)
            for name in looks[0].flicker
        },
        "cost": {
            "label_ms": spread.summary(label_ms, 3),
            "mark_ms": spread.summary(mark_ms, 3),
            "mark_over_label": round(float(np.median(mark_ms) / np.median(label_ms)), 1),
        },
    }


def flicker(stream: Stream) -> dict[str, float]:
    """Root mean squares of what changes from picture to picture: the mark's and a codec's."""
    coded = call(Video(stream.unmarked), Codec.H264, _HIGH_BITRATE).video.pictures
    found: dict[str, float] = {}
    for name, others in (("mark", stream.marked), ("codec", coded)):
        pixels, areas = _changes(stream.unmarked, others)
        found |= {f"{name}_pixels": pixels, f"{name}_areas": areas}
    return found


def _costs(mark: Applies, pictures: Sequence[Rgb]) -> tuple[list[float], list[float]]:
    """Milliseconds of CPU for the label and for the mark."""
    label_ms, mark_ms = [], []
    for rgb in pictures:
        planes = planes_of(rgb)
        began = time.process_time_ns()
        label.draw(planes, label.DEFAULT_TEXT)
        between = time.process_time_ns()
        mark.apply(planes.luma)
        ended = time.process_time_ns()
        label_ms.append((between - began) / 1e6)
        mark_ms.append((ended - between) / 1e6)
    return label_ms, mark_ms


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
