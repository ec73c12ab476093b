"""Rooms for measuring only: a camera picture's time code goes in, the drawn picture carries it out.

They wrap the server's own tracker and renderer inside a benchmark's own server process; nothing of
the server is changed, and every picture that leaves it is stamped as always. Two kinds:

* avatar: everything is done as in any call; before, the time code is read off the camera picture
  (a few hundred of its pixels are converted for that), and in the end written over the drawn one.
* echo: nothing is tracked, heard or drawn; the camera picture itself is what the renderer gives.

Tracker and renderer of one call meet by the camera picture's `captured_ns`, which the pipeline
hands through.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.timecode import draw, read, strip_height
from engines.types import (
    Avatar,
    Backdrop,
    Face,
    Motion,
    Picture,
    Portrait,
    Renderer,
    Sound,
    Space,
    Tracker,
)
from live.canvas import Canvas
from live.planes import Planes

Laid = Callable[[Canvas, Picture], Planes]

_KEPT = 16
_LOOKED_AT = 64
"""Pixels of a side to which a picture's strip is reduced where it is read: four for each bit."""


class Came(NamedTuple):
    """What is handed past the avatar of one camera picture."""

    number: int | None
    """Its time code, if it has one."""
    picture: Picture | None = None
    """Where it is to be sent back."""


class Passage:
    """What goes from the trackers round to the renderer: the latest pictures, by capture time."""

    def __init__(self) -> None:
        """Empty."""
        self._kept: OrderedDict[int, Came] = OrderedDict()
        self._lock = threading.Lock()
        self._of_call = threading.local()  # a call's rooms are on one thread

    def put(self, captured_ns: int, came: Came) -> None:
        """Keeps one."""
        self._of_call.latest = came
        with self._lock:
            self._kept[captured_ns] = came
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)

    def get(self, captured_ns: int) -> Came | None:
        """What was captured then; where nothing was, the call's latest again, if there is any.

        The server draws on while no camera picture comes, and that shows nothing newer.
        """
        with self._lock:
            found = self._kept.get(captured_ns)
        latest: Came | None = getattr(self._of_call, "latest", None)
        return latest if found is None else found


class StillDriver:
    """The driver of an echo: listens to nothing, moves nothing."""

    def __init__(self, space: Space) -> None:
        """`space`: of the driver that it stands for."""
        self.space = space

    def drive(
        self, face: Face | None, sounds: Sequence[Sound] = (), pts_ns: int | None = None
    ) -> Sequence[Motion]:
        """No motion: what was drawn last stands."""
        return ()

    def calibrate(self) -> None:
        """There is nothing to take anew."""


class CodedTracker:
    """A tracker that hands the time code, and for an echo the picture too, past the avatar."""

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
        number = code_of(picture)
        if number is not None:
            self._on_coded(number, picture.captured_ns)
        self._passage.put(picture.captured_ns, Came(number, picture if self._echo else None))
        return None if self._echo else self._tracker.track(picture)

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

    def __init__(self, renderer: Renderer, passage: Passage) -> None:
        """`passage`: the one that the call's tracker fills."""
        self.name = renderer.name
        self.space = renderer.space
        self._renderer = renderer
        self._passage = passage

    def prepare(self, portrait: Portrait, *, id: str, consent: str, size: int = 512) -> Avatar:
        """As the renderer."""
        return self._renderer.prepare(portrait, id=id, consent=consent, size=size)

    def with_backdrop(self, avatar: Avatar, backdrop: Backdrop) -> Avatar:
        """As the renderer."""
        return self._renderer.with_backdrop(avatar, backdrop)

    def render(self, avatar: Avatar, motion: Motion) -> Picture:
        """The drawn picture under the camera picture's code, or the camera picture."""
        came = self._passage.get(motion.captured_ns)
        if came is None:
            return self._renderer.render(avatar, motion)
        if came.picture is not None:
            return came.picture.at(motion.pts_ns, motion.captured_ns)
        drawn = self._renderer.render(avatar, motion)
        return drawn if came.number is None else _coded(drawn, came.number)


def code_of(picture: Picture) -> int | None:
    """The time code of a picture that need not be converted for it; `None`: there is none."""
    width = picture.shape[1]
    rows, columns = strip_height(width) // 2, width // 16
    # Four lines and four columns of the cut are a block's two rows and a block.
    across, down = 16 * columns / _LOOKED_AT, 2 * rows / 4
    matrix = np.array([[across, 0, across / 2 - 0.5], [0, down, down / 2 - 0.5]])
    return read(picture.cut(matrix, _LOOKED_AT)[..., 1])


def coded_canvas(stock: Laid, passage: Passage) -> Laid:
    """`Canvas.planes` that writes the code over the edge of a wide picture, too."""

    def planes(self: Canvas, picture: Picture) -> Planes:
        whole = stock(self, picture)
        came = passage.get(picture.captured_ns)
        if came is not None and came.number is not None:
            draw(whole.luma, came.number)
        return whole

    return planes


def _coded(drawn: Picture, number: int) -> Picture:
    rgb = drawn.rgb.copy()
    strip = np.zeros((strip_height(rgb.shape[1]), rgb.shape[1]), np.uint8)
    draw(strip, number)
    rgb[: len(strip)] = strip[..., None]
    return Picture(rgb, drawn.pts_ns, drawn.captured_ns)
