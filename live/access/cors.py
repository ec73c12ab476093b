"""Other sites' pages may call this server where the operator has named their origins, no others.

Tokens are sent by a page's own code and never by the browser by itself, so nothing here lets
credentials pass, and no wildcard is ever answered.
"""

from __future__ import annotations

from collections.abc import Collection

from aiohttp import hdrs, web

from live.problems import Handler

_METHODS = "GET, POST, PATCH, DELETE"
_HEADERS = "Authorization, Content-Type, If-Match, If-None-Match"
_EXPOSED = "Location, ETag, Link, Retry-After, WWW-Authenticate"
_REMEMBERED_S = "600"


class Cors:
    """The answers of RFC 6454's and Fetch's questions, for the origins that are allowed."""

    def __init__(self, origins: Collection[str]) -> None:
        """`origins`: such as `https://meet.example.org`."""
        self._origins = frozenset(origins)

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answers preflights of allowed origins, for which there are no routes."""
        asks = hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers
        if request.method == hdrs.METH_OPTIONS and asks and self.allows(request):
            answer = web.Response(status=204)
            answer.headers[hdrs.ACCESS_CONTROL_ALLOW_METHODS] = _METHODS
            answer.headers[hdrs.ACCESS_CONTROL_ALLOW_HEADERS] = _HEADERS
            answer.headers[hdrs.ACCESS_CONTROL_MAX_AGE] = _REMEMBERED_S
            return answer
        return await handler(request)

    async def add_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        """To be called for every response before it is sent (`on_response_prepare`)."""
        if not self._origins:
            return
        response.headers.add(hdrs.VARY, hdrs.ORIGIN)
        if self.allows(request):
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = request.headers[hdrs.ORIGIN]
            response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = _EXPOSED

    def allows(self, request: web.Request) -> bool:
        """Whether the request comes from a page of an allowed origin."""
        return request.headers.get(hdrs.ORIGIN) in self._origins
