"""Encoded frames in, packets out: paced, kept for a while, and sent again where they are missed.

aiortc sends all of a frame's packets at once, keeps the last 128 for whoever asks, however old and
however often, and notices nothing when the viewer has gone and come back. Here

* a large frame is spread over some milliseconds, as it would overflow a small queue;
* while packets are lost each is sent a second time a few milliseconds later, within the same rate:
  what would have waited for a round trip waits for nothing; so are answers to a viewer that asks;
* a packet is not sent again while the last answer is on its way, nor when a keyframe has made it
  useless; a viewer that misses a great many gets a keyframe at once;
* a viewer from which nothing has come for a moment, and then something, gets one unasked.
"""

from __future__ import annotations

import asyncio
import logging
import struct
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any

from aiortc import clock as wall
from aiortc import rtp
from aiortc.codecs import depayload
from aiortc.mediastreams import MediaStreamError
from aiortc.rtcrtpsender import RTCEncodedFrame, RTCRtpSender, random_sequence_number
from aiortc.rtp import (
    RtcpPsfbPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpRtpfbPacket,
    RtcpSrPacket,
    RtpPacket,
    wrap_rtx,
)
from aiortc.utils import random32, uint16_add, uint32_add

from live.clock import MILLISECOND, SECOND, now_ns
from live.rtc.access import private, set_private
from live.rtc.keyframes import begins_keyframe
from live.rtc.path import Path
from live.rtc.presence import Presence
from live.rtc.rate import SendingRate

logger = logging.getLogger(__name__)

HandleRtcp = Callable[[RTCRtpSender, Any], Coroutine[Any, Any, None]]

_KEPT = 512
"""Packets; at 2.5 Mbit/s two seconds."""
_KEPT_NS = SECOND
_MANY = 40
"""Packets missed at once for which a keyframe is sent instead: it is not larger, and newer."""
_AT_ONCE = 8
"""Packets; what is more waits a millisecond for each so many."""
_MOST_PAUSES = 8
_TWICE_AFTER_S = 0.005
_TWICE_FROM, _TWICE_UNTIL = 0.02, 0.005
"""How often packets are lost. Not how many: what loses ten in a row loses both of two."""
_RUN = 2.5
"""Packets lost in a row, in the mean: a queue that overflows, which more packets fill further."""
_TWICE_KEPT_NS = 3 * SECOND
_LONGEST_KEYFRAME_PAUSE_NS = 400 * MILLISECOND


class _Sent:
    __slots__ = ("answered_ns", "answers", "missed", "packet", "sent_ns")

    def __init__(self, packet: RtpPacket, sent_ns: int) -> None:
        self.packet, self.sent_ns = packet, sent_ns
        self.answered_ns = self.answers = 0
        self.missed = False

    def is_on_its_way(self, round_trip_ns: int, now: int, *, congested: bool) -> bool:
        """Whether it is too early to answer again; in congestion, each time for twice as long.

        A viewer asks again by the round trip that it knew before a queue had made it longer.
        What was sent twice unasked is no answer: a viewer that asks then lacks both, more likely.
        """
        if not self.answers:
            return False
        longer = 1 << min(self.answers - 1, 3) if congested else 1
        return now - self.answered_ns < 0.8 * round_trip_ns * longer


class Outgoing:
    """What one sender sends."""

    def __init__(self, sender: RTCRtpSender) -> None:
        """Nothing has been sent."""
        self.path = Path()
        self.rate = SendingRate(self.path)
        self._of = sender
        self._video = sender.kind == "video"
        self._presence = Presence()
        self._kept: OrderedDict[int, _Sent] = OrderedDict()
        self._keyframe_ns = 0
        self._twice_ns: int | None = None
        self._again: set[asyncio.Task[None]] = set()

    # What goes out

    async def run(self, codec: Any) -> None:
        """Sends frame by frame until the track ends."""
        number, origin = random_sequence_number(), random32()
        while True:
            if private(self._of, "track") is None:
                await asyncio.sleep(0.02)
                continue
            frame = await self._of._next_encoded_frame(codec)
            if frame is None:
                continue
            packets = self._packets(frame, codec.payloadType, number, origin)
            number = uint16_add(number, len(packets))
            if self._video:
                self._note_frame(codec, packets[0].payload)
            await self._send(packets)

    def stop(self) -> None:
        """Forgets what was to be sent again."""
        for task in self._again:
            task.cancel()

    def _packets(
        self, frame: RTCEncodedFrame, payload_type: int, number: int, origin: int
    ) -> list[RtpPacket]:
        payloads = [*frame.payloads]
        last = len(frame.payloads) - 1  # below zero where none is to be marked
        timestamp, mid = uint32_add(origin, frame.timestamp), private(self._of, "mid")
        packets = []
        for index, payload in enumerate(payloads):
            packet = RtpPacket(
                payload_type, int(index == last), uint16_add(number, index), timestamp
            )
            packet.ssrc, packet.payload = self._of._ssrc, payload
            packet.extensions.mid = mid
            if frame.audio_level is not None:
                packet.extensions.audio_level = (False, -frame.audio_level)
            packets.append(packet)
        return packets

    def _note_frame(self, codec: Any, first: bytes) -> None:
        now = now_ns()
        if begins_keyframe(codec.name, first, depayload(codec, first)):
            self._keyframe_ns = now
            self._kept.clear()
        if self._presence.returns(self._of.transport, now):
            self._kept.clear()
            self._of._send_keyframe()

    async def _send(self, packets: Sequence[RtpPacket]) -> None:
        pauses = min((len(packets) - 1) // _AT_ONCE, _MOST_PAUSES)
        burst = -(-len(packets) // (pauses + 1))
        for start in range(0, len(packets), burst):
            if start:
                await asyncio.sleep(0.001)
            await self._send_first(packets[start : start + burst])
        if self._video:
            self._send_copies_of([packet.sequence_number for packet in packets])

    async def _send_first(self, packets: Sequence[RtpPacket]) -> None:
        sender, transport, now = self._of, self._of.transport, now_ns()
        extensions = private(sender, "rtp_header_extensions_map")
        time_of_day = wall.current_ntp_time()
        for packet in packets:
            packet.extensions.abs_send_time = (time_of_day >> 14) & 0x00FFFFFF
            data = packet.serialize(extensions)
            await transport._send_rtp(data)
            if self._video:
                self._kept[packet.sequence_number] = _Sent(packet, now)
                if len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
                self.path.sent(len(data), now)
        set_private(sender, "ntp_timestamp", time_of_day)
        set_private(sender, "rtp_timestamp", packets[-1].timestamp)
        octets = sum(len(packet.payload) for packet in packets)
        set_private(sender, "octet_count", private(sender, "octet_count") + octets)
        set_private(sender, "packet_count", private(sender, "packet_count") + len(packets))

    # What goes out again

    async def missed(self, numbers: Sequence[int]) -> None:
        """The viewer misses packets; aiortc reads numbers past 65,535 where they begin anew."""
        now = now_ns()
        numbers = [number & 0xFFFF for number in numbers]
        known = [self._kept[number] for number in numbers if number in self._kept]
        fresh = [one for one in known if not one.missed]
        for one in fresh:
            one.missed = True
        missed = {one.packet.sequence_number for one in fresh}
        gaps = sum(uint16_add(number, -1) not in missed for number in missed)
        self.path.lost(len(missed), gaps, now)
        if len(known) > _MANY:
            self._kept.clear()
            self.keyframe_wanted()
            return
        congested, round_trip_ns = self.rate.congested(now), self.path.round_trip_ns
        answered = []
        for one in known:
            if now - one.sent_ns > _KEPT_NS:
                self.keyframe_wanted()
            elif not self.rate.has_room(now):
                break
            elif not one.is_on_its_way(round_trip_ns, now, congested=congested):
                one.answered_ns = now
                one.answers += 1
                answered.append(one.packet.sequence_number)
                await self._send_again(one)
        self._send_copies_of(answered)

    def keyframe_wanted(self) -> None:
        """The viewer cannot go on without one; what it asked before the last arrived is past."""
        pause_ns = self.path.round_trip_ns + 50 * MILLISECOND
        if now_ns() - self._keyframe_ns >= min(pause_ns, _LONGEST_KEYFRAME_PAUSE_NS):
            self._of._send_keyframe()

    def reported(self, report: RtcpReceiverInfo) -> None:
        """The viewer has answered a report of ours."""
        if report.lsr == private(self._of, "lsr"):
            took_s = time.time() - private(self._of, "lsr_time") - report.dlsr / 65536
            self.path.measured(max(round(took_s * SECOND), 0), now_ns())

    def follow_rate(self) -> None:
        """Gives the encoder what is left of the rate by what is sent twice."""
        now = now_ns()
        bitrate, encoder = self.rate.bitrate(now), private(self._of, "encoder")
        if bitrate is not None and hasattr(encoder, "target_bitrate"):
            encoder.target_bitrate = bitrate // 2 if self._sends_twice(now) else bitrate

    def _sends_twice(self, now: int) -> bool:
        loss = self.path.gaps(now)
        in_runs = self.path.loss(now) > _RUN * loss
        if in_runs and self._twice_ns is None:
            return False
        if loss >= _TWICE_FROM or (self._twice_ns is not None and loss > _TWICE_UNTIL):
            self._twice_ns = now
        elif self._twice_ns is not None and now - self._twice_ns > _TWICE_KEPT_NS:
            self._twice_ns = None
        return self._twice_ns is not None and not self.rate.congested(now)

    def _send_copies_of(self, numbers: Sequence[int]) -> None:
        """Where packets are lost, what has just been sent goes once more after a moment."""
        if numbers and self._sends_twice(now_ns()):
            task = asyncio.ensure_future(self._send_copies(numbers))
            self._again.add(task)
            task.add_done_callback(self._again.discard)

    async def _send_copies(self, numbers: Sequence[int]) -> None:
        await asyncio.sleep(_TWICE_AFTER_S)
        for number in numbers:
            if (one := self._kept.get(number)) is not None:
                await self._send_again(one)

    async def _send_again(self, one: _Sent) -> None:
        sender, packet, now = self._of, one.packet, now_ns()
        if (payload_type := private(sender, "rtx_payload_type")) is not None:
            number = private(sender, "rtx_sequence_number")
            packet = wrap_rtx(packet, payload_type, number, sender._rtx_ssrc)
            set_private(sender, "rtx_sequence_number", uint16_add(number, 1))
        data = packet.serialize(private(sender, "rtp_header_extensions_map"))
        self.path.sent_again(len(data), now)
        try:
            await sender.transport._send_rtp(data)
        except ConnectionError:
            logger.debug("a packet could not be sent again: the connection has gone")


def outgoing(sender: RTCRtpSender) -> Outgoing:
    """Of this sender."""
    found: Outgoing | None = sender.__dict__.get("_visavis_outgoing")
    if found is None:
        found = sender.__dict__["_visavis_outgoing"] = Outgoing(sender)
    return found


async def run_rtp(self: RTCRtpSender, codec: Any) -> None:
    """Stands where an aiortc sender has its `_run_rtp`."""
    private(self, "rtp_started").set()
    sending = outgoing(self)
    try:
        await sending.run(codec)
    except (asyncio.CancelledError, ConnectionError, MediaStreamError):
        pass
    except Exception as error:  # aiortc waits for `rtp_exited` in any case
        logger.error("sending failed: %s", type(error).__name__)
    sending.stop()
    if self.track is not None:
        self.track.stop()
        set_private(self, "track", None)
    set_private(self, "encoder", None)
    private(self, "rtp_exited").set()


def hear_viewer(stock: HandleRtcp) -> HandleRtcp:
    """Wraps the sender's RTCP handler: what is asked for and estimated is ours to answer."""

    async def _handle_rtcp_packet(self: RTCRtpSender, packet: Any) -> None:
        sending = outgoing(self)
        match packet:
            case RtcpRtpfbPacket(fmt=rtp.RTCP_RTPFB_NACK):
                await sending.missed(packet.lost)
            case RtcpPsfbPacket(fmt=rtp.RTCP_PSFB_PLI | rtp.RTCP_PSFB_FIR):
                sending.keyframe_wanted()
            case RtcpPsfbPacket(fmt=rtp.RTCP_PSFB_APP):
                with suppress(ValueError, struct.error):
                    bitrate, streams = rtp.unpack_remb_fci(packet.fci)
                    if self._ssrc in streams:
                        sending.rate.estimated(bitrate, now_ns())
            case RtcpRrPacket() | RtcpSrPacket():
                for report in packet.reports:
                    if report.ssrc == self._ssrc and report.dlsr:
                        sending.reported(report)
                await stock(self, packet)
        sending.follow_rate()

    return _handle_rtcp_packet
