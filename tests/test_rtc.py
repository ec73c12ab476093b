"""Each adaptation of aiortc: what it does, and that aiortc does not do it by itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from typing import Any

import aioice.ice
import aiortc
import aiortc.rtp
import av
import numpy as np
import pytest
from aiortc import RTCPeerConnection, rtcrtpsender
from aiortc.codecs import CODECS
from aiortc.codecs.base import Encoder
from aiortc.rtcrtpparameters import RTCRtpReceiveParameters
from aiortc.rtcrtpreceiver import RemoteStreamTrack, RTCRtpReceiver
from aiortc.rtp import RtcpPacket, RtcpPsfbPacket, RtcpRtpfbPacket, RtpPacket
from hypothesis import given
from hypothesis import strategies as st

from live import rtc
from live.clock import MILLISECOND, SECOND, now_ns
from live.rtc import encoders, gate, jitter, lost, receiver, sender
from live.rtc.access import private
from live.rtc.jitter import PromptJitterBuffer
from live.rtc.keyframes import is_keyframe
from tests.loops import in_loop

pytestmark = pytest.mark.alone

VP8, H264 = CODECS["video"][0], CODECS["video"][4]
OPUS = CODECS["audio"][0]


def picture(count: int, size: int = 128, *, noise: int = 8) -> av.VideoFrame:
    """Frame number `count` of a picture that moves and has something to encode."""
    rng = np.random.default_rng(count)
    base = np.add.outer(np.arange(size * 3 // 2) + count * 3, np.arange(size) + count) % 200 + 20
    planes = (base + rng.integers(0, noise + 1, base.shape)).astype(np.uint8)
    frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
    frame.pts, frame.time_base = count * 3000, Fraction(1, 90_000)
    return frame


def packets_of(codec: Any, frames: int, *, first: int = 65_530, size: int = 128) -> list[RtpPacket]:
    """A stream's packets, over the end of the sequence numbers."""
    encoder = encoders.live_encoders(aiortc.codecs.get_encoder)(codec)
    packets: list[RtpPacket] = []
    for count in range(frames):
        payloads, timestamp = encoder.encode(picture(count, size, noise=60), count == 0)
        for i, payload in enumerate(payloads):
            packet = RtpPacket(
                payload_type=codec.payloadType,
                marker=int(i == len(payloads) - 1),
                sequence_number=(first + len(packets)) % 65_536,
                timestamp=timestamp,
                ssrc=1234,
            )
            packet.payload = payload
            packets.append(packet)
    return packets


class Transport:
    """Stands for the DTLS transport under a receiver; keeps the RTCP that is sent."""

    state = "connected"
    _stats_id = "transport"

    def __init__(self) -> None:
        self.sent: list[Any] = []

    async def _send_rtp(self, data: bytes) -> None:
        self.sent += RtcpPacket.parse(data)

    def _register_rtp_receiver(self, *args: object) -> None:
        pass

    def _unregister_rtp_receiver(self, *args: object) -> None:
        pass

    def keyframes_asked(self) -> int:
        return sum(isinstance(one, RtcpPsfbPacket) and one.fmt == 1 for one in self.sent)

    def packets_asked(self) -> int:
        return sum(isinstance(one, RtcpRtpfbPacket) for one in self.sent)


class Received:
    """A receiver with nothing but a fake transport under it, and what it has decoded."""

    def __init__(self, codec: Any, adaptations: Iterable[str]) -> None:
        self.codec, self.adaptations = codec, adaptations
        self.transport = Transport()

    async def __aenter__(self) -> Received:
        self._adapted = rtc.adapted(self.adaptations)
        self._adapted.__enter__()
        kind = self.codec.mimeType.split("/")[0]
        self.receiver = RTCRtpReceiver(kind, self.transport)  # type: ignore[arg-type]
        self.receiver._track = RemoteStreamTrack(kind)
        self.receiver._set_rtcp_ssrc(1)
        await self.receiver.receive(RTCRtpReceiveParameters(codecs=[self.codec]))
        return self

    async def __aexit__(self, *args: object) -> None:
        await self.receiver.stop()
        self._adapted.__exit__(None, None, None)

    async def take(self, packets: Iterable[RtpPacket]) -> int:
        """Gives it packets; says how many frames have been handed to the decoder so far."""
        for packet in packets:
            await self.receiver._handle_rtp_packet(packet, arrival_time_ms=0)
        return self.handed_on

    @property
    def handed_on(self) -> int:
        mapper = private(self.receiver, "timestamp_mapper")
        return 0 if mapper._last is None else mapper._last // self.tick + 1

    @property
    def tick(self) -> int:
        return 3000 if self.codec.mimeType.startswith("video") else 960

    async def pictures(self, count: int) -> list[int]:
        """The times, in ticks, of the next decoded frames."""
        async with asyncio.timeout(5):
            return [(await self.receiver.track.recv()).pts or 0 for _ in range(count)]


@pytest.fixture(autouse=True)
def stock() -> Iterator[None]:
    """Each test begins with aiortc as it comes, whatever was adapted before in this process."""
    with rtc.adapted([]):
        yield


def test_it_is_for_one_version_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aiortc, "__version__", "1.17.0")
    with pytest.raises(RuntimeError, match=r"install 'aiortc~=1\.16\.0'"):
        rtc.adapt([])


def test_everything_is_put_back() -> None:
    def look() -> list[object]:
        return [getattr(e.owner, e.name) for es in rtc.ADAPTATIONS.values() for e in es]

    before = look()
    with rtc.adapted(rtc.ADAPTATIONS):
        assert all(a is not b for a, b in zip(before, look(), strict=True))
        rtc.adapt()  # a second time changes nothing
        inside = look()
        rtc.adapt()
        assert all(a is b for a, b in zip(inside, look(), strict=True))
    assert all(a is b for a, b in zip(before, look(), strict=True))


# prompt_release


@pytest.mark.parametrize("codec", [VP8, H264], ids=["VP8", "H264"])
@in_loop
async def test_a_frame_of_video_leaves_with_its_last_packet(codec: Any) -> None:
    packets = packets_of(codec, 1, size=256)
    assert len(packets) > 2
    async with Received(codec, ["prompt_release"]) as received:
        assert await received.take(packets[:-1]) == 0
        assert await received.take(packets[-1:]) == 1
        assert await received.pictures(1) == [0]
    async with Received(codec, []) as received:
        assert await received.take(packets) == 0


@in_loop
async def test_sound_leaves_at_once() -> None:
    packets = sound_packets(5)
    async with Received(OPUS, ["prompt_release"]) as received:
        assert await received.take(packets[:1]) == 1
        assert await received.take(packets[1:]) == 5
    async with Received(OPUS, []) as received:
        assert await received.take(packets[:4]) == 0


def sound_packets(count: int) -> list[RtpPacket]:
    packets = []
    for i in range(count):
        packet = RtpPacket(
            payload_type=OPUS.payloadType or 0, sequence_number=i, timestamp=960 * i, ssrc=1234
        )
        packet.payload = b"\xfc\xff\xfe"  # 20 ms of Opus silence
        packets.append(packet)
    return packets


@in_loop
async def test_sound_waits_for_a_late_packet_but_not_for_long() -> None:
    packets = sound_packets(8)
    async with Received(OPUS, ["prompt_release"]) as received:
        await received.take(packets[:1])
        assert await received.take([packets[2], packets[1]]) == 3  # only out of order
        assert await received.take(packets[4:6]) == 3  # 3 is missing
        assert await received.take(packets[6:]) == 8


@in_loop
async def test_frames_without_a_marker_leave_with_the_next() -> None:
    packets = packets_of(VP8, 3)
    for packet in packets:
        packet.marker = 0
    async with Received(VP8, ["prompt_release"]) as received:
        assert await received.take(packets) == 2


@in_loop
async def test_one_packet_may_complete_several_frames() -> None:
    packets = packets_of(VP8, 4, size=256)
    starts = [i for i, p in enumerate(packets) if i == 0 or packets[i - 1].marker]
    late = starts[1]
    async with Received(VP8, ["prompt_release"]) as received:
        assert await received.take(packets[:late] + packets[late + 1 :]) == 1
        assert await received.take([packets[late]]) == 4
    async with Received(VP8, []) as received:
        await received.take(packets[:late] + packets[late + 1 :])
        assert await received.take([packets[late]]) < 4


@in_loop
async def test_padding_makes_no_frame() -> None:
    packets = packets_of(VP8, 2)
    padding = RtpPacket(
        payload_type=VP8.payloadType or 0,
        sequence_number=packets[0].sequence_number,
        timestamp=packets[0].timestamp,
        ssrc=1234,
    )
    last = max(i for i, packet in enumerate(packets) if packet.timestamp == 0)
    for packet in packets:
        packet.sequence_number = (packet.sequence_number + 1 + (packet.timestamp > 0)) % 65_536
    after = RtpPacket(
        payload_type=VP8.payloadType or 0,
        sequence_number=(packets[last].sequence_number + 1) % 65_536,
        timestamp=0,
        ssrc=1234,
    )
    stream = [padding, *packets[: last + 1], after, *packets[last + 1 :]]
    async with Received(VP8, ["prompt_release", "bounded_decoding"]) as received:
        assert await received.take(stream) == 2
        assert await received.pictures(2) == [0, 3000]


class Clock:
    """Time that a test moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = now_ns()
        for module in (gate, jitter, lost):
            monkeypatch.setattr(module, "now_ns", lambda: self.now)


@in_loop
async def lose_a_packet(clock: Clock, adaptations: list[str], after: Callable[..., None]) -> None:
    """Twelve frames of which the third has lost a packet for good, and the tenth is a keyframe."""
    encoder = encoders.LiveVp8Encoder()
    number, stream = 0, []
    for count in range(12):
        payloads, timestamp = encoder.encode(picture(count, 256, noise=60), count in (0, 9))
        frame = []
        for i, payload in enumerate(payloads):
            packet = RtpPacket(
                VP8.payloadType or 0, int(i == len(payloads) - 1), number, timestamp, 1234
            )
            packet.payload = payload
            frame.append(packet)
            number += 1
        stream.append(frame)
    del stream[2][0]
    async with Received(VP8, adaptations) as received:
        handed_on = []
        for frame in stream:
            handed_on.append(await received.take(frame))
            clock.now += 50 * MILLISECOND
        after(handed_on, received.transport)


def test_a_packet_lost_for_good_costs_a_keyframe_not_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def repaired(handed_on: list[int], transport: Transport) -> None:
        assert handed_on[1] == handed_on[8] == 2  # nothing that cannot be decoded
        assert handed_on[9:] == [10, 11, 12]  # and all from the keyframe on
        assert 1 <= transport.keyframes_asked() <= 3
        assert transport.packets_asked() >= 3  # again and again, while there was hope

    def frozen(handed_on: list[int], transport: Transport) -> None:
        assert handed_on[-1] <= 2
        assert transport.keyframes_asked() == 0
        assert transport.packets_asked() == 1

    clock = Clock(monkeypatch)
    lose_a_packet(clock, ["prompt_release", "recovery"], repaired)
    lose_a_packet(clock, ["prompt_release"], frozen)
    lose_a_packet(clock, [], frozen)


@in_loop
async def test_a_stream_without_keyframes_is_shown_in_the_end() -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        clock = Clock(monkeypatch)
        packets = packets_of(VP8, 6)
        async with Received(VP8, ["prompt_release"]) as received:
            later = [packet for packet in packets if packet.timestamp > 0]
            assert await received.take(later[:-1]) == 0
            assert received.transport.keyframes_asked() == 1
            clock.now += 4 * SECOND
            await received.take(later[-1:])
            assert received.handed_on


@given(
    order=st.permutations(range(24)),
    sizes=st.lists(st.integers(1, 4), min_size=6, max_size=6),
    first=st.integers(0, 65_535),
)
def test_any_order_within_the_window(order: list[int], sizes: list[int], first: int) -> None:
    """Whatever the order, frames come out whole, in order, once."""
    packets: list[RtpPacket] = []
    for timestamp, size in enumerate(sizes):
        for i in range(size):
            packet = RtpPacket(
                marker=int(i == size - 1),
                sequence_number=(first + len(packets)) % 65_536,
                timestamp=timestamp,
            )
            packet._data = bytes([timestamp, i])  # type: ignore[attr-defined]
            packets.append(packet)
    arrival = [packets[0]] + [packets[i] for i in order if 0 < i < len(packets)]
    buffer = PromptJitterBuffer(64, is_video=True)
    frames = []
    for packet in arrival:
        for _ in range(2):  # every packet twice
            buffer.add(packet)
            while (frame := buffer.pop()) is not None:
                frames.append(frame)
    assert [frame.timestamp for frame in frames] == list(range(6))
    assert [len(frame.data) for frame in frames] == [2 * size for size in sizes]


def test_keyframes_are_told_from_others() -> None:
    for codec in (VP8, H264):
        packets = packets_of(codec, 3)
        for ticks in (0, 3000, 6000):
            frame = [packet for packet in packets if packet.timestamp == ticks]
            data = b"".join(aiortc.codecs.depayload(codec, packet.payload) for packet in frame)
            assert is_keyframe(codec.name, data) is (ticks == 0)
    assert not is_keyframe("VP8", b"")
    assert not is_keyframe("H264", b"\0\0\1")


# bounded_decoding


@in_loop
async def test_frames_that_nobody_takes_do_not_pile_up() -> None:
    async def waiting(adaptations: list[str]) -> int:
        packets = packets_of(VP8, 40)
        async with Received(VP8, adaptations) as received:
            assert isinstance(received.receiver.track, RemoteStreamTrack)
            for packet in packets:
                await received.take([packet])
                await asyncio.sleep(0.002)
            return received.receiver.track._queue.qsize()

    assert await waiting(["prompt_release", "bounded_decoding"]) <= 8
    assert await waiting(["prompt_release"]) > 8


def test_what_a_slow_decoder_cannot_take_is_dropped() -> None:
    queue = receiver.DecoderQueue()
    for i in range(33):
        queue.put(i)
    assert queue.overrun
    assert queue.get() == 32
    assert queue.empty()
    queue.put(1)
    queue.put(None)  # the end comes before whatever waits
    assert queue.get() is None


@in_loop
async def test_after_an_overrun_only_a_keyframe_is_decoded() -> None:
    packets = packets_of(VP8, 6)
    async with Received(VP8, ["prompt_release", "bounded_decoding"]) as received:
        first = [packet for packet in packets if packet.timestamp == 0]
        assert await received.take(first) == 1
        private(received.receiver, "decoder_queue").overrun = True
        # the next one finds out, those after it wait
        assert await received.take(packets[len(first) :]) == 2
        assert received.transport.keyframes_asked() == 1


@in_loop
async def test_decoder_threads_are_few_and_do_not_outlive_the_process() -> None:
    for adaptations, daemon in ((["bounded_decoding"], True), ([], False)):
        async with Received(VP8, adaptations) as received:
            assert private(received.receiver, "decoder_thread").daemon is daemon


@pytest.mark.parametrize("codec", [VP8, H264], ids=["VP8", "H264"])
@in_loop
async def test_a_decoder_takes_no_more_threads(codec: Any) -> None:
    made: list[Any] = []

    def get_decoder(codec: Any) -> Any:
        made.append(aiortc.codecs.get_decoder(codec))
        return made[-1]

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(receiver, "get_decoder", get_decoder)
        async with Received(codec, ["prompt_release", "bounded_decoding"]) as received:
            await received.take(packets_of(codec, 1))
            await received.pictures(1)
    assert made[0].codec.thread_count == 1
    stock: Any = aiortc.codecs.get_decoder(codec)
    assert stock.codec.thread_count != 1


@in_loop
async def test_a_frame_that_cannot_be_decoded_asks_for_a_keyframe() -> None:
    packets = packets_of(H264, 3)
    for packet in packets:
        if packet.timestamp:
            packet.payload = packet.payload[:1] + bytes(len(packet.payload) - 1)
    async with Received(H264, ["prompt_release", "bounded_decoding"]) as received:
        await received.take(packets[:-1])
        failed = private(received.receiver, "decoder_error")
        assert await asyncio.to_thread(failed.wait, 5)
        await received.take(packets[-1:])
        assert received.transport.keyframes_asked() >= 1


class Outlet:
    """Keeps what it is given, and on which thread."""

    def __init__(self) -> None:
        self.given: list[tuple[int | None, int]] = []
        self.both = asyncio.Event()
        self.ended = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def deliver(self, frame: av.VideoFrame | av.AudioFrame, captured_ns: int) -> None:
        self.given.append((frame.pts, captured_ns))
        if len(self.given) == 2:
            self._loop.call_soon_threadsafe(self.both.set)

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self.ended.set)


@in_loop
async def test_a_redirected_track_delivers_with_times_of_arrival() -> None:
    start = now_ns()
    outlet = Outlet()
    with rtc.adapted(["prompt_release", "bounded_decoding"]):
        made = RTCRtpReceiver("video", Transport())  # type: ignore[arg-type]
        made._track = RemoteStreamTrack("video")
        rtc.redirect(made._track, outlet)
        await made.receive(RTCRtpReceiveParameters(codecs=[VP8]))
        packets = packets_of(VP8, 2, size=256)
        for packet in packets:
            await made._handle_rtp_packet(packet, 0)
            await asyncio.sleep(0.002)
        await asyncio.wait_for(outlet.both.wait(), 5)
        await made.stop()
        await asyncio.wait_for(outlet.ended.wait(), 5)
    (first, first_ns), (second, second_ns) = outlet.given
    assert (first, second) == (0, 3000)
    # of the first packet, not of the last
    between = len([packet for packet in packets if packet.timestamp == 0])
    assert start < first_ns < second_ns - between * 2 * MILLISECOND * 0.9


@in_loop
async def test_sound_may_be_taken_as_it_came() -> None:
    class Encoded:
        def __init__(self) -> None:
            self.given: list[tuple[bytes, int]] = []

        def deliver_encoded(self, data: bytes, ticks: int, captured_ns: int) -> None:
            assert captured_ns
            self.given.append((data, ticks))

    outlet = Encoded()
    packets = sound_packets(3)
    with rtc.adapted(["prompt_release", "bounded_decoding"]):
        made = RTCRtpReceiver("audio", Transport())  # type: ignore[arg-type]
        made._track = RemoteStreamTrack("audio")
        rtc.redirect(made._track, outlet)
        await made.receive(RTCRtpReceiveParameters(codecs=[OPUS]))
        for packet in packets:
            await made._handle_rtp_packet(packet, 0)
        await made.stop()
    assert outlet.given == [(packet.payload, packet.timestamp) for packet in packets]


def test_a_track_is_not_redirected_into_nowhere() -> None:
    with rtc.adapted(["prompt_release"]), pytest.raises(RuntimeError, match="adapt"):
        rtc.redirect(RemoteStreamTrack("audio"), None)  # type: ignore[arg-type]


# live_encoders


def encoder(codec: Any, adaptations: list[str]) -> Encoder:
    with rtc.adapted(adaptations):
        made: Encoder = vars(rtcrtpsender)["get_encoder"](codec)
        return made


def run(made: Any, frames: range, size: int = 256) -> tuple[int, int]:
    """Encodes; gives bytes and keyframes."""
    name = "H264" if "264" in type(made).__name__ else "VP8"
    codec = H264 if name == "H264" else VP8
    sent = keyframes = 0
    for count in frames:
        payloads, _ = made.encode(picture(count, size, noise=60), False)
        sent += sum(map(len, payloads))
        data = b"".join(aiortc.codecs.depayload(codec, payload) for payload in payloads)
        keyframes += is_keyframe(name, data)
    return sent, keyframes


def test_h264_changes_its_rate_without_a_keyframe() -> None:
    made = encoder(H264, ["live_encoders"])
    assert isinstance(made, encoders.LiveH264Encoder)
    made.target_bitrate = 2_000_000
    run(made, range(30))
    high, keyframes = run(made, range(30, 90))
    made.target_bitrate = 500_000
    run(made, range(90, 110))
    low, more_keyframes = run(made, range(110, 170))
    made.target_bitrate = 2_000_000
    run(made, range(170, 190))
    high_again, yet_more = run(made, range(190, 250))
    assert keyframes == more_keyframes == yet_more == 0
    assert 0.5 * 500_000 < low * 8 / 2 < 1.4 * 500_000
    assert high > 2 * low < high_again

    stock: Any = encoder(H264, [])
    stock.target_bitrate = 2_000_000
    run(stock, range(10))
    stock.target_bitrate = 500_000
    assert run(stock, range(10, 20))[1] == 1


def test_vp8_does_not_storm_keyframes(monkeypatch: pytest.MonkeyPatch) -> None:
    now = now_ns()
    monkeypatch.setattr(encoders, "now_ns", lambda: now)
    made = encoder(VP8, ["live_encoders"])
    assert isinstance(made, encoders.LiveVp8Encoder)
    run(made, range(2))
    storm = 0
    for i, rate in enumerate((900_000, 1_300_000, 700_000, 1_500_000, 400_000)):
        made.target_bitrate = rate
        storm += run(made, range(2 + i, 3 + i))[1]
    assert storm == 0
    now += 5 * SECOND
    assert run(made, range(9, 12))[1] == 1  # once, and to the newest rate
    assert made.codec is not None
    assert made.codec.bit_rate == 400_000
    now += 1 * SECOND
    made.target_bitrate = 1_500_000
    assert run(made, range(12, 14))[1] == 0  # upwards it takes its time
    made.target_bitrate = 200_000
    assert run(made, range(14, 16))[1] == 1  # not downwards

    stock: Any = encoder(VP8, [])
    run(stock, range(2))
    storm = 0
    for i, rate in enumerate((900_000, 1_300_000, 700_000)):
        stock.target_bitrate = rate
        storm += run(stock, range(2 + i, 3 + i))[1]
    assert storm == 3


@pytest.mark.parametrize("codec", [VP8, H264], ids=["VP8", "H264"])
def test_encoders_answer_a_request_for_a_keyframe_and_a_change_of_size(codec: Any) -> None:
    made: Any = encoder(codec, ["live_encoders"])
    run(made, range(3))
    payloads, _ = made.encode(picture(4, 256), True)
    data = b"".join(aiortc.codecs.depayload(codec, payload) for payload in payloads)
    assert is_keyframe(codec.name, data)
    assert run(made, range(5, 8))[1] == 0
    assert run(made, range(8, 11), size=192)[1] == 1


@in_loop
async def test_the_rate_has_bounds() -> None:
    made: Any = encoder(H264, ["live_encoders"])
    # a viewer estimates half as much again as what arrives: who begins low stays low
    assert made.target_bitrate >= 1_500_000
    made.target_bitrate = 10**9
    assert made.target_bitrate == encoders.HIGHEST_BITRATE
    made.target_bitrate = 1
    assert made.target_bitrate == encoders.LOWEST_BITRATE
    with rtc.adapted(["live_encoders"]):
        sending = rtcrtpsender.RTCRtpSender("video", Transport())  # type: ignore[arg-type]
        rtc.set_bitrate_limit(sending, H264, 500_000)
        limited = private(sending, "encoder")
    assert limited.target_bitrate == 500_000


def test_h264_is_encoded_in_a_fraction_of_the_time() -> None:
    ours, stock = encoder(H264, ["live_encoders"]), encoder(H264, [])
    costs = []
    for made in (ours, stock):
        run(made, range(3), size=512)
        start = time.process_time()
        run(made, range(3, 13), size=512)
        costs.append(time.process_time() - start)
    drawing = time.process_time()
    for count in range(10):
        picture(count, 512, noise=60)
    drawing = time.process_time() - drawing
    assert costs[0] - drawing < 0.6 * (costs[1] - drawing)


def test_colours_are_named_in_h264() -> None:
    made: Any = encoder(H264, ["live_encoders"])
    payloads, _ = made.encode(picture(0), True)
    data = b"".join(aiortc.codecs.depayload(H264, payload) for payload in payloads)
    decoder = av.CodecContext.create("h264", "r")
    assert isinstance(decoder, av.VideoCodecContext)
    frames = [*decoder.decode(av.Packet(data)), *decoder.decode(None)]
    assert (frames[0].color_range, frames[0].colorspace) == (1, 6)
    assert (frames[0].color_primaries, frames[0].color_trc) == (1, 13)


# playout_delay


@in_loop
async def test_the_playout_delay_is_negotiated() -> None:
    async def answer_to(adaptations: list[str], offering: list[str]) -> str:
        with rtc.adapted(offering):
            one = RTCPeerConnection()
            one.addTransceiver("video")
            await one.setLocalDescription(await one.createOffer())
        with rtc.adapted(adaptations):
            two = RTCPeerConnection()
            await two.setRemoteDescription(one.localDescription)
            text = (await two.createAnswer()).sdp
        await one.close()
        await two.close()
        return str(text)

    ours = ["playout_delay"]
    assert sender.PLAYOUT_DELAY in await answer_to(ours, ours)
    assert sender.PLAYOUT_DELAY not in await answer_to(ours, [])
    assert sender.PLAYOUT_DELAY not in await answer_to([], ours)


def test_every_packet_carries_the_playout_delay() -> None:
    with rtc.adapted(["playout_delay"]):
        extensions = aiortc.rtp.HeaderExtensionsMap()
        values = aiortc.rtp.HeaderExtensions(mid="0", abs_send_time=7)
        parameters = RTCRtpReceiveParameters()
        without = extensions.set(values)
        parameters.headerExtensions = aiortc.codecs.HEADER_EXTENSIONS["video"]
        extensions.configure(parameters)
        profile, packed = extensions.set(values)
        assert without == (0, b"")
        assert dict(aiortc.rtp.unpack_header_extensions(profile, packed)) == {
            1: b"0",
            3: b"\0\0\7",
            4: sender.NO_DELAY,
        }
        assert extensions.get(profile, packed).abs_send_time == 7


def test_the_playout_delay_follows_the_loss() -> None:
    delay = sender.PlayoutDelay()
    assert delay.report(0.01, 0) == sender.NO_DELAY
    delay.round_trip_ns = 80 * MILLISECOND
    some_delay = sender.some_delay(80 * MILLISECOND)
    assert delay.report(0.03, 1 * SECOND) == some_delay
    assert delay.report(0.01, 5 * SECOND) == some_delay
    assert delay.report(0.0, 14 * SECOND) == some_delay
    assert delay.report(0.0, 16 * SECOND) == sender.NO_DELAY
    # 12 bits of shortest, 12 of longest, in 10 ms
    assert int.from_bytes(some_delay, "big") == 0 << 12 | 20
    assert int.from_bytes(sender.WITH_SOUND, "big") == 4 << 12 | 50


@in_loop
async def test_a_receivers_report_of_loss_reaches_the_packets() -> None:
    with rtc.adapted(["playout_delay"]):
        sending = rtcrtpsender.RTCRtpSender("video", Transport())  # type: ignore[arg-type]
        report = aiortc.rtp.RtcpReceiverInfo(sending._ssrc, 26, 5, 0, 0, 0, 0)
        await sending._handle_rtcp_packet(aiortc.rtp.RtcpRrPacket(ssrc=1, reports=[report]))
        some_delay = sender.PlayoutDelay().report(0.1, now_ns())
        assert some_delay != sender.NO_DELAY
        assert private(sending, "rtp_header_extensions_map").delay == some_delay
        for wait, value in ((True, sender.WITH_SOUND), (False, some_delay)):
            rtc.wait_for_sound(sending, wait)
            assert private(sending, "rtp_header_extensions_map").delay == value


# loopback


def test_loopback_where_there_is_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    def found(others: list[str]) -> list[str]:
        monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6: others)
        with rtc.adapted(["loopback"]):
            return aioice.ice.get_host_addresses(use_ipv4=True, use_ipv6=True)

    assert found([]) == ["127.0.0.1"]
    assert found(["192.0.2.1"]) == ["192.0.2.1"]
