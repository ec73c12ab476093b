"""A worker's side: calls as the server's process hands them on, and what it alone asks.

Whoever can open the socket may do everything here: what a request may do is said beside it.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

from aiohttp import web

from live import loop_lag, problems
from live.access.gate import GRANT
from live.bodies import read_object
from live.errors import Full
from live.load.balance import Balance
from live.pool import Pool
from live.prepared import PreparedAvatars
from live.problems import Handler
from live.processes import lines
from live.processes.lines import Ended, State
from live.rooms import Rooms

_EVERY_S = 1.0
_LONGEST_LIST = 1 << 20
"""Bytes of a list of calls that are to end."""


class Telling:
    """Tells one listener how this process is, and which calls have ended. For the event loop."""

    def __init__(self, pool: Pool, prepared: PreparedAvatars, balance: Balance) -> None:
        """Nobody listens yet."""
        self._pool, self._prepared, self._balance = pool, prepared, balance
        self._ended: list[str] = []
        self._news = asyncio.Event()
        self._over = False
        pool.watch(self._news.set, self._note_ended)

    def say(self) -> None:
        """Tells how things are at once, and not within the second."""
        self._news.set()

    async def stop(self, _: web.Application) -> None:
        """Lets the stream end when all is told (`on_shutdown`)."""
        self._over = True
        self._news.set()

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Lines, until the process is told to stop."""
        answer = web.StreamResponse()
        answer.content_type = "application/x-ndjson"
        await answer.prepare(request)
        with suppress(ConnectionError):  # whoever listened is no more, and so will this process be
            await self._tell(answer)
        return answer

    async def _tell(self, answer: web.StreamResponse) -> None:
        await answer.write(self._lines())
        while not self._over:
            with suppress(TimeoutError):
                async with asyncio.timeout(_EVERY_S):
                    await self._news.wait()
            self._news.clear()
            await answer.write(self._lines())

    def _lines(self) -> bytes:
        ended, self._ended = self._ended, []
        told = [lines.to_line(Ended(secret)) for secret in ended]
        return b"".join([*told, lines.to_line(self._state())])

    def _note_ended(self, secret: str) -> None:
        self._ended.append(secret)
        self._news.set()

    def _state(self) -> State:
        free, why = self._pool.free(), ""
        try:
            self._pool.check_free()
        except Full as error:
            free, why = 0, str(error)
        return State(
            ready=self._prepared.is_warm,
            trouble=self._prepared.trouble,
            calls=len(self._pool.calls()),
            free=free,
            why_full=why,
            step=self._balance.step,
            pictures=self._balance.drawn,
            cpu_s=time.process_time(),
        )


def application(rooms: Rooms, telling: Telling) -> web.Application:
    """All routes of a worker."""

    async def end(request: web.Request) -> web.Response:
        wanted = lines.end_calls_from_body(await read_object(request, _LONGEST_LIST))
        ended = await rooms.pool.end(wanted.secrets, wanted.reason)
        if wanted.avatar:
            rooms.prepared.forget(wanted.avatar)
            ended += await rooms.pool.end_calls_of(wanted.avatar, wanted.reason)
        return web.json_response({"ended": ended})

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(
            body=await rooms.series(), headers={"Content-Type": rooms.metrics.CONTENT_TYPE}
        )

    app = web.Application(middlewares=[problems.middleware(rooms.metrics.refused), _granted])
    app.cleanup_ctx.extend([*rooms.contexts(), loop_lag.watched(rooms.metrics.loop_lag)])
    app.on_shutdown.append(telling.stop)
    app.add_routes(rooms.call_routes(lambda request: request.headers[lines.SECRET_HEADER]))
    app.add_routes(
        [
            web.get(lines.WATCH, telling.stream),
            web.post(lines.END_CALLS, end),
            web.get(lines.METRICS, metrics),
        ]
    )
    return app


@web.middleware
async def _granted(request: web.Request, handler: Handler) -> web.StreamResponse:
    """In the place of the gate, which the request has passed already."""
    if request.path not in (lines.WATCH, lines.END_CALLS, lines.METRICS):
        request[GRANT] = lines.grant_from_header(request.headers.get(lines.GRANT_HEADER, ""))
    return await handler(request)
