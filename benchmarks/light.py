"""Callers that cost little: what goes out was coded before, what comes is counted as it comes.

They are aiortc's, over UDP, with SRTP and a data channel. But what is received is not deciphered:
an RTP packet's header is open, so pictures are counted by it. One caller in a run decodes all of
it (`Witness`), and reads on each picture which of the camera's it is.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from typing import Any
from unittest.mock import patch

import av
import numpy as np
from aiortc import (
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.jitterbuffer import JitterFrame
from numpy.typing import NDArray

from benchmarks.call import CallFailed
from benchmarks.caller import PacedTrack
from benchmarks.targets import Answer, ask
from benchmarks.timecode import read
from live import rtc
from live.clock import VOICE_RATE
from live.messages import CHANNEL
from live.rtc import receiver

CONNECT_LIMIT_S = 20.0
_GOLDEN = 0.618
_PIECES_A_SECOND = 50


class Count:
    """Pictures that a call has received, by the headers of their last packets."""

    def __init__(self) -> None:
        """None yet."""
        self.pictures = 0
        self.first = asyncio.Event()

    def packet(self, header: bytes, payload_types: set[int]) -> None:
        """One packet's first two bytes (RFC 3550 5.1)."""
        if header[1] & 0x80 and header[1] & 0x7F in payload_types:
            self.pictures += 1
            self.first.set()


class _Unread:
    """Stands where a transport deciphers what comes: reports are deciphered, media counted."""

    def __init__(self, srtp: Any, count: Count, payload_types: set[int]) -> None:
        self._srtp, self._count, self._payload_types = srtp, count, payload_types

    def unprotect_rtcp(self, data: bytes) -> bytes:
        deciphered: bytes = self._srtp.unprotect_rtcp(data)
        return deciphered

    def unprotect(self, data: bytes) -> bytes:
        self._count.packet(data[:2], self._payload_types)
        return data


async def _let_go(data: bytes, arrival_time_ms: int) -> None:
    """Takes the place of what would parse a packet."""


class Uncoded:
    """Stands where a decoder would: whole frames are handed on as empty pictures."""

    def decode(self, encoded: JitterFrame) -> list[av.VideoFrame]:
        """A picture of no meaning."""
        return [av.VideoFrame(16, 16, "yuv420p")]


@contextmanager
def counting() -> Iterator[None]:
    """Lets connections that begin to receive meanwhile count instead of decode."""
    with patch.object(receiver, "get_decoder", lambda codec: Uncoded()):
        yield


class Camera(PacedTrack):
    """Coded pictures in a circle, and when each was sent last."""

    def __init__(self, coded: Sequence[bytes], fps: int, phase: float) -> None:
        """`phase`: by which part of a picture's time the first one is late."""
        super().__init__(fps, self._next, phase)
        self._coded = coded
        self.sent_s: dict[int, float] = {}

    def _next(self, index: int) -> av.packet.Packet[Any]:
        number = index % len(self._coded)
        self.sent_s[number] = time.perf_counter()
        return av.Packet(self._coded[number])


class Microphone(MediaStreamTrack):
    """Coded sound in a circle, twenty milliseconds at a time."""

    kind = "audio"

    def __init__(self, coded: Sequence[bytes]) -> None:
        """Begins when it is asked for the first piece."""
        super().__init__()
        self._coded = coded
        self._start_s: float | None = None
        self._sent = 0

    async def recv(self) -> av.packet.Packet[Any]:
        """The next piece, when it is due."""
        if self._start_s is None:
            self._start_s = time.perf_counter()
        await asyncio.sleep(self._start_s + self._sent / _PIECES_A_SECOND - time.perf_counter())
        packet = av.Packet(self._coded[self._sent % len(self._coded)])
        packet.pts = self._sent * VOICE_RATE // _PIECES_A_SECOND
        packet.time_base = Fraction(1, VOICE_RATE)
        self._sent += 1
        return packet


class Witness:
    """The outlet of the call that is decoded: how old its pictures are."""

    def __init__(self, camera: Camera, count: Count) -> None:
        """Ages are counted from when `camera` sent."""
        self.ages_ms: list[float] = []
        self._camera, self._count = camera, count
        self._last: int | None = None
        self._loop = asyncio.get_running_loop()

    def deliver(self, frame: av.VideoFrame | av.AudioFrame, captured_ns: int) -> None:
        """Called by the decoder's thread."""
        assert isinstance(frame, av.VideoFrame)
        now_s = time.perf_counter()
        plane = frame.planes[0]
        luma: NDArray[np.uint8] = np.frombuffer(memoryview(plane), np.uint8)
        number = read(luma.reshape(-1, plane.line_size)[: frame.height, : frame.width])
        self._count.pictures += 1
        self._loop.call_soon_threadsafe(self._count.first.set)
        if number is not None and number != self._last and number in self._camera.sent_s:
            self._last = number
            self.ages_ms.append(1000 * (now_s - self._camera.sent_s[number]))

    def end(self) -> None:
        """The call is over."""


class Refused(CallFailed):
    """The server has answered that it takes no call."""


class LightCaller:
    """One end of a call to a Visavis server."""

    def __init__(self, url: str, token: str | None, camera: Camera, sound: Sequence[bytes]) -> None:
        """`url`: where offers are posted; `sound`: coded pieces; none: no microphone."""
        self.count = Count()
        self.told: list[str] = []
        """The steps that the server has told of, in their order."""
        self._url, self._token, self._camera, self._sound = url, token, camera, sound
        self._session: str | None = None
        self._peer = RTCPeerConnection(
            RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        )

    async def open(self, codec: str, witness: Witness | None = None) -> None:
        """Calls, and waits for the first picture.

        Raises `Refused`, and `CallFailed` where no picture comes.
        With a `witness` pictures are decoded, and given to it.
        """
        peer = self._peer
        video = peer.addTransceiver(self._camera, "sendrecv")
        known = RTCRtpSender.getCapabilities("video").codecs
        video.setCodecPreferences([one for one in known if one.name.upper() == codec])
        if self._sound:
            peer.addTransceiver(Microphone(self._sound), "sendrecv")
        peer.createDataChannel(CHANNEL).on("message", self._on_message)
        if witness is not None:
            peer.on("track", lambda track: _show(track, witness))
        await peer.setLocalDescription(await peer.createOffer())
        try:
            answer = await asyncio.to_thread(self._dial, peer.localDescription.sdp)
            await peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
            async with asyncio.timeout(CONNECT_LIMIT_S):
                await self._connected()
                if witness is None:
                    self._read_nothing(video)
                await self.count.first.wait()
        except TimeoutError:
            await self.close()
            raise CallFailed(f"no picture came in {CONNECT_LIMIT_S:.0f} s") from None
        except CallFailed:
            await peer.close()
            raise

    async def report(self) -> dict[str, Any] | None:
        """The server's report of the call; `None` once it has ended."""
        answer = await asyncio.to_thread(self._ask, "GET")
        return json.loads(answer.body) if answer is not None and answer.status == 200 else None

    async def close(self) -> None:
        """Hangs up."""
        await asyncio.to_thread(self._ask, "DELETE")
        await self._peer.close()

    def _dial(self, offer: str) -> str:
        answer = ask("POST", self._url, self._token, "application/sdp", offer)
        if answer.status != 201:
            raise Refused(f"the server answered {answer.status}: {_detail(answer.body)}")
        self._session = answer.location
        return answer.body.decode()

    def _ask(self, method: str) -> Answer | None:
        return None if self._session is None else ask(method, self._session, self._token)

    def _read_nothing(self, video: Any) -> None:
        transport = video.receiver.transport
        payload_types = {one.payloadType for one in video._codecs if one.name.lower() != "rtx"}
        transport._rx_srtp = _Unread(transport._rx_srtp, self.count, payload_types)
        transport._handle_rtp_data = _let_go

    async def _connected(self) -> None:
        connected = asyncio.Event()

        def look() -> None:
            if self._peer.connectionState == "connected":
                connected.set()

        self._peer.on("connectionstatechange", look)
        look()
        await connected.wait()

    def _on_message(self, message: str | bytes) -> None:
        if isinstance(message, str) and message.startswith('{"type":"state"'):
            step = json.loads(message).get("quality")
            if step is not None and self.told[-1:] != [step]:
                self.told.append(step)


def _show(track: MediaStreamTrack, witness: Witness) -> None:
    if track.kind == "video":
        rtc.redirect(track, witness)


def _detail(problem: bytes) -> str:
    """What a problem (RFC 9457) says."""
    try:
        return str(json.loads(problem)["detail"])
    except (ValueError, KeyError, TypeError):
        return "nothing that could be read"


def phase(caller: int) -> float:
    """Of a camera: strangers' pictures do not come all at once."""
    return caller * _GOLDEN % 1
