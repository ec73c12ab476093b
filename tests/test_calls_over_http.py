"""Real calls through the server's HTTP interface; only the parts of the engines are fakes."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import schemathesis

from live import openapi, rtc
from live.rooms import Rooms
from live.session import Session
from tests.fakes import call_settings
from tests.http_fakes import SDP, TRICKLE, Client, client, form, rooms
from tests.loops import in_loop
from tests.peer import CodedCamera, Peer, constant

pytestmark = pytest.mark.alone

REPORT = schemathesis.openapi.from_dict(openapi.document())["/sessions/{secret}"]["GET"]


@pytest.fixture(autouse=True, scope="module")
def _adapted() -> None:
    rtc.adapt()


def real_rooms(folder: Path, places: int = 2, **decided: Any) -> Rooms:
    return rooms(folder, places, start=Session, of_calls=call_settings(**decided))


def small_peer() -> Peer:
    return Peer(camera=CodedCamera(constant(256, 256)))


async def called(server: Client | aiohttp.ClientSession, peer: Peer, avatar: str = "ada") -> str:
    """A connected call's secret address."""
    location = ""

    async def answer(sdp: str) -> str:
        nonlocal location
        reply = await server.post(f"/sessions?avatar={avatar}", data=sdp.encode(), headers=SDP)
        assert reply.status == 201, await reply.text()
        location = reply.headers["Location"]
        return str(await reply.text())

    await peer.call(answer)
    return location


@in_loop
async def test_a_call_from_the_offer_to_its_end(tmp_path: Path) -> None:
    of = real_rooms(tmp_path)
    async with client(of) as server:
        peer = small_peer()
        location = await called(server, peer)
        await peer.until(lambda: len(peer.seen) > 10 and len(peer.heard) > 10)
        answer = await server.get(location)
        report = await answer.json()
        assert report["frames"]["out"] > 10
        assert report["latency_ms"]["p50"] > 0
        REPORT.validate_response(
            schemathesis.Response(
                status_code=answer.status,
                headers={"Content-Type": ["application/json"]},
                content=await answer.read(),
                request=None,  # type: ignore[arg-type]
                elapsed=0,
                verify=False,
            )
        )
        changed = await server.patch(
            f"{location}/settings", json={"avatar": "leo", "background": "green"}
        )
        assert changed.status == 204
        assert (await (await server.get(location)).json())["avatar"] == "leo"
        start = time.monotonic()
        assert (await server.delete(location)).status == 200
        assert time.monotonic() - start < 2
        assert of.pool.free() == 2
        await peer.until(lambda: peer.connection.connectionState == "closed")
        text = await (await server.get("/metrics")).text()
        assert 'visavis_sessions_ended_total{reason="client"} 1.0' in text
        sent = re.search(r'visavis_frames_total{way="out"} (\d+)', text)
        assert sent is not None
        assert int(sent[1]) > 10
        await peer.close()


@in_loop
async def test_candidates_come_by_patch(tmp_path: Path) -> None:
    of = real_rooms(tmp_path)
    async with client(of) as server:
        peer = small_peer()
        offer = await peer.offer()
        bare = [line for line in offer.splitlines() if "candidate" not in line]
        reply = await server.post(
            "/sessions?avatar=ada", data="\r\n".join([*bare, ""]).encode(), headers=SDP
        )
        await peer.accept(await reply.text())
        ufrag = next(line for line in bare if line.startswith("a=ice-ufrag:"))
        found = [line for line in offer.splitlines() if "candidate" in line]
        fragment = "\r\n".join([ufrag, "a=mid:0", *found, ""])
        patched = await server.patch(reply.headers["Location"], data=fragment, headers=TRICKLE)
        assert patched.status == 204
        await peer.until(lambda: bool(peer.seen))
        restart = fragment.replace(ufrag, "a=ice-ufrag:other")
        refused = await server.patch(reply.headers["Location"], data=restart, headers=TRICKLE)
        assert refused.status == 422
        count = len(peer.seen)
        await peer.until(lambda: len(peer.seen) > count + 5)  # a failed restart ends nothing
        await server.delete(reply.headers["Location"])
        await peer.close()


@in_loop
async def test_bad_offers_are_refused_and_the_next_call_works(tmp_path: Path) -> None:
    of = real_rooms(tmp_path, places=1)
    async with client(of) as server:
        peer = small_peer()
        offer = await peer.offer()
        video, sound = offer.index("m=video"), offer.index("m=audio")
        bad = {
            "": 400,
            "v=0\r\n": 400,
            offer[: len(offer) // 3]: 400,
            offer.replace("a=fingerprint", "a=x"): 400,
            offer[:video] + offer[sound:]: 422,
            re.sub("VP8|H264", "AV1", offer): 422,
            offer.replace("opus", "pcmx").replace("PCM", "pcm").replace("G722", "g7"): 422,
            offer.replace("a=sendrecv", "a=sendonly", 1): 422,
        }
        for sdp, status in bad.items():
            reply = await server.post("/sessions?avatar=ada", data=sdp.encode(), headers=SDP)
            assert reply.status == status, (await reply.text(), sdp[:200])
            assert of.pool.free() == 1
        location = await called(server, (second := small_peer()))
        again = await server.post("/sessions?avatar=ada", data=offer.encode(), headers=SDP)
        assert (again.status, again.headers["Retry-After"]) == (503, "5")
        await server.delete(location)
        await second.close()
        await peer.close()


@in_loop
async def test_an_offer_whose_peer_never_comes_leaves_its_place(tmp_path: Path) -> None:
    of = real_rooms(tmp_path, places=1, connect_deadline_s=0.5)
    async with client(of) as server:
        peer = small_peer()
        bare = [line for line in (await peer.offer()).splitlines() if "candidate" not in line]
        reply = await server.post(
            "/sessions?avatar=ada", data="\r\n".join([*bare, ""]).encode(), headers=SDP
        )
        assert reply.status == 201
        session = of.pool.get(reply.headers["Location"].rsplit("/", 1)[1])
        assert isinstance(session, Session)
        await asyncio.wait_for(session.closed.wait(), 5)
        assert of.pool.free() == 1
        assert (await server.get(reply.headers["Location"])).status == 404
        assert 'reason="connect_timeout"} 1.0' in await (await server.get("/metrics")).text()
        await peer.close()


@pytest.mark.parametrize("by", ["this server", "another process"])
@in_loop
async def test_removing_an_avatar_ends_its_call(tmp_path: Path, by: str) -> None:
    of = real_rooms(tmp_path)
    async with client(of) as server:
        assert (await server.post("/avatars", data=form())).status == 201
        peer = small_peer()
        await called(server, peer, "me")
        await peer.until(lambda: bool(peer.said("hello")))
        if by == "this server":
            assert await (await server.delete("/avatars/me")).json() == {"ended_calls": 1}
            assert of.pool.free() == 2
        else:
            await asyncio.to_thread(of.store.remove, "me")
        await peer.until(lambda: peer.connection.connectionState == "closed")
        told = peer.said("state")[-1]
        assert (told["state"], told["reason"]) == ("ended", "avatar_removed")
        await peer.close()


_SERVER = """
import pathlib, sys
from live import rtc
from live.server import run
from live.session import Session
from live.settings import Settings
from tests.http_fakes import rooms
rtc.adapt()
chosen = Settings.model_validate({"server": {"port": 0}})
say = lambda address: print(address, flush=True)
run(rooms(pathlib.Path(sys.argv[1]), settings=chosen, start=Session), say)
"""


@in_loop
async def test_a_server_with_a_live_call_ends_when_told(tmp_path: Path) -> None:
    process = subprocess.Popen(  # noqa: ASYNC220
        [sys.executable, "-c", _SERVER, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)},
    )
    try:
        assert process.stdout is not None
        address = (await asyncio.to_thread(process.stdout.readline)).strip()
        async with aiohttp.ClientSession(address) as session:
            peer = small_peer()
            await called(session, peer)
            await peer.until(lambda: bool(peer.seen and peer.said("hello")))
            start = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(process.wait, 10) == 0
            # a second on a quiet machine; a hang would be one for ever
            assert time.monotonic() - start < 8
            await peer.until(lambda: peer.connection.connectionState == "closed")
            ended = [told for told in peer.said("state") if told["state"] == "ended"]
            assert [told["reason"] for told in ended] == ["shutdown"]
            assert ended[0]["message"]
            await peer.close()
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
