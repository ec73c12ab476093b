"""`/voices`: what there is to speak with."""

from __future__ import annotations

import asyncio

from aiohttp import web

from live.voices import Voices


class VoiceRoutes:
    """Answers for the voices that are installed."""

    def __init__(self, voices: Voices) -> None:
        """Asks these each time."""
        self._voices = voices

    def table(self) -> list[web.RouteDef]:
        """The route."""
        return [web.get("/voices", self.list)]

    async def list(self, request: web.Request) -> web.Response:
        """Every voice, and what those lack that cannot speak."""
        return web.json_response(await asyncio.to_thread(self._voices.catalogue))
