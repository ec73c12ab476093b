"""HTTP comes in, the rooms behind it answer: the routes, the port and the end of it all."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
import ssl
import sys
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from aiohttp import web

from live import loop_lag, origin, problems
from live.access.connections import Connections
from live.access.cors import Cors
from live.access.gate import Gate
from live.avatars import AvatarStore
from live.enrolment.desk import Desk, Tools
from live.enrolment.leaving import Leaving
from live.errors import SettingsError, VisavisError
from live.load.balance import Balance
from live.metrics import Metrics
from live.pool import Pool
from live.prepared import PreparedAvatars
from live.recording.recordings import Recordings
from live.registers import Registers
from live.request import SessionRequest
from live.routes import page, verify
from live.routes.avatars import AvatarRoutes, described
from live.routes.consents import ConsentRoutes
from live.routes.enrolments import EnrolmentRoutes
from live.routes.health import HealthRoutes
from live.routes.keys import KeyRoutes
from live.routes.sessions import SessionRoutes
from live.routes.speech import SpeechRoutes
from live.routes.verify import VerifyRoutes
from live.routes.voices import VoiceRoutes
from live.sections import Server
from live.settings import Settings
from live.verification.credentials import own_certificate
from live.verification.verifier import Verifier
from live.voices import Voices

_log = logging.getLogger(__name__)

CONNECTIONS = web.AppKey("connections", Connections)

_REQUESTS_S = 1.0
"""What running requests have to end in when the server is told to stop, after the calls."""
_WARM_AGAIN_S = 30.0


@dataclass(frozen=True, slots=True)
class Rooms:
    """What stands behind the routes."""

    settings: Settings
    store: AvatarStore
    prepared: PreparedAvatars
    pool: Pool
    balance: Balance
    metrics: Metrics
    voices: Voices
    gate: Gate
    request_call: Callable[[str, str], Awaitable[SessionRequest]]
    """An avatar's id and a driver's name in, all that it takes to hold a call out."""
    registers: Registers
    enrolment: Tools
    """What a person before the camera is looked at with."""
    recordings: Recordings | None = None
    """Of calls; `None`: none are made."""


def application(rooms: Rooms) -> web.Application:
    """All routes over these rooms."""
    settings = rooms.settings
    health = HealthRoutes(rooms.pool, rooms.prepared, rooms.metrics)
    avatars = AvatarRoutes(rooms.store, rooms.prepared, rooms.pool)
    sessions = SessionRoutes(rooms.pool, rooms.request_call, rooms.gate.calls, settings.ice.servers)
    connections, cors = Connections(), Cors(settings.access.origins)
    app = web.Application(
        middlewares=[
            connections.middleware,
            problems.middleware(rooms.metrics.refused),
            cors.middleware,
            origin.middleware(cors.allows),
            rooms.gate.middleware,
        ]
    )
    app[CONNECTIONS] = connections
    app.cleanup_ctx.extend([rooms.gate.watch, lambda _: rooms.balance.kept(rooms.pool.calls)])
    leaving = Leaving(rooms.registers.consents, rooms.store, rooms.prepared, rooms.pool)
    desk = _desk(rooms, leaving)
    app.cleanup_ctx.extend([desk.staffed, loop_lag.watched(rooms.metrics.loop_lag)])
    enrolments = EnrolmentRoutes(desk, leaving, settings.consent.days)
    consents = ConsentRoutes(rooms.registers.consents)
    certificate = partial(own_certificate, settings.provenance, settings.keys)
    for routes in (
        health,
        avatars,
        sessions,
        SpeechRoutes(rooms.pool),
        VoiceRoutes(rooms.voices),
        consents,
        enrolments,
        KeyRoutes(rooms.registers.keys),
        VerifyRoutes(Verifier(rooms.registers.keys, certificate, verify.LIMITS)),
    ):
        app.add_routes(routes.table())
    app.add_routes([web.get("/", page.index), web.get(page.PATTERN, page.file)])

    async def count(request: web.Request, response: web.StreamResponse) -> None:
        resource = request.match_info.route.resource
        route = resource.canonical if resource else "none"
        rooms.metrics.answered(request.method, route, response.status)

    app.on_response_prepare.extend([page.add_headers, cors.add_headers, count])
    return app


def _desk(rooms: Rooms, leaving: Leaving) -> Desk:
    """Where people are enrolled, whose avatars then are in the catalogue."""
    registers = rooms.registers

    async def add(image: bytes, document: str, name: str) -> dict[str, Any]:
        return described(await rooms.prepared.add(image, document, name=name))

    operator = rooms.settings.consent.operator
    grant = registers.consents.grant_enrolled
    return Desk(rooms.enrolment, grant, add, leaving.leave, registers.audit, operator)


def run(rooms: Rooms, announce: Callable[[str], None]) -> None:
    """Serves in this thread, and ends the process where a thread of ours still loads a network.

    See `serve`. By then everything is closed. Python itself would end such a thread in the middle
    of native code, and the process would be aborted for it.
    """
    asyncio.run(serve(rooms, announce))
    if any(one.daemon for one in threading.enumerate()):
        logging.shutdown()
        sys.stdout.flush()
        os._exit(0)


async def serve(rooms: Rooms, announce: Callable[[str], None]) -> None:
    """Listens until SIGTERM or SIGINT; `announce` gets the address to open once it answers.

    Raises `SettingsError` where the address or the certificate cannot be used.
    """
    settings, told_to_stop = rooms.settings, asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told_to_stop.set)
    runner = _runner(application(rooms), settings.server.idle_connection_s)
    await runner.setup()
    listener: asyncio.Server | None = None
    try:
        listener = await _listen(runner, settings.server)
        port: int = listener.sockets[0].getsockname()[1]
        announce(_address(settings.server, port))
        warming = asyncio.create_task(_warm(rooms))
        await told_to_stop.wait()
        warming.cancel()
    finally:
        if listener is not None:
            listener.close()
        await rooms.pool.close(settings.sessions.shutdown_grace_s)
        await runner.cleanup()
        if rooms.recordings is not None:
            await rooms.recordings.close(settings.recording.finish_s)
        rooms.prepared.close()
        rooms.registers.consents.close()
        rooms.voices.close()


def _runner(app: web.Application, idle_s: float) -> web.AppRunner:
    return web.AppRunner(
        app,
        access_log=None,  # it would write addresses and secret ids
        keepalive_timeout=idle_s,
        shutdown_timeout=_REQUESTS_S,
        auto_decompress=False,  # `live.bodies` takes no compressed ones
    )


async def _warm(rooms: Rooms) -> None:
    """Loads the parts in the background, and tries again while they cannot be loaded.

    Meanwhile the page is served, and `/readyz` says what is missing. Calls need no voice.
    """
    while not rooms.prepared.is_warm:
        try:
            await rooms.prepared.warm()
        except VisavisError as error:
            _log.error("not ready for calls: %s", error)
            await asyncio.sleep(_WARM_AGAIN_S)
    rooms.voices.warm()


async def _listen(runner: web.AppRunner, server: Server) -> asyncio.Server:
    """Opens the port. The runner's own sites would take any number of connections."""
    tls = _tls(server)
    assert runner.server is not None
    try:
        return await asyncio.get_running_loop().create_server(
            runner.app[CONNECTIONS].guarded(runner.server),
            server.host,
            server.port,
            ssl=tls,
            ssl_handshake_timeout=server.tls_handshake_s if tls else None,
        )
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            reason = "something listens there already; stop it or choose another --port"
        else:
            reason = f"{error.strerror}; choose another --host or --port"
        raise SettingsError(f"cannot listen on {server.host}:{server.port}: {reason}") from error


def _tls(server: Server) -> ssl.SSLContext | None:
    if server.tls_cert is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(server.tls_cert, server.tls_key)
    except OSError as error:  # an SSLError is one
        reason = error.strerror or error.args[0]
        raise SettingsError(
            f"cannot use {server.tls_cert} with {server.tls_key}: {reason};"
            " both must be PEM files, and the key must be the certificate's"
        ) from error
    return context


def _address(server: Server, port: int) -> str:
    scheme = "https" if server.tls_cert else "http"
    host = {"0.0.0.0": "localhost", "::": "localhost"}.get(server.host, server.host)  # noqa: S104
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}/"
