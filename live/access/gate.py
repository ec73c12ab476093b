"""Requests come in, and go on with what they are granted, or are refused: 401, 403, 421, 429."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

from aiohttp import hdrs, web

from live.access.calls import TokenCalls
from live.access.hosts import binds_loopback, names_loopback
from live.access.rates import Rates, network_of
from live.access.revocations import Revocations
from live.access.rules import Rule, rule_of
from live.access.tokens import FREE, Grant, read
from live.calls import Calls
from live.errors import Forbidden, InvalidToken, MissingScope, Unauthorised
from live.keys import OperatorKeys
from live.problems import Handler
from live.settings import Settings

SUBPROTOCOL = "visavis.v1"
"""Of WebSockets. A page, which can set no header there, offers `bearer.<token>` beside it."""

_log = logging.getLogger(__name__)
GRANT = web.RequestKey("grant", Grant)
"""What the request may do: set before a route is reached."""
_NOTHING = Grant(frozenset())
_IN_SUBPROTOCOL = "bearer."
_OF_PROXIES = (hdrs.FORWARDED, hdrs.X_FORWARDED_FOR, "X-Real-IP", hdrs.VIA)
_LOOK_AGAIN_S = 1.0
"""For calls whose token was revoked."""


class Gate:
    """Stands before every route of one server."""

    def __init__(self, settings: Settings, keys: OperatorKeys, calls: Calls) -> None:
        """Reads the list of revoked tokens beside the keys; `calls` end with their tokens."""
        self.asks = asks_for_tokens(settings)
        self.calls = TokenCalls(settings.access.sessions_per_token, calls)
        self._keys = keys
        self._revocations = Revocations(settings.keys.folder, keys)
        self._of_tokens = Rates(settings.access.requests_per_minute)
        self._of_strangers = Rates(settings.access.requests_per_minute)
        self._posts = Rates(settings.server.posts_per_minute)
        self._proxied = False

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuses, or hands on with a grant (`granted`)."""
        if not self.asks:
            if not names_loopback(request.headers.get(hdrs.HOST)):
                raise web.HTTPMisdirectedRequest
            self._notice_proxy(request)
            self._let(request, FREE)
        elif request.match_info.http_exception is None:  # 404 and 405 tell nothing
            self._let(request, self._grant(request))
        else:
            self._of_strangers.take(network_of(request.remote))
        return await handler(request)

    async def watch(self, _: web.Application) -> AsyncIterator[None]:
        """Ends calls of revoked tokens while the server runs (`cleanup_ctx`)."""
        watching = asyncio.create_task(self._watch(), name="revoked-tokens")
        yield
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)

    async def _watch(self) -> None:
        while self.asks:
            await asyncio.sleep(_LOOK_AGAIN_S)
            await self.calls.end(self._revocations.has)

    def _let(self, request: web.Request, grant: Grant) -> None:
        rule = _rule_for(request)
        if rule is not None and rule.is_post(request.content_type.lower()):
            self._posts.take(grant.id)
        request[GRANT] = grant

    def _notice_proxy(self, request: web.Request) -> None:
        if not self._proxied and any(name in request.headers for name in _OF_PROXIES):
            self._proxied = True
            _log.warning(
                "a proxy hands on requests, and no token is asked for: whoever reaches it may do"
                " everything; set access.required"
            )

    def _grant(self, request: web.Request) -> Grant:
        rule = _rule_for(request)
        if rule is None:
            raise Forbidden("this address is not open to tokens; update the server")
        if not rule.counted:
            return _NOTHING
        try:
            grant = self._checked(request)
        except Unauthorised:
            self._of_strangers.take(network_of(request.remote))
            if rule.is_open:
                return _NOTHING
            raise
        self._of_tokens.take(grant.id)
        if rule.scopes and not rule.scopes & grant.scopes:
            raise MissingScope(min(rule.scopes))
        return grant

    def _checked(self, request: web.Request) -> Grant:
        token = _token(request)
        if token is None:
            raise Unauthorised(
                "this server asks for an access token (Authorization: Bearer …); whoever runs it"
                " makes one by `visavis token grant`"
            )
        grant = read(token, self._keys)
        self._revocations.check(grant)
        return grant


def _rule_for(request: web.Request) -> Rule | None:
    resource = request.match_info.route.resource
    return rule_of(request.method, resource.canonical if resource else "")


def asks_for_tokens(settings: Settings) -> bool:
    """Whether requests need a token: on any address but loopback they always do."""
    return settings.access.required or not binds_loopback(settings.server.host)


def granted(request: web.Request) -> Grant:
    """What the gate has granted."""
    return request[GRANT]


def _token(request: web.Request) -> str | None:
    """The bearer token; raises `InvalidToken` where something else stands in its place."""
    headers = request.headers.getall(hdrs.AUTHORIZATION, [])
    if len(headers) > 1:
        raise InvalidToken("send one Authorization header")
    if headers:
        scheme, _, token = headers[0].partition(" ")
        if scheme.lower() != "bearer":
            raise InvalidToken("send the access token as Authorization: Bearer …")
        return token.strip()
    if request.headers.get(hdrs.UPGRADE, "").lower() != "websocket":
        return None
    offered = request.headers.get(hdrs.SEC_WEBSOCKET_PROTOCOL, "").split(",")
    found = [one.strip() for one in offered if one.strip().startswith(_IN_SUBPROTOCOL)]
    return found[0].removeprefix(_IN_SUBPROTOCOL) if found else None
