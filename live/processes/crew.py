"""The calls of a server that are held by its workers: which one holds which, and who gets the next.

Calls are known by their secret ids, from before their worker knows them until it says that they
have ended, or is gone itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from typing import Protocol

import aiohttp
from aiohttp import web

from live.errors import Full, ModelUnavailable, NotFound
from live.load.balance import LOOK_EVERY_S
from live.prepared import LOADING
from live.processes import lines
from live.processes.choice import Machine, Room, preference, room
from live.processes.lines import EndCalls
from live.processes.supervisor import Worker

_log = logging.getLogger(__name__)


class Workers(Protocol):
    """Who keeps the processes running; `live.processes.supervisor.Supervisor`."""

    @property
    def workers(self) -> Sequence[Worker]:
        """Those that run and have spoken."""

    @property
    def trouble(self) -> str:
        """Why one does not run."""

    async def start(self) -> None:
        """Starts them."""

    async def stop(self, grace_s: float) -> None:
        """Ends their calls and them."""


class Supervise(Protocol):
    """Makes such a one."""

    def __call__(
        self, *, on_ended: Callable[[Worker, str], None], on_gone: Callable[[Worker], None]
    ) -> Workers:
        """`on_ended` is told of calls that have ended, `on_gone` of workers that have died."""


class Crew:
    """All workers and their calls (`live.calls.Calls`). Belongs to the event loop."""

    def __init__(self, supervise: Supervise, machine: Machine) -> None:
        """No call yet, and no worker runs before `start`."""
        self._held: dict[str, Worker] = {}
        self._machine = machine
        self._closing = False
        self._supervisor = supervise(on_ended=self._note_ended, on_gone=self._note_gone)
        self.lost = 0
        """Workers that have died."""

    @property
    def workers(self) -> Sequence[Worker]:
        """Those that run and have spoken."""
        return self._supervisor.workers

    async def start(self) -> None:
        """Starts the workers; `check_warm` tells when the first one is ready."""
        await self._supervisor.start()

    async def watch(self, _: web.Application) -> AsyncIterator[None]:
        """Looks at the machine while the server runs (`cleanup_ctx`)."""
        watching = asyncio.create_task(self._watch(), name="machine")
        yield
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)

    async def close(self, grace_s: float) -> None:
        """Takes no more calls, ends those that there are within `grace_s`, and all workers."""
        self._closing = True
        await self._supervisor.stop(grace_s)

    def ready(self) -> int:
        """How many workers have loaded their parts."""
        return sum(worker.state is not None and worker.state.ready for worker in self.workers)

    def check_warm(self) -> None:
        """Raises `ModelUnavailable` until a worker has loaded its parts."""
        if self.ready():
            return
        told = [worker.state.trouble for worker in self.workers if worker.state]
        raise ModelUnavailable(next(filter(None, told), "") or self._supervisor.trouble or LOADING)

    def calls(self) -> int:
        """How many calls are held, or are being opened."""
        return len(self._held)

    def free(self) -> int:
        """How many more would be taken now."""
        rooms = sum(of.free for of in self._rooms().values())
        return 0 if self._closing else min(rooms, self._machine.free(self.calls()))

    def check_free(self) -> None:
        """Raises `Full` where no call would be taken now, or `ModelUnavailable` without workers."""
        if self._closing:
            raise Full("the server is shutting down; try another one")
        if not self.workers:
            raise ModelUnavailable(self._supervisor.trouble or LOADING)
        if not self._machine.free(self.calls()):
            why = self._machine.why_full(self.calls())
            raise Full(f"{why}; try again in a few seconds, or on another server")
        if not self.free():
            told = [worker.state.why_full for worker in self.workers if worker.state]
            raise Full(next(filter(None, told), "every place is taken; try again in a few seconds"))

    def choose(self, beside: Collection[Worker] = ()) -> Worker | None:
        """Who should get the next call, but for some that were asked; `None`: nobody has room."""
        if not self.free():
            return None
        rooms = self._rooms()
        able = [worker for worker in rooms if rooms[worker].free and worker not in beside]
        return min(able, key=lambda worker: preference(rooms[worker]), default=None)

    def place(self, secret: str, worker: Worker) -> None:
        """Counts a call from now on, which its worker is about to be given."""
        self._held[secret] = worker

    def forget(self, secret: str) -> None:
        """A call has ended, or was not taken."""
        self._held.pop(secret, None)

    def holds(self, secret: str) -> bool:
        """Whether a call of this secret id is there, or is being opened."""
        return secret in self._held

    def worker_of(self, secret: str) -> Worker:
        """Who holds this call; raises `NotFound` once it has ended."""
        try:
            return self._held[secret]
        except KeyError:
            raise NotFound("there is no such call, or it has ended; open a new one") from None

    async def end(self, secrets: Collection[str], reason: str) -> int:
        """Ends the calls of these secret ids; says how many of them there were."""
        theirs: dict[Worker, list[str]] = {}
        for secret in secrets:
            if secret in self._held:
                theirs.setdefault(self._held[secret], []).append(secret)
        asked = (
            _end(worker, EndCalls(reason, secrets=tuple(held))) for worker, held in theirs.items()
        )
        return sum(await asyncio.gather(*asked))

    async def end_calls_of(self, avatar: str, reason: str) -> int:
        """Ends the calls in which an avatar is shown; says how many those were."""
        wanted = EndCalls(reason, avatar=avatar)
        return sum(await asyncio.gather(*(_end(worker, wanted) for worker in self.workers)))

    def _rooms(self) -> dict[Worker, Room]:
        given = Counter(self._held.values())
        return {
            worker: room(worker.state, given[worker]) for worker in self.workers if worker.state
        }

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            self._machine.look({worker: worker.state for worker in self.workers if worker.state})

    def _note_ended(self, worker: Worker, secret: str) -> None:
        if self._held.get(secret) is worker:
            del self._held[secret]

    def _note_gone(self, worker: Worker) -> None:
        self.lost += 1
        theirs = [secret for secret, holder in self._held.items() if holder is worker]
        for secret in theirs:
            del self._held[secret]
        if theirs:
            _log.error("calls have ended with their worker", extra={"calls": len(theirs)})


async def _end(worker: Worker, wanted: EndCalls) -> int:
    """Has a worker end calls; one that is gone has ended them all."""
    headers = {"Content-Type": "application/json"}
    body = lines.end_calls_to_body(wanted)
    try:
        async with worker.client.post(lines.END_CALLS, data=body, headers=headers) as answer:
            answer.raise_for_status()
            return int((await answer.json())["ended"])
    except aiohttp.ClientError as error:
        _log.error("a worker has ended no calls", extra={"error": type(error).__name__})
        return 0
