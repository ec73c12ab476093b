"""One caller's end of a call, by aiortc, that can do whatever clients do wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import ExitStack
from http import HTTPStatus
from typing import Any
from urllib.parse import urljoin

import av
from aiohttp import ClientResponse, ClientSession
from aiortc import RTCBundlePolicy, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamTrack

from benchmarks.caller import PacedTrack
from benchmarks.netem import Link
from benchmarks.netem.descriptions import without_candidates
from benchmarks.packets import FPS
from live import rtc

_PICTURE_LIMIT_S = 40.0
SDP = {"Content-Type": "application/sdp"}


class Count:
    """The outlet of a call whose pictures are counted, not looked at."""

    def __init__(self) -> None:
        """None yet; belongs to the running loop."""
        self.frames = 0
        self.came = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def deliver(self, frame: av.VideoFrame | av.AudioFrame, captured_ns: int) -> None:
        """One more; called by the decoder's thread."""
        self.frames += 1
        self._loop.call_soon_threadsafe(self.came.set)

    def end(self) -> None:
        """The call is over."""


class SoakCall:
    """A call through a link of its own, which can lose everything."""

    def __init__(self, http: ClientSession, address: str, coded: Sequence[bytes]) -> None:
        """`coded`: the camera's pictures, sent round and round."""
        self._http, self._address = http, address
        self._stack = ExitStack()
        self._link: Link | None = None
        self.secret = ""
        """Where the call is to be asked about, below the server's address."""
        self.pictures = Count()
        self.gone = False
        """Whether this end has left without a word."""
        self.peer = RTCPeerConnection(
            RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        )
        camera: MediaStreamTrack = PacedTrack(
            FPS, lambda index: av.Packet(coded[index % len(coded)])
        )
        self.peer.addTransceiver(camera, "sendrecv")
        self.peer.addTransceiver("audio", "recvonly")
        self.peer.on("track", self._on_track)
        self._channel = self.peer.createDataChannel("visavis.v1")

    def _on_track(self, track: MediaStreamTrack) -> None:
        if track.kind == "video":
            rtc.redirect(track, self.pictures)

    async def offer(self) -> str:
        """Our offer, without a way to us: the media go through the link."""
        await self.peer.setLocalDescription(await self.peer.createOffer())
        return without_candidates(str(self.peer.localDescription.sdp))

    async def open(self, avatar: str) -> int:
        """Calls, and waits for the first picture; the server's status where it is not 201.

        Raises `TimeoutError` where none comes.
        """
        url = f"{self._address}/sessions?avatar={avatar}"
        async with self._http.post(url, data=await self.offer(), headers=SDP) as answer:
            text = await answer.text()
            if answer.status != 201:
                return answer.status
            self.secret = answer.headers["Location"]
        self._link = await asyncio.to_thread(self._stack.enter_context, Link())
        led = self._link.answer(text)
        await self.peer.setRemoteDescription(RTCSessionDescription(led, "answer"))
        async with asyncio.timeout(_PICTURE_LIMIT_S):
            await self.pictures.came.wait()
        return 201

    async def more_pictures(self, limit_s: float) -> None:
        """Waits for the next picture; raises `TimeoutError`."""
        self.pictures.came.clear()
        async with asyncio.timeout(limit_s):
            await self.pictures.came.wait()

    async def ask(self, method: str, below: str = "", **values: Any) -> ClientResponse:
        """A request about the call; read, so that it can be let go of."""
        url = urljoin(self._address, self.secret + below)
        async with self._http.request(method, url, **values) as answer:
            await answer.read()
            return answer

    async def told(self) -> str:
        """How the call goes, by both ends."""
        answer = await self.ask("GET")
        here = f"{self.pictures.frames} pictures came, {self.peer.connectionState} here"
        if answer.status != HTTPStatus.OK:
            return f"{answer.status}, {here}"
        report = await answer.json()
        return f"{report['state']}, {report['frames']}, {report['fps']}, {here}"

    def send(self, type: str, **values: Any) -> None:
        """A message by the data channel, if it is open."""
        if self._channel.readyState == "open":
            self._channel.send(json.dumps({"type": type, **values}))

    def close_channel(self) -> None:
        """Half of a hang-up: the media go on."""
        self._channel.close()

    def lose(self, seconds: float) -> None:
        """Nothing gets through, either way, for as long."""
        assert self._link is not None
        self._link.cut(seconds)

    def vanish(self) -> None:
        """Leaves for good, without a word."""
        self.gone = True
        self.lose(3600)

    async def close(self) -> None:
        """Frees this end; the server is told nothing but by the connection itself."""
        await self.peer.close()
        await asyncio.to_thread(self._stack.close)
