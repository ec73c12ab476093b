"""What stands behind the routes of a server, and how that begins and ends.

A server's calls are held in its own process (`Rooms`), or in others (`live.processes.front`).
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

from aiohttp import web

from live.access.gate import Gate
from live.avatars import AvatarStore
from live.calls import Calls
from live.enrolment.desk import Tools
from live.errors import VisavisError
from live.load.balance import Balance
from live.metrics import Metrics
from live.pool import Pool
from live.prepared import PreparedAvatars
from live.recording.recordings import Recordings
from live.registers import Registers
from live.request import SessionRequest
from live.routes.sessions import SessionRoutes
from live.routes.speech import SpeechRoutes
from live.settings import Settings
from live.voices import Voices

_log = logging.getLogger(__name__)

_WARM_AGAIN_S = 30.0

Context = Callable[[web.Application], AsyncIterator[None]]
"""One of aiohttp's `cleanup_ctx`."""


@dataclass(frozen=True, slots=True)
class House(ABC):
    """What a server has one of, wherever its calls are held. Belongs to the event loop."""

    settings: Settings
    store: AvatarStore
    prepared: PreparedAvatars
    metrics: Metrics
    voices: Voices
    gate: Gate
    registers: Registers
    enrolment: Tools
    """What a person before the camera is looked at with."""

    @property
    @abstractmethod
    def calls(self) -> Calls:
        """All calls of the server."""

    @abstractmethod
    def call_routes(self) -> Sequence[web.RouteDef]:
        """What has an address below `/sessions`."""

    @abstractmethod
    def contexts(self) -> Sequence[Context]:
        """What runs for as long as the server does."""

    @abstractmethod
    async def open(self) -> None:
        """What comes before anybody is told the address; raises `SettingsError`."""

    @abstractmethod
    async def warm(self) -> None:
        """What makes the server ready for calls; meanwhile `/readyz` says what is missing."""

    @abstractmethod
    def check_warm(self) -> None:
        """Raises `ModelUnavailable` where a call could not begin yet."""

    @abstractmethod
    async def series(self) -> bytes:
        """All series of the server, as Prometheus text."""

    @abstractmethod
    async def end_calls(self) -> None:
        """Takes no more calls, and ends those that there are within the operator's grace."""

    async def finish(self) -> None:
        """Closes everything; nobody asks for anything any more."""
        self.prepared.close()
        self.registers.consents.close()
        self.voices.close()


@dataclass(frozen=True, slots=True)
class Rooms(House):
    """A house that holds its calls itself."""

    pool: Pool
    balance: Balance
    request_call: Callable[[str, str], Awaitable[SessionRequest]]
    """An avatar's id and a driver's name in, all that it takes to hold a call out."""
    recordings: Recordings | None = None
    """Of calls; `None`: none are made."""

    @property
    def calls(self) -> Calls:
        """All calls of the process."""
        return self.pool

    def call_routes(
        self, choose_secret: Callable[[web.Request], str] = lambda request: ""
    ) -> Sequence[web.RouteDef]:
        """What has an address below `/sessions`; `choose_secret`: as in `SessionRoutes`."""
        sessions = SessionRoutes(
            self.pool,
            self.request_call,
            self.gate.calls,
            self.settings.ice.servers,
            choose_secret,
        )
        return [*sessions.table(), *SpeechRoutes(self.pool).table()]

    def contexts(self) -> Sequence[Context]:
        """Who looks after the load."""
        return [lambda _: self.balance.kept(self.pool.calls)]

    async def open(self) -> None:
        """Nothing: all is there once it is assembled."""

    async def warm(self) -> None:
        """Loads the parts, and tries again while they cannot be loaded. Calls need no voice."""
        while not self.prepared.is_warm:
            try:
                await self.prepared.warm()
            except VisavisError as error:
                _log.error("not ready for calls: %s", error)
                await asyncio.sleep(_WARM_AGAIN_S)
        self.voices.warm()

    def check_warm(self) -> None:
        """Raises `ModelUnavailable` until the parts are loaded."""
        self.prepared.check_warm()

    async def series(self) -> bytes:
        """Those of this process."""
        return self.metrics.text()

    async def end_calls(self) -> None:
        """Takes no more calls, and ends those that there are within the operator's grace."""
        await self.pool.close(self.settings.sessions.shutdown_grace_s)

    async def finish(self) -> None:
        """Waits for recordings, and closes everything."""
        if self.recordings is not None:
            await self.recordings.close(self.settings.recording.finish_s)
        await House.finish(self)
