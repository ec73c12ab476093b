from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any

import pytest

from live import rtc
from live.audit import Event
from live.audit.event import Fact
from live.clock import MILLISECOND
from live.consent.permitted import Permitted
from live.errors import Full, NotFound, NotLogged
from live.load.places import SetPlaces
from live.measures import Histogram, Tally
from live.metrics import Metrics
from live.pool import Pool
from live.session import Session
from tests.fakes import MemoryAudit, permitted, request
from tests.http_fakes import FakeCall
from tests.peer import Peer


def test_no_more_calls_than_places() -> None:
    async def scene() -> None:
        pool = Pool(FakeCall, places=SetPlaces(2), metrics=Metrics(), audit=MemoryAudit())
        first, _ = await pool.open(request())
        second, session = await pool.open(request())
        assert first != second
        assert pool.free() == 0
        with pytest.raises(Full):
            await pool.open(request())
        assert pool.get(second) is session
        await session.close("client")
        assert pool.free() == 1
        with pytest.raises(NotFound):
            pool.get(second)
        await pool.open(request())

    asyncio.run(scene())


def test_a_session_that_ends_by_itself_leaves_its_place() -> None:
    async def scene() -> None:
        metrics = Metrics()
        pool = Pool(FakeCall, places=SetPlaces(1), metrics=metrics, audit=MemoryAudit())
        for _ in range(3):
            _, session = await pool.open(request())
            await session.close("silent")
            await session.close("again")  # is told once only
        text = metrics.text().decode()
        assert 'visavis_sessions_ended_total{reason="silent"} 3.0' in text
        assert "visavis_sessions_opened_total 3.0" in text
        assert "visavis_sessions 0.0" in text

    asyncio.run(scene())


def test_frames_of_running_and_ended_calls_add_up() -> None:
    async def scene() -> None:
        metrics = Metrics()
        pool = Pool(FakeCall, places=SetPlaces(3), metrics=metrics, audit=MemoryAudit())
        sessions = [(await pool.open(request()))[1] for _ in range(3)]
        await sessions[0].close("client")
        text = metrics.text().decode()
        assert "visavis_sessions 2.0" in text
        assert 'visavis_frames_total{way="in"} 9.0' in text
        assert 'visavis_frames_total{way="out"} 6.0' in text
        assert 'visavis_frames_dropped_total{reason="late"} 3.0' in text
        assert 'visavis_room_seconds_bucket{le="0.002",room="track"} 0.0' in text
        assert 'visavis_room_seconds_bucket{le="0.004",room="track"} 6.0' in text
        assert 'visavis_room_seconds_bucket{le="+Inf",room="track"} 9.0' in text
        assert 'visavis_room_seconds_sum{room="track"} 0.918' in text
        assert 'visavis_stage_seconds_bucket{le="0.004",stage="track"} 6.0' in text

    asyncio.run(scene())


def test_secret_ids_cannot_be_guessed() -> None:
    async def scene() -> None:
        pool = Pool(FakeCall, places=SetPlaces(100), metrics=Metrics(), audit=MemoryAudit())
        ids = {(await pool.open(request()))[0] for _ in range(100)}
        assert len(ids) == 100
        assert all(len(each) >= 32 for each in ids)

    asyncio.run(scene())


def test_ends_the_calls_in_which_an_avatar_is_shown() -> None:
    async def scene() -> None:
        pool = Pool(FakeCall, places=SetPlaces(3), metrics=Metrics(), audit=MemoryAudit())
        _, shown = await pool.open(request())
        _, changed = await pool.open(request())
        await changed.change({"avatar": "other"})
        assert await pool.end_calls_of("grey", "avatar_removed") == 1
        assert isinstance(shown, FakeCall)
        assert isinstance(changed, FakeCall)
        assert (shown.reason, changed.reason) == ("avatar_removed", None)

    asyncio.run(scene())


def test_a_closed_pool_takes_no_calls() -> None:
    async def scene() -> None:
        pool = Pool(FakeCall, places=SetPlaces(2), metrics=Metrics(), audit=MemoryAudit())
        _, session = await pool.open(request())
        await pool.close(1.0)
        assert isinstance(session, FakeCall)
        assert session.reason == "shutdown"
        with pytest.raises(Full):
            await pool.open(request())

    asyncio.run(scene())


class Stuck(FakeCall):
    async def close(self, reason: str = "closed") -> None:
        await asyncio.Event().wait()


def test_a_session_that_does_not_end_does_not_hold_up_the_end() -> None:
    async def scene() -> float:
        pool = Pool(Stuck, places=SetPlaces(2), metrics=Metrics(), audit=MemoryAudit())
        await pool.open(request())
        loop = asyncio.get_running_loop()
        start = loop.time()
        await pool.close(0.05)
        return loop.time() - start

    assert asyncio.run(scene()) < 1


class Failing(FakeCall):
    async def close(self, reason: str = "closed") -> None:
        raise RuntimeError("cannot close")


def test_a_session_that_fails_to_end_does_not_keep_others_from_it() -> None:
    async def scene() -> None:
        made: list[FakeCall] = []

        def start(*args: object) -> FakeCall:
            kind = FakeCall if made else Failing
            made.append(kind(*args))  # type: ignore[arg-type]
            return made[-1]

        pool = Pool(start, places=SetPlaces(2), metrics=Metrics(), audit=MemoryAudit())
        await pool.open(request())
        await pool.open(request())
        await pool.close(1.0)
        assert made[1].reason == "shutdown"

    asyncio.run(scene())


def test_what_avatars_say_is_counted() -> None:
    class Spoken(FakeCall):
        def tally(self) -> Tally:
            first = Histogram()
            first.add(150 * MILLISECOND)
            counts = {"utterances.done": 2, "utterances.failed": 1, "spoken_ms": 1500}
            return Tally(counts | {"interrupts": 3}, {"first_sound": first})

    async def scene() -> None:
        metrics = Metrics()
        pool = Pool(Spoken, places=SetPlaces(2), metrics=metrics, audit=MemoryAudit())
        await (await pool.open(request()))[1].close("client")
        await pool.open(request())
        text = metrics.text().decode()
        assert 'visavis_utterances_total{reason="done"} 4.0' in text
        assert 'visavis_utterances_total{reason="failed"} 2.0' in text
        assert 'visavis_utterances_total{reason="interrupted"} 0.0' in text
        assert "visavis_spoken_seconds_total 3.0" in text
        assert "visavis_interrupts_total 6.0" in text
        assert "visavis_first_sound_seconds_count 2.0" in text
        assert 'room="first_sound"' not in text

    asyncio.run(scene())


def test_the_audit_log_is_told_of_every_call() -> None:
    async def scene() -> None:
        audit = MemoryAudit()
        pool = Pool(FakeCall, places=SetPlaces(2), metrics=Metrics(), audit=audit)
        wanted = request()
        _, session = await pool.open(wanted)
        opened = {
            "session": session.public_id,
            "avatar": "grey",
            "consent": wanted.avatar.consent,
            "driver": "face",
            "label": True,
            "recorded": False,
        }
        assert audit.told == [("session_opened", opened)]
        await session.close("client")
        await pool.close(1.0)
        closed = {"session": session.public_id, "reason": "client"}
        assert audit.told[1:] == [("session_closed", closed)]

    asyncio.run(scene())


def test_a_call_that_cannot_be_logged_is_not_held() -> None:
    async def scene() -> None:
        audit, made = MemoryAudit(), []

        def start(*args: Any) -> FakeCall:
            made.append(FakeCall(*args))
            return made[-1]

        pool = Pool(start, places=SetPlaces(1), metrics=Metrics(), audit=audit)
        audit.full = True
        with pytest.raises(NotLogged):
            await pool.open(request())
        assert (made[0].reason, pool.free()) == ("refused", 1)
        audit.full = False
        _, session = await pool.open(request())
        audit.full = True  # too late to refuse it: it ends as any other
        await session.close("client")
        await pool.close(1.0)
        assert [event for event, _ in audit.told] == ["session_opened"]

    asyncio.run(scene())


class SlowAudit(MemoryAudit):
    """On a disk that takes its time."""

    def write(self, event: Event, **facts: Fact) -> str:
        time.sleep(0.1)
        return super().write(event, **facts)


@pytest.mark.alone
def test_a_slow_log_holds_up_nobody_else_and_gives_no_place_twice() -> None:
    async def scene() -> None:
        audit = SlowAudit()
        pool = Pool(FakeCall, places=SetPlaces(2), metrics=Metrics(), audit=audit)
        places: list[str] = []
        openings = [asyncio.create_task(pool.open(request(), places.append)) for _ in range(3)]
        loop = asyncio.get_running_loop()
        start = loop.time()
        await asyncio.sleep(0.02)
        assert loop.time() - start < 0.08
        assert (pool.free(), len(places)) == (0, 2)
        results = await asyncio.gather(*openings, return_exceptions=True)
        assert [isinstance(one, Full) for one in results] == [False, False, True]
        # a client that goes before its call is logged leaves no place taken, and both lines
        _, first = await openings[0]
        await first.close("client")
        leaving = asyncio.create_task(pool.open(request()))
        await asyncio.sleep(0.02)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        assert pool.free() == 1
        await pool.close(1.0)
        told = [event for event, _ in audit.told]
        assert told.count(Event.SESSION_OPENED) == told.count(Event.SESSION_CLOSED) == 3

    asyncio.run(scene())


def test_another_avatar_in_a_running_call_is_logged_or_not_shown() -> None:
    async def scene() -> None:
        audit = MemoryAudit()
        pool = Pool(Session, places=SetPlaces(1), metrics=Metrics(), audit=audit)
        wanted = request()
        other = permitted("other", 200)

        async def open_avatar(name: str) -> Permitted:
            return other

        _, session = await pool.open(replace(wanted, open_avatar=open_avatar))
        peer = Peer()
        await peer.call(session.answer)
        await session.change({"avatar": "other"})
        shown = {"session": session.public_id, "avatar": "other", "consent": other.consent}
        assert audit.told[1:] == [("avatar_shown", shown)]
        other, audit.full = permitted("third", 90), True
        with pytest.raises(NotLogged):
            await session.change({"avatar": "third"})
        assert session.avatar == "other"
        audit.full = False
        await pool.close(2.0)
        await peer.close()

    with rtc.adapted(rtc.ADAPTATIONS):
        asyncio.run(scene())
