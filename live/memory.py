"""Memory that an ended call has freed in, the same given back to the system out.

A call's threads each allocate from an arena of glibc's, and what they free stays there, in pieces:
after a hundred calls of a few threads each, hundreds of megabytes lie idle. `malloc_trim` gives
whole free pages of all arenas back (glibc 2.8 and later; others do so by themselves, or not).
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache


def give_back() -> None:
    """Takes some milliseconds, without the interpreter's lock: not for the event loop."""
    _trim()(0)


@cache
def _trim() -> Callable[[int], object]:
    found: Callable[[int], object] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return found if found is not None else lambda kept: None
