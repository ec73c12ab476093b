"""`/livez`, `/readyz`, `/metrics`, `/openapi.json`: what machines ask of the server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from live import openapi
from live.calls import Calls
from live.metrics import Metrics


class HealthRoutes:
    """Answers from what the server knows already; only metrics may come from elsewhere."""

    def __init__(
        self, calls: Calls, check_warm: Callable[[], None], metrics: Callable[[], Awaitable[bytes]]
    ) -> None:
        """`check_warm` raises `ModelUnavailable`; `metrics` gives Prometheus text."""
        self._calls = calls
        self._check_warm = check_warm
        self._metrics = metrics

    def table(self) -> list[web.RouteDef]:
        """The routes."""
        return [
            web.get("/livez", self.live),
            web.get("/readyz", self.ready),
            web.get("/metrics", self.metrics),
            web.get("/openapi.json", self.openapi),
        ]

    async def live(self, request: web.Request) -> web.Response:
        """The event loop turns."""
        return web.json_response({"status": "alive"})

    async def ready(self, request: web.Request) -> web.Response:
        """Warm, and with a free place; otherwise 503."""
        self._check_warm()
        self._calls.check_free()
        return web.json_response({"status": "ready", "free": self._calls.free()})

    async def metrics(self, request: web.Request) -> web.Response:
        """Prometheus text."""
        return web.Response(
            body=await self._metrics(), headers={"Content-Type": Metrics.CONTENT_TYPE}
        )

    async def openapi(self, request: web.Request) -> web.Response:
        """The description of this interface."""
        return web.json_response(openapi.document())
