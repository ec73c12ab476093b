"""Whatever comes from outside is read or refused with an error of ours, never more."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from functools import cache

import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription
from hypothesis import given
from hypothesis import strategies as st

from live import wire
from live.errors import BadRequest, BadSdp, TooLarge, Unprocessable, VisavisError
from tests.peer import Peer

CANDIDATE = "a=candidate:1 1 udp 2130706431 192.0.2.7 50000 typ host"


@cache
def offer(codec: str | None = None, *, voice: bool = True, channel: bool = True) -> str:
    """A real client's offer."""

    async def make() -> str:
        peer = Peer(codec=codec, voice=voice, channel=channel)
        text = await peer.offer()
        await peer.close()
        return text

    return asyncio.run(make())


def refused(read: Callable[[], object]) -> int | None:
    """The status with which something is refused; `None`: it is taken. Other errors pass."""
    try:
        read()
    except VisavisError as error:
        return error.status
    return None


def section(text: str, kind: str) -> str:
    """One media section of an offer."""
    return next(part for part in re.split("(?=^m=)", text, flags=re.M) if f"m={kind} " in part)


def test_a_browsers_offer_is_taken() -> None:
    read = wire.parse_offer(offer())
    assert list(read.mids) == ["video", "audio"]
    assert read.sends_voice
    assert read.hears_voice
    assert read.takes_passive
    assert read.candidates.known
    assert read.candidates.complete
    assert "a=candidate" not in read.sdp
    assert f"a=ice-ufrag:{read.ufrag}" in offer()


def test_what_is_kept_of_an_offer_is_an_offer() -> None:
    async def apply() -> None:
        peer = RTCPeerConnection()
        kept = wire.parse_offer(offer()).sdp
        await peer.setRemoteDescription(RTCSessionDescription(kept, "offer"))
        assert len(peer.getTransceivers()) == 2
        await peer.close()

    asyncio.run(apply())


@pytest.mark.parametrize("kind", ["audio", "application"])
def test_sound_and_data_may_be_missing(kind: str) -> None:
    text = offer(voice=kind != "audio", channel=kind != "application")
    assert f"m={kind}" not in text
    assert wire.parse_offer(text).sends_voice is (kind != "audio")


@pytest.mark.parametrize("sent", ["sendrecv", "sendonly", "recvonly", "inactive"])
def test_directions_of_the_voice(sent: str) -> None:
    audio = section(offer(), "audio")
    read = wire.parse_offer(offer().replace(audio, audio.replace("a=sendrecv", f"a={sent}")))
    assert read.sends_voice is (sent in ("sendrecv", "sendonly"))
    assert read.hears_voice is (sent in ("sendrecv", "recvonly"))


@pytest.mark.parametrize("sent", ["sendrecv", "sendonly", "recvonly", "inactive"])
def test_directions_of_the_picture(sent: str) -> None:
    video = section(offer(), "video")
    text = offer().replace(video, video.replace("a=sendrecv", f"a={sent}"))
    if sent in ("sendonly", "inactive"):
        with pytest.raises(Unprocessable, match="without a camera"):
            wire.parse_offer(text)
    else:
        assert wire.parse_offer(text).sends_picture is (sent == "sendrecv")


def test_a_peer_that_has_chosen_its_role_keeps_it() -> None:
    assert not wire.parse_offer(offer().replace("setup:actpass", "setup:passive")).takes_passive


def without(pattern: str) -> str:
    """The offer without the lines that match."""
    return re.sub(f"^{pattern}.*\r\n", "", offer(), flags=re.M)


@pytest.mark.parametrize(
    ("text", "error", "hint"),
    [
        ("", BadSdp, "empty"),
        (" \r\n ", BadSdp, "empty"),
        ("hello", BadSdp, "no session description"),
        ("v=0\r\nm=video\r\n", BadSdp, "parsed"),
        ("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n", BadSdp, "no media"),
        ("v=0" + "x" * 100_000, TooLarge, "longer"),
        (offer().replace(section(offer(), "video"), ""), Unprocessable, "bundled"),
        (offer("VP8").replace("VP8", "AV1"), Unprocessable, "VP8 or H.264"),
        (offer().replace("opus", "isac"), Unprocessable, "Opus"),
        (offer() + section(offer(), "video"), Unprocessable, "no more"),
        (without("a=fingerprint"), BadSdp, "fingerprint"),
        (without("a=setup"), BadSdp, "setup"),
        (without("a=ice-pwd"), BadSdp, "password"),
        (without("a=rtcp-mux"), BadSdp, "rtcp-mux"),
        (without("a=mid"), BadSdp, "a=mid"),
        (without("a=sctp-port"), BadSdp, "sctp-port"),
        (without("a=group:BUNDLE"), Unprocessable, "max-bundle"),
        (
            offer().replace(
                section(offer(), "video"),
                section(offer(), "video").replace("a=sendrecv", "a=sendonly"),
            ),
            Unprocessable,
            "sendrecv",
        ),
        (offer() + f"{CANDIDATE}\r\n" * 65, TooLarge, "candidates"),
        (offer() + "a=candidate:x\r\n", BadRequest, "candidate"),
    ],
)
def test_offers_that_no_call_can_be_made_of(
    text: str, error: type[VisavisError], hint: str
) -> None:
    with pytest.raises(error, match=hint) as raised:
        wire.parse_offer(text)
    assert raised.value.status < 500


def test_an_offer_without_video_says_what_is_missing() -> None:
    audio_only = (
        offer().replace(section(offer(), "video"), "").replace("BUNDLE 0 1 2", "BUNDLE 1 2")
    )
    with pytest.raises(Unprocessable, match="add a video transceiver"):
        wire.parse_offer(audio_only)


@given(st.data())
def test_a_damaged_offer_is_read_or_refused(data: st.DataObject) -> None:
    lines = offer().splitlines()
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(lines) - 1))
        match data.draw(st.sampled_from(["drop", "swap", "text", "cut", "copy"])):
            case "drop":
                del lines[at]
            case "swap":
                other = data.draw(st.integers(0, len(lines) - 1))
                lines[at], lines[other] = lines[other], lines[at]
            case "text":
                lines[at] = lines[at].partition(":")[0] + ":" + data.draw(st.text(max_size=20))
            case "cut":
                lines[at] = lines[at][: data.draw(st.integers(0, 20))]
            case "copy":
                lines.insert(at, lines[data.draw(st.integers(0, len(lines) - 1))])
        if not lines:
            break
    assert refused(lambda: wire.parse_offer("\r\n".join(lines) + "\r\n")) in (None, 400, 413, 422)


@given(st.text(max_size=400))
def test_any_text_as_an_offer_or_a_fragment(text: str) -> None:
    assert refused(lambda: wire.parse_offer(text)) in (400, 422)
    assert refused(lambda: wire.parse_fragment(text, ufrag="abcd")) in (None, 400, 422)


def test_a_fragment_of_a_browser() -> None:
    fragment = (
        "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n"
        "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n"
        f"{CANDIDATE} generation 0 ufrag abcd network-cost 999\r\n"
        "a=candidate:2 1 tcp 1518280447 192.0.2.7 9 typ host tcptype active\r\n"
        "a=candidate:3 1 udp 2113937151 4e1b3c2a-0000-4000-8000-0000.local 9999 typ host\r\n"
        "a=candidate:4 1 udp 2113937151 example.org 9999 typ host\r\n"
        "a=candidate:5 1 udp 2113937151 2001:db8::1 9999 typ srflx raddr :: rport 9\r\n"
        "a=end-of-candidates\r\n"
    )
    read = wire.parse_fragment(fragment, ufrag="abcd")
    assert [one.ip for one in read.known] == ["192.0.2.7", "2001:db8::1"]
    assert len(read.hidden) == 1
    assert read.complete


def test_a_fragment_may_name_nothing() -> None:
    assert wire.parse_fragment(f"{CANDIDATE}\r\n", ufrag="abcd").known
    assert wire.parse_fragment("", ufrag="abcd") == wire.Candidates()


@pytest.mark.parametrize(
    ("fragment", "error"),
    [
        ("a=ice-ufrag:other\r\n", Unprocessable),
        ("<html>", BadRequest),
        ("a=candidate:1 1 udp x 192.0.2.7 1 typ host\r\n", BadRequest),
        ("a=x\r\n" * 30_000, TooLarge),
    ],
)
def test_fragments_that_are_refused(fragment: str, error: type[VisavisError]) -> None:
    with pytest.raises(error):
        wire.parse_fragment(fragment, ufrag="abcd")


def test_no_error_repeats_what_came_in() -> None:
    secret = "Zaphod Beeblebrox"
    for read in (
        lambda: wire.parse_offer(secret),
        lambda: wire.parse_offer(f"v=0\r\ns={secret}\r\nm={secret}\r\n"),
        lambda: wire.parse_fragment(secret, ufrag="x"),
    ):
        with pytest.raises(VisavisError) as raised:
            read()
        assert "Zaphod" not in str(raised.value)
