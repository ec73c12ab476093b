"""Somebody else's server: sends back what comes, over the usual ways of signalling."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from aiohttp import web
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaRelay

TOKEN = "secret-of-theirs"


@dataclass
class Foreign:
    """A server that runs."""

    token_file: Path
    address: str = ""
    begun: int = 0
    ended: int = 0
    peers: dict[str, RTCPeerConnection] = field(default_factory=dict)
    published: asyncio.Future[MediaStreamTrack] | None = None


@contextmanager
def foreign() -> Iterator[Foreign]:
    """`/offer` takes SDP, `/offer-json` JSON alone, `/moved` leads there; `/whip` with `/whep`."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="foreign")
    thread.start()
    with TemporaryDirectory() as folder:
        server = Foreign(Path(folder, "token"))
        server.token_file.write_text(TOKEN + "\n")
        runner = asyncio.run_coroutine_threadsafe(_started(server), loop).result()
        try:
            yield server
        finally:
            asyncio.run_coroutine_threadsafe(_stopped(server, runner), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()


async def _started(server: Foreign) -> web.AppRunner:
    async def offer(request: web.Request) -> web.Response:
        if request.content_type != "application/sdp":
            return web.Response(status=415)
        sdp = await _answered(server, await request.text(), echo=True)
        return _described(server, sdp)

    async def offer_json(request: web.Request) -> web.Response:
        if request.content_type != "application/json":
            return web.Response(status=415)
        sdp = await _answered(server, (await request.json())["sdp"], echo=True)
        server.ended += 1  # it names no session, so none is deleted
        return web.json_response({"sdp": sdp, "type": "answer"})

    async def moved(request: web.Request) -> web.Response:
        raise web.HTTPTemporaryRedirect("/offer")

    async def whip(request: web.Request) -> web.Response:
        server.published = asyncio.get_running_loop().create_future()
        return _described(server, await _answered(server, await request.text(), echo=False))

    async def whep(request: web.Request) -> web.Response:
        assert server.published is not None
        track = MediaRelay().subscribe(await server.published)
        return _described(server, await _answered(server, await request.text(), track=track))

    async def end(request: web.Request) -> web.Response:
        await server.peers.pop(request.match_info["id"]).close()
        server.ended += 1
        return web.Response()

    application = web.Application(middlewares=[_guard])
    application.add_routes(
        [
            *(web.post(f"/{way.__name__}", way) for way in (offer, moved, whip, whep)),
            web.post("/offer-json", offer_json),
            web.delete("/session/{id}", end),
        ]
    )
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    return runner


@web.middleware
async def _guard(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    if request.headers.get("Authorization") != f"Bearer {TOKEN}":
        return web.Response(status=401, text="a token is needed")
    return await handler(request)


async def _answered(
    server: Foreign, sdp: str, *, echo: bool = False, track: MediaStreamTrack | None = None
) -> str:
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    server.begun += 1
    server.peers[str(server.begun)] = peer
    published = server.published
    if echo:
        peer.on("track", peer.addTrack)
    elif track is None and published is not None:
        peer.on("track", lambda one: _publish(one, published))
    if track is not None:
        peer.addTrack(track)
    await peer.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
    await peer.setLocalDescription(await peer.createAnswer())
    return str(peer.localDescription.sdp)


def _publish(track: MediaStreamTrack, published: asyncio.Future[MediaStreamTrack]) -> None:
    if track.kind == "video":
        published.set_result(track)


def _described(server: Foreign, sdp: str) -> web.Response:
    headers = {"Location": f"/session/{server.begun}"}
    return web.Response(status=201, text=sdp, content_type="application/sdp", headers=headers)


async def _stopped(server: Foreign, runner: web.AppRunner) -> None:
    await asyncio.gather(*(peer.close() for peer in server.peers.values()))
    await runner.cleanup()
