"""Real calls without a browser: a clip goes out, what a server sends back is timed; by aiortc.

The caller is the same in every call that is compared: aiortc with `live.rtc` in force, so that it
waits for nothing that a browser would not wait for. A server that has one endpoint for sending and
another for receiving is called by two connections.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
import cv2
import numpy as np
from aiortc import (
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.rtcrtpparameters import RTCRtpCodecCapability

from benchmarks import targets
from benchmarks.call import CallFailed, CallPlan, Row, Seen, read_received
from benchmarks.clip import back_and_forth
from benchmarks.processes import busy_s, tree_cpu_s, usage
from benchmarks.serving import Serving
from benchmarks.targets import Leg, Target
from benchmarks.timecode import TICK_MS, WRAP, draw, read
from engines.types import Rgb
from live import rtc
from live.clock import VIDEO_RATE

_FIRST_FRAME_LIMIT_S = 20.0
_KEPT_PX = 320
"""Pictures kept for their movement are this wide and high at most, as in a browser."""

if TYPE_CHECKING:
    # aiortc encodes a frame, and sends a packet as it is.
    Media = av.VideoFrame | av.packet.Packet[Any]


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
    coded: bool = True
    """Whether a picture has to have a code to count as the first."""
    received: list[Row] = field(default_factory=list)
    pictures: list[tuple[float, bytes]] = field(default_factory=list)
    """When each came, in ms, and its JPEG."""
    first: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        """Belongs to the running loop."""
        self._loop = asyncio.get_running_loop()

    def deliver(self, frame: av.VideoFrame | av.AudioFrame, captured_ns: int) -> None:
        """Called by the decoder's thread."""
        assert isinstance(frame, av.VideoFrame)
        now_ms = 1000 * time.perf_counter()
        plane = frame.planes[0]
        luma = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        number = read(luma[: frame.height, : frame.width])
        code = -1 if number is None else number
        self.received.append(Row(code, now_ms, frame.width, frame.height))
        if self.keep:
            self.pictures.append((now_ms, _jpeg(frame)))
        if (number is not None or not self.coded) and not self.first.is_set():
            self._loop.call_soon_threadsafe(self.first.set)

    def end(self) -> None:
        """The call is over."""


def _jpeg(frame: av.VideoFrame) -> bytes:
    """Small, as a face needs no more for its movement."""
    scale = min(1.0, _KEPT_PX / max(frame.width, frame.height))
    bgr = cv2.cvtColor(np.asarray(frame.to_ndarray(), np.uint8), cv2.COLOR_YUV2BGR_I420)
    small = cv2.resize(bgr, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    done, data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 92])
    assert done
    return data.tobytes()


class Caller:
    """One end of a call."""

    def __init__(self, target: Target) -> None:
        """Nothing is sent yet."""
        self._target = target
        self._peers: dict[Leg, RTCPeerConnection] = {}

    async def open(self, plan: CallPlan, camera: MediaStreamTrack, viewer: rtc.Outlet) -> None:
        """Makes the call; raises `CallFailed` where the server refuses it."""
        for leg in self._target.legs:
            peer = self._peers[leg] = RTCPeerConnection(
                RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
            )
            way = {"both": "sendrecv", "send": "sendonly", "receive": "recvonly"}[leg]
            video = peer.addTransceiver("video" if leg == "receive" else camera, way)
            video.setCodecPreferences(_preferred(plan.codec))
            peer.on("track", lambda track: rtc.redirect(track, viewer))
            await peer.setLocalDescription(await peer.createOffer())
            sdp = peer.localDescription.sdp
            answer = await asyncio.to_thread(self._target.dial, leg, sdp)
            await peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    async def report(self) -> dict[str, object] | None:
        """The server's report of the call; `None` where it gives none."""
        return await asyncio.to_thread(self._target.report)

    async def close(self) -> None:
        """Hangs up."""
        await asyncio.to_thread(self._target.hang_up)
        await asyncio.gather(*(peer.close() for peer in self._peers.values()))


def _preferred(name: str) -> list[RTCRtpCodecCapability]:
    known = RTCRtpSender.getCapabilities("video").codecs
    wanted = [codec for codec in known if codec.name.upper() == name]
    return [*wanted, *(each for each in known if each.name == "rtx")]


async def call(
    server: Serving | None,
    plan: CallPlan,
    clip: Sequence[Rgb],
    *,
    target: Target | None = None,
) -> tuple[Seen, CodedClip, Viewer]:
    """Makes one call and measures its last part; raises `CallFailed`.

    `server`: ours, which is called; or somebody else's by `target`.
    """
    rtc.adapt()
    if target is None:
        assert server is not None
        target = targets.own(server.address, plan)
    coded, viewer = CodedClip(clip), Viewer(plan.keeps, plan.coded)
    camera = PacedTrack(plan.fps, coded)
    caller = Caller(target)
    began = time.perf_counter()
    try:
        await caller.open(plan, camera, viewer)
        async with asyncio.timeout(_FIRST_FRAME_LIMIT_S):
            await viewer.first.wait()
        first_frame_ms = 1000 * (time.perf_counter() - began)
        await asyncio.sleep(plan.warm_s)
        viewer.received.clear()
        viewer.pictures.clear()
        sent, server_s, own_s = camera.sent, _cpu_s(server), usage(os.getpid()).cpu_s
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
            server_cpu_s=_cpu_s(server) - server_s,
            caller_cpu_s=usage(os.getpid()).cpu_s - own_s,
            others_cpu_s=max(0.0, machine_s - tree_s),
            report=await caller.report(),
            shown=list(coded.shown),
            pictures=list(viewer.pictures),
        )
    except TimeoutError as error:
        what = "with a time code " if plan.coded else ""
        raise CallFailed(
            f"no picture {what}came back in {_FIRST_FRAME_LIMIT_S:.0f} s;"
            f" {len(viewer.received)} pictures without one came"
        ) from error
    finally:
        await caller.close()
    return seen, coded, viewer


def _cpu_s(server: Serving | None) -> float:
    return 0.0 if server is None else server.usage.cpu_s
