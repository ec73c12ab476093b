"""Windows of pictures in, the sessions whose marks they carry out, with the stretches."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import cv2
import numpy as np

from engines.mark import Detector, Found
from engines.types import Rgb
from live.keys import mark_id
from live.verification.verdict import FoundMark, Looked, Stretch
from live.verification.windows import Window

_LONGEST_SIDE = 1280
"""Pixels of a picture in which a mark is looked for: the time grows with their square."""
_JOINED_S = 0.3
"""Stretches nearer to each other than this are one."""


def search(
    windows: Iterable[Window],
    keys: Sequence[bytes],
    budget: Budget,
    tell: Callable[[int], None],
) -> tuple[tuple[FoundMark, ...], Looked]:
    """Looks for the marks of `keys`, the current one first, as long as there is time.

    `tell` is told how many windows are done.

    `Looked` knows nothing yet of how whole and how damaged the file is, but for the time.
    """
    detector = Detector(keys)
    found: dict[tuple[bytes, int], FoundMark] = {}
    looked: list[Stretch] = []
    pictures = 0
    whole, reduced = True, False
    near: Found | None = None
    for number, window in enumerate(windows, 1):
        if pictures and budget.is_spent():
            whole = False
            break
        view = _View(window)
        hit = detector.find(view, near)
        window.pass_over()
        pictures += window.pictures
        reduced = reduced or view.factor < 1
        stretch = (Stretch(round(window.start_s, 2), round(window.end_s, 2)),)
        here = stretch if window.timed else ()
        looked.extend(here)
        if hit is not None:
            near = hit
            mark = (hit.payload, hit.key)
            found[mark] = _merged(found.get(mark), _of(hit, keys, here, view.factor))
        tell(number)
    marks = [replace(mark, stretches=_joined(mark.stretches)) for mark in found.values()]
    marks.sort(key=lambda mark: [stretch.start_s for stretch in mark.stretches])
    return tuple(marks), Looked(pictures, whole, _joined(looked), reduced)


class Budget:
    """Time that a search may take."""

    def __init__(self, cpu_s: float, wall_s: float) -> None:
        """Of this process's processor, and by the clock, which a busy machine lets run ahead."""
        self._cpu_until = time.process_time() + cpu_s
        self._wall_until = time.monotonic() + wall_s

    def is_spent(self) -> bool:
        """Whether either is over."""
        return time.process_time() > self._cpu_until or time.monotonic() > self._wall_until


class _View:
    """A window's pictures, made smaller where a search would take too long."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self.factor = 1.0

    def __iter__(self) -> Iterator[Rgb]:
        for rgb in self._window:
            height, width = rgb.shape[:2]
            self.factor = min(1.0, _LONGEST_SIDE / max(height, width))
            size = max(1, round(width * self.factor)), max(1, round(height * self.factor))
            yield rgb if self.factor == 1 else _small(rgb, size)


def _small(rgb: Rgb, size: tuple[int, int]) -> Rgb:
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)


def _of(
    hit: Found, keys: Sequence[bytes], stretches: tuple[Stretch, ...], factor: float
) -> FoundMark:
    return FoundMark(
        session=hit.payload[1:].hex(),
        version=hit.payload[0],
        key="former" if hit.key else "current",
        key_id=mark_id(keys[hit.key]),
        score=round(hit.score, 1),
        false_alarm=hit.false_alarm,
        stretches=stretches,
        mirrored=hit.mirrored,
        scale=(round(hit.scale[0] / factor, 3), round(hit.scale[1] / factor, 3)),
    )


def _merged(before: FoundMark | None, now: FoundMark) -> FoundMark:
    """Both, described as the surer one."""
    if before is None:
        return now
    surer = now if now.score > before.score else before
    return replace(surer, stretches=before.stretches + now.stretches)


def _joined(stretches: Iterable[Stretch]) -> tuple[Stretch, ...]:
    joined: list[Stretch] = []
    for one in sorted(stretches, key=lambda stretch: stretch.start_s):
        if joined and one.start_s - joined[-1].end_s <= _JOINED_S:
            joined[-1] = Stretch(joined[-1].start_s, max(one.end_s, joined[-1].end_s))
        else:
            joined.append(one)
    return tuple(joined)
