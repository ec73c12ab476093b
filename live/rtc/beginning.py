"""What is lost while a connection begins is sent again soon: ICE's checks and DTLS's flights.

aioice waits half a second before it repeats a check, OpenSSL a whole one before it repeats a
flight, and twice as long the next time, so that one lost packet is seen by whoever waits for the
first picture. Browsers repeat theirs after 50 to 100 ms (RFC 6347 4.2.4.1 lets them).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, cast

from aioice.stun import RETRY_MAX, Transaction
from aiortc import RTCIceTransport
from aiortc.rtcdtlstransport import RTCDtlsTransport

Handshake = Callable[[RTCDtlsTransport], Coroutine[Any, Any, None]]

_CHECK_AGAIN_S = 0.2
_FLIGHT_AGAIN_S, _LONGEST_S = 0.1, 0.4
_MORE_TRIES = 1
"""As the first waits are shorter, so that a check is given up no sooner."""


def flights_again(stock: Handshake) -> Handshake:
    """Wraps DTLS's handshake: what the peer does not answer goes out again, by a clock of ours.

    The same bytes: a peer that has them takes them for a replay and drops them, and one whose own
    answer was lost repeats that by its own clock.
    """

    async def _do_handshake(self: RTCDtlsTransport) -> None:
        below = self._transport
        repeating = _Repeating(below)
        self._transport = cast(RTCIceTransport, repeating)
        try:
            await stock(self)
        finally:
            repeating.stop()
            self._transport = below

    return _do_handshake


def checks_again(stock: Callable[..., None]) -> Callable[..., None]:
    """Wraps how an ICE transaction is made. One that is to be tried once waits as it did."""

    def made(self: Transaction, *arguments: Any, **options: Any) -> None:
        stock(self, *arguments, **options)
        if vars(self)["_Transaction__tries_max"] == 1 + RETRY_MAX:
            vars(self)["_Transaction__timeout_delay"] = _CHECK_AGAIN_S
            vars(self)["_Transaction__tries_max"] += _MORE_TRIES

    return made


class _Repeating:
    """An ICE transport that sends the last datagram again until there is another."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._alarm: asyncio.TimerHandle | None = None
        self._sending: asyncio.Task[None] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def stop(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()

    async def _send(self, data: bytes) -> None:
        self._wait(data, _FLIGHT_AGAIN_S)
        await self._transport._send(data)

    def _wait(self, data: bytes, pause_s: float) -> None:
        self.stop()
        loop = asyncio.get_running_loop()
        self._alarm = loop.call_later(pause_s, self._again, data, min(2 * pause_s, _LONGEST_S))

    def _again(self, data: bytes, pause_s: float) -> None:
        self._sending = asyncio.ensure_future(self._repeat(data))
        self._wait(data, pause_s)

    async def _repeat(self, data: bytes) -> None:
        with suppress(ConnectionError):
            await self._transport._send(data)
