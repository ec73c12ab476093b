"""`/sessions`: offers come in, calls under secret addresses come out (as in RFC 9725)."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace

from aiohttp import web

from engines import registry
from live import wire
from live.access.calls import TokenCalls
from live.access.gate import granted
from live.access.scopes import Scope
from live.avatars import check_id
from live.bodies import read_object, read_text
from live.errors import BadRequest, PreconditionFailed, UnknownPart, Unprocessable
from live.pool import Pool
from live.renderers import DRIVER
from live.request import SessionRequest
from live.sections import IceServer
from live.shape import Shape

SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"


class SessionRoutes:
    """Answers for what has an address below `/sessions`; there is no list of calls."""

    def __init__(
        self,
        pool: Pool,
        request_call: Callable[[str, str], Awaitable[SessionRequest]],
        calls: TokenCalls,
        ice_servers: Iterable[IceServer],
        choose_secret: Callable[[web.Request], str] = lambda request: "",
    ) -> None:
        """`request_call` takes an avatar's id and a driver's name; raises `NotFound` and others.

        `calls` bounds those of one token; `ice_servers` are told to the peer with the answer;
        `choose_secret` gives the id of the call that a request opens, empty: any.
        """
        self._pool = pool
        self._request_call = request_call
        self._calls = calls
        self._choose_secret = choose_secret
        self._links = [ice_link(server) for server in ice_servers]
        self._drivers = registry.names("drivers")
        # There is one state of ICE in a call's life, since restarts are not supported.
        self._etag = secrets.token_hex(4)

    def table(self) -> list[web.RouteDef]:
        """The routes."""
        return [
            web.post("/sessions", self.open),
            web.patch("/sessions/{secret}", self.trickle),
            web.get("/sessions/{secret}", self.report),
            web.delete("/sessions/{secret}", self.end),
            web.patch("/sessions/{secret}/settings", self.change),
        ]

    async def open(self, request: web.Request) -> web.Response:
        """Takes an offer; 201 with the answer and the call's secret address."""
        grant = granted(request)
        avatar, driver = self._wanted(request)
        shape = _shape(request)
        self._calls.check(grant)
        self._pool.check_free()  # before anything is done for a call that cannot be
        offer = await read_text(request, SDP, wire.LONGEST_SDP)
        wanted = await self._request_call(avatar, driver)
        self._calls.check(grant)  # others may have been opened in the meantime
        wanted = replace(wanted, may_speak=Scope.SPEAK in grant.scopes)
        if shape is not None:
            wanted = replace(wanted, settings=replace(wanted.settings, shape=shape))
        secret, session = await self._pool.open(
            wanted,
            lambda secret: self._calls.add(grant, secret),
            secret=self._choose_secret(request),
        )
        answer = await session.answer(offer)
        response = web.Response(
            status=201,
            body=answer.encode(),
            headers={
                "Content-Type": SDP,
                "Location": f"/sessions/{secret}",
                "ETag": f'"{self._etag}"',
            },
        )
        for link in self._links:
            response.headers.add("Link", link)
        return response

    async def trickle(self, request: web.Request) -> web.Response:
        """Takes more candidates; 204."""
        session = self._pool.get(request.match_info["secret"])
        self._check_etag(request)
        await session.trickle(await read_text(request, FRAGMENT, wire.LONGEST_SDP))
        return web.Response(status=204)

    async def report(self, request: web.Request) -> web.Response:
        """Says how the call goes, and what is stated of it."""
        session = self._pool.get(request.match_info["secret"])
        return web.json_response({**session.report(), "statement": session.statement})

    async def end(self, request: web.Request) -> web.Response:
        """Ends the call; whatever it held is free when this answers."""
        await self._pool.get(request.match_info["secret"]).close("client")
        return web.Response(status=200)

    async def change(self, request: web.Request) -> web.Response:
        """Changes the running call; 204."""
        session = self._pool.get(request.match_info["secret"])
        await session.change(await read_object(request))
        return web.Response(status=204)

    def _wanted(self, request: web.Request) -> tuple[str, str]:
        """The avatar and the driver that the query names."""
        avatar = request.query.get("avatar")
        if not avatar:
            raise BadRequest("say which avatar: POST /sessions?avatar=ID; GET /avatars lists them")
        driver = request.query.get("driver", DRIVER)
        if driver not in self._drivers:
            known = ", ".join(self._drivers)
            raise UnknownPart(f"no driver of this name is installed; there are: {known}")
        return check_id(avatar), driver

    def _check_etag(self, request: web.Request) -> None:
        """`If-Match` is not demanded (RFC 9725 asks for it only where ICE can restart)."""
        tags = request.if_match
        if tags is None:
            return
        if any(tag.value == "*" for tag in tags):
            raise Unprocessable("ICE restart is not supported; end this call and open a new one")
        if all(tag.value != self._etag for tag in tags):
            raise PreconditionFailed("If-Match names another state of this call")


def _shape(request: web.Request) -> Shape | None:
    """The shape that the query names; `None`: the operator's."""
    shape = request.query.get("shape")
    if shape is None:
        return None
    if shape not in set(Shape):
        raise BadRequest(f"shape is one of {', '.join(Shape)}; leave it out for the usual one")
    return Shape(shape)


def ice_link(server: IceServer) -> str:
    """A `Link` header's value as in RFC 9725, section 4.6."""
    link = f'<{server.urls}>; rel="ice-server"'
    if server.username is not None and server.credential is not None:
        credential = server.credential.get_secret_value()
        link += f'; username="{server.username}"; credential="{credential}"'
        link += '; credential-type="password"'
    return link
