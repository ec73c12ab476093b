"""aiortc as it is in, aiortc as a live call needs it out: small adaptations, each switchable.

aiortc 1.16 waits for the next frame before it hands one on, keeps 80 ms of sound back, opens its
encoders for quality rather than for delay, has queues without an end, and tells no viewer which
picture belongs to which sound. None of that can be changed from outside, so `adapt` exchanges the
few names concerned, by name and for a known version only; nothing is copied from aiortc, and
`tests/test_rtc.py`, `test_rtc_links.py`, `test_rtc_reports.py`, `test_rtc_datagrams.py` and
`test_rtc_beginning.py` show for each what happens without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import aioice.ice
import aioice.stun
import aioice.turn
import aiortc
import aiortc.rtp
from aiortc import rtcrtpreceiver, rtcrtpsender
from aiortc.mediastreams import MediaStreamTrack
from aiortc.rtcdtlstransport import RTCDtlsTransport

from live.rtc import (
    beginning,
    datagrams,
    encoders,
    estimate,
    network,
    outgoing,
    outlets,
    receiver,
    reports,
    sender,
)
from live.rtc.encoders import set_bitrate_limit
from live.rtc.outlets import EncodedOutlet, Outlet
from live.rtc.sender import wait_for_sound

__all__ = [
    "ADAPTATIONS",
    "EncodedOutlet",
    "Outlet",
    "adapt",
    "adapted",
    "redirect",
    "set_bitrate_limit",
    "wait_for_sound",
]

_KNOWN = "1.16."


@dataclass(frozen=True, slots=True)
class _Exchange:
    """`make` gets what stands at `owner.name` and gives what is to stand there."""

    owner: Any
    name: str
    make: Callable[[Any], Any]


ADAPTATIONS: dict[str, tuple[_Exchange, ...]] = {
    # A frame is handed on with its last packet, not with the next frame's first: −33 ms of video,
    # −80 ms of sound.
    "prompt_release": (
        _Exchange(rtcrtpreceiver, "JitterBuffer", receiver.prompt_buffers),
        _Exchange(rtcrtpreceiver.RTCRtpReceiver, "_handle_rtp_packet", receiver.deliver_promptly),
    ),
    # Lost packets are asked for by the clock, again and again, and with them, in time, a keyframe;
    # aiortc asks once. Takes `prompt_release`.
    "recovery": (_Exchange(rtcrtpreceiver, "NackGenerator", receiver.ask_by_the_clock),),
    # A camera's rate falls when a queue stands, and not for jitter.
    "queue_estimate": (
        _Exchange(
            rtcrtpreceiver, "RemoteBitrateEstimator", lambda _: estimate.StandingQueueEstimator
        ),
    ),
    # Decoders that keep up or drop, on one thread each, which does not outlive the process.
    "bounded_decoding": (
        _Exchange(rtcrtpreceiver, "decoder_worker", lambda _: receiver.decode),
        _Exchange(rtcrtpreceiver, "queue", receiver.bounded_queues),
        _Exchange(rtcrtpreceiver, "threading", receiver.daemon_threads),
    ),
    # x264 and libvpx opened for delay, and changes of rate without a storm of keyframes.
    "live_encoders": (_Exchange(rtcrtpsender, "get_encoder", encoders.live_encoders),),
    # The viewer's browser shows a frame when it has it (−20 ms), or when its sound is heard.
    "playout_delay": (
        _Exchange(aiortc.rtp, "HeaderExtensionsMap", lambda _: sender.PlayoutDelayMap),
        _Exchange(aiortc.codecs, "HEADER_EXTENSIONS", sender.offer_playout_delay),
        _Exchange(aiortc.rtcpeerconnection, "HEADER_EXTENSIONS", sender.offer_playout_delay),
        _Exchange(rtcrtpsender.RTCRtpSender, "_handle_rtcp_packet", sender.watch_loss),
    ),
    # Large frames are paced, packets sent twice while some are lost, and a viewer that misses much
    # gets a keyframe at once; the rate falls while the path fills.
    "resilient_sending": (
        _Exchange(rtcrtpsender.RTCRtpSender, "_run_rtp", lambda _: outgoing.run_rtp),
        _Exchange(rtcrtpsender.RTCRtpSender, "_handle_rtcp_packet", outgoing.hear_viewer),
    ),
    # Both tracks are told by one clock, and so are those that come in.
    "sender_reports": (
        _Exchange(rtcrtpsender.RTCRtpSender, "_next_encoded_frame", reports.follow_frames),
        _Exchange(rtcrtpsender.RTCRtpSender, "_send_rtcp", reports.report_clock),
        _Exchange(rtcrtpreceiver.RTCRtpReceiver, "_handle_rtcp_packet", reports.hand_on_reports),
    ),
    # A packet lost while a call begins costs a tenth of a second or two, not one or more.
    "quick_beginning": (
        _Exchange(RTCDtlsTransport, "_do_handshake", beginning.flights_again),
        _Exchange(aioice.stun.Transaction, "__init__", beginning.checks_again),
    ),
    # One empty datagram from anybody would end a call.
    "screened_datagrams": (
        _Exchange(aioice.ice.StunProtocol, "datagram_received", datagrams.screened),
        _Exchange(aioice.turn.TurnClientMixin, "datagram_received", datagrams.screened),
    ),
    # A peer that leaves is not an error with a traceback for each message still under way.
    "quiet_leaving": (_Exchange(RTCDtlsTransport, "_send_data", datagrams.sent_while_open),),
    # A machine with no network but its own can still call itself.
    "loopback": (_Exchange(aioice.ice, "get_host_addresses", network.with_loopback),),
}

_in_force: list[tuple[str, list[tuple[_Exchange, Any]]]] = []


def adapt(names: Iterable[str] = ADAPTATIONS) -> None:
    """Puts adaptations in force for every connection made from now on; harmless when they are.

    Raises `RuntimeError` where aiortc is of a version that they were not made for.
    """
    if not aiortc.__version__.startswith(_KNOWN):
        raise RuntimeError(
            f"live.rtc adapts aiortc {_KNOWN}x and found {aiortc.__version__};"
            f" install 'aiortc~={_KNOWN}0'"
        )
    present = {name for name, _ in _in_force}
    for name in names:
        if name not in present:
            replaced = [(exchange, _exchange(exchange)) for exchange in ADAPTATIONS[name]]
            _in_force.append((name, replaced))


def redirect(track: MediaStreamTrack, outlet: Outlet | EncodedOutlet) -> None:
    """Lets what comes of a remote track go straight to `outlet` (see `live.rtc.outlets`).

    Raises `RuntimeError` where the adaptations that it takes are not in force.
    """
    if not {"prompt_release", "bounded_decoding"} <= {name for name, _ in _in_force}:
        raise RuntimeError("live.rtc.adapt() has to be called before the first connection is made")
    outlets.redirect(track, outlet)


@contextmanager
def adapted(names: Iterable[str]) -> Iterator[None]:
    """Exactly these adaptations for a while, and before and after whatever was in force."""
    before = [name for name, _ in _in_force]
    _revert()
    adapt(names)
    try:
        yield
    finally:
        _revert()
        adapt(before)


def _exchange(exchange: _Exchange) -> Any:
    stock = getattr(exchange.owner, exchange.name)
    setattr(exchange.owner, exchange.name, exchange.make(stock))
    return stock


def _revert() -> None:
    while _in_force:
        _, replaced = _in_force.pop()
        for exchange, stock in reversed(replaced):
            setattr(exchange.owner, exchange.name, stock)
