"""What we change in aiortc's sender: the playout delay that it asks of viewers."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from aiortc import rtp
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters
from aiortc.rtcrtpsender import RTCRtpSender
from aiortc.rtp import RtcpRrPacket, RtcpRtpfbPacket, RtcpSrPacket

from live.clock import MILLISECOND, SECOND, now_ns
from live.rtc.access import private
from live.rtc.outgoing import outgoing

PLAYOUT_DELAY = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"
_EXTENSION_ID = 4
"""In our own offers; answers keep the offer's. aiortc has 1 to 3."""

NO_DELAY = b"\0\0\0"
"""Shortest and longest delay, 12 bits each, in 10 ms: show every frame when it is there."""
WITH_SOUND = (4 << 12 | 50).to_bytes(3, "big")
"""40 to 500 ms: as long as the sound that belongs to it takes. Chromium brings the two together by
itself, but leaves up to 30 ms between them; 40 is where it has nothing to do on a good path."""

_LEAST_SOME_NS, _MOST_SOME_NS = 100 * MILLISECOND, 400 * MILLISECOND
_FIRST_ROUND_TRIP_NS = 70 * MILLISECOND
_LOSSY = 0.02
_CLEAN = 0.005
_CLEAN_FOR_NS = 10 * SECOND

_TELL_OF_LOSS = RtcpRrPacket | RtcpSrPacket | RtcpRtpfbPacket

Extensions = dict[str, list[RTCRtpHeaderExtensionParameters]]
HandleRtcp = Callable[[RTCRtpSender, Any], Coroutine[Any, Any, None]]


def some_delay(round_trip_ns: int) -> bytes:
    """Up to as long as a packet takes to be sent again, and once more."""
    most_ns = min(max(2 * round_trip_ns + 40 * MILLISECOND, _LEAST_SOME_NS), _MOST_SOME_NS)
    return (most_ns // (10 * MILLISECOND)).to_bytes(3, "big")


def offer_playout_delay(stock: Extensions) -> Extensions:
    """The header extensions that we know, with this one for video."""
    ours = RTCRtpHeaderExtensionParameters(id=_EXTENSION_ID, uri=PLAYOUT_DELAY)
    return {**stock, "video": [*stock["video"], ours]}


class PlayoutDelayMap(rtp.HeaderExtensionsMap):
    """aiortc's reader and writer of header extensions, with this one added to what is sent."""

    def __init__(self) -> None:
        """As long as nothing is configured, nothing is added."""
        super().__init__()
        self._id = 0
        self.delay = NO_DELAY

    def configure(self, parameters: Any) -> None:
        """Takes the numbers under which both sides know the extensions."""
        super().configure(parameters)
        for extension in parameters.headerExtensions:
            if extension.uri == PLAYOUT_DELAY:
                self._id = extension.id

    def set(self, values: Any) -> tuple[int, bytes]:
        """The extensions of one packet, packed: profile and bytes."""
        profile, packed = super().set(values)
        if not self._id:
            return profile, packed
        extensions = rtp.unpack_header_extensions(profile, packed)
        packed_again: tuple[int, bytes] = rtp.pack_header_extensions(
            [*extensions, (self._id, self.delay)]
        )
        return packed_again


class PlayoutDelay:
    """Loss reports in, the playout delay to ask for out.

    Without a buffer of its own a viewer shows every lost packet as a stutter; so there is one while
    packets are lost, and none once the path has been clean for a while. Where sound comes with the
    pictures they may wait for it.
    """

    def __init__(self) -> None:
        """The path is taken to be clean."""
        self.with_sound = False
        self.round_trip_ns = _FIRST_ROUND_TRIP_NS
        self._lossy = False
        self._lossy_ns = 0

    @property
    def value(self) -> bytes:
        """The extension's value."""
        if self.with_sound:
            return WITH_SOUND
        return some_delay(self.round_trip_ns) if self._lossy else NO_DELAY

    def report(self, fraction_lost: float, now: int) -> bytes:
        """Takes a receiver's report (0…1) and gives the extension's value from now on."""
        if fraction_lost > _LOSSY:
            self._lossy = True
        if fraction_lost > _CLEAN:
            self._lossy_ns = now
        elif now - self._lossy_ns > _CLEAN_FOR_NS:
            self._lossy = False
        return self.value


def watch_loss(stock: HandleRtcp) -> HandleRtcp:
    """Wraps the sender's RTCP handler: the playout delay follows the loss that viewers report."""

    async def _handle_rtcp_packet(self: RTCRtpSender, packet: Any) -> None:
        await stock(self, packet)
        extensions = private(self, "rtp_header_extensions_map")
        if isinstance(extensions, PlayoutDelayMap) and isinstance(packet, _TELL_OF_LOSS):
            delay = _delay_of(self)
            if (round_trip_s := private(self, "rtt")) is not None:
                delay.round_trip_ns = round(round_trip_s * SECOND)
            extensions.delay = delay.report(_lost(self, packet), now_ns())

    return _handle_rtcp_packet


def _lost(sender: RTCRtpSender, packet: Any) -> float:
    """The share of packets that was lost: by requests, which come at once, and by reports."""
    reports = [one for one in getattr(packet, "reports", ()) if one.ssrc == sender._ssrc]
    loss: float = max((one.fraction_lost / 256 for one in reports), default=0.0)
    return max(loss, outgoing(sender).path.loss(now_ns()))


def wait_for_sound(sender: RTCRtpSender, wait: bool) -> None:
    """Whether viewers may hold a sender's pictures back until their sound is heard."""
    delay = _delay_of(sender)
    delay.with_sound = wait
    extensions = private(sender, "rtp_header_extensions_map")
    if isinstance(extensions, PlayoutDelayMap):
        extensions.delay = delay.value


def _delay_of(sender: RTCRtpSender) -> PlayoutDelay:
    delay: PlayoutDelay = sender.__dict__.setdefault("_visavis_delay", PlayoutDelay())
    return delay
