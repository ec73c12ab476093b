"""`/livez`, `/readyz`, `/metrics`, `/openapi.json`: what machines ask of the server."""

from __future__ import annotations

from aiohttp import web

from live import openapi
from live.errors import ModelUnavailable
from live.metrics import Metrics
from live.pool import Pool
from live.prepared import PreparedAvatars


class HealthRoutes:
    """Answers from what the server knows already; nothing here waits for anything."""

    def __init__(self, pool: Pool, prepared: PreparedAvatars, metrics: Metrics) -> None:
        """Asks these when it is asked."""
        self._pool = pool
        self._prepared = prepared
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
        if not self._prepared.is_warm:
            loading = "the server is still loading its models; try again in a few seconds"
            raise ModelUnavailable(self._prepared.trouble or loading)
        self._pool.check_free()
        return web.json_response({"status": "ready", "free": self._pool.free()})

    async def metrics(self, request: web.Request) -> web.Response:
        """Prometheus text."""
        return web.Response(
            body=self._metrics.text(), headers={"Content-Type": self._metrics.CONTENT_TYPE}
        )

    async def openapi(self, request: web.Request) -> web.Response:
        """The description of this interface."""
        return web.json_response(openapi.document())
