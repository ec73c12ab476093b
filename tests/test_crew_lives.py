"""A server and its worker processes with real calls: who dies, who is told, who goes on."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import aiohttp
import pytest

from benchmarks.processes import descendants
from live import rtc
from tests.loops import in_loop
from tests.peer import Peer
from tests.test_calls_over_http import called, small_peer

pytestmark = pytest.mark.alone

SECRET = "sk-nobody-may-see-this"
SETTINGS = {
    "SESSIONS__PROCESSES": "2",
    "SESSIONS__PLACES": "4",
    "ENGINES__RENDERER": "echo",
    # a service is not warmed up: the voice is no part of this
    "VOICE__DEFAULT": "openai",
    "VOICE__OPENAI_URL": "http://localhost:9/v1",
    "VOICE__OPENAI_KEY": SECRET,
}


@pytest.fixture(autouse=True, scope="module")
def _adapted() -> None:
    rtc.adapt()


@contextmanager
def serving(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str, Path]]:
    """A server, its address, and the file that it logs to."""
    log = folder / "log"
    (folder / "tmp").mkdir()
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "live", "serve", "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            cwd=folder,
            env={
                **os.environ,
                **{f"VISAVIS_{name}": value for name, value in SETTINGS.items()},
                "PYTHONPATH": str(Path(__file__).parent.parent),
                "TMPDIR": str(folder / "tmp"),
            },
        )
    assert process.stdout is not None
    try:
        found = re.search(r"http\S+", process.stdout.readline())
        assert found, log.read_text()
        yield process, found[0].rstrip("/"), log
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


async def until(true: Callable[[], object], within_s: float = 30) -> None:
    async with asyncio.timeout(within_s):
        while not true():  # noqa: ASYNC110  (it is about other processes)
            await asyncio.sleep(0.02)


async def ready(session: aiohttp.ClientSession, free: int) -> None:
    """Until so many calls would be taken, by either worker: one that still loads is passed over."""
    async with asyncio.timeout(60):
        while True:
            async with session.get("/readyz") as answer:
                found = await answer.json(content_type=None)
            async with session.get("/metrics") as answer:
                series = await answer.text()
            if found.get("free") == free and "visavis_workers 2.0" in series:
                return
            await asyncio.sleep(0.05)


def is_shown(peer: Peer) -> bool:
    return bool(peer.seen and peer.said("hello"))


def is_told(peer: Peer, reason: str) -> bool:
    """Whether it was told, once, why its call is over."""
    ended = [told["reason"] for told in peer.said("state") if told["state"] == "ended"]
    return ended == [reason]


@in_loop
async def test_who_dies_takes_only_its_own_calls_along(tmp_path: Path) -> None:
    with serving(tmp_path) as (process, address, log):
        async with aiohttp.ClientSession(address) as session:
            await ready(session, 4)
            first, second = descendants(process.pid)
            peers = [small_peer(), small_peer()]
            calls = [await called(session, peer) for peer in peers]
            for peer in peers:
                await peer.until(partial(is_shown, peer))
            os.kill(first, signal.SIGKILL)
            await until(lambda: len(descendants(process.pid)) == 2, 10)  # another one has begun
            states = [(await session.get(call)).status for call in calls]
            assert sorted(states) == [200, 404]
            lives = states.index(200)
            seen = len(peers[lives].seen)
            await peers[lives].until(lambda: len(peers[lives].seen) > seen + 5)
            await ready(session, 3)
            peers.append(small_peer())
            await called(session, peers[-1])
            await peers[-1].until(partial(is_shown, peers[-1]))
            assert second in descendants(process.pid)

            start = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(process.wait, 10) == 0
            assert time.monotonic() - start < 8  # a second on a quiet machine
            for peer in (peers[lives], peers[-1]):  # one in each of the processes
                await peer.until(partial(is_told, peer, "shutdown"))
            for peer in peers:
                await peer.close()
        said = await asyncio.to_thread(log.read_text)
        assert said.count("was ended by signal 9") == 1
        assert "worker=1" in said
        assert "worker=2" in said
        for word in (SECRET, *(call.rpartition("/")[2] for call in calls), "Traceback"):
            assert word not in said
        assert list((tmp_path / "tmp").iterdir()) == []


def test_workers_go_when_their_server_is_gone(tmp_path: Path) -> None:
    with serving(tmp_path) as (process, _, log):

        async def scene() -> None:
            await until(lambda: len(list((tmp_path / "tmp").glob("*/*.sock"))) == 2)
            workers = descendants(process.pid)
            assert len(workers) == 2
            process.kill()
            await until(lambda: not any(map(runs, workers)))

        asyncio.run(scene())
        assert "Traceback" not in log.read_text()
        assert list((tmp_path / "tmp").iterdir()) == []


def runs(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False
