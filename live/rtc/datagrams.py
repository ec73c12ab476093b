"""Datagrams from anybody come in; those that no call could be made of go no further.

A call's port is open to whoever finds it. An empty datagram ended aiortc's transport, and with it
the call; a STUN attribute shorter than its type says was an error in the log, with a traceback, for
each datagram of a stranger.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any

Received = Callable[[Any, bytes, tuple[Any, ...]], None]


def screened(stock: Received) -> Received:
    """A protocol's `datagram_received` that leaves out what is empty or malformed."""

    def datagram_received(self: Any, data: bytes, addr: tuple[Any, ...]) -> None:
        if data:
            with suppress(struct.error):
                stock(self, data, addr)

    return datagram_received
