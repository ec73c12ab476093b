"""HTTP comes in, the rooms behind it answer; the only module that knows how they are put together."""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
import ssl
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from live import problems
from live.avatars import AvatarStore
from live.errors import SettingsError
from live.metrics import Metrics
from live.pool import Pool
from live.prepared import PreparedAvatars
from live.routes import page
from live.routes.avatars import AvatarRoutes
from live.routes.health import HealthRoutes
from live.settings import Server, Settings

_log = logging.getLogger(__name__)

_GRACE_S = 2.0
"""What running calls have to end in when the server is told to stop."""
_IDLE_CONNECTION_S = 75.0


@dataclass(frozen=True, slots=True)
class Rooms:
    """What stands behind the routes."""

    settings: Settings
    store: AvatarStore
    prepared: PreparedAvatars
    pool: Pool
    metrics: Metrics


def application(rooms: Rooms) -> web.Application:
    """All routes over these rooms."""
    health = HealthRoutes(rooms.pool, rooms.metrics)
    app = web.Application(middlewares=[problems.middleware])
    app.add_routes(health.table())
    app.add_routes(AvatarRoutes(rooms.store, rooms.prepared).table())
    app.add_routes([web.get("/", page.index), web.get(page.PATTERN, page.file)])
    app.on_response_prepare.append(page.add_headers)
    return app


async def serve(rooms: Rooms, announce: Callable[[str], None]) -> None:
    """Listens until SIGTERM or SIGINT; `announce` gets the address to open once it answers.

    Raises `SettingsError` where the address or the certificate cannot be used.
    """
    told_to_stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told_to_stop.set)
    runner = web.AppRunner(
        application(rooms),
        access_log=None,  # it would write addresses and secret ids
        keepalive_timeout=_IDLE_CONNECTION_S,
        shutdown_timeout=_GRACE_S / 2,
    )
    await runner.setup()
    try:
        port = await _listen(runner, rooms.settings.server)
        announce(_address(rooms.settings.server, port))
        await told_to_stop.wait()
    finally:
        await rooms.pool.close(_GRACE_S)
        await runner.cleanup()
        rooms.prepared.close()


async def _listen(runner: web.AppRunner, server: Server) -> int:
    """Opens the port and gives its number."""
    site = web.TCPSite(runner, server.host, server.port, ssl_context=_tls(server))
    try:
        await site.start()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            reason = "something listens there already; stop it or choose another --port"
        else:
            reason = f"{error.strerror}; choose another --host or --port"
        raise SettingsError(f"cannot listen on {server.host}:{server.port}: {reason}") from error
    port: int = runner.addresses[0][1]
    return port


def _tls(server: Server) -> ssl.SSLContext | None:
    if server.tls_cert is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(server.tls_cert, server.tls_key)
    except OSError as error:  # an SSLError is one
        raise SettingsError(
            f"cannot use {server.tls_cert} with {server.tls_key}: {error.strerror or error.args[0]};"
            " both must be PEM files, and the key must be the certificate's"
        ) from error
    return context


def _address(server: Server, port: int) -> str:
    scheme = "https" if server.tls_cert else "http"
    host = {"0.0.0.0": "localhost", "::": "localhost"}.get(server.host, server.host)  # noqa: S104
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}/"
