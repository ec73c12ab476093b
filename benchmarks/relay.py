"""Packets in at one UDP port, out to another, and back; for a while, if told so, none at all."""

from __future__ import annotations

import selectors
import socket
import threading
import time
from types import TracebackType
from typing import Self

_LARGEST = 2048


class Relay:
    """Stands between two ends of a connection, on a thread of its own."""

    def __init__(self, address: str, port: int) -> None:
        """`address` and `port`: of the end that is to be reached."""
        self.outer = _socket(address)
        """Where the other end has to send to."""
        self._inner = _socket(address)
        self._inner.connect((address, port))
        self._peer: tuple[str, int] | None = None
        self._silent_until_s = 0.0
        self._open = True
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)

    def __enter__(self) -> Self:
        """Begins."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends."""
        self._open = False
        self._thread.join()
        self.outer.close()
        self._inner.close()

    @property
    def port(self) -> int:
        """Of `outer`."""
        port: int = self.outer.getsockname()[1]
        return port

    def stall(self, seconds: float) -> None:
        """Loses everything for as long, both ways."""
        self._silent_until_s = time.monotonic() + seconds

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            for each in (self.outer, self._inner):
                selector.register(each, selectors.EVENT_READ)
            while self._open:
                for key, _ in selector.select(0.1):
                    self._pass_on(key.fileobj is self.outer)

    def _pass_on(self, inwards: bool) -> None:
        try:
            if inwards:
                data, self._peer = self.outer.recvfrom(_LARGEST)
            else:
                data = self._inner.recv(_LARGEST)
            if time.monotonic() < self._silent_until_s:
                return
            if inwards:
                self._inner.send(data)
            elif self._peer is not None:
                self.outer.sendto(data, self._peer)
        except OSError:  # an end that has gone, or is not there yet
            return


def _socket(address: str) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((address, 0))
    made.setblocking(False)  # what is said to be readable may be gone (select(2), BUGS)
    return made
