"""What a call leaves behind goes back to the system soon after its end."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from live import memory
from live.memory import give_back
from tests.loops import in_loop

_PIECES = 1500
_PIECE = 64 * 1024
"""Bytes; below what glibc gives back by itself."""


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="no glibc")
def test_what_a_thread_has_freed_is_given_back() -> None:
    kept: list[bytearray] = []

    def work() -> None:
        pieces = [bytearray(b"\1" * _PIECE) for _ in range(_PIECES)]
        kept.extend(pieces[::50])  # the last of them keeps the arena from shrinking
        kept.append(pieces[-1])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    before = resident_mb()
    give_back()
    assert before - resident_mb() > 0.5 * _PIECES * _PIECE / 2**20
    assert len(kept) > 1


class Circle:
    """As a call is: it refers to itself."""

    def __init__(self) -> None:
        self.self = self


@in_loop
async def test_circles_are_freed_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_SOON_S", 0.01)
    gc.disable()
    try:
        freed = threading.Event()
        weakref.finalize(Circle(), freed.set)
        memory.give_back_soon()
        assert await asyncio.to_thread(freed.wait, 20)
    finally:
        gc.enable()


@in_loop
async def test_a_process_that_ends_gives_nothing_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_SOON_S", 0.0)
    raised: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda loop, context: raised.append(context))
    loop.set_default_executor(ThreadPoolExecutor(1))
    memory.give_back_soon()
    await loop.shutdown_default_executor()
    await asyncio.sleep(0.05)
    assert not raised
