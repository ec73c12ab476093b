"""Real calls over a bad line: what is lost comes again, a cut heals, who is gone is let go.

The times allowed are several times those that are measured on a calm machine
(`visavis bench faults`), and still less than what aiortc by itself takes for the same.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest

from benchmarks.netem import Faults, Link
from live import rtc
from live.request import CallSettings
from live.session import Session
from tests import fakes
from tests.loops import in_loop
from tests.peer import CodedCamera, Peer, Seen, constant

pytestmark = pytest.mark.alone

DELAY_MS = 20.0
CALM = Faults(DELAY_MS)


@pytest.fixture(autouse=True)
def _adapted() -> Any:
    with rtc.adapted(rtc.ADAPTATIONS):
        yield


@asynccontextmanager
async def call(
    link: Link, codec: str = "H264", settings: CallSettings | None = None
) -> AsyncIterator[tuple[Session, Peer]]:
    """A call that is up and shows the camera's own pictures; ends with the block."""
    session = Session(fakes.echo_request(settings))
    peer = Peer(codec=codec, camera=CodedCamera(constant(256, 256)))

    async def answer(offer: str) -> str:
        return link.answer(await session.answer(link.offer(offer)))

    try:
        await peer.call(answer)
        await peer.until(lambda: len(peer.seen) > 15)
        yield session, peer
    finally:
        link.change(up=CALM, down=CALM)  # what is said last arrives
        await session.close()
        await peer.close()


def gaps_s(seen: list[Seen]) -> list[float]:
    return [late.at - early.at for early, late in pairwise(seen)]


@pytest.mark.parametrize(("codec", "loss"), [("H264", 0.05), ("VP8", 0.1)])
@in_loop
async def test_pictures_keep_coming_whole_while_packets_are_lost(codec: str, loss: float) -> None:
    lossy = Faults(DELAY_MS, loss=loss)
    with Link(CALM, CALM, seed=5) as link:
        async with call(link, codec) as (_, peer):
            peer.seen.clear()
            link.change(up=lossy, down=lossy)
            await peer.until(lambda: len(peer.seen) >= 80, timeout_s=20)
            passage, seen = link.passage(), list(peer.seen)
    assert min(passage.up.lost, passage.down.lost) > 8
    assert max(gaps_s(seen)) < 2.5  # with one request for a lost packet: 3 s
    ages = sorted(one.age_ms for one in seen if one.age_ms is not None)
    assert len(ages) > 0.95 * len(seen)  # not smeared
    assert ages[0] >= 2 * DELAY_MS
    assert ages[len(ages) // 2] < 1000
    assert ages[-1] < 4000


@in_loop
async def test_a_call_goes_on_after_an_outage_with_the_delay_of_before() -> None:
    with Link(CALM, CALM) as link:
        async with call(link) as (session, peer):
            usual = min(age_ms(one) for one in list(peer.seen)[-10:])
            cut = link.cut(1.5)
            await peer.until(lambda: drawn_at(peer.seen[-1]) > cut.ended_s)
            assert peer.seen[-1].at - cut.ended_s < 1.2
            await peer.until(lambda: age_ms(peer.seen[-1]) < usual + 30, timeout_s=5)
            assert session.report()["state"] == "tracking"
            assert link.passage().down.cut > 20


def age_ms(seen: Seen) -> float:
    """A picture that cannot be read counts as a day old."""
    return 86_400_000 if seen.age_ms is None else seen.age_ms


def drawn_at(seen: Seen) -> float:
    return seen.at - age_ms(seen) / 1000


@in_loop
async def test_a_client_of_whom_nothing_is_heard_is_let_go() -> None:
    settings = fakes.call_settings(silence_deadline_s=2.0)
    with Link(CALM, CALM) as link:
        async with call(link, settings=settings) as (session, _):
            cut = link.cut(60)
            async with asyncio.timeout(15):
                await session.closed.wait()
            assert 1.8 < time.monotonic() - cut.began_s < 3.5
    assert 3 < fakes.call_settings().silence_deadline_s < 6  # no outage, and soon


@in_loop
async def test_an_offer_that_never_connects_ends_within_its_deadline() -> None:
    dead = Faults(loss=1)
    session = Session(fakes.echo_request(fakes.call_settings(connect_deadline_s=1.0)))
    peer = Peer(camera=None)
    with Link(dead, dead) as link:
        await peer.accept(link.answer(await session.answer(link.offer(await peer.offer()))))
        began = time.monotonic()
        async with asyncio.timeout(10):
            await session.closed.wait()
        assert 0.8 < time.monotonic() - began < 2.5
        assert link.passage().up.lost > 0  # it was tried
    await peer.close()
