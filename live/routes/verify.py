"""A picture or film is uploaded, what is known of it is answered: open to anybody, and bounded.

Who makes synthetic pictures owes the public a way to find them, so this asks for no token; it is
the most expensive route there is, so there are few at once and few in a minute.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections import Counter

from aiohttp import web

from live.access.hosts import is_loopback
from live.access.rates import Rates, network_of
from live.bodies import read_file
from live.errors import Full
from live.verification.verifier import Limits, Verifier
from live.verification.words import full_document

FIELD = "file"
LARGEST_FILE = 256 << 20
LIMITS = Limits(size=LARGEST_FILE, wall_s=90, cpu_s=60, search_cpu_s=30, search_wall_s=45)
_UPLOAD_S = 300.0
_PER_MINUTE = 12
_MOST_ADMITTED, _MOST_OF_ONE = 4, 2
"""That are uploading, waiting or looked at, of everybody and of one other machine; each may hold a
temporary file."""


class VerifyRoutes:
    """Answers for files of unknown origin."""

    def __init__(self, verifier: Verifier, per_minute: int = _PER_MINUTE) -> None:
        """`verifier` should have `LIMITS`."""
        self._verifier = verifier
        self._allowances = Rates(per_minute)
        self._admitted: Counter[str] = Counter()
        self._places = asyncio.Semaphore(2 if (os.cpu_count() or 1) >= 4 else 1)

    def table(self) -> list[web.RouteDef]:
        """The route."""
        return [web.post("/verify", self.verify)]

    async def verify(self, request: web.Request) -> web.Response:
        """Takes a file as the body, or as `file` of a form."""
        network = network_of(request.remote)
        self._check_room(network, is_shared=is_loopback(request.remote or ""))
        self._allowances.take(network)
        self._admitted[network] += 1
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
            self._admitted[network] -= 1
            self._admitted += Counter()  # forgets those who have none
        return web.json_response(full_document(verdict))

    def _check_room(self, network: str, *, is_shared: bool) -> None:
        """Raises `Full`. `is_shared`: by all who come through a proxy on this machine."""
        own = 0 if is_shared else self._admitted[network]
        if own >= _MOST_OF_ONE or self._admitted.total() >= _MOST_ADMITTED:
            raise Full("other files are being looked at; try again in a while")
