"""A stranger sends datagrams to a call's port: the call goes on, and the log stays empty."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections.abc import Collection
from contextlib import closing

import pytest
from OpenSSL import SSL

from live import rtc
from live.session import Session
from tests.fakes import request
from tests.loops import in_loop
from tests.peer import CodedCamera, Peer, constant

PRIORITY, CONTROLLED, FINGERPRINT = 0x24, 0x8029, 0x8028
ATTRIBUTES = (1, 6, 8, 9, 0xC, 0xD, 0x12, 0x16, 0x20, PRIORITY, 0x25, FINGERPRINT, CONTROLLED)
KINDS = (0x001, 0x003, 0x011, 0x016, 0x017, 0x101, 0x111)


def stun(attribute: int, value: bytes, kind: int = 1) -> bytes:
    """A message with one attribute of any length."""
    body = struct.pack("!HH", attribute, len(value)) + value + bytes(-len(value) % 4)
    return struct.pack("!HHI", kind, len(body), 0x2112A442) + bytes(12) + body


def noise(number: int) -> list[bytes]:
    """Malformed STUN, and what looks like DTLS, RTP and RTCP from its first bytes."""
    chance = random.Random(5)
    sent = [
        stun(
            chance.choice(ATTRIBUTES), chance.randbytes(chance.randrange(25)), chance.choice(KINDS)
        )
        for _ in range(number)
    ]
    heads = (
        b"\x14\xfe\xfd",
        b"\x15\xfe\xfd",
        b"\x16\xfe\xfd",
        b"\x80\xc8",
        b"\x80\x60",
        b"\x80",
        b"",
    )
    return sent + [chance.choice(heads) + chance.randbytes(chance.randrange(80)) for _ in sent]


class Bothered:
    """A call whose port a stranger has found."""

    def __init__(self, without: Collection[str] = ()) -> None:
        self.adaptations = [name for name in rtc.ADAPTATIONS if name not in without]
        self.errors: list[str] = []
        self.reasons: list[str] = []

    async def hear(self, datagrams: list[bytes]) -> str:
        """The call's state after all of them have come."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: self.errors.append(str(context["message"])))
        with rtc.adapted(self.adaptations):
            session = Session(request(), self.reasons.append)
            peer = Peer(camera=CodedCamera(constant(256, 256)))
            answer = await peer.call(session.answer)
            await peer.until(lambda: bool(peer.seen))
            found = [line.split() for line in answer.splitlines() if line.startswith("a=candidate")]
            host, port = next((one[4], int(one[5])) for one in found if "." in one[4])
            with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as stranger:
                for number, datagram in enumerate(datagrams):
                    stranger.sendto(datagram, (host, port))
                    if number % 25 == 0:
                        await asyncio.sleep(0.01)
            await asyncio.sleep(0.2)
            state: str = session.report()["state"]
            if state != "closed":
                count = len(peer.seen)
                await peer.until(lambda: len(peer.seen) > count + 3)
            await session.close()
            await peer.close()
        return state


@in_loop
async def test_noise_ends_no_call_and_fills_no_log(caplog: pytest.LogCaptureFixture) -> None:
    call = Bothered()
    assert await call.hear([b"", stun(PRIORITY, b"abc"), *noise(300), b""]) != "closed"
    assert call.reasons == ["closed"]  # by us, in the end
    assert not call.errors
    assert not [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")]


@in_loop
async def test_without_screening_one_empty_datagram_ends_the_call() -> None:
    call = Bothered(without=["screened_datagrams"])
    assert await call.hear([b""]) == "closed"
    assert call.reasons == ["hung_up"]


@in_loop
async def test_what_a_closed_end_does_not_take_is_no_error() -> None:
    without = [name for name in rtc.ADAPTATIONS if name != "quiet_leaving"]
    with rtc.adapted(rtc.ADAPTATIONS):
        session, peer = Session(request()), Peer(camera=CodedCamera(constant(256, 256)))
        await peer.call(session.answer)
        sctp = peer.connection.sctp
        assert sctp is not None
        assert sctp.transport._ssl is not None
        sctp.transport._ssl.shutdown()  # as if the other end had said goodbye
        await sctp.transport._send_data(b"still under way")
        with rtc.adapted(without), pytest.raises(SSL.Error, match="shutdown"):
            await sctp.transport._send_data(b"still under way")
        await session.close()
        await peer.close()


@in_loop
async def test_without_screening_each_short_attribute_is_an_error() -> None:
    call = Bothered(without=["screened_datagrams"])
    await call.hear([stun(PRIORITY, b"abc"), stun(CONTROLLED, b"x"), stun(FINGERPRINT, b"")])
    assert len(call.errors) == 3
