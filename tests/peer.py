"""A real WebRTC client made of aiortc: sends pictures that carry the time, and a voice.

Used by tests and benchmarks alike; with `live.rtc.adapt` in force it adds no delay of its own.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av
import numpy as np
from aiortc import (
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from aiortc.rtcconfiguration import RTCBundlePolicy
from numpy.typing import NDArray

_CODE_BITS = 28
_BLOCK = 16
"""Pixels of a bit's side; two rows of sixteen bits stand in the picture's top left corner."""

Luma = NDArray[np.uint8]


def now_code() -> int:
    """The time of day in 0.1 ms, as far as it fits into a picture's code."""
    return (time.time_ns() // 100_000) % (1 << _CODE_BITS)


def age_ms(code: int) -> float:
    """How long ago this code was the time."""
    return ((now_code() - code) % (1 << _CODE_BITS)) / 10


def write_code(luma: Luma, code: int) -> None:
    """Draws a code, with its checksum, into the plane's top left 256 × 32 pixels."""
    bits = (code << 4) | _checksum(code)
    for i in range(32):
        y, x = (i // 16) * _BLOCK, (i % 16) * _BLOCK
        luma[y : y + _BLOCK, x : x + _BLOCK] = 235 if bits >> (31 - i) & 1 else 16


def read_code(luma: Luma) -> int | None:
    """The code in a picture; `None` where it does not agree with its checksum."""
    bits = 0
    for i in range(32):
        y, x = (i // 16) * _BLOCK + _BLOCK // 2, (i % 16) * _BLOCK + _BLOCK // 2
        bits = bits << 1 | int(luma[y, x] > 125)
    code = bits >> 4
    return code if bits & 15 == _checksum(code) else None


def _checksum(code: int) -> int:
    check = 9
    for i in range(0, _CODE_BITS, 4):
        check ^= code >> i & 15
    return check


class CodedCamera(MediaStreamTrack):
    """A camera whose pictures carry the time at which they were made, before a moving texture."""

    kind = "video"

    def __init__(self, sizes: Iterator[tuple[int, int]], fps: float = 30) -> None:
        """`sizes`: (width, height) of one picture after another."""
        super().__init__()
        self._sizes = sizes
        self._fps = fps
        self._count = 0
        self._start: float | None = None
        rng = np.random.default_rng(1)
        small = rng.integers(60, 200, (240, 248), dtype=np.uint8)
        self._texture = np.kron(small, np.ones((8, 8), np.uint8))
        self.black = False

    async def recv(self) -> av.VideoFrame:
        """The next picture, when it is due."""
        if self.readyState != "live":
            raise MediaStreamError
        now = time.monotonic()
        if self._start is None:
            self._start = now
        await asyncio.sleep(max(0.0, self._start + self._count / self._fps - now))
        self._count += 1
        width, height = next(self._sizes)
        planes = np.full((height * 3 // 2, width), 128, np.uint8)
        luma = planes[:height]
        shift = self._count * 2 % 64
        luma[:, :] = 16 if self.black else self._texture[:height, shift : shift + width]
        if not self.black and width >= 256:
            write_code(luma, now_code())
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts = round((time.monotonic() - self._start) * 90_000)
        frame.time_base = Fraction(1, 90_000)
        return frame


class Voice(MediaStreamTrack):
    """A voice: 20 ms pieces of a tone, at 48 kHz; silent while `muted`, absent while `paused`."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._count = 0
        self._start: float | None = None
        self.paused = False

    async def recv(self) -> av.AudioFrame:
        """The next 20 ms, when they are due."""
        while True:
            if self.readyState != "live":
                raise MediaStreamError
            now = time.monotonic()
            if self._start is None:
                self._start = now
            await asyncio.sleep(max(0.0, self._start + self._count * 0.02 - now))
            self._count += 1
            if not self.paused:
                break
        ticks = np.arange(960) + (self._count - 1) * 960
        tone = (8000 * np.sin(ticks * (2 * np.pi * 440 / 48000))).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(tone[None], format="s16", layout="mono")
        frame.sample_rate = 48_000
        frame.pts = int(ticks[0])
        frame.time_base = Fraction(1, 48_000)
        return frame


def constant(width: int, height: int) -> Iterator[tuple[int, int]]:
    """Always this size."""
    while True:
        yield width, height


@dataclass
class Seen:
    """One received picture."""

    at: float
    """`time.monotonic()`."""
    age_ms: float | None
    """By the code in it, where there is one."""
    width: int
    height: int
    pts: int


@dataclass
class Heard:
    """One received piece of sound."""

    at: float
    pts: int
    rms: float


@dataclass
class Peer:
    """A client in a call; the lists keep the newest few thousand of what came."""

    codec: str | None = None
    """`H264` or `VP8` only; `None`: as aiortc offers them, VP8 first."""
    voice: bool = True
    listens: bool = False
    """Takes sound though it has no voice."""
    channel: bool = True
    camera: MediaStreamTrack | None = field(default_factory=lambda: CodedCamera(constant(512, 512)))
    keep_last: bool = False
    """Keeps the newest picture itself in `last`."""
    seen: deque[Seen] = field(default_factory=lambda: deque(maxlen=4000))
    heard: deque[Heard] = field(default_factory=lambda: deque(maxlen=4000))
    messages: list[dict[str, Any]] = field(default_factory=list)
    last: NDArray[np.uint8] | None = None

    def __post_init__(self) -> None:
        self.connection = RTCPeerConnection(
            RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        )
        self.connected = asyncio.Event()
        self.data: RTCDataChannel | None = None
        self.microphone = Voice() if self.voice else None
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.connection.on("track", self._on_track)
        self.connection.on("connectionstatechange", self._on_state)

    async def offer(self) -> str:
        """Our offer, with all candidates."""
        video = self.connection.addTransceiver(
            self.camera or "video", "sendrecv" if self.camera else "recvonly"
        )
        if self.codec is not None:
            known = RTCRtpSender.getCapabilities("video").codecs
            names = (self.codec.lower(), "rtx")
            video.setCodecPreferences([c for c in known if c.name.lower() in names])
        if self.microphone is not None:
            self.connection.addTrack(self.microphone)
        elif self.listens:
            self.connection.addTransceiver("audio", "recvonly")
        if self.channel:
            self.data = self.connection.createDataChannel("visavis.v1")
            self.data.on("message", self._on_message)
        await self.connection.setLocalDescription(await self.connection.createOffer())
        return str(self.connection.localDescription.sdp)

    async def accept(self, answer: str) -> None:
        """Takes the answer; the media begin to flow."""
        await self.connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    async def call(self, answer: Callable[[str], Awaitable[str]]) -> str:
        """Offers, lets `answer` answer, and waits until connected; gives the answer."""
        text = await answer(await self.offer())
        await self.accept(text)
        async with asyncio.timeout(10):
            await self.connected.wait()
        return text

    def send(self, type: str, **values: Any) -> None:
        """Sends a data-channel message."""
        assert self.data is not None
        self.data.send(json.dumps({"type": type, **values}))

    async def until(self, condition: Callable[[], bool], timeout_s: float = 10) -> None:
        """Waits until something that came makes `condition` true; raises `TimeoutError`."""
        async with asyncio.timeout(timeout_s):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def said(self, type: str) -> list[dict[str, Any]]:
        """The messages of one type so far."""
        return [one for one in self.messages if one["type"] == type]

    async def close(self) -> None:
        """Hangs up."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.connection.close()

    def _on_state(self) -> None:
        if self.connection.connectionState == "connected":
            self.connected.set()
        self._changed.set()

    def _on_message(self, data: str) -> None:
        self.messages.append(json.loads(data))
        self._changed.set()

    def _on_track(self, track: MediaStreamTrack) -> None:
        work = self._watch if track.kind == "video" else self._listen
        self._tasks.append(asyncio.create_task(work(track)))

    async def _watch(self, track: MediaStreamTrack) -> None:
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            assert isinstance(frame, av.VideoFrame)
            plane = frame.planes[0]
            luma = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
            code = read_code(luma) if frame.width >= 256 else None
            age = None if code is None else age_ms(code)
            if self.keep_last:
                self.last = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
            self.seen.append(Seen(time.monotonic(), age, frame.width, frame.height, frame.pts or 0))
            self._changed.set()

    async def _listen(self, track: MediaStreamTrack) -> None:
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            assert isinstance(frame, av.AudioFrame)
            samples = frame.to_ndarray().astype(np.float64)
            rms = float(np.sqrt((samples**2).mean()))
            self.heard.append(Heard(time.monotonic(), frame.pts or 0, rms))
            self._changed.set()
