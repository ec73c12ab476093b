"""Worker processes: started, listened to, started again when they die, and told to stop."""

from __future__ import annotations

import asyncio
import logging
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from live.errors import SettingsError
from live.processes.lines import Ended, State
from live.processes.process import Child, WorkerFailed
from live.settings import Settings

_log = logging.getLogger(__name__)

_LONGEST_PATH = 100
"""Bytes of a Unix socket's name; systems take 104 and more."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0
"""Before another worker is started in place of one that died; twice as long each time that one
dies young."""
_GROWN_UP_S = 60.0
_LEAVE_S = 3.0
"""What a worker has to end in that has been told to, beside its calls and recordings."""


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
        self._settings, self._processes = settings, processes
        self._on_ended, self._on_gone = on_ended, on_gone
        self._workers: list[Worker] = []
        self._troubles: dict[str, str] = {}
        self._children: set[Child] = set()
        self._keeping: list[asyncio.Task[None]] = []
        self._stopping = asyncio.Event()
        self._grace_s = settings.sessions.shutdown_grace_s
        self._folder: Path | None = None

    @property
    def workers(self) -> Sequence[Worker]:
        """Those that run and have spoken."""
        return self._workers

    @property
    def trouble(self) -> str:
        """Why a worker does not run, for people; empty while all run or are being started first."""
        return next(iter(self._troubles.values()), "")

    async def start(self) -> None:
        """Starts the processes and does not wait until they have spoken.

        Raises `SettingsError` where there is no place for their sockets.
        """
        self._folder = folder = _folder_of_sockets()
        for number in range(1, self._processes + 1):
            keeping = asyncio.create_task(self._keep(str(number), folder), name=f"worker-{number}")
            self._keeping.append(keeping)

    async def stop(self, grace_s: float) -> None:
        """Tells all workers to stop, which tell their calls, and waits for them.

        Calls have `grace_s` seconds to end in; then come recordings, and who is still there is
        killed. `on_ended` is told of the calls, `on_gone` of nobody.
        """
        self._grace_s = grace_s
        self._stopping.set()
        for child in self._children:
            child.tell_to_stop()
        if self._keeping:
            await asyncio.wait(self._keeping, timeout=self._leaves_within_s())
        for child in self._children:
            child.kill()
        await asyncio.gather(*self._keeping)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    async def _keep(self, name: str, folder: Path) -> None:
        """One worker after another, until all are told to stop."""
        pause_s = _FIRST_PAUSE_S
        while not self._stopping.is_set():
            began_s = time.monotonic()
            try:
                await self._run(name, folder)
            except WorkerFailed as error:
                if time.monotonic() - began_s > _GROWN_UP_S:
                    pause_s = _FIRST_PAUSE_S
                self._troubles[name] = f"a process that holds calls {error}; the log says more"
                _log.log(
                    error.level,
                    "worker %s; another one is started in %.0f s",
                    error,
                    pause_s,
                    extra={"worker": name},
                )
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause_s):
                        await self._stopping.wait()
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def _run(self, name: str, folder: Path) -> None:
        """One process from its start to its end; raises `WorkerFailed` where nobody wanted that."""
        child = await Child.start(name, self._processes, self._settings, folder)
        self._children.add(child)
        worker = Worker(name, child.client)
        if self._stopping.is_set():
            child.tell_to_stop()
        failed: WorkerFailed | None = None
        try:
            await self._hear(worker, child)
        except WorkerFailed as error:
            failed = error
        except Exception as error:  # a mistake of ours leaves no process behind, and no gap
            failed = WorkerFailed(f"was given up for a mistake of ours ({type(error).__name__})")
        wanted = self._stopping.is_set()
        if worker in self._workers:
            self._workers.remove(worker)
            if not wanted:
                self._on_gone(worker)
        status = await child.end(0 if failed else self._leaves_within_s())
        self._children.discard(child)
        if not wanted:
            raise failed or _ended(status)

    def _leaves_within_s(self) -> float:
        """What a worker takes at most to end in good order."""
        recording = self._settings.recording
        return self._grace_s + (recording.finish_s if recording.enabled else 0) + _LEAVE_S

    async def _hear(self, worker: Worker, child: Child) -> None:
        """All that a worker says, to its end; raises `WorkerFailed`."""
        async with aclosing(child.lines()) as lines:
            async for line in lines:
                if isinstance(line, Ended):
                    self._on_ended(worker, line.secret)
                    continue
                worker.state = line
                if worker not in self._workers:
                    self._workers.append(worker)
                    self._troubles.pop(worker.name, None)


def _folder_of_sockets() -> Path:
    """A new folder that is ours alone, under a name that is short enough."""
    for parent in (None, "/tmp"):  # noqa: S108  (a name that nobody knows beforehand)
        try:
            folder = Path(tempfile.mkdtemp(prefix="visavis-", dir=parent))
        except OSError:
            continue
        if len(bytes(folder)) + len("/99.sock") <= _LONGEST_PATH:
            return folder
        folder.rmdir()
    raise SettingsError(
        "there is no place for the sockets of the processes that hold calls: let TMPDIR name a"
        " folder that can be written, or set sessions.processes = 1"
    )


def _ended(status: int) -> WorkerFailed:
    if status == 0:  # a system that stops tells every process; this one has heard it before us
        return WorkerFailed("has ended as it was told", logging.INFO)
    if status < 0:
        return WorkerFailed(f"was ended by signal {-status}")
    return WorkerFailed(f"ended by itself with status {status}")
