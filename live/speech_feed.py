"""Chunks of somebody's own voice in, as they are made; out comes a voice that says them.

The buffer is bounded: whoever brings sound faster than it is heard waits.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress

import numpy as np

from engines.types import Floats, Speech
from live.errors import Unprocessable

LONGEST_WAITING_S = 30
"""Sound that waits, at most."""
RATES = range(8_000, 48_001)
"""Samples a second that are taken."""
_PATIENCE_S = 10.0
"""Without a chunk; an utterance that never goes on would hold up every other."""
_PIECE_S = 0.5


class SpeechFeed:
    """One utterance's sound on its way: a `SpeechStream` that is fed on the event loop."""

    def __init__(self, rate: int, patience_s: float = _PATIENCE_S) -> None:
        """`rate`: samples a second; raises `Unprocessable`."""
        if rate not in RATES:
            raise Unprocessable(f"'rate' is a number of {RATES.start}…{RATES.stop - 1}")
        self.over = False
        """Whether nothing more is taken."""
        self._rate, self._patience_s = rate, patience_s
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Event()
        self._arrived = threading.Condition()
        self._chunks: list[Floats] = []
        self._waiting = 0
        self._broken = False

    async def put(self, samples: Floats) -> None:
        """The next chunk `(n,)`, −1…1; waits while there is too much. Dropped once it is over."""
        with self._arrived:
            if self.over or not len(samples):
                return
            self._chunks.append(samples)
            self._waiting += len(samples)
            self._arrived.notify()
        while self._is_full():
            self._room.clear()
            await self._room.wait()

    def end(self, *, broken: bool = False) -> None:
        """Nothing more comes; `broken`: though its end has not come."""
        with self._arrived:
            if not self.over:
                self._broken = broken
                self._close()

    def close(self) -> None:
        """Nobody listens any more; from any thread."""
        with self._arrived:
            self._chunks.clear()
            self._waiting = 0
            self._close()

    def __iter__(self) -> SpeechFeed:
        """Itself."""
        return self

    def __next__(self) -> Speech:
        """The next of the sound, as it comes; raises `Unprocessable` where it breaks off."""
        with self._arrived:
            came = self._arrived.wait_for(lambda: self._chunks or self.over, self._patience_s)
            if not self._chunks:
                if self.over and not self._broken:
                    raise StopIteration
                self.over = True
                late = "" if came else f"; no chunk came for {self._patience_s:g} s"
                raise Unprocessable(f"the sound broke off before its end{late}")
            most = round(_PIECE_S * self._rate)
            piece = np.concatenate(self._chunks)
            piece, rest = piece[:most], piece[most:]
            self._chunks = [rest] if len(rest) else []
            self._waiting = len(rest)
            if not self._is_full():
                self._wake()
            return Speech(piece, self._rate, None, "")

    def _is_full(self) -> bool:
        return self._waiting > LONGEST_WAITING_S * self._rate

    def _close(self) -> None:
        self.over = True
        self._arrived.notify()
        self._wake()

    def _wake(self) -> None:
        with suppress(RuntimeError):  # the loop may have gone
            self._loop.call_soon_threadsafe(self._room.set)
