"""A video file in, two-second stretches of its pictures out: all of a short one, parts of a long.

Of a long film stretches from all over it are looked at, the far ends first, so that whatever time
there is, is spread over the whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile
from math import ceil
from typing import BinaryIO

import av
from av.video.stream import VideoStream

from live.errors import TooLarge, Unprocessable
from live.offline.camera import upright
from live.verification.media import Medium
from live.verification.windows import WINDOW_S, Shot, Window, cut

MOST_PIXELS = 4096 * 2304
IN_ORDER_S = 20.0
"""Films up to this long are looked at from beginning to end."""
_PARTS = 30
"""Stretches that are looked at of a longer one: all there are in a minute."""
_MOST_SKIPPED = 300
"""Pictures between a key frame and the stretch that is wanted; beyond that it begins earlier."""
_MOST_FRAMES = 5000
"""That are decoded of a film from end to end."""
_LEAST_RATE = 500
"""Bytes a second; a duration that leaves less is not believed."""
_DECODERS = "h264,hevc,vp8,libvpx,vp9,libvpx-vp9,av1,libdav1d,mpeg4,mjpeg,prores,qtrle,png"
_ODD_END_S = 1.0
_EARLY_S = 0.01  # times are rounded
_MOST_ERRORS = 3
"""Errors of the decoder in a row after which a stretch is given up."""


class Film:
    """An opened film."""

    animated = True

    def __init__(self, file: BinaryIO, medium: Medium, size: int) -> None:
        """Reads the headers; `size` is the file's in bytes. Raises `TooLarge`, `Unprocessable`."""
        # By a stream instead of a name FFmpeg opens nothing but this; and the format is given, so
        # that no playlist is taken for a film.
        limits = {"codec_whitelist": _DECODERS, "max_pixels": str(MOST_PIXELS)}
        try:
            self._container = av.open(file, "r", format=medium.reader, options=limits)
        except (av.error.FFmpegError, ValueError, OverflowError) as error:
            raise _broken() from error
        self._stream = self._pictures()
        context = self._stream.codec_context
        self.width, self.height = context.width, context.height
        if self.width * self.height > MOST_PIXELS:
            raise TooLarge(
                f"the film claims {self.width}×{self.height} pixels; no more than 4096×2304"
                " are looked at"
            )
        context.options = limits
        context.thread_count = 1
        self._start_s = (self._container.start_time or 0) / av.time_base
        self.seconds = self._believed(size)
        self.damaged = False
        self.whole = True
        self._last_s = 0.0

    @property
    def parts(self) -> int | None:
        """How many stretches there are likely to be."""
        if self.seconds is None:
            return None
        if self.seconds <= IN_ORDER_S:
            return max(1, int(self.seconds // WINDOW_S))
        return min(_PARTS, ceil(self.seconds / WINDOW_S))

    def windows(self) -> Iterator[Window]:
        """The stretches, in the order in which they are best looked at."""
        if self.seconds is None or self.seconds <= IN_ORDER_S:
            yield from cut(self._until(self._shots(0), _PARTS * WINDOW_S), self.seconds)
            self.damaged = self.damaged or self._ends_early()
            return
        self.whole = self.seconds <= (_PARTS + 1) * WINDOW_S
        seen: set[float] = set()
        for part in _spread(self.parts or 1):
            shots = self._shots_from(part * (self.seconds - WINDOW_S))
            first = next(shots, None)
            if first is not None and first.at_s not in seen:
                seen.add(first.at_s)
                yield Window(_stretch(first, shots))

    def _pictures(self) -> VideoStream:
        """The stream of pictures; a cover picture is none."""
        for stream in self._container.streams.video:
            if not int(stream.disposition) & int(av.stream.Disposition.attached_pic):
                if stream.codec_context is None or not stream.codec_context.name:
                    break
                return stream
        if self._container.streams.video:
            raise Unprocessable("the film's pictures are of a kind that is not decoded here")
        what = "sound only" if self._container.streams.audio else "neither pictures nor sound"
        raise Unprocessable(f"the file holds {what}; a film has to have pictures")

    def _ends_early(self) -> bool:
        """Whether the pictures end long before the film is said to; sound may go on alone."""
        if self.seconds is None or not self.whole or self._container.streams.audio:
            return False
        return self.seconds - self._last_s > _ODD_END_S

    def _believed(self, size: int) -> float | None:
        claimed = (self._container.duration or 0) / av.time_base
        return claimed if 0 < claimed <= size / _LEAST_RATE else None

    def _until(self, shots: Iterator[Shot], end_s: float) -> Iterator[Shot]:
        """What comes before `end_s`, and notes whether there was more."""
        for shot in shots:
            if shot.at_s > end_s + WINDOW_S:
                self.whole = False
                return
            yield shot

    def _shots_from(self, at_s: float) -> Iterator[Shot]:
        """The pictures from there on; none where that cannot be found."""
        try:
            self._container.seek(round((at_s + self._start_s) * av.time_base))
        except (av.error.FFmpegError, OverflowError):
            self.damaged = True
            return iter(())
        return self._shots(at_s)

    def _shots(self, from_s: float) -> Iterator[Shot]:
        """The pictures from that time on, until there is no more or too much."""
        errors = count = 0
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
                frames = packet.decode()
            except (StopIteration, EOFError):
                return
            except av.error.FFmpegError:
                self.damaged = True
                errors += 1
                if errors > _MOST_ERRORS:
                    return
                continue
            for frame in frames:
                errors = 0
                count += 1
                if count > _MOST_FRAMES:
                    self.whole = False
                    return
                if frame.width * frame.height > MOST_PIXELS:
                    raise TooLarge("the film's pictures grow beyond 4096×2304 pixels")
                if frame.time is not None:
                    self._last_s = max(0.0, frame.time - self._start_s)
                if self._last_s < from_s - _EARLY_S and count < _MOST_SKIPPED:
                    continue
                rgb = upright(frame)
                self.height, self.width = rgb.shape[:2]
                yield Shot(rgb, self._last_s)


def _stretch(first: Shot, rest: Iterator[Shot]) -> Iterator[Shot]:
    yield first
    end_s, shape = first.at_s + WINDOW_S, first.rgb.shape
    yield from takewhile(lambda shot: shot.at_s < end_s and shot.rgb.shape == shape, rest)


def _spread(parts: int) -> list[float]:
    """0…1 in `parts` steps: the ends, the middle, the quarters and so on."""
    steps = [step / (parts - 1) for step in range(parts)]
    order: list[float] = []
    while steps:
        distance = [min((abs(one - done) for done in order), default=1 - one) for one in steps]
        order.append(steps.pop(distance.index(max(distance))))
    return order


def _broken() -> Unprocessable:
    return Unprocessable("this film cannot be opened: it is cut off, damaged or empty")
