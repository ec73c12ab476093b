"""Real calls without a browser: a clip goes out, what a server sends back is timed; by aiortc.

The caller is the same in every call that is compared: aiortc with `live.rtc` in force, so that it
waits for nothing that a browser would not wait for.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import av
import cv2
import numpy as np
from aiohttp import ClientSession
from aiortc import (
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from numpy.typing import NDArray

from benchmarks.call import CallFailed, CallPlan, Seen, read_received
from benchmarks.clip import back_and_forth
from benchmarks.processes import busy_s, tree_cpu_s, usage
from benchmarks.serving import Serving
from benchmarks.timecode import TICK_MS, WRAP, draw, read
from engines.types import Rgb
from live import rtc
from live.clock import VIDEO_RATE

_FIRST_FRAME_LIMIT_S = 20.0

if TYPE_CHECKING:
    # aiortc encodes a frame, and sends a packet as it is.
    Media = av.VideoFrame | av.packet.Packet[Any]

Planes = NDArray[np.uint8]
"""`(3 h / 2, w)` I420."""


def ticks() -> int:
    """The present, as the time code has it."""
    return round(time.perf_counter() * 1000 / TICK_MS) % WRAP


class PacedTrack(MediaStreamTrack):
    """A camera track that gives what `make` makes of the picture's number, at an even rate."""

    kind = "video"

    def __init__(self, fps: int, make: Callable[[int], Media], phase: float = 0.0) -> None:
        """`phase`: by which part of a picture's time the first one is late."""
        super().__init__()
        self._fps = fps
        self._make = make
        self._phase = phase
        self._start_s: float | None = None
        self.sent = 0

    async def recv(self) -> Media:
        """The next picture, when it is due."""
        if self._start_s is None:
            self._start_s = time.perf_counter() + self._phase / self._fps
        await asyncio.sleep(self._start_s + self.sent / self._fps - time.perf_counter())
        made = self._make(self.sent)
        made.pts, made.time_base = self.sent * VIDEO_RATE // self._fps, Fraction(1, VIDEO_RATE)
        self.sent += 1
        return made


class CodedClip:
    """Makes a clip's pictures, each with the present as its time code, and notes which and when."""

    def __init__(self, clip: Sequence[Rgb]) -> None:
        """The clip goes back and forth."""
        self._clip = [
            np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420), np.uint8) for rgb in clip
        ]
        self.shown: list[tuple[int, int]] = []
        """Ticks, and the number of the clip's picture."""

    def __call__(self, index: int) -> av.VideoFrame:
        """The picture at step `index`."""
        which = back_and_forth(len(self._clip), index)
        planes = self._clip[which].copy()
        now = ticks()
        draw(planes[: planes.shape[0] * 2 // 3], now)
        self.shown.append((now, which))
        return av.VideoFrame.from_ndarray(planes, format="yuv420p")


@dataclass
class Viewer:
    """The outlet of the received track: when each picture was decoded, and its code."""

    keep: bool = False
    """Whether to keep the pictures themselves, too."""
    received: list[tuple[int, int, int, int]] = field(default_factory=list)
    """Number (−1: none), ticks, width, height."""
    pictures: list[tuple[int, Planes]] = field(default_factory=list)
    first: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        """Belongs to the running loop."""
        self._loop = asyncio.get_running_loop()

    def deliver(self, frame: av.VideoFrame | av.AudioFrame, captured_ns: int) -> None:
        """Called by the decoder's thread."""
        assert isinstance(frame, av.VideoFrame)
        now = ticks()
        plane = frame.planes[0]
        luma = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        number = read(luma[: frame.height, : frame.width])
        self.received.append((-1 if number is None else number, now, frame.width, frame.height))
        if self.keep:
            self.pictures.append((now, np.asarray(frame.to_ndarray(), np.uint8)))
        if number is not None and not self.first.is_set():
            self._loop.call_soon_threadsafe(self.first.set)

    def end(self) -> None:
        """The call is over."""


class Caller:
    """One peer's end of a call."""

    def __init__(self, http: ClientSession, address: str) -> None:
        """Nothing is sent yet."""
        self._http = http
        self._address = address
        self._session: str | None = None
        self.peer = RTCPeerConnection(
            RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        )

    async def open(self, plan: CallPlan, camera: MediaStreamTrack, viewer: rtc.Outlet) -> None:
        """Makes the call; raises `CallFailed` where the server refuses it."""
        video = self.peer.addTransceiver(camera, "sendrecv")
        known = RTCRtpSender.getCapabilities("video").codecs
        wanted = [codec for codec in known if codec.name.upper() == plan.codec]
        video.setCodecPreferences([*wanted, *(each for each in known if each.name == "rtx")])
        self.peer.on("track", lambda track: rtc.redirect(track, viewer))
        await self.peer.setLocalDescription(await self.peer.createOffer())
        async with self._http.post(
            f"{self._address}/sessions?avatar={plan.avatar}",
            data=self.peer.localDescription.sdp,
            headers={"Content-Type": "application/sdp"},
        ) as answer:
            text = await answer.text()
            if answer.status != 201:
                raise CallFailed(f"the server answered {answer.status}: {text}")
            self._session = answer.headers.get("Location")
        await self.peer.setRemoteDescription(RTCSessionDescription(text, "answer"))

    async def report(self) -> dict[str, object] | None:
        """The server's report of the call; `None` where it gives none."""
        if self._session is None:
            return None
        async with self._http.get(urljoin(self._address, self._session)) as answer:
            found: dict[str, object] | None = await answer.json() if answer.ok else None
            return found

    async def close(self) -> None:
        """Hangs up."""
        if self._session is not None:
            async with self._http.delete(urljoin(self._address, self._session)):
                pass
        await self.peer.close()


async def call(
    server: Serving, plan: CallPlan, clip: Sequence[Rgb], *, keep: bool = False
) -> tuple[Seen, CodedClip, Viewer]:
    """Makes one call and measures its last part; raises `CallFailed`."""
    rtc.adapt()
    coded, viewer = CodedClip(clip), Viewer(keep)
    camera = PacedTrack(plan.fps, coded)
    async with ClientSession() as http:
        caller = Caller(http, server.address)
        began = time.perf_counter()
        try:
            await caller.open(plan, camera, viewer)
            async with asyncio.timeout(_FIRST_FRAME_LIMIT_S):
                await viewer.first.wait()
            first_frame_ms = 1000 * (time.perf_counter() - began)
            await asyncio.sleep(plan.warm_s)
            viewer.received.clear()
            viewer.pictures.clear()
            sent, server_s, own_s = camera.sent, server.usage.cpu_s, usage(os.getpid()).cpu_s
            tree_s, machine_s = tree_cpu_s(os.getpid()), busy_s()
            started = time.perf_counter()
            await asyncio.sleep(plan.seconds)
            took_s = time.perf_counter() - started
            received = list(viewer.received)
            tree_s, machine_s = tree_cpu_s(os.getpid()) - tree_s, busy_s() - machine_s
            seen = Seen(
                **read_received(received),
                sent=camera.sent - sent,
                seconds=took_s,
                first_frame_ms=first_frame_ms,
                server_cpu_s=server.usage.cpu_s - server_s,
                caller_cpu_s=usage(os.getpid()).cpu_s - own_s,
                others_cpu_s=max(0.0, machine_s - tree_s),
                report=await caller.report(),
            )
        except TimeoutError as error:
            raise CallFailed(
                f"no picture with a time code came back in {_FIRST_FRAME_LIMIT_S:.0f} s;"
                f" {len(viewer.received)} pictures without one came"
            ) from error
        finally:
            await caller.close()
    return seen, coded, viewer
