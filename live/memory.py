"""What ended calls leave behind in, the same given back to the system out.

A call consists of objects that refer to each other in circles: its memory, its codecs' and what
they hold are free only when Python next looks for circles. With all modules to be looked through
that stops everybody for 60 ms, and comes once in dozens of calls. So what is there before the first
call is left out of it (`settle`), and it is done after each call, in a few milliseconds.

A call's threads each allocate from an arena of glibc's, too, and what they free stays there, in
pieces: after a hundred calls of a few threads each, hundreds of megabytes lie idle. `malloc_trim`
gives whole free pages of all arenas back (glibc 2.8 and later; others do so by themselves, or not).
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
from collections.abc import Callable
from contextlib import suppress
from functools import cache

_SOON_S = 1.0
"""After a call's end: who has waited for that still holds it."""


def settle() -> None:
    """Takes what has been set up so far to stay. Before the first call, whose objects do not."""
    gc.freeze()


def give_back_soon() -> None:
    """Gives back in a second what then is free, on a thread; called on the event loop."""
    loop = asyncio.get_running_loop()
    loop.call_later(_SOON_S, _begin, loop)


def give_back() -> None:
    """Takes some milliseconds: not for the event loop."""
    gc.collect()
    _trim()(0)


def _begin(loop: asyncio.AbstractEventLoop) -> None:
    with suppress(RuntimeError):  # the process is about to end, and takes no more work
        loop.run_in_executor(None, give_back)


@cache
def _trim() -> Callable[[int], object]:
    found: Callable[[int], object] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return found if found is not None else lambda kept: None
