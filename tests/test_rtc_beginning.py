"""A connection begins while packets are lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterator
from typing import Any

import pytest
from aioice import stun
from aiortc import RTCCertificate
from aiortc.rtcdtlstransport import RTCDtlsTransport

from live import rtc
from tests.loops import in_loop


@pytest.fixture(autouse=True)
def stock() -> Iterator[None]:
    with rtc.adapted([]):
        yield


class Below:
    """Stands where DTLS has ICE: loses those of its datagrams whose numbers it is given."""

    def __init__(self, role: str, lost: Collection[int]) -> None:
        self.role, self.peer, self.sent = role, self, 0
        self._lost = lost
        self._came: asyncio.Queue[bytes] = asyncio.Queue()

    async def _send(self, data: bytes) -> None:
        if self.sent not in self._lost:
            self.peer._came.put_nowait(data)
        self.sent += 1

    async def _recv(self) -> bytes:
        return await self._came.get()


async def took_s(server_loses: Collection[int], client_loses: Collection[int]) -> float:
    """How long it takes until both are connected and have a word from the other."""
    below = Below("controlling", server_loses), Below("controlled", client_loses)
    below[0].peer, below[1].peer = below[1], below[0]
    ends = [RTCDtlsTransport(one, [RTCCertificate.generateCertificate()]) for one in below]  # type: ignore[arg-type]
    began = time.monotonic()
    async with asyncio.timeout(20):
        await asyncio.gather(
            ends[0].start(ends[1].getLocalParameters()), ends[1].start(ends[0].getLocalParameters())
        )
    took = time.monotonic() - began
    assert [end.state for end in ends] == ["connected", "connected"]
    assert all(isinstance(end.transport, Below) for end in ends)
    for end in ends:
        await end.stop()
    return took


@pytest.mark.parametrize("lost", [((0,), ()), ((), (0,)), ((), (1,)), ((0, 1), ())])
@in_loop
async def test_lost_flights_go_again_soon(lost: tuple[Collection[int], Collection[int]]) -> None:
    with rtc.adapted(["quick_beginning"]):
        assert await took_s(*lost) < 0.9


@in_loop
async def test_without_us_a_lost_flight_costs_a_second() -> None:
    assert await took_s((0,), ()) > 0.95


class Line:
    """Counts the checks that go out, and answers none."""

    def __init__(self) -> None:
        self.at_s: list[float] = []

    def send_stun(self, message: stun.Message, address: tuple[str, int]) -> None:
        self.at_s.append(time.monotonic())


async def checks(for_s: float, **options: Any) -> list[float]:
    """When a check and its repetitions are sent."""
    line = Line()
    request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    transaction = stun.Transaction(request, ("", 0), line, **options)
    running = asyncio.ensure_future(transaction.run())
    await asyncio.sleep(for_s)
    running.cancel()
    return [at - line.at_s[0] for at in line.at_s]


@in_loop
async def test_lost_checks_go_again_soon() -> None:
    assert len(await checks(0.4)) == 1
    with rtc.adapted(["quick_beginning"]):
        assert len(await checks(0.4)) == 2


@in_loop
async def test_a_check_that_is_made_once_waits_as_before() -> None:
    """By these a peer is known to be there: one that answers after 300 ms is."""
    with rtc.adapted(["quick_beginning"]):
        line = Line()
        request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        began = time.monotonic()
        with pytest.raises(stun.TransactionTimeout):
            await stun.Transaction(request, ("", 0), line, retransmissions=0).run()
        assert time.monotonic() - began > 0.49
        assert len(line.at_s) == 1
