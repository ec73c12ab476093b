"""Stamped pictures in, the H.264 track of an MP4 file out, and a line of JSON for each motion."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import IO

import av
from av.container import OutputContainer

from engines.types import Motion
from live.clock import VIDEO_RATE
from live.disclosure import Stamped
from live.frames import to_frame
from live.offline.files import complete_or_absent

Size = tuple[int, int]
"""Width and height in pixels."""
Progress = Callable[[int, int | None], None]
"""Told the frames done, and those in all where that is known."""

_TIME_BASE = Fraction(1, VIDEO_RATE)
_ENCODER = {"preset": "veryfast", "crf": "17"}
_CONTAINER = {"movflags": "+faststart"}  # so that a browser plays it before all of it has come
_BT709, _BT601 = 1, 6  # in the tables of ITU-T H.273
_NARROW = 1


class Film:
    """An MP4 file that is being written."""

    def __init__(
        self,
        container: OutputContainer,
        size: Size,
        rate: Fraction,
        motions: IO[str] | None,
        *,
        encoder: Mapping[str, str] = _ENCODER,
    ) -> None:
        """Pictures of one size, about `rate` a second; `motions`: where they are told.

        `encoder`: options of libx264.
        """
        self.container = container
        self._motions = motions
        self._stream = container.add_stream("libx264", rate=rate, options=dict(encoder))
        self._stream.width, self._stream.height = size
        self._stream.pix_fmt = "yuv420p"
        context = self._stream.codec_context
        self._stream.time_base = context.time_base = _TIME_BASE
        context.color_primaries = context.color_trc = _BT709
        context.colorspace, context.color_range = _BT601, _NARROW

    def show(self, stamped: Stamped, ticks: int, motion: Motion | None = None) -> None:
        """Adds a picture that is seen at `ticks` (1/90 000 s), which only go up.

        `motion`: that it shows, where motions are told.
        """
        if self._motions is not None and motion is not None:
            self._motions.write(motion_line(motion))
        frame = to_frame(stamped)
        frame.pts, frame.time_base = ticks, _TIME_BASE
        self.container.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Writes what the encoder still holds."""
        self.container.mux(self._stream.encode(None))


@contextmanager
def film(target: Path, size: Size, rate: Fraction, motions: Path | None) -> Iterator[Film]:
    """A film that is written to `target`; neither it nor `motions` is left where it fails."""
    with ExitStack() as stack:
        log = None
        if motions is not None:
            part = stack.enter_context(complete_or_absent(motions))
            log = stack.enter_context(part.open("w", encoding="utf-8"))
        video = stack.enter_context(complete_or_absent(target))
        container = stack.enter_context(av.open(str(video), "w", format="mp4", options=_CONTAINER))
        yield Film(container, size, rate, log)


def motion_line(motion: Motion) -> str:
    """A motion as one line of JSON."""
    fields = {
        "pts_ns": motion.pts_ns,
        "space": str(motion.space),
        "pose": [round(float(value), 5) for value in motion.pose],
        "eyes": motion.eyes.astype(float).round(4).tolist(),
        "expression": motion.expression.astype(float).round(5).tolist(),
    }
    return json.dumps(fields, separators=(",", ":")) + "\n"
