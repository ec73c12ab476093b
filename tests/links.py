"""A sender and a receiver of aiortc's with a link of known faults between, on a clock of its own.

Nothing waits: time passes when all tasks sleep, so ten seconds of a call take a fraction of one,
and the same seed gives the same call.
"""

from __future__ import annotations

import asyncio
import random
import selectors
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import av
import pytest
from aiortc import clock, rtcrtpsender
from aiortc.codecs import CODECS, HEADER_EXTENSIONS, depayload
from aiortc.mediastreams import VIDEO_TIME_BASE, MediaStreamTrack
from aiortc.rtcrtpparameters import (
    RTCRtcpParameters,
    RTCRtpDecodingParameters,
    RTCRtpReceiveParameters,
    RTCRtpRtxParameters,
    RTCRtpSendParameters,
)
from aiortc.rtcrtpreceiver import RemoteStreamTrack, RTCRtpReceiver
from aiortc.rtp import HeaderExtensionsMap, RtcpPacket, RtpPacket, is_rtcp

from live import rtc
from live.clock import MILLISECOND, SECOND
from live.rtc import gate, jitter, lost, outgoing, sender
from live.rtc.access import private
from live.rtc.keyframes import begins_keyframe

VP8, RTX = CODECS["video"][:2]
_NTP_TICKS = 1 << 32
_PACKET = 1200
_FPS = 30


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop that does not wait for its timers, but goes to when they are due."""

    def __init__(self) -> None:
        super().__init__(_NoWaiting(self))
        self.now_s = 1000.0

    def time(self) -> float:
        return self.now_s


class _NoWaiting(selectors.SelectSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        events = super().select(0 if timeout is None or timeout >= 0 else timeout)
        if not events and timeout:
            self._loop.now_s += timeout
        return events


@dataclass
class Faults:
    """Of one direction; times in seconds."""

    delay: float = 0.02
    loss: float = 0.0
    burst: int = 1
    jitter: float = 0.0
    overtaking: bool = False
    duplicates: float = 0.0
    outages: tuple[tuple[float, float], ...] = ()
    rate: float = 0.0
    """Bits a second; 0: no limit."""
    queue: float = 0.3
    """Of the limited rate."""


@dataclass
class Seen:
    """What arrived of a call."""

    frames: dict[int, float] = field(default_factory=dict)
    """When each frame was handed on, in seconds from the beginning, by its number."""
    keyframes: list[int] = field(default_factory=list)
    sent: dict[int, float] = field(default_factory=dict)
    packets: int = 0
    """That were sent, retransmissions among them."""
    rtcp: int = 0
    """Datagrams of reports and requests that came back."""

    @property
    def ages_ms(self) -> list[float]:
        """Rising."""
        return sorted(1000 * (at - self.sent[number]) for number, at in self.frames.items())

    def age_ms(self, share: float) -> float:
        return self.ages_ms[int(share * (len(self.ages_ms) - 1))]

    @property
    def longest_gap_ms(self) -> float:
        return max(1000 * (b - a) for a, b in pairwise(sorted(self.frames.values())))

    def back_after_ms(self, moment_s: float) -> float:
        """From a moment until the first picture that was sent after it."""
        return 1000 * min(
            at - moment_s for number, at in self.frames.items() if self.sent[number] > moment_s
        )


def _now_ns() -> int:
    return round(asyncio.get_running_loop().time() * SECOND)


def as_browsers_send(patch: pytest.MonkeyPatch) -> None:
    """The sender does as Chromium's camera: nothing twice unasked, a packet again only when a round
    trip, as it believes, has passed, and a keyframe every 300 ms at most."""
    sending = outgoing.Outgoing

    def keyframe_wanted(self: outgoing.Outgoing) -> None:
        if _now_ns() - self._keyframe_ns >= 300 * MILLISECOND:
            self._of._send_keyframe()

    def note_frame(self: outgoing.Outgoing, codec: Any, first: bytes) -> None:
        if begins_keyframe(codec.name, first, depayload(codec, first)):
            self._keyframe_ns = _now_ns()

    def is_on_its_way(self: Any, round_trip_ns: int, now: int, *, congested: bool) -> bool:
        return bool(self.answers and now - self.answered_ns < 60 * MILLISECOND)

    patch.setattr(sending, "_sends_twice", lambda self, now: False)
    patch.setattr(sending, "keyframe_wanted", keyframe_wanted)
    patch.setattr(sending, "_note_frame", note_frame)
    patch.setattr(outgoing._Sent, "is_on_its_way", is_on_its_way)


def as_browsers_receive(patch: pytest.MonkeyPatch) -> None:
    """The receiver does as Chromium's viewer: it asks once in a round trip and a bit, looks for the
    end of no frame, and asks for a keyframe when nothing else helps."""
    patch.setattr(lost.LostPackets, "_pause_ns", lambda self, asked: 55 * MILLISECOND)
    patch.setattr(lost.LostPackets, "_watch_tail", lambda self, packet, now: None)
    patch.setattr(gate, "_LEAST_PATIENCE_NS", 400 * MILLISECOND)


def call(
    adaptations: Iterable[str] = rtc.ADAPTATIONS,
    *,
    down: Faults | None = None,
    up: Faults | None = None,
    seconds: float = 10.0,
    seed: int = 1,
    packets: int = 3,
    peer: Callable[[pytest.MonkeyPatch], None] = lambda patch: None,
    first: int | None = None,
) -> Seen:
    """A call of so many packets a picture; `up` is the way of reports and requests.

    The first packet has the number `first`, or any.
    `peer` makes one of the two ends do as others do: `as_browsers_send`, `as_browsers_receive`.
    """
    loop = VirtualLoop()
    with pytest.MonkeyPatch.context() as patch, rtc.adapted(adaptations):
        peer(patch)
        if first is not None:
            patch.setattr(outgoing, "random_sequence_number", lambda: first)
        for module in (gate, jitter, lost, outgoing, sender):
            patch.setattr(module, "now_ns", lambda: round(loop.now_s * SECOND))
        patch.setattr(time, "time", lambda: loop.now_s)
        patch.setattr(clock, "current_ntp_time", lambda: round(loop.now_s * _NTP_TICKS))
        patch.setattr(random, "random", random.Random(seed).random)
        try:
            asyncio.set_event_loop(loop)
            made = _call(down or Faults(), up or Faults(), seconds, seed, packets)
            return loop.run_until_complete(made)
        finally:
            asyncio.set_event_loop(None)
            loop.close()


async def _call(down: Faults, up: Faults, seconds: float, seed: int, packets: int) -> Seen:
    loop, seen = asyncio.get_running_loop(), Seen()
    start = loop.time()
    sending_end, receiving_end = _End(), _End()
    track = _Camera(seen, start, packets)
    sending = rtcrtpsender.RTCRtpSender(track, sending_end)  # type: ignore[arg-type]
    track.sender = sending
    receiving = RTCRtpReceiver("video", receiving_end)  # type: ignore[arg-type]
    receiving._track = RemoteStreamTrack("video")
    rtc.redirect(receiving._track, _Screen(seen, start))
    receiving._set_rtcp_ssrc(1)
    extensions = HeaderExtensionsMap()

    async def to_receiver(data: bytes) -> None:
        if is_rtcp(data):
            for report in RtcpPacket.parse(data):
                await receiving._handle_rtcp_packet(report)
            return
        packet = RtpPacket.parse(data, extensions)
        await receiving._handle_rtp_packet(packet, arrival_time_ms=round(loop.time() * 1000))

    async def to_sender(data: bytes) -> None:
        seen.rtcp += 1
        for packet in RtcpPacket.parse(data):
            await sending._handle_rtcp_packet(packet)

    sending_end.wire = _Wire(down, seed, to_receiver)
    receiving_end.wire = _Wire(up, seed + 1000, to_sender)
    sent = RTCRtpSendParameters(
        codecs=[VP8, RTX],
        headerExtensions=HEADER_EXTENSIONS["video"],
        rtcp=RTCRtcpParameters(cname="c", mux=True, ssrc=sending._ssrc),
    )
    extensions.configure(sent)
    encoding = RTCRtpDecodingParameters(
        ssrc=sending._ssrc,
        payloadType=VP8.payloadType or 0,
        rtx=RTCRtpRtxParameters(ssrc=sending._rtx_ssrc),
    )
    await receiving.receive(RTCRtpReceiveParameters(codecs=[VP8, RTX], encodings=[encoding]))
    await sending.send(sent)
    await asyncio.sleep(seconds)
    seen.packets = sending_end.wire.packets
    await sending.stop()
    await receiving.stop()
    await asyncio.sleep(1)
    for wire in (sending_end.wire, receiving_end.wire):
        assert not wire.failed, wire.failed[0]
    return seen


class _Camera(MediaStreamTrack):
    """Pictures that nobody has to encode: a keyframe is large, and all are numbered."""

    kind = "video"

    def __init__(self, seen: Seen, start: float, packets: int) -> None:
        super().__init__()
        self.sender: Any = None
        self._seen, self._start, self._packets = seen, start, packets
        self._number = 0

    async def recv(self) -> av.Packet[Any]:
        loop = asyncio.get_running_loop()
        due = self._start + self._number / _FPS
        await asyncio.sleep(max(due - loop.time(), 0))
        key = self._number == 0 or private(self.sender, "force_keyframe")
        self.sender._RTCRtpSender__force_keyframe = False
        size = _PACKET * (20 if key else self._packets)
        head = bytes([0 if key else 1]) + self._number.to_bytes(4, "big")
        packet = av.Packet(head + bytes(size - len(head)))
        packet.pts, packet.time_base = self._number * 90_000 // _FPS, VIDEO_TIME_BASE
        self._seen.sent[self._number] = loop.time() - self._start
        self._number += 1
        return packet


class _Screen:
    """Takes frames; what cannot be decoded must not come, and nothing twice."""

    def __init__(self, seen: Seen, start: float) -> None:
        self._seen, self._start = seen, start
        self._last: int | None = None

    def deliver_encoded(self, data: bytes, ticks: int, captured_ns: int) -> None:
        number = int.from_bytes(data[1:5], "big")
        key = not data[0] & 1
        assert key or self._last == number - 1, "a frame came without the one before it"
        assert self._last is None or number > self._last
        self._last = number
        self._seen.frames[number] = asyncio.get_running_loop().time() - self._start
        if key:
            self._seen.keyframes.append(number)


class _End:
    """Stands where a sender or a receiver has its DTLS transport."""

    state = "connected"
    _stats_id = "transport"
    wire: _Wire

    async def _send_rtp(self, data: bytes) -> None:
        self.wire.take(data)

    def __getattr__(self, name: str) -> Any:
        if name.startswith(("_register", "_unregister")):
            return lambda *arguments: None
        raise AttributeError(name)


class _Wire:
    """One direction."""

    def __init__(self, faults: Faults, seed: int, arrive: Callable[[bytes], Any]) -> None:
        self.packets = 0
        self._faults, self._arrive = faults, arrive
        self._random = random.Random(seed)
        self._start = asyncio.get_running_loop().time()
        self._losing = 0
        self._last = self._busy = 0.0
        self.failed: list[BaseException] = []
        self._arriving: set[asyncio.Task[None]] = set()

    def take(self, data: bytes) -> None:
        self.packets += 1
        loop, faults = asyncio.get_running_loop(), self._faults
        now = loop.time()
        if any(a <= now - self._start < b for a, b in faults.outages) or self._loses():
            return
        at = now
        if faults.rate:
            begins = max(self._busy, now)
            if begins - now > faults.queue:
                return
            self._busy = at = begins + len(data) * 8 / faults.rate
        at += faults.delay + self._random.random() * faults.jitter
        if not faults.overtaking:
            at = self._last = max(at, self._last + 1e-6)
        for _ in range(2 if self._random.random() < faults.duplicates else 1):
            loop.call_at(at, self._deliver, data)

    def _deliver(self, data: bytes) -> None:
        task = asyncio.ensure_future(self._arrive(data))
        self._arriving.add(task)
        task.add_done_callback(self._arrived)

    def _arrived(self, task: asyncio.Task[None]) -> None:
        self._arriving.discard(task)
        if (error := task.exception()) is not None:  # it would have ended the connection
            self.failed.append(error)

    def _loses(self) -> bool:
        if self._losing:
            self._losing -= 1
            return True
        if self._random.random() < self._faults.loss / self._faults.burst:
            self._losing = self._faults.burst - 1
            return True
        return False
