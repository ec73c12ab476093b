"""How late the event loop comes to what is due, as a histogram.

All calls' packets pass the loop: what keeps it busy for ten milliseconds delays every one of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

from aiohttp import web

from live.clock import SECOND
from live.measures import Histogram

_EVERY_S = 0.1


async def watch(lag: Histogram) -> None:
    """Adds to `lag`, ten times a second, by how much an alarm came late; until it is cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + _EVERY_S
        await asyncio.sleep(_EVERY_S)
        lag.add(max(0, round((loop.time() - due) * SECOND)))


def watched(lag: Histogram) -> Callable[[web.Application], AsyncIterator[None]]:
    """For `cleanup_ctx`: `watch` for as long as the server runs."""

    async def running(_: web.Application) -> AsyncIterator[None]:
        task = asyncio.create_task(watch(lag), name="loop-lag")
        yield
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    return running
