"""Rooms for measuring only: a camera picture's time code goes in, the drawn picture carries it out.

They wrap the server's own tracker and renderer inside a benchmark's own server process; nothing of
the server is changed, and every picture that leaves it is stamped as always. Two kinds:

* avatar: everything is done as in any call; then the strip with the time code is copied from the
  camera picture onto the drawn one.
* echo: nothing is tracked or drawn; the camera picture itself is what the renderer gives.

Tracker and renderer of one call meet by the camera picture's `captured_ns`, which the pipeline
hands through.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence

import cv2
import numpy as np

from benchmarks.timecode import read, strip_height
from engines.types import (
    Avatar,
    Backdrop,
    Face,
    Motion,
    Picture,
    Portrait,
    Renderer,
    Rgb,
    Tracker,
)

_KEPT = 16


class Passage:
    """What goes from the trackers round to the renderer: the latest pictures, by capture time."""

    def __init__(self) -> None:
        """Empty."""
        self._kept: OrderedDict[int, Rgb] = OrderedDict()
        self._lock = threading.Lock()
        self._of_call = threading.local()  # a call's rooms are on one thread

    def put(self, captured_ns: int, rgb: Rgb) -> None:
        """Keeps one picture, or a part of it."""
        self._of_call.latest = rgb
        with self._lock:
            self._kept[captured_ns] = rgb
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)

    def get(self, captured_ns: int) -> Rgb | None:
        """What was captured then; where nothing was, the call's latest again, if there is any.

        The server draws on while no camera picture comes, and that shows nothing newer.
        """
        with self._lock:
            found = self._kept.get(captured_ns)
        latest: Rgb | None = getattr(self._of_call, "latest", None)
        return latest if found is None else found


class CodedTracker:
    """A tracker that hands the time code, or for an echo the whole picture, past the avatar."""

    def __init__(
        self,
        tracker: Tracker,
        passage: Passage,
        on_coded: Callable[[int, int], None] = lambda number, captured_ns: None,
        *,
        echo: bool,
    ) -> None:
        """`echo`: nothing is tracked. `on_coded` is told of every picture that has a time code."""
        self._tracker = tracker
        self._passage = passage
        self._on_coded = on_coded
        self._echo = echo

    def track(self, picture: Picture) -> Face | None:
        """The face; `None` in an echo."""
        if (number := read(picture.rgb[..., 1])) is not None:
            self._on_coded(number, picture.captured_ns)
        if self._echo:
            self._passage.put(picture.captured_ns, picture.rgb)
            return None
        strip = picture.rgb[: strip_height(picture.rgb.shape[1])]
        self._passage.put(picture.captured_ns, strip.copy())
        return self._tracker.track(picture)

    def find(self, picture: Picture) -> Sequence[Face]:
        """As the tracker."""
        return self._tracker.find(picture)

    def reset(self) -> None:
        """As the tracker."""
        self._tracker.reset()

    def close(self) -> None:
        """As the tracker."""
        self._tracker.close()


class CodedRenderer:
    """A renderer whose pictures carry the time code of the camera picture that they follow."""

    def __init__(self, renderer: Renderer, passage: Passage, *, echo: bool) -> None:
        """`echo`: nothing is drawn."""
        self.name = renderer.name
        self.space = renderer.space
        self._renderer = renderer
        self._passage = passage
        self._echo = echo

    def prepare(self, portrait: Portrait, *, id: str, consent: str, size: int = 512) -> Avatar:
        """As the renderer."""
        return self._renderer.prepare(portrait, id=id, consent=consent, size=size)

    def with_backdrop(self, avatar: Avatar, backdrop: Backdrop) -> Avatar:
        """As the renderer."""
        return self._renderer.with_backdrop(avatar, backdrop)

    def render(self, avatar: Avatar, motion: Motion) -> Picture:
        """The drawn picture under the camera picture's strip, or the camera picture."""
        came = self._passage.get(motion.captured_ns)
        if came is None:
            return self._renderer.render(avatar, motion)
        if self._echo:
            return Picture(came, motion.pts_ns, motion.captured_ns)
        drawn = self._renderer.render(avatar, motion)
        rgb = drawn.rgb.copy()
        width = rgb.shape[1]
        if came.shape[1] != width:
            size = (width, strip_height(width))
            came = np.asarray(cv2.resize(came, size, interpolation=cv2.INTER_AREA), np.uint8)
        rgb[: came.shape[0]] = came
        return Picture(rgb, drawn.pts_ns, drawn.captured_ns)
