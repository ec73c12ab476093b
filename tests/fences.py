"""Memory for machine code that must not reach beyond its own."""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray


@contextmanager
def fenced(size: int, at_end: bool) -> Iterator[NDArray[np.uint8]]:
    """Zeros between two pages without any rights, right before the second or behind the first."""
    page = mmap.PAGESIZE
    room = -(-size // page) * page
    block = mmap.mmap(-1, room + 2 * page)
    whole = np.frombuffer(block, np.uint8)
    libc = ctypes.CDLL(None, use_errno=True)
    fences = [ctypes.c_void_p(whole.ctypes.data + offset) for offset in (0, page + room)]
    for fence in fences:
        assert libc.mprotect(fence, page, 0) == 0
    start = page + (room - size if at_end else 0)
    try:
        yield whole[start : start + size]
    finally:
        for fence in fences:
            assert libc.mprotect(fence, page, mmap.PROT_READ | mmap.PROT_WRITE) == 0
