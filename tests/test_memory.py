"""Memory that has been freed in pieces goes back to the system."""

from __future__ import annotations

import ctypes
import threading
from pathlib import Path

import pytest

from live.memory import give_back

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
