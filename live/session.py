"""One call: the peer's offer in, our answer out, and from then on camera in, avatar out.

A session owns what it starts: one peer connection, one worker thread and one task that lives as
long as the call. Whatever ends the call (a request, the peer, the network, silence), that task ends
it and frees everything.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from aiortc import (
    RTCBundlePolicy,
    RTCConfiguration,
    RTCDataChannel,
    RTCIceCandidate,
    RTCIceServer,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamTrack
from aiortc.rtcrtpparameters import RTCRtpCodecCapability

from engines.types import Avatar, Driver, Renderer, Tracker
from live import disclosure, wire
from live.clock import now_ns
from live.egress import AvatarTrack, VoiceTrack
from live.errors import BadSdp, Conflict, Unprocessable, VisavisError
from live.ingest import Camera
from live.measures import Counts
from live.pipeline import Pipeline
from live.rtc import redirect, set_bitrate_limit
from live.worker import Worker

logger = logging.getLogger(__name__)

_FREE_WITHIN_S = 2.0
_STATS_EVERY_S = 1.0
_LOOK_EVERY_S = 0.25
_MOST_UNREAD = 64_000
"""Bytes of messages that a peer may leave unread before it gets no more statistics."""


@dataclass(frozen=True, slots=True)
class IceServer:
    """A STUN or TURN server."""

    urls: tuple[str, ...]
    username: str | None = None
    credential: str | None = None


@dataclass(frozen=True, slots=True)
class CallSettings:
    """What the operator decides about every call."""

    ice_servers: tuple[IceServer, ...] = ()
    label_text: str = disclosure.DEFAULT_TEXT
    label_visible: bool = True
    max_bitrate: int = 3_000_000
    """Of the avatar's video, bits a second."""
    video_codecs: tuple[str, ...] = ("h264", "vp8")
    """Served, best first. H.264 before VP8 where both are offered: x264 takes half of libvpx's time
    for a frame (0.7 and 1.3 ms at 512 × 512), its frames are 3 ms younger when seen, and it changes
    its rate without a keyframe. Whoever wants VP8 offers VP8 only."""
    connect_deadline_s: float = 15.0
    silence_deadline_s: float = 6.0
    """Without a single packet from the peer; browsers report on what they receive every second."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Makes the parts of one call; called on its worker's thread, as networks take time to load."""

    tracker: Callable[[], Tracker]
    driver: Callable[[str], Driver]
    """Takes the driver's name; raises `UnknownPart`."""
    renderer: Callable[[], Renderer]
    """May give the same renderer to every call."""


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """All that it takes to hold a call."""

    avatar: Avatar
    parts: Parts
    settings: CallSettings = field(default_factory=CallSettings)
    driver: str = "face"
    open_avatar: Callable[[str], Awaitable[Avatar]] | None = None
    """Finds another avatar for the running call; raises `NotFound`. `None`: it keeps its first."""


class Session:
    """A call. Made and used on the event loop."""

    def __init__(
        self, request: SessionRequest, on_ended: Callable[[str], None] = lambda reason: None
    ) -> None:
        """Begins to wait for an offer; `on_ended` is called once, with the reason."""
        self._request = request
        self._settings = request.settings
        self._on_ended = on_ended
        self._avatar = request.avatar.id
        self._driver = request.driver
        self._counts = Counts()
        self._camera = Camera(self._counts)
        self._video = AvatarTrack(self._counts)
        self._voice = VoiceTrack(self._video.latency.median_ns)
        self._loop = asyncio.get_running_loop()
        self._peer = RTCPeerConnection(_configuration(self._settings))
        self._offer: wire.Offer | None = None
        self._candidates = 0
        self._hidden: asyncio.Queue[RTCIceCandidate | None] = asyncio.Queue()
        self._codec: str | None = None
        self._channel: RTCDataChannel | None = None
        self._pipeline: Pipeline | None = None
        self._worker = Worker(
            self._build, self._camera.frames, self._video.show, self._counts, self._worker_failed
        )
        self._connected = asyncio.Event()
        self._end: asyncio.Future[str] = self._loop.create_future()
        self.closed = asyncio.Event()
        """Set when everything is free."""
        self._life = asyncio.create_task(self._live(), name="session")

    @property
    def avatar(self) -> str:
        """The id of the avatar that is shown now."""
        return self._avatar

    async def answer(self, sdp: str) -> str:
        """Takes the peer's offer and gives our answer, with all of our candidates.

        Raises `Conflict` for a second offer; `BadSdp`, `Unprocessable` or an engine's error where
        no call can be made, and ends the session then.
        """
        if self._offer is not None or self._end.done():
            raise Conflict("this call has had its offer; end it and open a new one")
        try:
            self._offer = wire.parse_offer(sdp)
            self._worker.start()
            answer = await self._negotiate(self._offer)
            self._pipeline = await asyncio.wrap_future(self._worker.ready)
        except BaseException:
            await asyncio.shield(self.close("refused"))
            raise
        return answer

    async def trickle(self, fragment: str) -> None:
        """Takes more of the peer's candidates; raises `BadRequest`, `Unprocessable`, `Conflict`."""
        if self._offer is None or self._end.done():
            raise Conflict("this call has no offer yet, or has ended")
        await self._add(wire.parse_fragment(fragment, ufrag=self._offer.ufrag))

    async def change(self, settings: Mapping[str, Any]) -> None:
        """Changes the running call from its next picture on; raises `Unprocessable` and others.

        Keys: `avatar` and `driver` (names), `background` (keep, blur, colour, green or #rrggbb),
        `mirror`, `calibrate` (true or false).
        """
        wanted = wire.parse_settings(settings)
        if self._pipeline is None or self._end.done():
            raise Conflict("this call has not begun, or has ended")
        avatar = driver = None
        if wanted.avatar is not None and wanted.avatar != self._avatar:
            if self._request.open_avatar is None:
                raise Unprocessable("the avatar of this call cannot be changed")
            avatar = await self._request.open_avatar(wanted.avatar)
        if wanted.driver is not None and wanted.driver != self._driver:
            driver = await asyncio.to_thread(self._request.parts.driver, wanted.driver)
        self._pipeline.request(
            avatar=avatar, driver=driver, backdrop=wanted.backdrop, mirror=wanted.mirror
        )
        self._avatar = avatar.id if avatar is not None else self._avatar
        self._driver = wanted.driver if driver is not None and wanted.driver else self._driver
        if wanted.calibrate:
            self._pipeline.calibrate()

    def report(self) -> dict[str, Any]:
        """How the call goes, in plain values; times in milliseconds."""
        now = now_ns()
        picture, voice = self._video.latency.report(), self._voice.latency.report()
        skew = round(picture["p50"] - voice["p50"], 1) if picture and voice else None
        state = "connecting"
        if self._end.done():
            state = "closed"
        elif self._connected.is_set():
            state = self._pipeline.state if self._pipeline is not None else state
        return {
            "state": str(state),
            "mode": self._driver,
            "avatar": self._avatar,
            "codec": self._codec,
            "frames": {
                "in": self._counts["in"],
                "out": self._counts["out"],
                "dropped": self._counts.with_prefix("dropped."),
            },
            "fps": {
                "in": self._camera.rate.per_second(now),
                "out": self._video.rate.per_second(now),
            },
            "rooms_ms": {room: times.report() for room, times in self._pipeline.times.items()}
            if self._pipeline is not None
            else {},
            "latency_ms": picture,
            "voice_latency_ms": voice,
            "av_skew_ms": skew,
        }

    async def close(self, reason: str = "closed") -> None:
        """Ends the call and frees what it holds; calling it again waits for the same end."""
        self._finish(reason)
        await self.closed.wait()

    def _finish(self, reason: str) -> None:
        if not self._end.done():
            self._end.set_result(reason)

    def _worker_failed(self) -> None:
        self._loop.call_soon_threadsafe(self._finish, "failed")

    def _build(self) -> Pipeline:
        parts, settings = self._request.parts, self._settings
        return Pipeline(
            parts.tracker(),
            parts.driver(self._driver),
            parts.renderer(),
            self._request.avatar,
            disclosure.VisibleLabel(settings.label_text, visible=settings.label_visible),
        )

    # The connection.

    async def _negotiate(self, offer: wire.Offer) -> str:
        peer = self._peer
        peer.on("track", self._on_track)
        peer.on("datachannel", self._on_channel)
        peer.on("connectionstatechange", self._on_connection)
        try:
            for kind in offer.mids:
                self._add_transceiver(kind, offer)
            await peer.setRemoteDescription(RTCSessionDescription(offer.sdp, "offer"))
            self._choose_codec()
            answer = await peer.createAnswer()
            if offer.takes_passive:
                # The peer says hello first. aiortc would; but peers with RSA certificates
                # (GStreamer) cannot serve its list of ciphers, and as clients they can.
                answer = RTCSessionDescription(
                    answer.sdp.replace("a=setup:active", "a=setup:passive"), "answer"
                )
            await self._add(offer.candidates)
            await peer.setLocalDescription(answer)
        except VisavisError:
            raise
        except Exception as error:  # aiortc's errors quote the description, so they stay inside
            logger.info("an offer could not be applied: %s", type(error).__name__)
            raise BadSdp("the offer cannot be applied; send it unchanged, as made") from None
        return str(peer.localDescription.sdp)

    def _add_transceiver(self, kind: str, offer: wire.Offer) -> None:
        if kind == "video":
            video = self._peer.addTransceiver(self._video, "sendrecv")
            video.setCodecPreferences(_preferred("video", self._settings.video_codecs))
            return
        voice = self._peer.addTransceiver(
            self._voice if offer.hears_voice else "audio",
            "sendrecv" if offer.hears_voice else "recvonly",
        )
        voice.setCodecPreferences(_preferred("audio", ("opus",)))

    def _choose_codec(self) -> None:
        video = next(one for one in self._peer.getTransceivers() if one.kind == "video")
        codec = video._codecs[0]
        self._codec = codec.name.upper()
        set_bitrate_limit(video.sender, codec, self._settings.max_bitrate)

    def _on_track(self, track: MediaStreamTrack) -> None:
        redirect(track, self._camera if track.kind == "video" else self._voice)

    def _on_connection(self) -> None:
        match self._peer.connectionState:
            case "connected":
                self._connected.set()
                self._worker.live.set()
            case "failed":
                self._finish("connection_failed")
            case "closed":
                self._finish("hung_up")

    async def _add(self, candidates: wire.Candidates) -> None:
        assert self._offer is not None
        self._candidates += len(candidates.known) + len(candidates.hidden)
        if self._candidates > wire.MOST_CANDIDATES:
            raise Unprocessable("this peer has sent too many candidates")
        mid = next(iter(self._offer.mids.values()))
        for candidate in (*candidates.known, *candidates.hidden):
            candidate.sdpMid = mid
        for candidate in candidates.known:
            await self._peer.addIceCandidate(candidate)
        for candidate in candidates.hidden:
            self._hidden.put_nowait(candidate)
        if candidates.complete:
            self._hidden.put_nowait(None)

    async def _resolve_hidden(self) -> None:
        """Adds candidates with mDNS names, each of which may take a second, without delaying us."""
        while True:
            await self._peer.addIceCandidate(await self._hidden.get())

    # The life.

    async def _live(self) -> None:
        tasks = [
            asyncio.create_task(work, name="session-part")
            for work in (
                self._watch_connecting(),
                self._watch_silence(),
                self._resolve_hidden(),
                self._tell(),
            )
        ]
        reason = await self._end
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._free()
        self._on_ended(reason)
        self.closed.set()

    async def _watch_connecting(self) -> None:
        try:
            async with asyncio.timeout(self._settings.connect_deadline_s):
                await self._connected.wait()
        except TimeoutError:
            self._finish("connect_timeout")

    async def _watch_silence(self) -> None:
        await self._connected.wait()
        heard, since = -1, self._loop.time()
        while True:
            packets = await self._packets_received()
            now = self._loop.time()
            if packets != heard:
                heard, since = packets, now
            elif now - since > self._settings.silence_deadline_s:
                self._finish("silent")
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _packets_received(self) -> int:
        stats = await self._peer.getStats()
        return sum(one.packetsReceived for one in stats.values() if one.type == "transport")

    async def _free(self) -> None:
        self._worker.stop()
        self._video.stop()
        self._voice.stop()
        try:
            async with asyncio.timeout(_FREE_WITHIN_S):
                await self._peer.close()
        except TimeoutError:
            logger.error("a peer connection did not close within %s s", _FREE_WITHIN_S)
        if not await asyncio.to_thread(self._worker.join, _FREE_WITHIN_S):
            logger.error("a worker did not end within %s s", _FREE_WITHIN_S)

    # The data channel.

    def _on_channel(self, channel: RTCDataChannel) -> None:
        if channel.label != wire.CHANNEL or self._channel is not None:
            return
        self._channel = channel
        channel.on("message", self._on_message)
        self._send(
            "hello",
            disclosure=self._settings.label_text,
            avatar=self._avatar,
            version=version("visavis"),
        )

    async def _on_message(self, data: str | bytes) -> None:
        try:
            message = wire.parse_message(data)
            match message:
                case wire.Ping(time):
                    self._send("pong", time=time)
                case wire.SettingsMessage(values):
                    await self.change(values)
                case wire.Unserved(kind):
                    self._send("error", message=f"{kind!r}: the voice is not part of this version")
        except VisavisError as error:
            self._send("error", message=str(error))

    async def _tell(self) -> None:
        """Tells the peer of changes of state at once, and how the call goes every second."""
        await self._connected.wait()
        told, next_stats = None, self._loop.time()
        while True:
            state = self._pipeline.state if self._pipeline is not None else None
            if self._channel is not None and state is not None and state is not told:
                told = state
                self._send("state", state=str(state))
            if self._loop.time() >= next_stats:
                next_stats += _STATS_EVERY_S
                self._send("stats", **self.report())
            await asyncio.sleep(_LOOK_EVERY_S)

    def _send(self, type: str, **values: Any) -> None:
        channel = self._channel
        if channel is None or channel.readyState != "open":
            return
        if channel.bufferedAmount < _MOST_UNREAD:
            channel.send(wire.to_message(type, **values))


def _configuration(settings: CallSettings) -> RTCConfiguration:
    servers = [
        RTCIceServer(urls=list(one.urls), username=one.username, credential=one.credential)
        for one in settings.ice_servers
    ]
    # Left out, aiortc would ask a public STUN server; an empty list means none.
    return RTCConfiguration(iceServers=servers, bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)


def _preferred(kind: str, names: tuple[str, ...]) -> list[RTCRtpCodecCapability]:
    """aiortc's codecs of these names in this order, with retransmission where it has any.

    Of the two H.264 profiles the constrained baseline comes first, which every decoder takes.
    """
    known = sorted(
        RTCRtpSender.getCapabilities(kind).codecs,
        key=lambda codec: codec.parameters.get("profile-level-id") != "42e01f",
    )
    return [codec for name in (*names, "rtx") for codec in known if codec.name.lower() == name]
