"""A handover goes in, a running worker process comes out; its lines are heard, and its end is."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError

import live
from live.errors import BadRequest, VisavisError
from live.processes import handover, lines
from live.processes.handover import Handover
from live.processes.lines import Line
from live.settings import Settings

COMMAND = [sys.executable, "-P", "-m", "live.processes.child"]  # -P: from no folder it happens in
SILENT_S = 10.0
"""A worker tells how it is every second; who says nothing for so long has got stuck."""
_FIRST_WORD_S = 120.0
"""Until then a new process has to be heard: it loads its modules on a machine that may be busy."""
_BACKLOG = 128


class WorkerFailed(VisavisError):
    """A worker process could not be started, got stuck or ended."""

    def __init__(self, how: str, level: int = logging.ERROR) -> None:
        """`level`: of the line that is logged of it."""
        super().__init__(how)
        self.level = level


@dataclass(eq=False, slots=True)
class Child:
    """A worker process of ours and the way to it."""

    process: Process
    client: aiohttp.ClientSession

    @classmethod
    async def start(cls, name: str, processes: int, settings: Settings, folder: Path) -> Self:
        """A new process, which finds in `folder` the socket that it answers on.

        Requests may be sent to it at once; they are answered when it is there. Raises
        `WorkerFailed`.
        """
        path = folder / f"{name}.sock"
        try:
            with _listening(path) as listener:
                told = Handover(name, listener.fileno(), processes, settings)
                process = await asyncio.create_subprocess_exec(
                    *COMMAND, stdin=PIPE, pass_fds=(listener.fileno(),), env=_environment()
                )
            # only the worker has the socket now: when it dies, nothing waits for an answer
        except OSError as error:
            raise WorkerFailed(f"could not be started: {error.strerror}") from error
        connector = aiohttp.UnixConnector(str(path), limit=0)
        client = aiohttp.ClientSession(
            "http://worker", connector=connector, timeout=aiohttp.ClientTimeout(total=None)
        )
        found = cls(process, client)
        assert process.stdin is not None
        with suppress(ConnectionError):  # it has died already, as will be seen
            process.stdin.write(handover.to_line(told))
            await process.stdin.drain()
        return found

    async def lines(self) -> AsyncGenerator[Line, None]:
        """All that it says, until it ends; raises `WorkerFailed` for silence and for nonsense."""
        within_s = _FIRST_WORD_S
        try:
            async with asyncio.timeout(within_s):
                answer = await self.client.get(lines.WATCH)
            async with answer:
                while True:
                    async with asyncio.timeout(within_s):
                        line = await answer.content.readline()
                    if not line:
                        return
                    yield lines.from_line(line)
                    within_s = SILENT_S
        except TimeoutError:
            raise WorkerFailed(f"has said nothing for {within_s:.0f} s") from None
        except (BadRequest, HttpProcessingError) as error:  # the latter: a line without an end
            raise WorkerFailed("says what cannot be understood") from error
        except (aiohttp.ClientError, ConnectionError):
            return

    def tell_to_stop(self) -> None:
        """It ends its calls and then itself."""
        if self.process.stdin is not None:
            self.process.stdin.close()

    def kill(self) -> None:
        """It ends, and nothing in it."""
        with suppress(ProcessLookupError):
            self.process.kill()

    async def end(self, within_s: float) -> int:
        """Waits for its end, and kills it where that takes too long; the exit status."""
        try:
            async with asyncio.timeout(within_s):
                await self.process.wait()
        except TimeoutError:
            self.kill()
            await self.process.wait()
        self.tell_to_stop()
        await self.client.close()
        assert self.process.returncode is not None
        return self.process.returncode


def _listening(path: Path) -> socket.socket:
    """A socket that listens in place of the one that was there."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind(str(path))
        listener.listen(_BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def _environment() -> dict[str, str]:
    """Ours; the worker finds this very program."""
    root = str(Path(live.__file__).parents[1])
    found = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([root, found] if found else [root])}
