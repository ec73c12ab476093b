"""Sender reports (RFC 3550 6.4.1): what we change in how aiortc makes and takes them.

aiortc pairs the last packet's timestamp with the time at which that packet was sent, so whatever
waits on its way out, or comes in uneven steps, moves the pair; and its timestamps say nothing about
another track's. Ours pair the present with the tick that stands for it, by the track's own clock.
Reports that come in are handed on to the outlet that the track was redirected to.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, runtime_checkable

from aiortc.rtcrtpreceiver import RTCRtpReceiver
from aiortc.rtcrtpsender import RTCEncodedFrame, RTCRtpSender
from aiortc.rtp import RtcpSdesPacket, RtcpSenderInfo, RtcpSourceInfo, RtcpSrPacket

from live.clock import MILLISECOND, now_ns
from live.rtc.access import private, set_private

_EARLY_NS = (0, 150 * MILLISECOND, 400 * MILLISECOND)
"""When reports are sent besides aiortc's, after the first frame: a viewer needs two before it can
bring the tracks together, and would wait seconds for them."""
_WRAP = 1 << 32

NextFrame = Callable[[RTCRtpSender, Any], Coroutine[Any, Any, RTCEncodedFrame | None]]
SendRtcp = Callable[[RTCRtpSender, list[Any]], Coroutine[Any, Any, None]]
HandleRtcp = Callable[[RTCRtpReceiver, Any], Coroutine[Any, Any, None]]


@runtime_checkable
class TimedTrack(Protocol):
    """A track that knows its clock."""

    def ticks_at(self, ns: int) -> int:
        """The tick, as in its frames' `pts`, that stands for a moment."""

    def ntp_at(self, ns: int) -> int:
        """The moment as an NTP timestamp."""


@runtime_checkable
class VoiceTrack(Protocol):
    """A track that knows where somebody begins to speak."""

    begins_spurt: bool
    """Whether the packet that it gave last is the first of a talk spurt (RFC 3551 4.1)."""


@runtime_checkable
class ReportTaker(Protocol):
    """An outlet that wants the sender's reports; called on the event loop."""

    def deliver_report(self, ticks: int, ntp: int) -> None:
        """Takes the NTP timestamp for which the ticks, counted as its frames' are, stand."""


@runtime_checkable
class StagedTrack(Protocol):
    """A track that wants to know how long its frames take to be encoded."""

    def note_encoded(self) -> None:
        """The frame that it gave last has been encoded."""


class _Times:
    """What one sender's timestamps begin with, which aiortc draws by lot and keeps to itself."""

    def __init__(self) -> None:
        self.origin: int | None = None
        self.ticks: int | None = None
        self.early = list(_EARLY_NS)
        self.first_ns = 0


def follow_frames(stock: NextFrame) -> NextFrame:
    """Wraps where the sender fetches its next frame, having sent all of the one before."""

    async def _next_encoded_frame(self: RTCRtpSender, codec: Any) -> RTCEncodedFrame | None:
        times = _times(self)
        if times.origin is None and times.ticks is not None:
            times.origin = (private(self, "rtp_timestamp") - times.ticks) % _WRAP
            times.first_ns = now_ns()
        if times.origin is not None and times.early:
            await _report_early(self, times)
        frame = await stock(self, codec)
        if frame is not None:
            times.ticks = frame.timestamp
            if isinstance(self.track, StagedTrack):
                self.track.note_encoded()
            if isinstance(self.track, VoiceTrack) and not self.track.begins_spurt:
                frame.payloads = _Unmarked(frame.payloads)
        return frame

    return _next_encoded_frame


def report_clock(stock: SendRtcp) -> SendRtcp:
    """Wraps what sends the sender's reports: those of a `TimedTrack` say what its clock says."""

    async def _send_rtcp(self: RTCRtpSender, packets: list[Any]) -> None:
        if isinstance(self.track, TimedTrack):
            now, origin = now_ns(), _times(self).origin
            for packet in packets:
                if not isinstance(packet, RtcpSrPacket):
                    continue
                if origin is None:  # nothing has been sent, so there is nothing to report
                    return
                info = packet.sender_info
                info.ntp_timestamp = self.track.ntp_at(now)
                info.rtp_timestamp = (origin + self.track.ticks_at(now)) % _WRAP
                # by which the answer is known, and the round trip's time with it
                set_private(self, "lsr", (info.ntp_timestamp >> 16) % _WRAP)
                set_private(self, "lsr_time", time.time())
        await stock(self, packets)

    return _send_rtcp


def hand_on_reports(stock: HandleRtcp) -> HandleRtcp:
    """Wraps the receiver's RTCP handler: the outlet learns of its stream's sender reports."""

    async def _handle_rtcp_packet(self: RTCRtpReceiver, packet: Any) -> None:
        await stock(self, packet)
        if not isinstance(packet, RtcpSrPacket) or packet.ssrc in private(self, "rtx_ssrc"):
            return
        outlet = getattr(getattr(self._track, "_queue", None), "outlet", None)
        mapper, info = private(self, "timestamp_mapper"), packet.sender_info
        if isinstance(outlet, ReportTaker) and mapper._last is not None and info.ntp_timestamp:
            since = (info.rtp_timestamp - mapper._last + _WRAP // 2) % _WRAP - _WRAP // 2
            outlet.deliver_report(mapper._last - mapper._origin + since, info.ntp_timestamp)

    return _handle_rtcp_packet


class _Unmarked(list[bytes]):
    """Payloads none of which gets a marker bit: aiortc sets it where the index is the last one."""

    def __len__(self) -> int:
        return 0


def _times(sender: RTCRtpSender) -> _Times:
    times: _Times = sender.__dict__.setdefault("_visavis_times", _Times())
    return times


async def _report_early(sender: RTCRtpSender, times: _Times) -> None:
    if now_ns() - times.first_ns < times.early[0] or not isinstance(sender.track, TimedTrack):
        return
    times.early.pop(0)
    counts = (private(sender, name) % _WRAP for name in ("packet_count", "octet_count"))
    packets: list[Any] = [RtcpSrPacket(sender._ssrc, RtcpSenderInfo(0, 0, *counts))]
    if (cname := private(sender, "cname")) is not None:
        chunk = RtcpSourceInfo(ssrc=sender._ssrc, items=[(1, cname.encode())])
        packets.append(RtcpSdesPacket(chunks=[chunk]))
    await sender._send_rtcp(packets)
