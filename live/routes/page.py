"""The web client's files and the headers that every answer carries."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

import web_client
from live.access.hosts import is_loopback

ROOT = Path(web_client.__file__).parent

TYPES = {
    "css": "text/css",
    "html": "text/html",
    "ico": "image/x-icon",
    "js": "text/javascript",
    "json": "application/json",
    "png": "image/png",
    "svg": "image/svg+xml",
    "webmanifest": "application/manifest+json",
    "woff2": "font/woff2",
}
_TEXT = ("css", "html", "js")
_NOT_SERVED = {"package.json", "package-lock.json", "tsconfig.json"}
PATTERN = r"/{file:(?:[\w-]+/)*[\w-]+\.(?:" + "|".join(TYPES) + ")}"
"""Names without a leading dot or a second one: nothing outside the folder can be named."""

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self';"
        " img-src 'self' data: blob:; media-src 'self' blob:; connect-src 'self';"
        " worker-src 'self'; manifest-src 'self';"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Permissions-Policy": "camera=(self), microphone=(self), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


_HSTS = "max-age=31536000"


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """To be called for every response before it is sent (`on_response_prepare`)."""
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    # Not for localhost: there it would hold for every other program's port as well.
    if request.secure and not is_loopback(request.url.host or ""):
        response.headers.setdefault("Strict-Transport-Security", _HSTS)
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers["Server"] = "visavis"


async def index(request: web.Request) -> web.StreamResponse:
    """`GET /`."""
    return _file("index.html")


async def file(request: web.Request) -> web.StreamResponse:
    """`GET /style.css` and the like."""
    return _file(request.match_info["file"])


def _file(name: str) -> web.StreamResponse:
    path = ROOT / name
    if not path.is_file() or name in _NOT_SERVED or "node_modules" in path.parts:
        raise web.HTTPNotFound
    extension = path.suffix.removeprefix(".")
    charset = "; charset=utf-8" if extension in _TEXT else ""
    return web.FileResponse(
        path,
        headers={
            "Content-Type": TYPES[extension] + charset,
            # The names carry no version: the browser asks each time and is told 304.
            "Cache-Control": "no-cache",
        },
    )
