"""A WebSocket of an agent that brings its own voice: chunks come in, utterances go to its call.

docs/api.md has the messages. A client that brings sound faster than it is heard is read no further
than the feed's bound; one that does not read what it is told is hung up on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import numpy as np
from aiohttp import WSMsgType, web

from engines.types import Floats
from live import messages
from live.clock import SECOND, now_ns
from live.errors import BadRequest, VisavisError
from live.pool import Call
from live.speech_feed import SpeechFeed

LARGEST_CHUNK = 256 << 10
_MOST_UNTOLD = 256
"""Messages that wait for the client to read them."""
_MOST_A_SECOND = 500
"""Messages that are read of it, which is sound in pieces of 2 ms; more have to wait."""


class SpeechSocket:
    """One client's stream into one call."""

    def __init__(self, call: Call, socket: web.WebSocketResponse) -> None:
        """`socket` is prepared."""
        self._call, self._socket = call, socket
        self._format: messages.SoundFormat | None = None
        self._feed: SpeechFeed | None = None
        self._own: set[str] = set()
        self._dropping = False
        """Whether what comes belongs to an utterance that is over already."""
        self._untold: asyncio.Queue[str] = asyncio.Queue(_MOST_UNTOLD)
        self._overrun = asyncio.Event()
        self._second, self._messages = 0, 0

    async def run(self) -> None:
        """Serves until the client, or the call, is gone."""
        stop = self._call.listen(self._on_speech)
        ends = (self._read(), self._write(), self._call.closed.wait(), self._overrun.wait())
        tasks = [asyncio.create_task(end, name="speech-socket") for end in ends]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop()
            if self._feed is not None:
                self._feed.end(broken=True)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await self._socket.close()

    async def _read(self) -> None:
        async for message in self._socket:
            await self._pace()
            try:
                if message.type is WSMsgType.BINARY:
                    await self._take(message.data)
                elif message.type is WSMsgType.TEXT:
                    self._carry_out(messages.parse_speech(message.data))
            except VisavisError as error:
                self._say("error", message=str(error))

    async def _pace(self) -> None:
        now = now_ns()
        if now // SECOND != self._second:
            self._second, self._messages = now // SECOND, 0
        self._messages += 1
        if self._messages > _MOST_A_SECOND:
            await asyncio.sleep((SECOND - now % SECOND) / SECOND)

    async def _write(self) -> None:
        while True:
            await self._socket.send_str(await self._untold.get())

    async def _take(self, data: bytes) -> None:
        if self._dropping:
            return
        if self._format is None:
            raise BadRequest('say first what comes: {"rate": 24000, "format": "s16le"}')
        if self._feed is None:
            self._dropping = True  # should it be refused, it is so once and not with every chunk
            self._feed = self._call.say_feed(self._format.rate, self._own.add)
            self._dropping = False
        if self._feed.over:
            self._feed, self._dropping = None, True
            return
        await self._feed.put(_samples(data, self._format))

    def _carry_out(
        self, message: messages.SoundFormat | messages.EndOfSpeech | messages.InterruptMessage
    ) -> None:
        if isinstance(message, messages.InterruptMessage):
            self._dropping = self._feed is not None
            self._feed = None
            self._call.interrupt()
            return
        if isinstance(message, messages.SoundFormat):
            self._format = message
        if self._feed is not None:
            self._feed.end()
        self._feed, self._dropping = None, False

    def _on_speech(self, type: str, values: Mapping[str, Any]) -> None:
        if values["utterance"] in self._own:
            self._say(type, **values)
            if type == "finished":
                self._own.discard(values["utterance"])

    def _say(self, type: str, **values: Any) -> None:
        try:
            self._untold.put_nowait(messages.to_message(type, **values))
        except asyncio.QueueFull:
            self._overrun.set()


def _samples(data: bytes, form: messages.SoundFormat) -> Floats:
    """A chunk as `(n,)` float32; raises `BadRequest`."""
    size = 4 if form.floats else 2
    if len(data) % size:
        raise BadRequest(f"a chunk holds whole samples, of {size} bytes each")
    if form.floats:
        return np.asarray(np.frombuffer(data, "<f4"), np.float32)
    return np.asarray(np.frombuffer(data, "<i2"), np.float32) / np.float32(32768)
