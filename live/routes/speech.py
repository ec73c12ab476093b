"""What a call is to say comes in, by HTTP or as a stream."""

from __future__ import annotations

from aiohttp import web

from live.access.gate import SUBPROTOCOL
from live.allowance import AtOnce
from live.bodies import WAV, read_bytes, read_object
from live.errors import BadRequest, Conflict, WrongType
from live.pool import Pool
from live.speech_socket import LARGEST_CHUNK, SpeechSocket

LARGEST_SOUND = 32 << 20
SOUNDS_AT_ONCE = 4
"""Each may hold as much in memory while it comes, and again while it is read."""
_LARGEST_TEXT = 128 << 10
"""Of a JSON body: 10,000 characters, each of them escaped."""
_HEARTBEAT_S = 20.0


class SpeechRoutes:
    """Answers for the voice of a call."""

    def __init__(self, pool: Pool) -> None:
        """Finds its calls in this pool."""
        self._pool = pool
        self._sounds = AtOnce(SOUNDS_AT_ONCE, "sounds")
        self._streams: set[str] = set()
        """Secret ids of the calls that have one."""

    def table(self) -> list[web.RouteDef]:
        """The routes."""
        return [
            web.post("/sessions/{secret}/say", self.say),
            web.post("/sessions/{secret}/interrupt", self.interrupt),
            web.get("/sessions/{secret}/speech", self.stream),
        ]

    async def say(self, request: web.Request) -> web.Response:
        """Takes a text or a sound; 202 with the utterance's id."""
        call = self._pool.get(request.match_info["secret"])
        match request.content_type.lower():
            case "application/json":
                utterance = await call.say(await read_object(request, _LARGEST_TEXT))
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

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Takes sound as it is made, over a WebSocket."""
        secret = request.match_info["secret"]
        call = self._pool.get(secret)
        socket = web.WebSocketResponse(
            heartbeat=_HEARTBEAT_S, max_msg_size=LARGEST_CHUNK, protocols=[SUBPROTOCOL]
        )
        if not socket.can_prepare(request):
            raise BadRequest("this address takes WebSockets only")
        if secret in self._streams:
            raise Conflict("this call has a speech stream; end that one first")
        self._streams.add(secret)
        try:
            await socket.prepare(request)
            await SpeechSocket(call, socket).run()
        finally:
            self._streams.discard(secret)
        return socket
