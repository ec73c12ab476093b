"""Sockets come in, no more than can be held, and none that only wastes time stays.

aiohttp closes a connection that is idle between requests, and `live.bodies` one whose body does not
come. Here is the rest: how many there are, those that never finish a first request's head, and
those that do not read what they are sent.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from live.access.hosts import is_loopback
from live.access.rates import network_of
from live.problems import Handler

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What connections may be and do."""

    most: int = 512
    """Open at once."""
    most_of_one: int = 128
    """Open at once from one other machine or IPv6 network; a proxy before loopback may have all."""
    head_within_s: float = 10.0
    """From the connection to the end of its first request's head."""
    read_within_s: float = 30.0
    """What was sent, before more than that waits here."""


class Connections:
    """The open connections of one server. Belongs to the event loop."""

    def __init__(self, bounds: Bounds | None = None) -> None:
        """None are open yet."""
        self._bounds = bounds or Bounds()
        self._open = 0
        self._by_network: Counter[str] = Counter()
        self._without_request: dict[asyncio.BaseTransport, asyncio.TimerHandle] = {}

    def guarded(self, make: Callable[[], asyncio.Protocol]) -> Callable[[], asyncio.Protocol]:
        """A factory of protocols, for `create_server`, around those that `make` gives."""
        return lambda: _Guarded(make(), self)

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Notes that a connection has brought a request."""
        if request.transport is not None:
            self._arrived(request.transport)
        return await handler(request)

    def admit(self, transport: asyncio.Transport, network: str) -> bool:
        """Counts a new connection; whether there is room for it. `network`: empty for our own."""
        self._open += 1
        self._by_network[network] += 1
        full = self._open > self._bounds.most
        if full or (network and self._by_network[network] > self._bounds.most_of_one):
            if self._open == self._bounds.most + 1:
                _log.warning("connections are refused: %s are open", self._bounds.most)
            return False
        loop = asyncio.get_running_loop()
        self._without_request[transport] = loop.call_later(
            self._bounds.head_within_s, transport.abort
        )
        return True

    def forget(self, transport: asyncio.BaseTransport, network: str) -> None:
        """A connection that was asked for in `admit` is gone."""
        self._arrived(transport)
        self._open -= 1
        self._by_network[network] -= 1
        if not self._by_network[network]:
            del self._by_network[network]

    def end_unless_read(self, transport: asyncio.Transport) -> asyncio.TimerHandle:
        """Ends a connection later; to be cancelled when its peer reads again."""
        loop = asyncio.get_running_loop()
        return loop.call_later(self._bounds.read_within_s, transport.abort)

    def limit_unacknowledged(self, transport: asyncio.Transport) -> None:
        """The same for what the kernel sends by itself (files), where it can be told so."""
        found = transport.get_extra_info("socket")
        if found is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
            milliseconds = int(self._bounds.read_within_s * 1000)
            found.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)

    def _arrived(self, transport: asyncio.BaseTransport) -> None:
        timer = self._without_request.pop(transport, None)
        if timer is not None:
            timer.cancel()


class _Guarded(asyncio.Protocol):
    """Another protocol, on a connection that is bounded."""

    def __init__(self, inner: asyncio.Protocol, connections: Connections) -> None:
        self._inner = inner
        self._connections = connections
        self._transport: asyncio.Transport | None = None
        self._admitted = False
        self._network = ""
        self._unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        address = str((transport.get_extra_info("peername") or ("",))[0])
        # Who asks from this machine is a proxy, or its owner: one bound for all is enough.
        self._network = "" if is_loopback(address) else network_of(address)
        self._admitted = self._connections.admit(transport, self._network)
        if not self._admitted:
            transport.abort()
            return
        self._connections.limit_unacknowledged(transport)
        self._inner.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        assert self._transport is not None
        self.resume_writing()
        self._connections.forget(self._transport, self._network)
        if self._admitted:
            self._inner.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._admitted:
            self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received() if self._admitted else None

    def pause_writing(self) -> None:
        assert self._transport is not None
        self._unread = self._connections.end_unless_read(self._transport)
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
            self._inner.resume_writing()
