"""Many calls in a row, in a process that does nothing else: what do they leave behind?

`python -m tests.leaks` ends with an `AssertionError` where it is too much.
"""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import psutil  # type: ignore[import-untyped]
import pytest

from live import rtc
from live.errors import BadSdp, Conflict
from live.session import Session
from tests import fakes
from tests.peer import CodedCamera, Peer, constant
from tests.voices import ToneVoice

_CALLS = 200
_WARM_UP = 40
_THREADS = 2
"""Until the allocator, the pools of threads and OpenSSL have what they keep."""


async def one_call(count: int) -> weakref.ref[Session]:
    """A call that ends in one of the ways in which calls end."""
    ended: list[str] = []
    peer = Peer(
        codec=("VP8", "H264")[count % 2],
        voice=count % 3 > 0,
        camera=CodedCamera(constant(256, 256)),
    )
    offer = await peer.offer()
    settings = fakes.call_settings(connect_deadline_s=0.2 if count % 10 == 9 else 15)
    voice = ToneVoice()
    request = fakes.request(settings=settings, voice=lambda name: voice)
    session = Session(request, ended.append)
    match count % 10:
        case 9:  # the peer never comes
            lines = [line for line in offer.splitlines(keepends=True) if "candidate" not in line]
            with suppress(Conflict):  # on a busy machine the deadline is there before the answer
                await session.answer("".join(lines))
            await session.closed.wait()
            assert ended == ["connect_timeout"]
        case 8:  # the offer is none
            with pytest.raises(BadSdp):
                await session.answer("")
        case 7:  # the peer hangs up
            await peer.accept(await session.answer(offer))
            await peer.until(peer.connected.is_set)
            await peer.close()
            await asyncio.wait_for(session.closed.wait(), 2)
        case _:
            await peer.accept(await session.answer(offer))
            await peer.until(lambda: bool(peer.seen))
            if peer.voice and count % 4 == 1:  # hung up on in the midst of a word
                await session.say({"text": "one two three four. Five six seven eight."})
                await peer.until(lambda: bool(peer.said("started")))
            await session.close()
    await peer.close()
    return weakref.ref(session)


_COUNTED = ("tasks", "threads", "system threads", "files")


def held() -> dict[str, int]:
    """What this process holds now."""
    gc.collect()
    process = psutil.Process()
    return {
        "tasks": len(asyncio.all_tasks()),
        "threads": threading.active_count(),
        "system threads": process.num_threads(),
        "files": process.num_fds(),
        "memory": process.memory_info().rss,
    }


def main() -> None:
    """Holds the calls, and holds what is left against what was there before."""
    calls = int(os.environ.get("VISAVIS_TEST_CALLS", str(_CALLS)))

    async def many() -> tuple[dict[str, int], dict[str, int], int]:
        # otherwise as many threads as there are cores and more, one after another
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_THREADS))
        await asyncio.gather(*(asyncio.to_thread(time.sleep, 0.2) for _ in range(_THREADS)))
        sessions = [await one_call(count) for count in range(_WARM_UP)]
        before = held()
        sessions += [await one_call(count) for count in range(calls)]
        for _ in range(40):  # a busy machine takes its time to end threads
            await asyncio.sleep(0.1)
            after = held()
            if all(after[kind] <= before[kind] for kind in _COUNTED):
                break
        return before, after, sum(ref() is not None for ref in sessions[:-1])

    with rtc.adapted(rtc.ADAPTATIONS):
        before, after, alive = asyncio.run(many())
    assert alive == 0
    for kind in _COUNTED:
        assert after[kind] <= before[kind], kind
    # a call holds some 3 MB; a leak of a twentieth of one a call would show
    assert after["memory"] - before["memory"] < calls * 150_000


if __name__ == "__main__":
    main()
