"""What is lost while a connection begins is sent again soon: ICE's checks and DTLS's flights.

aioice waits half a second before it repeats a check, OpenSSL a whole one before it repeats a
flight, and twice as long the next time, so that one lost packet is seen by whoever waits for the
first picture. Browsers repeat theirs after 50 to 100 ms (RFC 6347 4.2.4.1 lets them).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
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
        self._transport = cast(RTCIceTransport, _Repeating(below))
        try:
            await stock(self)
        finally:
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
    """An ICE transport that sends the last datagram again while nothing comes."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._last = b""
        self._pause_s = _FLIGHT_AGAIN_S

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    async def _send(self, data: bytes) -> None:
        self._last, self._pause_s = data, _FLIGHT_AGAIN_S
        await self._transport._send(data)

    async def _recv(self) -> bytes:
        while True:
            try:
                data: bytes = await asyncio.wait_for(self._transport._recv(), self._pause_s)
                return data
            except TimeoutError:
                self._pause_s = min(2 * self._pause_s, _LONGEST_S)
                if self._last:
                    await self._transport._send(self._last)
