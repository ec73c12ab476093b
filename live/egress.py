"""Stamped pictures and voices in; the tracks that aiortc sends out, both on one clock.

The picture goes as soon as it is ready, and only the newest. The voice waits for as long as the
picture takes, less what a viewer will make it wait, so that lips and sound arrive together: the
peer's own as it came, or one that we make (`live.voice_line`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import av
from aiortc.mediastreams import VIDEO_TIME_BASE, MediaStreamError, MediaStreamTrack

from live import opus
from live.clock import MILLISECOND, SECOND, VIDEO_RATE, SessionClock, now_ns
from live.disclosure import Stamped, leaving
from live.frames import to_frame
from live.measures import Counts, Durations, Rate
from live.voice_line import VoiceLine, VoiceSource


class AvatarTrack(MediaStreamTrack):
    """The avatar's video."""

    kind = "video"

    def __init__(self, counts: Counts, clock: SessionClock) -> None:
        """Counts `out`, and under `dropped.unsent` what the network was too slow for."""
        super().__init__()
        self._clock = clock
        self.latency = Durations()
        """From a camera frame's first packet to the avatar's last."""
        self.delay = Durations()
        """From a picture's time to its leaving."""
        self.times = {stage: Durations() for stage in ("hand_over", "encode", "send")}
        """Of `live.stages`."""
        self.rate = Rate()
        self._counts = counts
        self._asyncio = asyncio.get_running_loop()
        self._ready = asyncio.Event()
        self._next: tuple[av.VideoFrame, int, int, int] | None = None
        self._sending: tuple[int, int] | None = None
        self._taken_ns = 0
        self._encoded_ns: int | None = None
        self._last_ticks: int | None = None

    def show(self, stamped: Stamped) -> None:
        """Takes the next picture; called on the worker's thread."""
        stamped_ns = now_ns()
        picture = leaving(stamped)
        ready = (to_frame(stamped), picture.pts_ns, picture.captured_ns, stamped_ns)
        with suppress(RuntimeError):  # the loop may have gone, and the peer with it
            self._asyncio.call_soon_threadsafe(self._put, ready)

    async def recv(self) -> av.VideoFrame:
        """The next frame to send; asked for again as soon as this one has been sent."""
        self._note_sent()
        await self._ready.wait()
        if self.readyState != "live" or self._next is None:
            raise MediaStreamError
        (frame, pts_ns, captured_ns, stamped_ns), self._next = self._next, None
        self._sending = pts_ns, captured_ns
        self._taken_ns = now_ns()
        self.times["hand_over"].add(self._taken_ns - stamped_ns)
        self._ready.clear()
        frame.pts = self._ticks(pts_ns)
        frame.time_base = VIDEO_TIME_BASE
        return frame

    def note_encoded(self) -> None:
        """The frame that `recv` gave last has been encoded."""
        self._encoded_ns = now_ns()
        self.times["encode"].add(self._encoded_ns - self._taken_ns)

    def ticks_at(self, ns: int) -> int:
        """The RTP tick that stands for a moment."""
        return self._clock.ticks(ns, VIDEO_RATE)

    def ntp_at(self, ns: int) -> int:
        """The moment as an NTP timestamp."""
        return self._clock.ntp(ns)

    def stop(self) -> None:
        """Ends the track; whoever waits for a frame is told so."""
        super().stop()
        self._next = None
        self._ready.set()

    def _put(self, ready: tuple[av.VideoFrame, int, int, int]) -> None:
        if self.readyState != "live":
            return
        if self._next is not None:
            self._counts.add("dropped.unsent")
        self._next = ready
        self._ready.set()

    def _note_sent(self) -> None:
        if self._sending is not None:
            now = now_ns()
            pts_ns, captured_ns = self._sending
            self.latency.add(now - captured_ns)
            self.delay.add(now - pts_ns)
            self.rate.add(now)
            self._counts.add("out")
            self._sending = None
            if self._encoded_ns is not None:
                self.times["send"].add(now - self._encoded_ns)
                self._encoded_ns = None

    def _ticks(self, pts_ns: int) -> int:
        """RTP ticks that only go up, also where the camera's own times went back."""
        ticks = self._clock.ticks(pts_ns, VIDEO_RATE)
        if self._last_ticks is not None:
            ticks = max(ticks, self._last_ticks + 1)
        self._last_ticks = ticks
        return ticks


_HEAD_START_NS = 60 * MILLISECOND
"""By how much sound leaves before its picture: that much longer, or more, it takes to be heard.

A viewer keeps 40 ms of sound and more, its sound card 10 to 30, and pictures are shown at once."""


class VoiceTrack(MediaStreamTrack):
    """The sound that goes with the avatar, in Opus packets.

    A gap in the peer's voice (packets lost on the way here, a peer that is silent) is passed on as
    a gap, which the listener's concealment fills better than silence from us would. Without a
    `source`, none is sent while no sound comes.
    """

    kind = "audio"

    def __init__(
        self,
        picture_delay_ns: Callable[[], int],
        counts: Counts,
        *,
        clock: SessionClock,
        source: VoiceSource | None = None,
    ) -> None:
        """`picture_delay_ns`: what lies between a picture's time and its leaving.

        `source`: a voice of ours, which is heard in place of the peer's while it says something.
        """
        super().__init__()
        self.latency = Durations()
        """From a piece's packet to ours."""
        self.min_delay_ns = 0
        """What has to lie between the voice's time and its leaving in any case, as where it is
        changed on its way."""
        self.audible = True
        """Whether anything is sent; a source is asked in any case."""
        self.on_sent: Callable[[bytes, int], None] = lambda data, ticks: None
        """Told of every packet that leaves, with its ticks."""
        self.begins_spurt = False
        """Whether the piece that `recv` gave last begins a talk spurt."""
        self._clock = clock
        self._line = VoiceLine(
            clock, lambda: max(picture_delay_ns() - _HEAD_START_NS, self.min_delay_ns), counts
        )
        self._line.source = source
        self._arrived = asyncio.Event()
        self._sending_ns: int | None = None

    def put(self, piece: opus.Piece) -> None:
        """Takes a piece of the peer's voice, on the event loop."""
        if self.readyState == "live":
            self._line.put(piece)
            self._arrived.set()

    async def recv(self) -> av.Packet[Any]:
        """The next piece of sound, when its time has come."""
        if self._sending_ns is not None:
            self.latency.add(now_ns() - self._sending_ns)
            self._sending_ns = None
        while self.readyState == "live":
            self._arrived.clear()
            sent = self._line.turn(now_ns())
            if sent is None:
                await self._wait(self._line.wake_ns(now_ns()))
                continue
            if not self.audible:
                continue
            self._sending_ns, self.begins_spurt = sent.captured_ns, sent.begins
            self.on_sent(sent.data, sent.ticks)
            packet = av.Packet(sent.data)
            packet.pts, packet.time_base = sent.ticks, opus.TIME_BASE
            return packet
        raise MediaStreamError

    def ticks_at(self, ns: int) -> int:
        """The RTP tick that stands for a moment."""
        return self._line.ticks_at(ns)

    def ntp_at(self, ns: int) -> int:
        """The moment as an NTP timestamp."""
        return self._clock.ntp(ns)

    def stop(self) -> None:
        """Ends the track; whoever waits for sound is told so."""
        super().stop()
        self._line.clear()
        self._arrived.set()

    async def _wait(self, until_ns: int | None) -> None:
        """Until then, or until something comes."""
        if until_ns is None:
            await self._arrived.wait()
            return
        loop = asyncio.get_running_loop()
        alarm = loop.call_later((until_ns - now_ns()) / SECOND, self._arrived.set)
        try:
            await self._arrived.wait()
        finally:
            alarm.cancel()
