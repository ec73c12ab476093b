"""A picture or film is uploaded, what is known of it is answered: open to anybody, and bounded.

Who makes synthetic pictures owes the public a way to find them, so this asks for no token; it is
the most expensive route there is, so there are few at once and few in a minute.
"""

from __future__ import annotations

import asyncio
import os
import tempfile

from aiohttp import web

from live.allowance import Allowance
from live.bodies import read_file
from live.errors import Full
from live.verification.verifier import Limits, Verifier
from live.verification.words import full_document

FIELD = "file"
LARGEST_FILE = 256 << 20
LIMITS = Limits(size=LARGEST_FILE, wall_s=90, cpu_s=60, search_cpu_s=30, search_wall_s=45)
_UPLOAD_S = 300.0
_PER_MINUTE = 12
_MOST_ADMITTED = 4
"""That are uploading, waiting or looked at; each may hold a temporary file."""


class VerifyRoutes:
    """Answers for files of unknown origin."""

    def __init__(self, verifier: Verifier, per_minute: int = _PER_MINUTE) -> None:
        """`verifier` should have `LIMITS`."""
        self._verifier = verifier
        self._allowance = Allowance(per_minute)
        self._admitted = 0
        self._places = asyncio.Semaphore(2 if (os.cpu_count() or 1) >= 4 else 1)

    def table(self) -> list[web.RouteDef]:
        """The route."""
        return [web.post("/verify", self.verify)]

    async def verify(self, request: web.Request) -> web.Response:
        """Takes a file as the body, or as `file` of a form."""
        if self._admitted >= _MOST_ADMITTED:
            raise Full("other files are being looked at; try again in a while")
        self._allowance.take()
        self._admitted += 1
        try:
            # A file without a name: it is gone when it is closed, whatever else happens.
            with tempfile.TemporaryFile(prefix="visavis-") as file:
                await read_file(
                    request, file, field=FIELD, limit=LARGEST_FILE, deadline_s=_UPLOAD_S
                )
                file.flush()
                async with self._places:
                    verdict = await self._verifier.verify(file.fileno())
        finally:
            self._admitted -= 1
        return web.json_response(full_document(verdict))
