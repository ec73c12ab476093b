"""A worker process: told what to do on its standard input, it holds calls until that ends.

    python -m live.processes.child

The end of standard input is what stops it: so the server stops it, and so it learns that the server
is no more. It ends its calls and its recordings as a server does that is told to stop.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

from aiohttp import web

from live import logs, main_loop
from live.assembly import assemble
from live.errors import VisavisError
from live.processes import handover, holding
from live.processes.holding import Telling
from live.rooms import Rooms

_log = logging.getLogger(__name__)

_STDIN = 0
_REQUESTS_S = 1.0
"""What running requests have to end in after the calls."""


def main() -> int:
    """Holds calls until it is told to stop; the exit status."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches us, too; the server tells us
    line = handover.read_line(_STDIN)
    if not line:
        return 0
    told = handover.from_line(line)
    settings = told.settings
    logs.set_up(settings.logs.level, settings.logs.format, worker=told.name)
    try:
        main_loop.run(hold(assemble(settings, processes=told.processes), told.listener))
    except VisavisError as error:
        _log.error("this process can hold no calls: %s", error)
        return 1
    return 0


async def hold(rooms: Rooms, descriptor: int) -> None:
    """Answers on the socket of this descriptor until SIGTERM or the end of standard input."""
    listener = socket.socket(fileno=descriptor)
    stopped, alone = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)

    def note_end() -> None:
        loop.remove_reader(_STDIN)
        alone.set()
        stopped.set()

    loop.add_reader(_STDIN, note_end)  # nothing more is ever said: what can be read is its end
    telling = Telling(rooms.pool, rooms.prepared, rooms.balance)
    runner = web.AppRunner(
        holding.application(rooms, telling),
        access_log=None,  # it would write secret ids
        shutdown_timeout=_REQUESTS_S,
        auto_decompress=False,  # `live.bodies` takes no compressed ones
    )
    await runner.setup()
    warming = asyncio.create_task(_warm(rooms, telling))
    try:
        await web.SockSite(runner, listener).start()
        await stopped.wait()
    finally:
        warming.cancel()
        await rooms.end_calls()
        if alone.is_set():
            _remove(listener)
        await runner.cleanup()
        await rooms.finish()


async def _warm(rooms: Rooms, telling: Telling) -> None:
    await rooms.warm()
    telling.say()


def _remove(listener: socket.socket) -> None:
    """Removes the socket's name, and its folder with the last one: nobody else may be there to."""
    path = Path(listener.getsockname())
    path.unlink(missing_ok=True)
    with suppress(OSError):
        path.parent.rmdir()


if __name__ == "__main__":
    sys.exit(main())
