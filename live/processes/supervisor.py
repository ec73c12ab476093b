"""Worker processes: started, listened to, started again when they die, and told to stop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import aiohttp

from live.processes.lines import State
from live.settings import Settings


@dataclass(eq=False, slots=True)
class Worker:
    """One process that holds calls, as the server's process sees it."""

    name: str
    """Of its place among the workers, `1` onwards; whoever comes after it has the same."""
    client: aiohttp.ClientSession
    """Of its Unix socket: `client.post("/sessions", …)`; no deadline of its own."""
    state: State | None = None
    """What it has told last; `None` until it has spoken."""


class Supervisor:
    """The workers of one server. Belongs to the event loop."""

    def __init__(
        self,
        settings: Settings,
        processes: int,
        *,
        on_ended: Callable[[Worker, str], None],
        on_gone: Callable[[Worker], None],
    ) -> None:
        """`on_ended` is told of every call, by its secret id, that has left its worker.

        `on_gone` is told of a worker that has died with all its calls: of those `on_ended` is told
        no more. Both are called on the event loop and must not wait.
        """
        raise NotImplementedError

    @property
    def workers(self) -> Sequence[Worker]:
        """Those that run and have spoken."""
        raise NotImplementedError

    @property
    def trouble(self) -> str:
        """Why a worker does not run, for people; empty while all run or are being started first."""
        raise NotImplementedError

    async def start(self) -> None:
        """Starts the processes and does not wait until they have spoken."""
        raise NotImplementedError

    async def stop(self, grace_s: float) -> None:
        """Tells all workers to stop, which tell their calls, and waits for them.

        Calls have `grace_s` seconds to end in; then come recordings, and who is still there is
        killed. `on_ended` is told of the calls, `on_gone` of nobody.
        """
        raise NotImplementedError
