"""Requests that other sites' pages send through a visitor's browser are refused.

Without this a page elsewhere could add avatars to a server on the visitor's own machine: browsers
send a plain form to any address, and only keep the answer from the page. From a WebSocket they do
not keep even that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from live.problems import Handler

_HARMLESS = ("GET", "HEAD", "OPTIONS")


def middleware(allows: Callable[[web.Request], bool]) -> Any:
    """Lets through what our own page, a program, or a site that `allows` knows asks; else 403."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        harmless = request.method in _HARMLESS and "Upgrade" not in request.headers
        if not harmless and _is_foreign(request) and not allows(request):
            raise web.HTTPForbidden
        return await handler(request)

    return check


def _is_foreign(request: web.Request) -> bool:
    # Browsers say it themselves on HTTPS and localhost; elsewhere there is the origin to compare.
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = request.headers.get("Origin")
    return origin is not None and urlsplit(origin).netloc != request.host
