"""RTP in, decoded frames out on the decoder's own thread: what we change in aiortc's receiver."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from types import ModuleType, SimpleNamespace
from typing import Any, Protocol, runtime_checkable

import av
from aiortc.codecs import get_decoder
from aiortc.jitterbuffer import JitterBuffer
from aiortc.mediastreams import MediaStreamTrack
from aiortc.rtcrtpreceiver import RemoteStreamTrack, RTCRtpReceiver
from aiortc.rtp import RtpPacket
from aiortc.utils import uint16_gt

from live.clock import MILLISECOND, SECOND, now_ns
from live.rtc.access import private
from live.rtc.jitter import ArrivedFrame, PromptJitterBuffer

logger = logging.getLogger(__name__)

_ASK_AGAIN_NS = 60 * MILLISECOND
_ASK_KEYFRAME_AGAIN_NS = 500 * MILLISECOND
_GATE_NS = 3 * SECOND
_UNDECODED = 32
"""Encoded frames kept for a slow decoder, a second's worth; past that only a keyframe helps."""
_UNTAKEN = 8
"""Decoded frames kept for a slow taker of a track that nobody has redirected."""

Handle = Callable[[RTCRtpReceiver, RtpPacket, int], Coroutine[Any, Any, None]]


@runtime_checkable
class Outlet(Protocol):
    """Where a track's decoded frames go; called on the decoder's thread, must not block."""

    def deliver(self, frame: av.VideoFrame | av.AudioFrame, captured_ns: int) -> None:
        """Takes a frame and when its first packet arrived."""

    def end(self) -> None:
        """There will be no more frames."""


@runtime_checkable
class EncodedOutlet(Protocol):
    """Where a track's frames go as they came, undecoded; called on the event loop."""

    def deliver_encoded(self, data: bytes, ticks: int, captured_ns: int) -> None:
        """Takes a frame, its time in RTP ticks and when its first packet arrived."""


@runtime_checkable
class ArrivalTaker(Protocol):
    """An outlet that wants to know how long a frame's packets took; called before `deliver`."""

    def deliver_arrival(self, whole_ns: int) -> None:
        """Takes when the last packet of the next frame arrived."""


def redirect(track: MediaStreamTrack, outlet: Outlet | EncodedOutlet) -> None:
    """Lets a remote track's frames go straight to `outlet`, without a queue between.

    To be called before the connection is up; the track's `recv` yields nothing after that.
    """
    assert isinstance(track, RemoteStreamTrack)
    track._queue = _OutletQueue(outlet)


class _OutletQueue(asyncio.Queue[Any]):
    """Stands where aiortc's track has its queue; carries the outlet to where frames come up."""

    def __init__(self, outlet: Outlet | EncodedOutlet) -> None:
        super().__init__(maxsize=1)
        self.outlet = outlet
        self.encoded = outlet if isinstance(outlet, EncodedOutlet) else None
        self.decoded = outlet if isinstance(outlet, Outlet) else None


class DecoderQueue(queue.Queue[Any]):
    """Encoded frames on their way to the decoder's thread; `None` ends it.

    Whoever decodes too slowly loses all that waits: in video, what follows a lost frame is of no
    use anyway before the next keyframe.
    """

    overrun = False
    """Set when frames were lost; whoever asks for the keyframe clears it."""

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """Never blocks."""
        with self.mutex:
            if item is None or len(self.queue) >= _UNDECODED:
                self.overrun = item is not None
                self.queue.clear()
            self.queue.append(item)
            self.not_empty.notify()


def prompt_buffers(stock: type[JitterBuffer]) -> type[JitterBuffer]:
    """The buffer that releases with the marker bit."""
    return PromptJitterBuffer


def bounded_queues(stock: ModuleType) -> SimpleNamespace:
    """What `aiortc.rtcrtpreceiver` uses of the module `queue`."""
    return SimpleNamespace(Queue=DecoderQueue)


def daemon_threads(stock: ModuleType) -> SimpleNamespace:
    """What `aiortc.rtcrtpreceiver` uses of the module `threading`.

    aiortc's decoder threads would keep a process alive that was told to end during a call.
    """

    class DaemonThread(threading.Thread):
        def __init__(self, **arguments: Any) -> None:
            super().__init__(daemon=True, **arguments)

    return SimpleNamespace(Thread=DaemonThread, Event=threading.Event)


def deliver_promptly(stock: Handle) -> Handle:
    """Wraps the receiver's packet handler: fetches every whole frame, repairs what is lost."""

    async def _handle_rtp_packet(
        self: RTCRtpReceiver, packet: RtpPacket, arrival_time_ms: int
    ) -> None:
        await stock(self, packet, arrival_time_ms)
        buffer = private(self, "jitter_buffer")
        if not isinstance(buffer, PromptJitterBuffer) or not private(self, "decoder_thread"):
            return
        now = now_ns()
        gate = self.__dict__.setdefault("_visavis_gate", _Gate(self))
        skipped = buffer.give_up(now)
        if skipped:
            gate.close(now)
        while (frame := buffer.pop()) is not None:
            gate.pass_on(frame, now)
        # a retransmission comes under an SSRC of its own; feedback names the media's
        ssrc = private(self, "rtx_ssrc").get(packet.ssrc, packet.ssrc)
        await gate.repair(buffer, ssrc, now)

    return _handle_rtp_packet


class _Gate:
    """Between one receiver's jitter buffer and its decoder."""

    def __init__(self, receiver: RTCRtpReceiver) -> None:
        self._of = receiver
        self._video = private(receiver, "kind") == "video"
        # Before the first keyframe there is nothing to decode either.
        self._closed_ns: int | None = now_ns() if self._video else None
        self._asked_ns = self._asked_keyframe_ns = 0

    def close(self, now: int) -> None:
        """Lets no frame of video pass before the next keyframe."""
        if self._video:
            self._closed_ns = now

    def pass_on(self, frame: ArrivedFrame, now: int) -> None:
        """Gives a frame to the decoder, if it can be decoded."""
        codec = private(self._of, "codecs").get(frame.payload_type)
        if codec is None:
            return
        if self._closed_ns is not None:
            # Some encoders refresh in strips and never send a keyframe: not to wait for ever.
            if not is_keyframe(codec.name, frame.data) and now - self._closed_ns < _GATE_NS:
                return
            self._closed_ns = None
        frame.timestamp = private(self._of, "timestamp_mapper").map(frame.timestamp)
        taker = self._of._track._queue if self._of._track is not None else None
        if isinstance(taker, _OutletQueue) and taker.encoded is not None:
            taker.encoded.deliver_encoded(frame.data, frame.timestamp, frame.captured_ns)
            return
        waiting = private(self._of, "decoder_queue")
        waiting.put((codec, frame))
        if getattr(waiting, "overrun", False):
            waiting.overrun = False
            self.close(now)

    async def repair(self, buffer: PromptJitterBuffer, ssrc: int, now: int) -> None:
        """Asks for lost packets again and again, and for a keyframe where those did not help."""
        if not self._video:
            return
        missing = private(self._of, "nack_generator").missing
        useless = [one for one in missing if uint16_gt(buffer.head, one)]
        missing.difference_update(useless)
        if missing and now - self._asked_ns > _ASK_AGAIN_NS:
            self._asked_ns = now
            await self._of._send_rtcp_nack(ssrc, sorted(missing))
        if self._closed_ns is not None and now - self._asked_keyframe_ns > _ASK_KEYFRAME_AGAIN_NS:
            self._asked_keyframe_ns = now
            await self._of._send_rtcp_pli(ssrc)


def is_keyframe(codec: str, data: bytes) -> bool:
    """Whether an encoded frame can be decoded without any before it (RFC 6386 9.1, H.264 7.4.1)."""
    if codec.upper() == "VP8":
        return bool(data) and not data[0] & 1
    start = data.find(b"\0\0\1")
    while 0 <= start < len(data) - 3:
        if data[start + 3] & 31 in (5, 7):  # a slice of an IDR picture; a parameter set before one
            return True
        start = data.find(b"\0\0\1", start + 3)
    return False


def decode(
    loop: asyncio.AbstractEventLoop,
    encoded: queue.Queue[Any],
    taker: asyncio.Queue[Any],
    failed: threading.Event,
) -> None:
    """The decoder's thread: until `None` comes, one encoded frame in, its picture or sound out."""
    outlet: Outlet = _TrackOutlet(loop, taker)
    if isinstance(taker, _OutletQueue) and taker.decoded is not None:
        outlet = taker.decoded
    arrivals = outlet if isinstance(outlet, ArrivalTaker) else None
    decoder, name = None, None
    while (task := encoded.get()) is not None:
        codec, frame = task
        if decoder is None or codec.name != name:
            decoder, name = get_decoder(codec), codec.name
            if hasattr(decoder, "codec"):
                decoder.codec.thread_count = 1  # FFmpeg would take a thread per core and call
        try:
            decoded = decoder.decode(frame)
        except (av.FFmpegError, ValueError) as error:
            logger.info("a %s frame could not be decoded: %s", codec.name, type(error).__name__)
            failed.set()
            continue
        for one in decoded:
            assert isinstance(one, av.VideoFrame | av.AudioFrame)
            if arrivals is not None and isinstance(frame, ArrivedFrame):
                arrivals.deliver_arrival(frame.whole_ns)
            outlet.deliver(one, getattr(frame, "captured_ns", 0))
    outlet.end()


class _TrackOutlet:
    """The way to a track whose frames are taken with `recv`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, frames: asyncio.Queue[Any]) -> None:
        self._loop = loop
        self._frames = frames

    def deliver(self, frame: av.VideoFrame | av.AudioFrame, captured_ns: int) -> None:
        self._put(frame)

    def end(self) -> None:
        self._put(None)

    def _put(self, frame: av.VideoFrame | av.AudioFrame | None) -> None:
        def put() -> None:
            if self._frames.qsize() >= _UNTAKEN:
                self._frames.get_nowait()
            self._frames.put_nowait(frame)

        with suppress(RuntimeError):  # the loop may have gone, and the taker with it
            self._loop.call_soon_threadsafe(put)
