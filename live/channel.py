"""The data channel `visavis.v1`: what the peer asks for in, what it is told of the call out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from importlib.metadata import version
from typing import Any

from aiortc import RTCDataChannel

from live import messages
from live.clock import SECOND, now_ns
from live.errors import MissingScope, TooManyRequests, VisavisError

_MOST_UNREAD = 64_000
"""Bytes that a peer may leave unread before it is told nothing more."""
_MOST_A_SECOND = 50
"""Messages that a peer may send; what is beyond is dropped, and said so once."""


class Channel:
    """One peer's data channel. Before it is open, and after, whatever is sent is dropped."""

    def __init__(
        self,
        change: Callable[[Mapping[str, Any]], Awaitable[None]],
        say: Callable[[Mapping[str, Any], str | None], Awaitable[object]],
        interrupt: Callable[[], object],
        hello: Callable[[], Mapping[str, Any]],
        statement: Callable[[], str],
        *,
        may_speak: bool = True,
    ) -> None:
        """`change`, `say` and `interrupt` carry out the messages of these names.

        `say` also gets the message's `ref`; `hello` gives the first message's values, `statement`
        the signed document of the second. `may_speak`: whether the peer's `say` and `interrupt` are
        carried out.
        """
        self._change, self._say, self._interrupt = change, say, interrupt
        self._hello, self._statement = hello, statement
        self._may_speak = may_speak
        self._channel: RTCDataChannel | None = None
        self._second, self._messages = 0, 0

    def open(self, channel: RTCDataChannel) -> None:
        """Takes a channel that the peer has opened; others than ours, and second ones, are mute."""
        if channel.label == messages.CHANNEL and self._channel is None:
            self._channel = channel
            channel.on("message", self._on_message)
            self.send("hello", version=version("visavis"), **self._hello())
            self.state_anew()

    def state_anew(self) -> None:
        """Sends what is stated of the call now."""
        self.send("statement", statement=self._statement())

    def send(self, type: str, **values: Any) -> bool:
        """Sends a message if the peer reads them; says whether it did."""
        channel = self._channel
        if channel is None or channel.readyState != "open":
            return False
        if channel.bufferedAmount >= _MOST_UNREAD:
            return False
        channel.send(messages.to_message(type, **values))
        return True

    async def _on_message(self, data: str | bytes) -> None:
        try:
            if not self._too_many():
                await self._carry_out(messages.parse_message(data))
        except VisavisError as error:
            self.send("error", message=str(error))

    async def _carry_out(self, message: messages.Message | None) -> None:
        match message:
            case messages.Ping(time):
                self.send("pong", time=time)
            case messages.SettingsMessage(values):
                await self._change(values)
            case messages.InterruptMessage():
                self._check_may_speak()
                self._interrupt()
            case messages.SayMessage(values, ref):
                try:
                    self._check_may_speak()
                    await self._say(values, ref)
                except VisavisError as error:
                    refused = {} if ref is None else {"ref": ref}
                    self.send("error", message=str(error), **refused)

    def _check_may_speak(self) -> None:
        if not self._may_speak:
            raise MissingScope("speak")

    def _too_many(self) -> bool:
        second = now_ns() // SECOND
        if second != self._second:
            self._second, self._messages = second, 0
        self._messages += 1
        if self._messages == _MOST_A_SECOND + 1:
            raise TooManyRequests(f"more than {_MOST_A_SECOND} messages a second; send fewer")
        return self._messages > _MOST_A_SECOND
