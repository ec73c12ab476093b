"""Stamped pictures and Opus packets with their times in, one MP4 file out."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import OutputContainer

from live import opus
from live.clock import SECOND, VIDEO_RATE, VOICE_RATE, SessionClock, ticks_from_ns
from live.disclosure import Stamped, leaving
from live.offline.film import Film, Size

_ENCODER = {"preset": "veryfast", "crf": "20", "threads": "1"}
_USUAL_RATE = Fraction(30)
_SPARE = 100_000_000
"""Bytes that are left free on the disk, for others."""


class CallFilm:
    """A call's file that is being written; begins with the first picture."""

    def __init__(self, container: OutputContainer, part: Path, clock: SessionClock) -> None:
        """`part`: where `container` writes to; `clock`: of the voice's ticks."""
        self.pictures = 0
        self._container, self._part, self._clock = container, part, clock
        self._film: Film | None = None
        self._voice: Any = None
        self._start_ns = 0
        self._ticks = -1
        self._voice_ticks = -1

    @property
    def length_ns(self) -> int:
        """From the first picture to the last."""
        return max(self._ticks, 0) * SECOND // VIDEO_RATE

    def show(self, stamped: Stamped) -> None:
        """Adds a picture at its own time."""
        planes = leaving(stamped)
        pts_ns = planes.pts_ns
        if self._film is None:
            self._start_ns = pts_ns
            self._film = self._begun(planes.luma.shape[::-1])
        ticks = ticks_from_ns(pts_ns - self._start_ns, VIDEO_RATE)
        self._ticks = max(ticks, self._ticks + 1)
        self._film.show(stamped, self._ticks)
        self.pictures += 1

    def hear(self, data: bytes, ticks: int) -> None:
        """Adds a packet of the voice as it is; what was said before the first picture is not."""
        ticks -= self._clock.ticks(self._start_ns, VOICE_RATE)
        if self._film is None or ticks <= self._voice_ticks or not data:
            return
        self._voice_ticks = ticks
        packet: av.Packet[Any] = av.Packet(data)
        packet.stream, packet.time_base = self._voice, opus.TIME_BASE
        packet.pts = packet.dts = ticks
        packet.duration = opus.duration(data)
        self._container.mux(packet)

    def finish(self) -> None:
        """Writes what the encoder still holds."""
        if self._film is not None:
            self._film.finish()

    def has_room(self) -> bool:
        """Whether the disk takes more, and the copy that is made when the file is signed."""
        free = shutil.disk_usage(self._part.parent).free
        return free > self._part.stat().st_size + _SPARE

    def _begun(self, size: Size) -> Film:
        film = Film(self._container, size, _USUAL_RATE, None, encoder=_ENCODER)
        self._voice = self._container.add_stream("libopus", rate=VOICE_RATE, layout="mono")
        return film


@contextmanager
def call_film(part: Path, clock: SessionClock) -> Iterator[CallFilm]:
    """The film of a call that is written to `part`."""
    with av.open(str(part), "w", format="mp4") as container:
        film = CallFilm(container, part, clock)
        yield film
        film.finish()
