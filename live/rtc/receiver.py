"""RTP in, decoded frames out on the decoder's own thread: what we change in aiortc's receiver."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Callable, Coroutine
from types import ModuleType, SimpleNamespace
from typing import Any

import av
from aiortc.codecs import get_decoder
from aiortc.jitterbuffer import JitterBuffer
from aiortc.rtcrtpreceiver import NackGenerator, RTCRtpReceiver
from aiortc.rtp import RtpPacket

from live.rtc.access import private
from live.rtc.gate import Gate
from live.rtc.jitter import ArrivedFrame, PromptJitterBuffer
from live.rtc.lost import LostPackets
from live.rtc.outlets import ArrivalTaker, Outlet, OutletQueue, TrackOutlet

logger = logging.getLogger(__name__)

_UNDECODED = 32
"""Encoded frames kept for a slow decoder, a second's worth; past that only a keyframe helps."""

Handle = Callable[[RTCRtpReceiver, RtpPacket, int], Coroutine[Any, Any, None]]


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


def ask_by_the_clock(stock: type[NackGenerator]) -> type[LostPackets]:
    """What knows which packets are missing, and when each is to be asked for."""
    return LostPackets


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
    """Wraps the receiver's packet handler: every whole frame is fetched (see `live.rtc.gate`)."""

    async def _handle_rtp_packet(
        self: RTCRtpReceiver, packet: RtpPacket, arrival_time_ms: int
    ) -> None:
        await stock(self, packet, arrival_time_ms)
        buffer = private(self, "jitter_buffer")
        if not isinstance(buffer, PromptJitterBuffer) or not private(self, "decoder_thread"):
            return
        gate: Gate | None = self.__dict__.get("_visavis_gate")
        if gate is None:
            gate = self.__dict__["_visavis_gate"] = Gate(self, buffer)
        # a retransmission comes under an SSRC of its own; feedback names the media's
        await gate.take(private(self, "rtx_ssrc").get(packet.ssrc, packet.ssrc))

    return _handle_rtp_packet


def decode(
    loop: asyncio.AbstractEventLoop,
    encoded: queue.Queue[Any],
    taker: asyncio.Queue[Any],
    failed: threading.Event,
) -> None:
    """The decoder's thread: until `None` comes, one encoded frame in, its picture or sound out."""
    outlet: Outlet = TrackOutlet(loop, taker)
    if isinstance(taker, OutletQueue) and taker.decoded is not None:
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
