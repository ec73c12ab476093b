"""Datagrams from anybody come in; those that no call could be made of go no further. What can be
sent no more is not sent.

A call's port is open to whoever finds it. An empty datagram ended aiortc's transport, and with it
the call; a STUN attribute shorter than its type says was an error in the log, with a traceback, for
each datagram of a stranger. And where the peer has closed its end, each message that was still on
its way by the data channel was one more.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from aiortc import rtcdtlstransport

Received = Callable[[Any, bytes, tuple[Any, ...]], None]
Send = Callable[[Any, bytes], Coroutine[Any, Any, None]]

_CLOSED: tuple[type[Exception], ...] = (ConnectionError, vars(rtcdtlstransport)["SSL"].Error)


def screened(stock: Received) -> Received:
    """A protocol's `datagram_received` that leaves out what is empty or malformed."""

    def datagram_received(self: Any, data: bytes, addr: tuple[Any, ...]) -> None:
        if data:
            with suppress(struct.error):
                stock(self, data, addr)

    return datagram_received


def sent_while_open(stock: Send) -> Send:
    """DTLS's `_send_data` that loses what a closed end will not take: for SCTP a loss."""

    async def _send_data(self: Any, data: bytes) -> None:
        with suppress(*_CLOSED):
            await stock(self, data)

    return _send_data
