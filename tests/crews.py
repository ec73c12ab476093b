"""A server's front with workers that are in its own process: applications with sockets, no more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp.test_utils import TestClient, TestServer

from live.access.gate import Gate
from live.keys import OperatorKeys
from live.load.series import LoadSeries
from live.processes import holding, lines
from live.processes.choice import Machine
from live.processes.crew import Crew
from live.processes.front import CrewSeries, Front
from live.processes.lines import Ended
from live.processes.supervisor import Worker
from live.request import OpenVoice
from live.rooms import Rooms
from live.server import application
from live.settings import Settings
from tests.fakes import no_voice
from tests.http_fakes import SIGNING, Client, FakeCall, rooms


class Beside:
    """Workers that run in this loop (`live.processes.crew.Workers`)."""

    def __init__(
        self,
        of: Sequence[Rooms],
        *,
        on_ended: Callable[[Worker, str], None],
        on_gone: Callable[[Worker], None],
    ) -> None:
        self.of = of
        self.workers: list[Worker] = []
        self.trouble = ""
        self._on_ended, self._on_gone = on_ended, on_gone
        self.servers: list[TestServer] = []
        self._hearing: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Returns when all have spoken."""
        for number, one in enumerate(self.of, start=1):
            await one.prepared.warm()
            telling = holding.Telling(one.pool, one.prepared, one.balance)
            server = TestServer(holding.application(one, telling))
            await server.start_server()
            session = aiohttp.ClientSession(
                base_url=server.make_url("/"), timeout=aiohttp.ClientTimeout()
            )
            worker = Worker(str(number), session)
            self.servers.append(server)
            spoken = asyncio.Event()
            self._hearing.append(asyncio.create_task(self._hear(worker, spoken)))
            await spoken.wait()
            self.workers.append(worker)

    async def stop(self, grace_s: float) -> None:
        for one in self.of:
            await one.pool.close(grace_s)
        while self.workers:
            await self._end(self.workers.pop())
        for one in self.of:
            one.prepared.close()

    async def lose(self, worker: Worker) -> None:
        """As when its process dies."""
        self.workers.remove(worker)
        await self._end(worker)
        self._on_gone(worker)

    async def _end(self, worker: Worker) -> None:
        place = int(worker.name) - 1
        self._hearing[place].cancel()
        await asyncio.gather(self._hearing[place], return_exceptions=True)
        await worker.client.close()
        await self.servers[place].close()

    async def _hear(self, worker: Worker, spoken: asyncio.Event) -> None:
        async with worker.client.get(lines.WATCH) as stream:
            async for text in stream.content:
                line = lines.from_line(text)
                if isinstance(line, Ended):
                    self._on_ended(worker, line.secret)
                else:
                    worker.state = line
                    spoken.set()


def front(
    folder: Path,
    each: int = 2,
    places: int | None = None,
    settings: Settings | None = None,
    voice: OpenVoice = no_voice,
) -> tuple[Front, Beside]:
    """With two workers that hold `each` calls; `places`: what the operator allows, unless all."""
    settings = settings or Settings()
    of = [rooms(folder, each, settings, voice=voice) for _ in range(2)]
    machine = Machine(places or 2 * each, on_cores=2)
    crew = Crew(partial(Beside, of), machine)
    beside = crew._supervisor
    assert isinstance(beside, Beside)
    own = rooms(folder, settings=settings)
    own.metrics.watch_places(crew.calls, lambda: crew.calls() + crew.free())
    own.metrics.register(LoadSeries(machine))
    own.metrics.register(CrewSeries(crew))
    house = Front(
        settings,
        own.store,
        own.prepared,
        own.metrics,
        own.voices,
        Gate(settings, OperatorKeys(SIGNING, bytes(32)), crew),
        own.registers,
        own.enrolment,
        crew,
    )
    return house, beside


@asynccontextmanager
async def client(of: Front) -> AsyncIterator[Client]:
    """A client of a server whose workers have spoken."""
    async with TestClient(TestServer(application(of))) as opened:
        await of.open()
        try:
            yield opened
        finally:
            await of.end_calls()
    of.prepared.close()


Scene = Callable[[Client, Front, Beside], Awaitable[None]]


def play(scene: Scene, of: tuple[Front, Beside]) -> None:
    """Runs a scene with a client of such a server."""

    async def run() -> None:
        async with client(of[0]) as opened:
            await scene(opened, *of)

    asyncio.run(run())


def held(beside: Beside) -> list[int]:
    """How many calls each worker holds."""
    return [len(rooms.pool.calls()) for rooms in beside.of]


def call_at(beside: Beside, location: str) -> FakeCall:
    """The call itself, wherever it is."""
    secret = location.rsplit("/", 1)[1]
    found: list[Any] = [one.pool.get(secret) for one in beside.of if one.pool.holds(secret)]
    assert len(found) == 1
    assert isinstance(found[0], FakeCall)
    return found[0]


async def until(true: Callable[[], bool]) -> None:
    """Waits for what a worker's next line brings."""
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
