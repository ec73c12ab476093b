"""A client's WebSocket on one side, a worker's on the other: what comes in here goes out there.

Nothing is kept: a message is taken from one side when the other has taken the one before. So who
brings sound faster than it is heard waits, as at the worker itself.
"""

from __future__ import annotations

import asyncio
import logging

import aiohttp
from aiohttp import WSCloseCode, WSMsgType, web

from live.access.gate import SUBPROTOCOL, granted
from live.processes.lines import GRANT_HEADER, grant_to_header
from live.processes.supervisor import Worker
from live.speech_socket import LARGEST_CHUNK

_log = logging.getLogger(__name__)

_Socket = web.WebSocketResponse | aiohttp.ClientWebSocketResponse


async def pipe(worker: Worker, request: web.Request, socket: web.WebSocketResponse) -> None:
    """Joins a client's socket, which is prepared, with its call's, until either is closed."""
    headers = {GRANT_HEADER: grant_to_header(granted(request))}
    try:
        async with worker.client.ws_connect(
            request.rel_url,
            protocols=(SUBPROTOCOL,),
            headers=headers,
            max_msg_size=LARGEST_CHUNK,
        ) as inner:
            await _join(socket, inner)
    except aiohttp.ClientError as error:  # the call, or its worker, has ended in the meantime
        _log.info("a speech stream found no call", extra={"error": type(error).__name__})
        await socket.close(code=WSCloseCode.GOING_AWAY)


async def _join(client: _Socket, worker: _Socket) -> None:
    """Both ways at once; the side that is closed first closes the other, with the same code."""
    ways = {
        asyncio.create_task(_pass(client, worker), name="speech-in"): worker,
        asyncio.create_task(_pass(worker, client), name="speech-out"): client,
    }
    try:
        done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        over = next(iter(done))
        code = over.result()
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
    await ways[over].close(code=code)


async def _pass(source: _Socket, sink: _Socket) -> int:
    """Passes messages on; gives the code with which the other side is to be closed."""
    async for message in source:
        try:
            if message.type is WSMsgType.BINARY:
                await sink.send_bytes(message.data)
            elif message.type is WSMsgType.TEXT:
                await sink.send_str(message.data)
        except (ConnectionError, aiohttp.ClientError):
            break
    code = source.close_code
    if not code or code == WSCloseCode.ABNORMAL_CLOSURE:  # which nobody may send
        return WSCloseCode.GOING_AWAY
    return code
