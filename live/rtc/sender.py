"""What we change in aiortc's sender: the playout delay that it asks of viewers."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from aiortc import rtp
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters
from aiortc.rtcrtpsender import RTCRtpSender
from aiortc.rtp import RtcpRrPacket, RtcpSrPacket

from live.clock import SECOND, now_ns
from live.rtc.access import private

PLAYOUT_DELAY = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"
_EXTENSION_ID = 4
"""In our own offers; answers keep the offer's. aiortc has 1 to 3."""

NO_DELAY = b"\0\0\0"
"""Shortest and longest delay, 12 bits each, in 10 ms: show every frame when it is there."""
SOME_DELAY = (20).to_bytes(3, "big")
"""Up to 200 ms: on a lossy path there has to be time to send a packet again."""
WITH_SOUND = (4 << 12 | 50).to_bytes(3, "big")
"""40 to 500 ms: as long as the sound that belongs to it takes. Chromium brings the two together by
itself, but leaves up to 30 ms between them; 40 is where it has nothing to do on a good path."""

_LOSSY = 0.02
_CLEAN = 0.005
_CLEAN_FOR_NS = 10 * SECOND

Extensions = dict[str, list[RTCRtpHeaderExtensionParameters]]
HandleRtcp = Callable[[RTCRtpSender, Any], Coroutine[Any, Any, None]]


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
        self._lossy = False
        self._lossy_ns = 0

    @property
    def value(self) -> bytes:
        """The extension's value."""
        if self.with_sound:
            return WITH_SOUND
        return SOME_DELAY if self._lossy else NO_DELAY

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
        if isinstance(packet, RtcpRrPacket | RtcpSrPacket):
            for report in packet.reports:
                if report.ssrc == self._ssrc and isinstance(extensions, PlayoutDelayMap):
                    extensions.delay = _delay_of(self).report(report.fraction_lost / 256, now_ns())

    return _handle_rtcp_packet


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
