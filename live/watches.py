"""What a call is watched for beside its work, each by a coroutine of its own.

Those that end a call do so by `finish`, with the reason.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from live.consent.authority import Flaw, Permit
from live.easel import Easel, Reserve

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT = "connect_timeout"
REMOVED = "avatar_removed"
LOOK_EVERY_S = 0.25
CONSENT_EVERY_S = 1.0
_KNOWN_WITHIN_S = 3.0
TOLD_WITHIN_S = 0.3
"""What a last message has to reach the peer in."""

Finish = Callable[[str], None]


async def connecting(connected: asyncio.Event, deadline_s: float, finish: Finish) -> None:
    """That the peer connects at all."""
    try:
        async with asyncio.timeout(deadline_s):
            await connected.wait()
    except TimeoutError:
        finish(CONNECT_TIMEOUT)


async def silence(
    connected: asyncio.Event,
    packets_received: Callable[[], Awaitable[int]],
    deadline_s: float,
    finish: Finish,
) -> None:
    """That something comes from the peer."""
    await connected.wait()
    loop = asyncio.get_running_loop()
    heard, since = -1, loop.time()
    while True:
        packets = await packets_received()
        now = loop.time()
        if packets != heard:
            heard, since = packets, now
        elif now - since > deadline_s:
            finish("silent")
        await asyncio.sleep(LOOK_EVERY_S)


async def consent(
    permit: Callable[[], Permit], tell: Callable[[Flaw], bool], finish: Finish
) -> None:
    """That the consent for the avatar on show still holds; `tell` says whether the peer was told.

    It held when the offer was answered.
    """
    flaw = None
    while flaw is None:
        await asyncio.sleep(CONSENT_EVERY_S)
        try:
            async with asyncio.timeout(_KNOWN_WITHIN_S):
                flaw = await asyncio.wrap_future(permit().flaw_soon())
        except Exception as error:  # nobody would watch any more
            logger.error("a call's consent cannot be watched: %s", type(error).__name__)
            finish("failed")
            return
    if tell(flaw):
        await asyncio.sleep(TOLD_WITHIN_S)
    finish(flaw.reason)


async def removal(
    avatar: Callable[[], str], is_kept: Callable[[str], bool], finish: Finish
) -> None:
    """That the avatar on show is still in the catalogue, whichever process takes it out.

    `is_kept` may block for as long as a disk does.
    """
    kept = True
    while kept:
        await asyncio.sleep(CONSENT_EVERY_S)
        kept = await asyncio.to_thread(is_kept, avatar())
    finish(REMOVED)


async def reserve(
    connected: asyncio.Event,
    open_reserve: Callable[[str], Awaitable[Reserve]],
    avatar: Callable[[], str],
    easel: Callable[[], Easel | None],
) -> None:
    """That what takes over is at hand, made beside the call before anything is lost."""
    kept = ""
    await connected.wait()
    while True:
        at_work = easel()
        if at_work is not None and kept != avatar():
            kept = avatar()
            at_work.keep(await _opened(open_reserve, kept))
        await asyncio.sleep(LOOK_EVERY_S)


async def _opened(open_reserve: Callable[[str], Awaitable[Reserve]], avatar: str) -> Reserve | None:
    try:
        return await open_reserve(avatar)
    except Exception as error:  # whatever it is, the call has to know that none comes
        logger.warning("a call has no renderer in reserve: %s", type(error).__name__)
        return None
