"""What a call is to say comes in, by HTTP or as a stream."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from aiohttp import web

from live.access.gate import SUBPROTOCOL
from live.allowance import AtOnce
from live.bodies import JSON, WAV, read_bytes, read_object
from live.errors import BadRequest, Conflict, WrongType
from live.pool import Call, Pool
from live.speech_socket import LARGEST_CHUNK, SpeechSocket

LARGEST_SOUND = 32 << 20
SOUNDS_AT_ONCE = 4
"""Each may hold as much in memory while it comes, and again while it is read."""
LARGEST_TEXT = 128 << 10
"""Of a JSON body: 10,000 characters, each of them escaped."""
_HEARTBEAT_S = 20.0


T = TypeVar("T")


class SpeechStreams(Generic[T]):
    """WebSockets that bring sound to calls as it is made: one at a time for each call."""

    def __init__(
        self,
        find: Callable[[str], T],
        serve: Callable[[T, web.Request, web.WebSocketResponse], Awaitable[None]],
    ) -> None:
        """`find` takes a secret id, raises `NotFound`; `serve` goes on with what it gives."""
        self._find, self._serve = find, serve
        self._served: set[str] = set()
        """Secret ids of the calls that have one."""

    async def take(self, request: web.Request) -> web.StreamResponse:
        """Serves one until it is closed."""
        secret = request.match_info["secret"]
        found = self._find(secret)
        socket = web.WebSocketResponse(
            heartbeat=_HEARTBEAT_S, max_msg_size=LARGEST_CHUNK, protocols=[SUBPROTOCOL]
        )
        if not socket.can_prepare(request):
            raise BadRequest("this address takes WebSockets only")
        if secret in self._served:
            raise Conflict("this call has a speech stream; end that one first")
        self._served.add(secret)
        try:
            await socket.prepare(request)
            await self._serve(found, request, socket)
        finally:
            self._served.discard(secret)
        return socket


class SpeechRoutes:
    """Answers for the voice of a call."""

    def __init__(self, pool: Pool) -> None:
        """Finds its calls in this pool."""
        self._pool = pool
        self._sounds = AtOnce(SOUNDS_AT_ONCE, "sounds")
        self._streams = SpeechStreams(pool.get, _serve)

    def table(self) -> list[web.RouteDef]:
        """The routes."""
        return [
            web.post("/sessions/{secret}/say", self.say),
            web.post("/sessions/{secret}/interrupt", self.interrupt),
            web.get("/sessions/{secret}/speech", self._streams.take),
        ]

    async def say(self, request: web.Request) -> web.Response:
        """Takes a text or a sound; 202 with the utterance's id."""
        call = self._pool.get(request.match_info["secret"])
        match request.content_type.lower():
            case type if type == JSON:
                utterance = await call.say(await read_object(request, LARGEST_TEXT))
            case type if type in WAV:
                with self._sounds.one():
                    utterance = await call.say_sound(await read_bytes(request, LARGEST_SOUND))
            case _:
                raise WrongType("send a text as application/json, or a sound as audio/wav")
        return web.json_response({"utterance": utterance}, status=202)

    async def interrupt(self, request: web.Request) -> web.Response:
        """Makes silence; says what had been said."""
        ends = self._pool.get(request.match_info["secret"]).interrupt()
        return web.json_response({"interrupted": ends})


async def _serve(call: Call, request: web.Request, socket: web.WebSocketResponse) -> None:
    await SpeechSocket(call, socket).run()
