"""Sender reports say which picture belongs to which sound; without us they say something else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pytest
from aiortc import RTCPeerConnection, rtcrtpsender
from aiortc.codecs import CODECS
from aiortc.rtcrtpparameters import (
    RTCRtcpParameters,
    RTCRtpReceiveParameters,
    RTCRtpSendParameters,
)
from aiortc.rtcrtpreceiver import RemoteStreamTrack, RTCRtpReceiver
from aiortc.rtp import (
    HeaderExtensionsMap,
    RtcpPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpSenderInfo,
    RtcpSrPacket,
    RtpPacket,
    is_rtcp,
)

from engines.types import Picture
from live import rtc, voice_line
from live.clock import MILLISECOND, SECOND, SessionClock, now_ns
from live.egress import AvatarTrack, VoiceTrack
from live.measures import Counts
from live.opus import SILENCE, Piece
from live.rtc.access import private
from tests.fakes import stamp
from tests.loops import in_loop

VP8, OPUS = CODECS["video"][0], CODECS["audio"][0]
OURS = ["sender_reports"]
MARKED = stamp()


@pytest.fixture(autouse=True)
def stock(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(voice_line, "_LATEST_NS", 20 * SECOND)  # a busy machine drops nothing
    with rtc.adapted([]):
        yield


class Wire:
    """Stands for the transport under a sender; keeps what is sent, and when."""

    state = "connected"
    _stats_id = "transport"

    def __init__(self) -> None:
        self.packets: list[tuple[int, RtpPacket]] = []
        self.reports: list[tuple[int, RtcpSenderInfo]] = []

    async def _send_rtp(self, data: bytes) -> None:
        if not is_rtcp(data):
            self.packets.append((now_ns(), RtpPacket.parse(data, HeaderExtensionsMap())))
            return
        for packet in RtcpPacket.parse(data):
            if isinstance(packet, RtcpSrPacket):
                self.reports.append((now_ns(), packet.sender_info))

    def _register_rtp_sender(self, *args: object) -> None:
        pass

    def _unregister_rtp_sender(self, *args: object) -> None:
        pass

    def day_ns(self, timestamp: int, rate: int) -> float:
        """The time of day that stands for a timestamp, by the last report."""
        info = self.reports[-1][1]
        ticks = (timestamp - info.rtp_timestamp + (1 << 31)) % (1 << 32) - (1 << 31)
        return (info.ntp_timestamp / (1 << 32) + ticks / rate) * SECOND


async def sending(codec: Any, track: AvatarTrack | VoiceTrack) -> tuple[Wire, Any]:
    wire = Wire()
    sender = rtcrtpsender.RTCRtpSender(track, wire)  # type: ignore[arg-type]
    parameters = RTCRtpSendParameters(codecs=[codec], rtcp=RTCRtcpParameters(cname="cname"))
    await sender.send(parameters)
    return wire, sender


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  (nobody tells)
            await asyncio.sleep(0.01)


async def skew_ms(adaptations: Iterable[str]) -> float:
    """How far apart a picture and a sound of one moment are, for a viewer.

    Pictures take 90 ms, sound 10; the picture's track starts half a second after the sound's.
    """
    with rtc.adapted(adaptations):
        clock = SessionClock()
        voice = VoiceTrack(lambda: 10 * MILLISECOND, Counts(), clock=clock)
        avatar = AvatarTrack(Counts(), clock)
        sound_wire, sounding = await sending(OPUS, voice)
        picture_wire, showing = await sending(VP8, avatar)
        start = now_ns()
        pts: dict[str, list[int]] = {"sound": [], "picture": []}
        for i in range(100):
            pts["sound"].append(start + i * 20 * MILLISECOND)
            voice.put(Piece(SILENCE, 960 * i, pts["sound"][-1], pts["sound"][-1]))
            if i >= 25 and i % 2:
                pts["picture"].append(start + (i * 20 - 90) * MILLISECOND)
                rgb = np.full((32, 32, 3), i, np.uint8)
                avatar.show(MARKED(Picture(rgb, pts["picture"][-1])))
            await asyncio.sleep((start + (i + 1) * 20 * MILLISECOND - now_ns()) / SECOND)
            if i > 40 and sound_wire.reports and picture_wire.reports:
                break
        await sounding.stop()
        await showing.stop()
    # frames may be dropped where the machine is busy; the first of each never is
    sound = sound_wire.day_ns(sound_wire.packets[0][1].timestamp, 48_000) - pts["sound"][0]
    first = picture_wire.packets[0][1].timestamp
    return (picture_wire.day_ns(first, 90_000) - pts["picture"][0] - sound) / MILLISECOND


@in_loop
async def test_both_tracks_are_told_by_one_clock() -> None:
    assert abs(await skew_ms(OURS)) < 0.1
    assert await skew_ms([]) > 40


@in_loop
async def test_reports_begin_with_the_first_packets_and_never_before() -> None:
    with rtc.adapted(OURS):
        voice = VoiceTrack(lambda: 0, Counts(), clock=SessionClock())
        wire, sender = await sending(OPUS, voice)
        await sender._send_rtcp([RtcpSrPacket(1, RtcpSenderInfo(0, 0, 0, 0))])
        assert not wire.reports
        start = now_ns()
        for i in range(10):
            voice.put(Piece(SILENCE, 960 * i, start + i * 20 * MILLISECOND, start))
        await until(lambda: len(wire.packets) == 10)
        assert wire.reports[0][1].packet_count == 1
        await sender.stop()


@in_loop
async def test_the_round_trip_is_still_measured() -> None:
    with rtc.adapted(OURS):
        voice = VoiceTrack(lambda: 0, Counts(), clock=SessionClock())
        wire, sender = await sending(OPUS, voice)
        voice.put(Piece(SILENCE, 0, now_ns(), now_ns()))
        await until(lambda: bool(wire.reports))
        lsr = wire.reports[-1][1].ntp_timestamp >> 16 & 0xFFFFFFFF
        await asyncio.sleep(0.03)
        report = RtcpReceiverInfo(sender._ssrc, 0, 0, 0, 0, lsr, dlsr=655)
        await sender._handle_rtcp_packet(RtcpRrPacket(ssrc=1, reports=[report]))
        assert 0.01 < private(sender, "rtt") < 1
        await sender.stop()


@in_loop
async def test_the_marker_bit_is_where_a_talk_spurt_begins() -> None:
    async def marks(adaptations: Iterable[str]) -> list[int]:
        with rtc.adapted(adaptations):
            voice = VoiceTrack(lambda: 0, Counts(), clock=SessionClock())
            wire, sender = await sending(OPUS, voice)
            start = now_ns() - 100 * MILLISECOND
            for i in (0, 1, 2, 5, 6):
                voice.put(Piece(SILENCE, 960 * i, start + i * 20 * MILLISECOND, start))
            await until(lambda: len(wire.packets) == 5)
            await sender.stop()
            return [packet.marker for _, packet in wire.packets]

    assert await marks(OURS) == [1, 0, 0, 1, 0]
    assert await marks([]) == [1] * 5


class Outlet:
    """Keeps what a receiver hands on."""

    def __init__(self) -> None:
        self.ticks: list[int] = []
        self.reports: list[tuple[int, int]] = []

    def deliver_encoded(self, data: bytes, ticks: int, captured_ns: int) -> None:
        self.ticks.append(ticks)

    def deliver_report(self, ticks: int, ntp: int) -> None:
        self.reports.append((ticks, ntp))


@pytest.mark.parametrize("first", [1000, 2**32 - 2000, 2**32 - 500])
@in_loop
async def test_reports_that_come_in_are_counted_as_the_frames_are(first: int) -> None:
    adaptations = ["sender_reports", "prompt_release", "bounded_decoding"]
    with rtc.adapted(adaptations):
        receiver = RTCRtpReceiver("audio", Wire())  # type: ignore[arg-type]
        receiver._track = RemoteStreamTrack("audio")
        outlet = Outlet()
        rtc.redirect(receiver._track, outlet)
        receiver.transport._register_rtp_receiver = lambda *args: None  # type: ignore[method-assign]
        receiver.transport._unregister_rtp_receiver = lambda *args: None  # type: ignore[method-assign]
        await receiver.receive(RTCRtpReceiveParameters(codecs=[OPUS]))

        async def report(timestamp: int, ntp: int) -> None:
            info = RtcpSenderInfo(ntp, timestamp % (1 << 32), 1, 1)
            await receiver._handle_rtcp_packet(RtcpSrPacket(5, info))

        await report(first, 7)  # before any frame nobody knows what it stands for
        for i in range(3):
            timestamp = (first + 960 * i) % (1 << 32)
            packet = RtpPacket(OPUS.payloadType or 0, 0, 10 + i, timestamp, 5)
            packet.payload = SILENCE
            await receiver._handle_rtp_packet(packet, arrival_time_ms=0)
        await report(first + 2000, 8)
        await report(first + 10, 9)
        await report(first, 0)  # says nothing
        await receiver.stop()
    assert outlet.ticks == [0, 960, 1920]
    assert outlet.reports == [(2000, 8), (10, 9)]


@in_loop
async def test_both_tracks_belong_to_one_stream() -> None:
    """Viewers bring together only what stands under one stream id."""
    peer = RTCPeerConnection()
    peer.addTransceiver("video")
    peer.addTransceiver("audio")
    offer = await peer.createOffer()
    streams = {line.split()[0] for line in offer.sdp.splitlines() if line.startswith("a=msid:")}
    await peer.close()
    assert len(streams) == 1
