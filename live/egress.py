"""Stamped pictures and the peer's voice in; the tracks that aiortc sends out.

The picture goes as soon as it is ready, and only the newest. The voice passes through untouched and
waits for as long as the picture takes, so that lips and sound leave together.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from typing import Any

import av
import cv2
import numpy as np
from aiortc.mediastreams import VIDEO_TIME_BASE, MediaStreamError, MediaStreamTrack

from live.clock import MILLISECOND, SECOND, VIDEO_RATE, VOICE_RATE, now_ns, ticks_from_ns
from live.disclosure import Stamped
from live.measures import Counts, Durations, Rate

_LONGEST_DELAY_NS = 400 * MILLISECOND
_DELAY_STEP_NS = 2 * MILLISECOND
"""By how much the voice's delay changes from one piece of 20 ms to the next: no click, no hurry."""
_LATEST_NS = 150 * MILLISECOND
"""By how much sound may be late before it is dropped: it would stay late for good otherwise."""
_MOST_SOUND = 50
"""Pieces of sound kept: a second."""
_VOICE_TIME_BASE = Fraction(1, VOICE_RATE)


def to_frame(stamped: Stamped) -> av.VideoFrame:
    """What the encoder takes: I420, BT.601 in the narrow range; on the worker's thread."""
    rgb = stamped.picture.rgb
    even = np.ascontiguousarray(rgb[: rgb.shape[0] & ~1, : rgb.shape[1] & ~1])
    planes = cv2.cvtColor(even, cv2.COLOR_RGB2YUV_I420)
    return av.VideoFrame.from_ndarray(np.asarray(planes, np.uint8), format="yuv420p")


class AvatarTrack(MediaStreamTrack):
    """The avatar's video."""

    kind = "video"

    def __init__(self, counts: Counts) -> None:
        """Counts `out`, and under `dropped.unsent` what the network was too slow for."""
        super().__init__()
        self.latency = Durations()
        """From a camera frame's first packet to the avatar's last."""
        self.rate = Rate()
        self._counts = counts
        self._asyncio = asyncio.get_running_loop()
        self._ready = asyncio.Event()
        self._next: tuple[av.VideoFrame, int, int] | None = None
        self._sending_ns: int | None = None
        self._origin_ns: int | None = None
        self._last_ticks = -1

    def show(self, stamped: Stamped) -> None:
        """Takes the next picture; called on the worker's thread, where it is converted."""
        picture = stamped.picture
        ready = (to_frame(stamped), picture.pts_ns, picture.captured_ns)
        with suppress(RuntimeError):  # the loop may have gone, and the peer with it
            self._asyncio.call_soon_threadsafe(self._put, ready)

    async def recv(self) -> av.VideoFrame:
        """The next frame to send; asked for again as soon as this one has been sent."""
        self._note_sent()
        await self._ready.wait()
        if self.readyState != "live" or self._next is None:
            raise MediaStreamError
        (frame, pts_ns, self._sending_ns), self._next = self._next, None
        self._ready.clear()
        frame.pts = self._ticks(pts_ns)
        frame.time_base = VIDEO_TIME_BASE
        return frame

    def stop(self) -> None:
        """Ends the track; whoever waits for a frame is told so."""
        super().stop()
        self._next = None
        self._ready.set()

    def _put(self, ready: tuple[av.VideoFrame, int, int]) -> None:
        if self.readyState != "live":
            return
        if self._next is not None:
            self._counts.add("dropped.unsent")
        self._next = ready
        self._ready.set()

    def _note_sent(self) -> None:
        if self._sending_ns is not None:
            now = now_ns()
            self.latency.add(now - self._sending_ns)
            self.rate.add(now)
            self._counts.add("out")
            self._sending_ns = None

    def _ticks(self, pts_ns: int) -> int:
        """RTP ticks that only go up, also where the camera's own times went back."""
        if self._origin_ns is None:
            self._origin_ns = pts_ns
        ticks = ticks_from_ns(pts_ns - self._origin_ns, VIDEO_RATE)
        self._last_ticks = max(ticks, self._last_ticks + 1)
        return self._last_ticks


class VoiceTrack(MediaStreamTrack):
    """The peer's own voice on its way back; the outlet of the remote audio track.

    What came is what goes: the Opus packets themselves, neither decoded nor encoded, so that the
    voice loses nothing and costs nothing. They keep the RTP times they came with: a gap stays a
    gap, which the listener's concealment fills better than silence from us would, and while no
    sound comes none is sent.
    """

    kind = "audio"

    def __init__(self, picture_delay_ns: Callable[[], int], counts: Counts) -> None:
        """`picture_delay_ns`: what a picture takes from the camera's packet to ours.

        Counts under `dropped.late_sound` the pieces that came up too late to be heard in time.
        """
        super().__init__()
        self.latency = Durations()
        """From a piece's packet to ours."""
        self._picture_delay_ns = picture_delay_ns
        self._counts = counts
        self._delay_ns = 0
        self._ready = asyncio.Event()
        self._pieces: deque[tuple[av.Packet[Any], int]] = deque()
        self._sending_ns: int | None = None

    def deliver_encoded(self, data: bytes, ticks: int, captured_ns: int) -> None:
        """Takes a piece of sound, on the event loop."""
        if self.readyState != "live":
            return
        packet = av.Packet(data)
        packet.pts, packet.time_base = ticks, _VOICE_TIME_BASE
        self._pieces.append((packet, captured_ns))
        if len(self._pieces) > _MOST_SOUND:
            self._drop()
        self._ready.set()

    async def recv(self) -> av.Packet[Any]:
        """The next piece of sound, when its time has come."""
        if self._sending_ns is not None:
            self.latency.add(now_ns() - self._sending_ns)
            self._sending_ns = None
        while not self._pieces:
            if self.readyState != "live":
                raise MediaStreamError
            self._ready.clear()
            await self._ready.wait()
        self._delay_ns = next_delay(self._delay_ns, self._picture_delay_ns())
        while len(self._pieces) > 1 and self._wait_ns() < -_LATEST_NS:
            self._drop()
        wait_ns = self._wait_ns()
        packet, captured_ns = self._pieces.popleft()
        if wait_ns > 0:
            await asyncio.sleep(wait_ns / SECOND)
        self._sending_ns = captured_ns
        return packet

    def stop(self) -> None:
        """Ends the track; whoever waits for sound is told so."""
        super().stop()
        self._pieces.clear()
        self._ready.set()

    def _wait_ns(self) -> int:
        return self._pieces[0][1] + self._delay_ns - now_ns()

    def _drop(self) -> None:
        self._pieces.popleft()
        self._counts.add("dropped.late_sound")


def next_delay(present_ns: int, wanted_ns: int) -> int:
    """The voice's delay, one step nearer to what is wanted and never beyond its bound."""
    wanted_ns = min(max(wanted_ns, 0), _LONGEST_DELAY_NS)
    step = min(max(wanted_ns - present_ns, -_DELAY_STEP_NS), _DELAY_STEP_NS)
    return present_ns + step
