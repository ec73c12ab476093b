"""The peer's media in, on one clock; the newest camera picture out, when the worker asks for it.

The microphone's sound goes to whoever takes it.

Between the wire and the work is a mailbox of one: a newer frame takes the place of an older one,
so delay cannot pile up, and what was lost is counted. Pictures come straight from the decoder's
thread, sound undecoded on the event loop. Rotation needs no care: the extension that would let a
phone send its pictures lying (urn:3gpp:video-orientation) is not in our answer, so they come
upright.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

import av

from engines.types import Picture
from live.clock import now_ns
from live.decoded import decoded
from live.measures import Counts, Durations, Rate
from live.opus import Piece, behind_ns
from live.peer_clock import PeerClock

_MOST_PIXELS = 4096 * 2304
"""Of one picture; no camera of a call has more, and a few bytes of video can claim a gigabyte."""

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Holds one thing, the newest; any thread puts, one takes."""

    def __init__(self) -> None:
        """Empty and open."""
        self._condition = threading.Condition()
        self._held: T | None = None
        self.closed = False

    def put(self, thing: T) -> bool:
        """Puts something in; says whether it took the place of something that nobody took."""
        with self._condition:
            replaced, self._held = self._held is not None, thing
            self._condition.notify()
            return replaced

    def take(self, timeout_s: float) -> T | None:
        """Waits for something; `None` when nothing came in time, or the mailbox is closed."""
        with self._condition:
            self._condition.wait_for(lambda: self.closed or self._held is not None, timeout_s)
            if self.closed:
                return None
            taken, self._held = self._held, None
            return taken

    def close(self) -> None:
        """Wakes whoever waits; what is inside is dropped."""
        with self._condition:
            self.closed = True
            self._held = None
            self._condition.notify_all()


@dataclass(frozen=True, slots=True)
class CameraFrame:
    """A decoded frame that nobody has converted yet."""

    frame: av.VideoFrame
    pts_ns: int
    captured_ns: int
    decoded_ns: int = field(default_factory=now_ns)

    def picture(self) -> Picture:
        """The frame to look at, on the worker's thread."""
        return decoded(self.frame).at(self.pts_ns, self.captured_ns)


class Camera:
    """The remote video track's outlet."""

    def __init__(self, counts: Counts, clock: PeerClock) -> None:
        """Counts `in`, and what is lost under `dropped.superseded` and `dropped.too_large`."""
        self.frames: Mailbox[CameraFrame] = Mailbox()
        self.rate = Rate()
        self.times = {"receive": Durations(), "decode": Durations()}
        """Of `live.stages`."""
        self._whole_ns: int | None = None
        self._counts = counts
        self._clock = clock

    def deliver(self, frame: av.VideoFrame | av.AudioFrame, captured_ns: int) -> None:
        """Takes a frame from the decoder's thread."""
        assert isinstance(frame, av.VideoFrame)
        captured_ns = captured_ns or now_ns()
        pts_ns = self._clock.picture_at(frame.pts or 0, captured_ns)
        self._counts.add("in")
        self.rate.add(captured_ns)
        if frame.width * frame.height > _MOST_PIXELS:
            self._counts.add("dropped.too_large")
            return
        whole = CameraFrame(frame, pts_ns, captured_ns)
        if self._whole_ns is not None:
            self.times["receive"].add(self._whole_ns - captured_ns)
            self.times["decode"].add(whole.decoded_ns - self._whole_ns)
        if self.frames.put(whole):
            self._counts.add("dropped.superseded")

    def deliver_arrival(self, whole_ns: int) -> None:
        """Takes when the last packet of the next frame arrived."""
        self._whole_ns = whole_ns

    def deliver_report(self, ticks: int, ntp: int) -> None:
        """Takes a sender report."""
        self._clock.picture_reported(ticks, ntp)

    def end(self) -> None:
        """The track has ended; the call itself ends by its connection."""


class SoundTaker(Protocol):
    """Somebody who needs the peer's voice; called on the event loop, must not block."""

    def put(self, piece: Piece) -> None:
        """Takes the next piece."""


class Microphone:
    """The remote audio track's outlet."""

    def __init__(self, clock: PeerClock, takers: Sequence[SoundTaker]) -> None:
        """Every piece goes to each of `takers`."""
        self._clock = clock
        self._takers = tuple(takers)

    def deliver_encoded(self, data: bytes, ticks: int, captured_ns: int) -> None:
        """Takes a piece of sound."""
        pts_ns = self._clock.sound_at(ticks, captured_ns, behind_ns(data))
        piece = Piece(data, ticks, pts_ns, captured_ns)
        for taker in self._takers:
            taker.put(piece)

    def deliver_report(self, ticks: int, ntp: int) -> None:
        """Takes a sender report."""
        self._clock.sound_reported(ticks, ntp)
