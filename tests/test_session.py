"""Real calls, over a real stack on this machine, with scripted parts."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import psutil  # type: ignore[import-untyped]
import pytest

from engines.errors import ModelUnavailable, UnknownPart
from engines.types import Picture
from live import rtc
from live.consent.permitted import Permitted
from live.errors import BadRequest, BadSdp, Conflict, NotFound, TooSlow, Unprocessable
from live.session import Parts, Session, SessionRequest
from live.stages import STAGES
from tests import fakes
from tests.loops import in_loop
from tests.peer import CodedCamera, Peer, constant

pytestmark = pytest.mark.alone


@pytest.fixture(autouse=True)
def _adapted() -> Any:
    with rtc.adapted(rtc.ADAPTATIONS):
        yield


@asynccontextmanager
async def call(
    request: SessionRequest | None = None, peer: Peer | None = None
) -> AsyncIterator[tuple[Session, Peer]]:
    """A call that is up, and ends with the block."""
    session = Session(request or fakes.request())
    peer = peer or Peer()
    try:
        await peer.call(session.answer)
        yield session, peer
    finally:
        await session.close()
        await peer.close()


@pytest.mark.parametrize("codec", ["VP8", "H264"])
@in_loop
async def test_a_call(codec: str) -> None:
    async with call(fakes.echo_request(), Peer(codec=codec)) as (session, peer):
        await peer.until(lambda: len(peer.seen) > 40 and len(peer.heard) > 60)
        pictures = list(peer.seen)[10:]
        ages = [one.age_ms for one in pictures if one.age_ms is not None]
        assert len(ages) > 0.9 * len(pictures)  # the pictures are the ones that were sent
        # The best, as the machine may be busy; aiortc by itself never does it under 60 ms.
        assert np.percentile(ages, 10) < 50
        assert all((one.width, one.height) == (512, 512) for one in pictures)
        times = [one.pts for one in pictures]
        assert times == sorted(set(times))
        assert np.median([one.rms for one in list(peer.heard)[20:]]) > 2000  # the tone came back
        report = session.report()
        assert report["codec"] == codec
        assert report["state"] == "tracking"
        assert report["frames"]["in"] >= report["frames"]["out"] > 40
        assert 0 < report["fps"]["out"] < 40
        assert set(report["rooms_ms"]) == {"track", "drive", "render", "stamp"}
        assert 0 < report["latency_ms"]["p50"] <= report["latency_ms"]["p99"]
        assert list(report["stages_ms"]) == list(STAGES)
        told = session.tally().times
        means = {name: told[name].sum_ns / sum(told[name].steps) for name in (*STAGES, "latency")}
        assert 0.5 < sum(means[stage] for stage in STAGES) / means["latency"] < 2
        assert abs(report["av_skew_ms"]) < 100


@in_loop
async def test_h264_is_preferred_and_we_wait_for_the_peers_hello() -> None:
    peer = Peer()
    async with call(peer=peer) as (session, _):
        answer = peer.connection.remoteDescription.sdp
        assert session.report()["codec"] == "H264"
        assert re.search(r"m=video \d+ \S+ (\d+)", answer)
        assert "a=setup:passive" in answer
        assert "x-google-start-bitrate=" in answer
        assert "a=setup:active" not in answer


@in_loop
async def test_a_peer_that_waits_is_said_hello_to() -> None:
    session, peer = Session(fakes.request()), Peer()

    async def answer(offer: str) -> str:
        text = await session.answer(offer.replace("a=setup:actpass", "a=setup:passive"))
        assert "a=setup:active" in text
        return text

    await peer.call(answer)
    await session.close()
    await peer.close()


@in_loop
async def test_every_picture_is_labelled() -> None:
    request = fakes.request(renderer=lambda: fakes.FakeRenderer(512))
    async with call(request, Peer(keep_last=True)) as (_, peer):
        await peer.until(lambda: len(peer.seen) > 10)
        assert peer.last is not None
        assert abs(int(peer.last[:400].mean()) - 128) < 4
        assert peer.last[440:490, 180:330].max() > 220  # letters …
        assert np.percentile(peer.last[455:470, 220:300], 10) < 80  # … on a dark pill


@in_loop
async def test_a_call_without_sound_or_data() -> None:
    async with call(peer=Peer(voice=False, channel=False)) as (session, peer):
        await peer.until(lambda: len(peer.seen) > 5)
        assert session.report()["voice_latency_ms"] is None


@in_loop
async def test_sizes_change_in_the_middle_of_a_call() -> None:
    sizes = [(512, 512)] * 10 + [(640, 480)] * 10 + [(1080, 1920)] * 6 + [(322, 242)] * 400
    peer = Peer(codec="VP8", camera=CodedCamera(itertools.chain(sizes)))
    async with call(fakes.echo_request(), peer) as (session, _):
        await peer.until(lambda: any(one.width == 322 for one in peer.seen))
        await peer.until(lambda: len(peer.seen) > 40)
        assert {(512, 512), (640, 480), (322, 242)} <= {(s.width, s.height) for s in peer.seen}
        assert session.report()["frames"]["dropped"].get("failed") is None


@pytest.mark.parametrize("fps", [5, 60])
@in_loop
async def test_slow_and_quick_cameras(fps: int) -> None:
    peer = Peer(camera=CodedCamera(constant(256, 256), fps))
    async with call(fakes.request(), peer) as (session, _):
        await peer.until(lambda: len(peer.seen) > fps)
        # a slow camera is none that has gone: nothing is shown in between
        assert session.report()["fps"]["out"] <= 1.4 * fps


@in_loop
async def test_the_data_channel() -> None:
    async with call() as (session, peer):
        await peer.until(lambda: bool(peer.said("hello")))
        assert peer.said("hello")[0] == {
            "type": "hello",
            "version": peer.said("hello")[0]["version"],
            "session": session.public_id,
            "disclosure": "AI avatar",
            "language": "en",
            "marked": True,
            "recorded": False,
            "avatar": "grey",
        }
        peer.send("ping", time=12.25)
        await peer.until(lambda: peer.said("pong") == [{"type": "pong", "time": 12.25}])
        peer.send("from the future", x=1)
        peer.send("interrupt")  # of nothing
        peer.send("settings", backgroud="blur")
        await peer.until(lambda: len(peer.said("error")) == 1)
        assert peer.data is not None
        peer.data.send("no json")
        await peer.until(lambda: len(peer.said("error")) == 2)
        await peer.until(lambda: len(peer.said("stats")) >= 2)
        assert set(peer.said("stats")[-1]) == {"type", *session.report()}
        for _ in range(120):
            peer.send("ping", time=1)
        await peer.until(lambda: any("fewer" in e["message"] for e in peer.said("error")))
        assert len(peer.said("pong")) < 110


@in_loop
async def test_states_are_told() -> None:
    camera = CodedCamera(constant(256, 256))
    async with call(peer=Peer(camera=camera)) as (_, peer):
        tracking = {"type": "state", "state": "tracking", "quality": "full"}
        await peer.until(lambda: tracking in peer.messages)
        camera.black = True
        await peer.until(lambda: peer.said("state")[-1]["state"] == "lost_face")
        camera.black = False
        await peer.until(lambda: peer.said("state")[-1]["state"] == "tracking")


@in_loop
async def test_the_avatar_is_there_before_and_without_a_camera() -> None:
    class NoCamera(CodedCamera):
        async def recv(self) -> Any:
            await asyncio.Event().wait()

    peer = Peer(camera=NoCamera(constant(256, 256)))
    async with call(peer=peer) as (session, _):
        await peer.until(lambda: len(peer.seen) > 5)
        assert session.report()["frames"]["in"] == 0


@in_loop
async def test_a_running_call_is_changed() -> None:
    opened: list[str] = []

    async def open_avatar(id: str) -> Permitted:
        opened.append(id)
        if id != "light":
            raise NotFound("there is no such avatar")
        return fakes.permitted("light", 220)

    request = replace(
        fakes.request(renderer=lambda: fakes.FakeRenderer(256)), open_avatar=open_avatar
    )
    async with call(request, Peer(keep_last=True)) as (session, peer):

        def shows(rgb: tuple[int, int, int]) -> bool:
            return peer.last is not None and bool(
                (np.abs(peer.last[20:60, 20:60].mean(axis=(0, 1)) - rgb) < 12).all()
            )

        await peer.until(lambda: shows((128, 128, 128)))
        await session.change({"avatar": "light"})
        await peer.until(lambda: shows((220, 220, 220)))
        assert session.avatar == session.report()["avatar"] == "light"
        peer.send("settings", background="green", calibrate=True, mirror=True)
        await peer.until(lambda: shows((0, 255, 0)))
        with pytest.raises(NotFound):
            await session.change({"avatar": "nobody"})
        with pytest.raises(Unprocessable):
            await session.change({"mirror": "yes"})
        await session.change({"avatar": "light", "driver": "face"})
        assert opened == ["light", "nobody"]
        await session.change({"driver": "other"})
        assert session.report()["mode"] == "other"


@in_loop
async def test_one_avatar_for_ever_where_there_is_no_other() -> None:
    async with call() as (session, _):
        with pytest.raises(Unprocessable):
            await session.change({"avatar": "light"})


@in_loop
async def test_the_worker_is_one_thread_and_not_the_loops() -> None:
    tracker = fakes.FakeTracker()
    async with call(fakes.request(lambda: tracker)) as (_, peer):
        await peer.until(lambda: len(peer.seen) > 5)
        assert tracker.threads == {"session-worker"}
    assert tracker.closed


@in_loop
async def test_a_slow_room_loses_pictures_and_gains_no_delay() -> None:
    turn = threading.Event()
    tracker = fakes.FakeTracker(lambda picture: (turn.wait(0.1), None)[1])
    async with call(fakes.request(lambda: tracker)) as (session, peer):
        await peer.until(lambda: len(peer.seen) > 20, timeout_s=20)
        report = session.report()
        assert report["frames"]["dropped"]["superseded"] > 15
        assert report["latency_ms"]["p50"] < 300  # two turns of the room, and the way


@in_loop
async def test_a_picture_that_a_room_cannot_take_is_one_picture_lost(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def stumble(picture: Picture) -> None:
        if 3 <= len(tracker.seen) <= 6:
            raise ValueError("Zaphod")

    tracker = fakes.FakeTracker(stumble)
    async with call(fakes.request(lambda: tracker)) as (session, peer):
        await peer.until(lambda: len(peer.seen) > 20)
        assert session.report()["frames"]["dropped"]["failed"] == 4
    assert "ValueError" in caplog.text
    assert "Zaphod" not in caplog.text


@in_loop
async def test_a_room_that_has_broken_ends_the_call() -> None:
    def broken(picture: Picture) -> None:
        raise ValueError

    reasons: list[str] = []
    session = Session(fakes.request(lambda: fakes.FakeTracker(broken)), reasons.append)
    peer = Peer()
    await peer.call(session.answer)
    await asyncio.wait_for(session.closed.wait(), 10)
    assert reasons == ["failed"]
    await peer.close()


# Offers and candidates.


@in_loop
async def test_a_second_offer_is_refused_and_the_call_goes_on() -> None:
    async with call() as (session, peer):
        other = Peer()
        with pytest.raises(Conflict):
            await session.answer(await other.offer())
        await other.close()
        seen = len(peer.seen)
        await peer.until(lambda: len(peer.seen) > seen + 5)


@pytest.mark.parametrize(("sdp", "error"), [("", BadSdp), ("v=0\r\n", BadSdp)])
@in_loop
async def test_a_bad_offer_frees_everything(sdp: str, error: type[Exception]) -> None:
    reasons: list[str] = []
    session = Session(fakes.request(), reasons.append)
    with pytest.raises(error):
        await session.answer(sdp)
    assert session.closed.is_set()
    assert reasons == ["refused"]
    with pytest.raises(Conflict):
        await session.answer("")


@in_loop
async def test_what_aiortc_stumbles_over_is_a_bad_offer() -> None:
    peer, session = Peer(), Session(fakes.request())
    offer = await peer.offer()
    with pytest.raises(BadSdp) as raised:
        await session.answer(re.sub("a=sctp-port:5000", "a=sctp-port:5000\r\na=ssrc:1 x", offer))
    assert "ssrc" not in str(raised.value)
    assert session.closed.is_set()
    await peer.close()


@pytest.mark.parametrize("error", [ModelUnavailable("no weights"), UnknownPart("no such part")])
@in_loop
async def test_parts_that_cannot_be_made(error: Exception) -> None:
    def fail() -> fakes.FakeTracker:
        raise error

    session, peer = Session(fakes.request(fail)), Peer()
    with pytest.raises(type(error)):
        await session.answer(await peer.offer())
    assert session.closed.is_set()
    await peer.close()


@in_loop
async def test_a_call_ends_while_its_parts_are_still_being_made() -> None:
    go_on = threading.Event()

    def slow() -> fakes.FakeTracker:
        go_on.wait(20)
        raise ModelUnavailable("too late to matter")

    session, peer = Session(fakes.request(slow)), Peer()
    answer = asyncio.ensure_future(session.answer(await peer.offer()))
    await asyncio.sleep(0.1)
    await asyncio.wait_for(session.close(), 10)
    with pytest.raises(Conflict):
        await answer
    go_on.set()
    await peer.close()


@in_loop
async def test_parts_that_take_longer_than_a_call_may_are_no_fault_of_the_offer() -> None:
    go_on = threading.Event()

    def slow() -> fakes.FakeTracker:
        go_on.wait(20)
        return fakes.FakeTracker()

    settings = fakes.call_settings(connect_deadline_s=0.1)
    session, peer = Session(fakes.request(slow, settings=settings)), Peer()
    asyncio.get_running_loop().call_later(0.3, go_on.set)
    with pytest.raises(TooSlow, match=r"within 0\.1 s; try again") as refusal:
        await session.answer(await peer.offer())
    assert (refusal.value.status, refusal.value.retryable) == (503, True)
    late = Session(fakes.request(settings=settings))
    await late.closed.wait()
    with pytest.raises(TooSlow):
        await late.answer("")
    await peer.close()


def without_candidates(offer: str) -> tuple[str, list[str]]:
    lines = offer.splitlines()
    kept = [one for one in lines if "candidate" not in one]
    return "\r\n".join(kept) + "\r\n", [one for one in lines if one.startswith("a=candidate")]


@in_loop
async def test_candidates_may_come_later() -> None:
    session, peer = Session(fakes.request()), Peer()
    offer, candidates = without_candidates(await peer.offer())
    await peer.accept(await session.answer(offer))
    await session.trickle("\r\n".join(["a=mid:0", candidates[0], ""]))
    await session.trickle("a=end-of-candidates\r\n")
    await asyncio.wait_for(peer.connected.wait(), 5)
    with pytest.raises(BadRequest):
        await session.trickle("nonsense")
    many = "\r\n".join(candidates[:1] * 60)
    await session.trickle(many)
    with pytest.raises(Unprocessable, match="too many"):
        await session.trickle(many)
    await session.close()
    with pytest.raises(Conflict):
        await session.trickle(candidates[0])
    with pytest.raises(Conflict):
        await session.change({})
    await peer.close()


@in_loop
async def test_names_that_nobody_resolves_do_not_delay_the_answer() -> None:
    session, peer = Session(fakes.request()), Peer()
    hidden = "a=candidate:9 1 udp 1 {}.local 5000 typ host\r\n"
    offer = await peer.offer() + "".join(hidden.format(f"name-{i}") for i in range(8))
    loop = asyncio.get_running_loop()
    start = loop.time()
    await peer.accept(await session.answer(offer))
    assert loop.time() - start < 1
    await asyncio.wait_for(peer.connected.wait(), 5)
    await session.close()
    await peer.close()


# The end.


@in_loop
async def test_the_peer_hangs_up() -> None:
    reasons: list[str] = []
    session, peer = Session(fakes.request(), reasons.append), Peer()
    await peer.call(session.answer)
    await peer.close()
    await asyncio.wait_for(session.closed.wait(), 2)
    assert reasons == ["hung_up"]
    assert session.report()["state"] == "closed"


@in_loop
async def test_closing_twice_at_once() -> None:
    reasons: list[str] = []
    session, peer = Session(fakes.request(), reasons.append), Peer()
    await peer.call(session.answer)
    await asyncio.gather(session.close("one"), session.close("two"))
    await session.close("three")
    assert reasons == ["one"]
    await peer.close()


@in_loop
async def test_closing_before_an_offer() -> None:
    session = Session(fakes.request())
    await session.close()
    with pytest.raises(Conflict):
        await session.answer("")


@in_loop
async def test_ending_while_the_answer_is_made() -> None:
    session, peer = Session(fakes.request()), Peer()
    answer = asyncio.ensure_future(session.answer(await peer.offer()))
    await asyncio.sleep(0)
    await session.close()
    with pytest.raises(Conflict):
        await answer
    await peer.close()
    files = psutil.Process().num_fds()
    for _ in range(5):
        session = Session(fakes.request())
        peer = Peer()
        answer = asyncio.ensure_future(session.answer(await peer.offer()))
        await asyncio.sleep(0)
        await session.close()
        await asyncio.gather(answer, return_exceptions=True)
        await peer.close()
    assert psutil.Process().num_fds() <= files


@in_loop
async def test_an_offer_whose_peer_never_comes() -> None:
    reasons: list[str] = []
    settings = fakes.call_settings(connect_deadline_s=0.3)
    session, peer = Session(fakes.request(settings=settings), reasons.append), Peer()
    await session.answer(without_candidates(await peer.offer())[0])
    await asyncio.wait_for(session.closed.wait(), 3)
    assert reasons == ["connect_timeout"]
    await peer.close()


@in_loop
async def test_a_peer_that_vanishes() -> None:
    """Its process is stopped: neither goodbye nor an answer to anything."""
    reasons: list[str] = []
    settings = fakes.call_settings(silence_deadline_s=1.0)
    session = Session(fakes.request(settings=settings), reasons.append)
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.vanishing",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": "."},
    )
    assert child.stdin is not None
    assert child.stdout is not None
    offer = bytes.fromhex((await child.stdout.readline()).decode()).decode()
    answer = await session.answer(offer)
    child.stdin.write(answer.encode().hex().encode() + b"\n")
    assert await child.stdout.readline() == b"connected\n"
    child.send_signal(signal.SIGSTOP)
    await asyncio.wait_for(session.closed.wait(), 6)
    assert reasons == ["silent"]
    child.kill()
    await child.wait()


def test_a_server_that_is_told_to_end_during_a_call_ends() -> None:
    """Neither decoder nor worker threads keep the process."""
    code = (
        "import asyncio\n"
        "from live import rtc\n"
        "from live.session import Session\n"
        "from tests import fakes\n"
        "from tests.peer import Peer\n"
        "rtc.adapt()\n"
        "async def main():\n"
        "    session, peer = Session(fakes.request()), Peer()\n"
        "    await peer.call(session.answer)\n"
        "    await peer.until(lambda: len(peer.seen) > 2)\n"
        "    raise KeyboardInterrupt\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, timeout=30, check=False, text=True
    )
    assert done.returncode != 0
    assert "KeyboardInterrupt" in done.stderr


@in_loop
async def test_nothing_personal_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("aioice").setLevel(logging.WARNING)
        logging.getLogger("aiortc").setLevel(logging.WARNING)
        async with call() as (_, peer):
            await peer.until(lambda: len(peer.seen) > 5)
            peer.send("settings", background="Zaphod")
            await peer.until(lambda: bool(peer.said("error")))
        with pytest.raises(BadSdp):
            await Session(fakes.request()).answer("v=0 Zaphod")
    ours = "\n".join(r.getMessage() for r in caplog.records if r.name.startswith("live"))
    assert "Zaphod" not in ours
    assert not re.search(r"\d+\.\d+\.\d+\.\d+|candidate:|a=", ours)


def test_parts_are_made_by_name() -> None:
    def driver(name: str) -> fakes.FakeDriver:
        raise UnknownPart(name)

    async def refused() -> None:
        parts = Parts(fakes.FakeTracker, driver, fakes.FakeRenderer, fakes.no_voice)
        session, peer = (
            Session(SessionRequest(fakes.permitted(), parts, fakes.call_settings(), driver="x")),
            Peer(),
        )
        with pytest.raises(UnknownPart, match="x"):
            await session.answer(await peer.offer())
        await peer.close()

    asyncio.run(refused())
