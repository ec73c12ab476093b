"""Session descriptions from outside in, checked values out: offers and trickled candidates.

Whatever comes in, these functions return or raise an error of `live.errors`, and no error repeats
what came in.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiortc import RTCIceCandidate
from aiortc.codecs import CODECS
from aiortc.rtcpeerconnection import find_common_codecs
from aiortc.sdp import MediaDescription, SessionDescription, candidate_from_sdp

from live.errors import BadRequest, BadSdp, TooLarge, Unprocessable

LONGEST_SDP = 100_000
MOST_CANDIDATES = 64
"""Of one peer; every one costs a connectivity check from each of our addresses."""

_MDNS_NAME = re.compile(r"[a-zA-Z0-9-]{1,63}\.local")


@dataclass(frozen=True, slots=True)
class Candidates:
    """What a peer says of the addresses it can be reached at."""

    known: tuple[RTCIceCandidate, ...] = ()
    """With an address."""
    hidden: tuple[RTCIceCandidate, ...] = ()
    """With an mDNS name, which takes up to a second to resolve and mostly cannot be."""
    complete: bool = False
    """No more are to come."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A checked offer."""

    sdp: str
    """Without its candidates, so that no resolving of names delays the answer."""
    candidates: Candidates
    ufrag: str
    """The ICE user fragment of the bundle; another one means an ICE restart."""
    mids: Mapping[str, str]
    """The media sections in their order: kind and mid; the first carries the bundle's transport."""
    sends_picture: bool
    sends_voice: bool
    hears_voice: bool
    takes_passive: bool
    """Whether we may wait for the peer's DTLS hello instead of sending ours."""


def parse_offer(sdp: str) -> Offer:
    """Checks that a call can be made of this offer; raises `BadSdp` or `Unprocessable`."""
    if len(sdp) > LONGEST_SDP:
        raise TooLarge(f"the session description is longer than {LONGEST_SDP} characters")
    if not sdp.strip():
        raise BadSdp("the body is empty; send the offer's SDP")
    if not sdp.lstrip().startswith("v="):
        raise BadSdp("the body is no session description; send the offer's SDP as it is")
    kept, candidates = _split_candidates(sdp)
    try:
        parsed = SessionDescription.parse(kept)
    except Exception as error:  # whatever aiortc's parser trips over, it is the text's fault
        raise BadSdp("the session description cannot be parsed; send the offer as made") from error
    _check_sections(parsed)
    video = _only(parsed, "video")
    if video is None:
        raise Unprocessable("the offer has no video; an avatar is seen: add a video transceiver")
    if (video.direction or "sendrecv") not in ("sendrecv", "recvonly"):
        raise Unprocessable("the offer's video has to be sendrecv, or recvonly without a camera")
    if not _common(video):
        raise Unprocessable("the offer has no video codec we speak; offer VP8 or H.264 baseline")
    audio = _only(parsed, "audio")
    if audio is not None and not any(codec.name.lower() == "opus" for codec in _common(audio)):
        raise Unprocessable("the offer has sound without Opus; offer Opus, or no sound at all")
    voice = (audio.direction or "sendrecv") if audio is not None else "inactive"
    return Offer(
        kept,
        candidates,
        ufrag=str(parsed.media[0].ice.usernameFragment),  # type: ignore[union-attr]  # checked
        mids={m.kind: m.rtp.muxId for m in parsed.media if m.kind != "application"},
        sends_picture=(video.direction or "sendrecv") == "sendrecv",
        sends_voice=voice in ("sendrecv", "sendonly"),
        hears_voice=voice in ("sendrecv", "recvonly"),
        takes_passive=all(media.dtls and media.dtls.role == "auto" for media in parsed.media),
    )


def parse_fragment(fragment: str, *, ufrag: str) -> Candidates:
    """Reads trickled candidates (RFC 8840); raises `BadRequest`; on a restart `Unprocessable`."""
    if len(fragment) > LONGEST_SDP:
        raise TooLarge(f"the fragment is longer than {LONGEST_SDP} characters")
    rest, candidates = _split_candidates(fragment)
    lines = [line for line in rest.splitlines() if line.strip()]
    if not all(re.match("[a-z]=", line) for line in lines):
        raise BadRequest("the body is no SDP fragment; send lines of a=candidate, a=mid and so on")
    named = {line.strip() for line in lines if line.startswith("a=ice-ufrag:")}
    if named - {f"a=ice-ufrag:{ufrag}"}:
        raise Unprocessable("ICE restart is not supported; end this call and open a new one")
    return candidates


def _split_candidates(text: str) -> tuple[str, Candidates]:
    """Takes the candidates out of SDP; those that could never be reached are left out."""
    kept: list[str] = []
    known: list[RTCIceCandidate] = []
    hidden: list[RTCIceCandidate] = []
    complete = False
    for line in text.splitlines():
        if line.startswith("a=candidate:"):
            candidate = _candidate(line.removeprefix("a=candidate:"))
            if candidate is not None:
                (hidden if _MDNS_NAME.fullmatch(candidate.ip) else known).append(candidate)
        elif line.strip() == "a=end-of-candidates":
            complete = True
        else:
            kept.append(line)
    if len(known) + len(hidden) > MOST_CANDIDATES:
        raise TooLarge(f"more than {MOST_CANDIDATES} candidates; send those of one machine only")
    return "\r\n".join(kept) + "\r\n", Candidates(tuple(known), tuple(hidden), complete)


def _candidate(text: str) -> RTCIceCandidate | None:
    """One candidate; `None` where it is for another transport than UDP or has no usable address."""
    try:
        candidate = candidate_from_sdp(text)
    except (AssertionError, ValueError) as error:
        raise BadRequest(
            "a candidate line cannot be parsed; send candidates as the browser gives them"
        ) from error
    usable = (
        candidate.protocol.lower() == "udp"
        and candidate.component == 1
        and 0 < candidate.port < 1 << 16
        and (_MDNS_NAME.fullmatch(candidate.ip) or _is_address(candidate.ip))
    )
    return candidate if usable else None


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _check_sections(parsed: SessionDescription) -> None:
    """Raises where aiortc would fail later, or half-way."""
    if not parsed.media:
        raise BadSdp("the session description has no media; offer video, sound and a data channel")
    if len(parsed.media) > 3:
        raise Unprocessable("offer one video, one sound and one data section, no more")
    mids = [media.rtp.muxId for media in parsed.media]
    if not all(mids) or len(set(mids)) < len(mids):
        raise BadSdp("every media section needs an a=mid of its own")
    bundled = {mid for group in parsed.group if group.semantic == "BUNDLE" for mid in group.items}
    if len(mids) > 1 and bundled != set(mids):
        raise Unprocessable("the media sections have to be bundled; use bundlePolicy 'max-bundle'")
    for media in parsed.media:
        if media.kind not in ("audio", "video", "application"):
            raise Unprocessable("the offer has media that are neither video, sound nor data")
        if media.dtls is None or not media.dtls.fingerprints:
            raise BadSdp("the offer has no DTLS fingerprint and setup; only WebRTC is served")
        if media.ice is None or not media.ice.usernameFragment or not media.ice.password:
            raise BadSdp("the offer has no ICE user fragment or password; only WebRTC is served")
        if media.kind != "application" and not media.rtcp_mux:
            raise BadSdp("the offer has to multiplex RTCP (a=rtcp-mux)")
        if media.kind == "application" and media.sctp_port is None:
            raise BadSdp("the data section has no a=sctp-port")
    for kind in ("video", "audio", "application"):
        _only(parsed, kind)


def _only(parsed: SessionDescription, kind: str) -> MediaDescription | None:
    found = [media for media in parsed.media if media.kind == kind]
    if len(found) > 1:
        raise Unprocessable(f"the offer has several {kind} sections; one is served")
    return found[0] if found else None


def _common(media: MediaDescription) -> list[Any]:
    return list(find_common_codecs(CODECS[media.kind], media.rtp.codecs))
