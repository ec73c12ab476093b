"""HTTP comes in, the rooms behind it answer: the routes, the port and the end of it all."""

from __future__ import annotations

import asyncio
import errno
import signal
import ssl
from collections.abc import Callable
from functools import partial
from typing import Any

from aiohttp import web

from live import loop_lag, main_loop, origin, problems
from live.access.connections import Connections
from live.access.cors import Cors
from live.enrolment.desk import Desk
from live.enrolment.leaving import Leaving
from live.errors import SettingsError
from live.rooms import House
from live.routes import page, verify
from live.routes.avatars import AvatarRoutes, described
from live.routes.consents import ConsentRoutes
from live.routes.enrolments import EnrolmentRoutes
from live.routes.health import HealthRoutes
from live.routes.keys import KeyRoutes
from live.routes.verify import VerifyRoutes
from live.routes.voices import VoiceRoutes
from live.sections import Server
from live.verification.credentials import own_certificate
from live.verification.verifier import Verifier

CONNECTIONS = web.AppKey("connections", Connections)

_REQUESTS_S = 1.0
"""What running requests have to end in when the server is told to stop, after the calls."""


def application(house: House) -> web.Application:
    """All routes of a house."""
    settings, registers = house.settings, house.registers
    connections, cors = Connections(), Cors(settings.access.origins)
    app = web.Application(
        middlewares=[
            connections.middleware,
            problems.middleware(house.metrics.refused),
            cors.middleware,
            origin.middleware(cors.allows),
            house.gate.middleware,
        ]
    )
    app[CONNECTIONS] = connections
    leaving = Leaving(registers.consents, house.store, house.prepared, house.calls)
    desk = _desk(house, leaving)
    loop_watched = loop_lag.watched(house.metrics.loop_lag)
    app.cleanup_ctx.extend([house.gate.watch, *house.contexts(), desk.staffed, loop_watched])
    certificate = partial(own_certificate, settings.provenance, settings.keys)
    for routes in (
        HealthRoutes(house.calls, house.check_warm, house.series),
        AvatarRoutes(house.store, house.prepared, house.calls),
        VoiceRoutes(house.voices),
        ConsentRoutes(registers.consents),
        EnrolmentRoutes(desk, leaving, settings.consent.days),
        KeyRoutes(registers.keys),
        VerifyRoutes(Verifier(registers.keys, certificate, verify.LIMITS)),
    ):
        app.add_routes(routes.table())
    app.add_routes(house.call_routes())
    app.add_routes([web.get("/", page.index), web.get(page.PATTERN, page.file)])

    async def count(request: web.Request, response: web.StreamResponse) -> None:
        resource = request.match_info.route.resource
        route = resource.canonical if resource else "none"
        house.metrics.answered(request.method, route, response.status)

    app.on_response_prepare.extend([page.add_headers, cors.add_headers, count])
    return app


def _desk(house: House, leaving: Leaving) -> Desk:
    """Where people are enrolled, whose avatars then are in the catalogue."""
    registers = house.registers

    async def add(image: bytes, document: str, name: str) -> dict[str, Any]:
        return described(await house.prepared.add(image, document, name=name))

    operator = house.settings.consent.operator
    grant = registers.consents.grant_enrolled
    return Desk(house.enrolment, grant, add, leaving.leave, registers.audit, operator)


def run(house: House, announce: Callable[[str], None]) -> None:
    """Serves in this thread; see `serve`."""
    main_loop.run(serve(house, announce))


async def serve(house: House, announce: Callable[[str], None]) -> None:
    """Listens until SIGTERM or SIGINT; `announce` gets the address to open once it answers.

    Raises `SettingsError` where the address or the certificate cannot be used.
    """
    settings, told_to_stop = house.settings, asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told_to_stop.set)
    runner = _runner(application(house), settings.server.idle_connection_s)
    await runner.setup()
    listener: asyncio.Server | None = None
    try:
        listener = await _listen(runner, settings.server)
        await house.open()
        port: int = listener.sockets[0].getsockname()[1]
        announce(_address(settings.server, port))
        warming = asyncio.create_task(house.warm())
        await told_to_stop.wait()
        warming.cancel()
    finally:
        if listener is not None:
            listener.close()
        await house.end_calls()
        await runner.cleanup()
        await house.finish()


def _runner(app: web.Application, idle_s: float) -> web.AppRunner:
    return web.AppRunner(
        app,
        access_log=None,  # it would write addresses and secret ids
        keepalive_timeout=idle_s,
        shutdown_timeout=_REQUESTS_S,
        auto_decompress=False,  # `live.bodies` takes no compressed ones
    )


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
