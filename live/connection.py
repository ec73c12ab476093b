"""An offer in, an answer out: one peer connection, our tracks on it, the peer's redirected."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

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

from live import wire
from live.egress import AvatarTrack, VoiceTrack
from live.errors import BadSdp, Unprocessable
from live.ingest import Camera, Microphone
from live.request import CallSettings
from live.rtc import redirect, set_bitrate_limit, wait_for_sound

logger = logging.getLogger(__name__)

_CAMERA_START_KBITS = 900
"""For the first pictures; then our estimate is heard."""


class Connection:
    """The answering side of one call's connection."""

    def __init__(
        self,
        settings: CallSettings,
        *,
        camera: Camera,
        video: AvatarTrack,
        voice: VoiceTrack,
        microphone: Microphone,
        on_state: Callable[[str], None],
        on_channel: Callable[[RTCDataChannel], None],
    ) -> None:
        """`on_state` gets `connected`, `failed` or `closed`, among others."""
        self.codec: str | None = None
        """Of the avatar's video, once negotiated."""
        self._settings = settings
        self._camera, self._video, self._voice = camera, video, voice
        self._microphone = microphone
        self._picture_sender: RTCRtpSender | None = None
        self._mid = ""
        self._candidates = 0
        self._hidden: asyncio.Queue[RTCIceCandidate | None] = asyncio.Queue()
        self._peer = RTCPeerConnection(_configuration(settings))
        self._peer.on("track", self._on_track)
        self._peer.on("datachannel", on_channel)
        self._peer.on("connectionstatechange", lambda: on_state(self._peer.connectionState))

    async def answer(self, offer: wire.Offer) -> str:
        """Our answer, with all of our candidates; raises `BadSdp` where aiortc cannot follow."""
        self._mid = next(iter(offer.mids.values()))
        try:
            for kind in offer.mids:  # in the offer's order: the first one carries the bundle
                self._add_transceiver(kind, offer)
            await self._peer.setRemoteDescription(RTCSessionDescription(offer.sdp, "offer"))
            self._choose_codec()
            self.send_sound(offer.hears_voice)
            answer = await self._peer.createAnswer()
            if offer.takes_passive:
                # The peer says hello first. aiortc would; but peers with RSA certificates
                # (GStreamer) cannot serve its list of ciphers, and as clients they can.
                text = answer.sdp.replace("a=setup:active", "a=setup:passive")
                answer = RTCSessionDescription(text, "answer")
            await self._peer.setLocalDescription(answer)
        except Exception as error:  # aiortc's errors quote the description, so they stay inside
            logger.info("an offer could not be applied: %s", type(error).__name__)
            raise BadSdp("the offer cannot be applied; send it unchanged, as made") from None
        await self.add(offer.candidates)
        return str(self._peer.localDescription.sdp)

    async def add(self, candidates: wire.Candidates) -> None:
        """Takes candidates of the peer; raises `Unprocessable` where there are too many."""
        found = (*candidates.known, *candidates.hidden)
        self._candidates += len(found)
        if self._candidates > wire.MOST_CANDIDATES:
            raise Unprocessable("this peer has sent too many candidates")
        for candidate in found:
            candidate.sdpMid = self._mid
        for candidate in candidates.known:
            await self._peer.addIceCandidate(candidate)
        for candidate in candidates.hidden:
            self._hidden.put_nowait(candidate)
        if candidates.complete:
            self._hidden.put_nowait(None)

    async def resolve_hidden(self) -> None:
        """Adds, until cancelled, candidates with mDNS names, each of which may take a second."""
        while True:
            await self._peer.addIceCandidate(await self._hidden.get())

    def send_sound(self, wanted: bool) -> None:
        """Sends sound to the peer, or none; without it, its pictures need not wait for anything."""
        self._voice.audible = wanted
        if self._picture_sender is not None:
            wait_for_sound(self._picture_sender, wanted)

    async def packets_received(self) -> int:
        """All that has come from the peer since the call began, media and reports."""
        stats = await self._peer.getStats()
        return sum(one.packetsReceived for one in stats.values() if one.type == "transport")

    async def close(self) -> None:
        """Hangs up."""
        await self._peer.close()

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
        self.codec = codec.name.upper()
        # Chromium would begin with 300 kbit/s; others ignore it.
        for one in video._codecs:
            if one.name.lower() != "rtx":
                one.parameters["x-google-start-bitrate"] = _CAMERA_START_KBITS
        set_bitrate_limit(video.sender, codec, self._settings.max_bitrate)
        self._picture_sender = video.sender

    def _on_track(self, track: MediaStreamTrack) -> None:
        redirect(track, self._camera if track.kind == "video" else self._microphone)


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
