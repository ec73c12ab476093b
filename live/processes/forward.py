"""Requests for calls come in at the public port and go on to the worker that holds the call.

What is public has been checked by then: who may ask, how often, and from where. Here bodies are
read, within the same bounds as where calls are held; a worker is never sent more, or more slowly,
than a client may send. Of the client's headers only those go on that a call's routes read.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from http import HTTPStatus

import aiohttp
from aiohttp import hdrs, web

from live.access.calls import TokenCalls
from live.access.gate import granted
from live.access.rules import RULES
from live.allowance import AtOnce
from live.bodies import JSON, LARGEST_OBJECT, WAV, read_bytes, read_text
from live.calls import new_secret
from live.errors import Full, ModelUnavailable, NotFound
from live.problems import kind
from live.processes.crew import Crew
from live.processes.lines import GRANT_HEADER, SECRET_HEADER, grant_to_header
from live.processes.speech_pipe import pipe
from live.processes.supervisor import Worker
from live.routes.sessions import FRAGMENT, SDP
from live.routes.speech import LARGEST_SOUND, LARGEST_TEXT, SOUNDS_AT_ONCE, SpeechStreams
from live.wire import LONGEST_SDP

_ROOT = "/sessions"
_SAY = f"{_ROOT}/{{secret}}/say"
_TEXTS: Mapping[tuple[str, str], tuple[str, int]] = {
    ("POST", _ROOT): (SDP, LONGEST_SDP),
    ("PATCH", f"{_ROOT}/{{secret}}"): (FRAGMENT, LONGEST_SDP),
    ("PATCH", f"{_ROOT}/{{secret}}/settings"): (JSON, LARGEST_OBJECT),
    ("POST", _SAY): (JSON, LARGEST_TEXT),
}
"""Of the routes that take one: its media type, and how many bytes."""
_ANSWERED = (
    hdrs.CONTENT_TYPE,
    hdrs.ETAG,
    hdrs.LINK,
    hdrs.LOCATION,
    hdrs.RETRY_AFTER,
    hdrs.WWW_AUTHENTICATE,
)
"""Headers of a worker's answer that are the client's."""


class ForwardRoutes:
    """Answers for what has an address below `/sessions`, by asking workers."""

    def __init__(self, crew: Crew, calls: TokenCalls) -> None:
        """`calls` bounds those of one token."""
        self._crew = crew
        self._calls = calls
        self._sounds = AtOnce(SOUNDS_AT_ONCE, "sounds")
        self._streams = SpeechStreams(crew.worker_of, pipe)

    def table(self) -> list[web.RouteDef]:
        """All that the table of rules knows there."""
        own = {
            ("POST", _ROOT): self.open,
            ("DELETE", f"{_ROOT}/{{secret}}"): self.end,
            ("GET", f"{_ROOT}/{{secret}}/speech"): self._streams.take,
        }
        make = {"GET": web.get, "POST": web.post, "PATCH": web.patch, "DELETE": web.delete}
        return [
            make[method](path, own.get((method, path), self.hand_on))
            for method, path in RULES
            if path == _ROOT or path.startswith(f"{_ROOT}/")
        ]

    async def open(self, request: web.Request) -> web.Response:
        """Has a worker take an offer, another one where the first has no room after all."""
        grant = granted(request)
        self._calls.check(grant)
        self._crew.check_free()  # before anything is read for a call that cannot be
        body = await self._body(request)
        self._calls.check(grant)  # others may have been opened in the meantime
        self._crew.check_free()
        answer, asked = None, list[Worker]()
        while worker := self._crew.choose(asked):
            asked.append(worker)
            answer = await self._offer(worker, request, body)
            if answer is not None and not _is_full(answer):
                return answer
            self._calls.check(grant)
        if answer is None:
            raise ModelUnavailable("the process that was to hold the call has ended; try again")
        return answer

    async def _offer(
        self, worker: Worker, request: web.Request, body: bytes
    ) -> web.Response | None:
        """A worker's answer to an offer; `None`: it has ended before it could give one."""
        # The id is chosen here: the worker may say that the call is over before it has answered.
        secret = new_secret()
        self._crew.place(secret, worker)
        self._calls.add(granted(request), secret)
        status = 0
        try:
            answer = await self._ask(worker, request, body, {SECRET_HEADER: secret})
            status = answer.status
            return answer
        except aiohttp.ClientError:
            return None
        finally:
            if status != HTTPStatus.CREATED:
                self._crew.forget(secret)

    async def end(self, request: web.Request) -> web.Response:
        """Ends a call; whatever it held is free when this answers, its place included."""
        answer = await self.hand_on(request)
        if answer.status == HTTPStatus.OK:
            self._crew.forget(request.match_info["secret"])
        return answer

    async def hand_on(self, request: web.Request) -> web.Response:
        """Whatever else is asked of a call."""
        worker = self._crew.worker_of(request.match_info["secret"])
        body = await self._body(request)
        try:
            return await self._ask(worker, request, body, {})
        except aiohttp.ClientError as error:
            raise NotFound("the call has ended with the process that held it") from error

    async def _body(self, request: web.Request) -> bytes:
        """What is sent on; a body that no route takes is left unread, and refused by the worker."""
        resource = request.match_info.route.resource
        route = request.method, resource.canonical if resource else ""
        media_type = request.content_type.lower()
        if route == ("POST", _SAY) and media_type != JSON:
            if media_type not in WAV:
                return b""
            with self._sounds.one():
                return await read_bytes(request, LARGEST_SOUND)
        if route not in _TEXTS:
            return b""
        return (await read_text(request, *_TEXTS[route])).encode()

    async def _ask(
        self, worker: Worker, request: web.Request, body: bytes, headers: Mapping[str, str]
    ) -> web.Response:
        """A worker's answer, as the client's; raises `aiohttp.ClientError` where it is gone."""
        sent = {GRANT_HEADER: grant_to_header(granted(request)), **headers}
        if hdrs.CONTENT_TYPE in request.headers:
            sent[hdrs.CONTENT_TYPE] = request.content_type
        if hdrs.IF_MATCH in request.headers:
            sent[hdrs.IF_MATCH] = ", ".join(request.headers.getall(hdrs.IF_MATCH))
        method = "GET" if request.method == "HEAD" else request.method
        async with worker.client.request(
            method,
            request.rel_url,
            data=io.BytesIO(body) if body else None,  # so that a long one goes piece by piece
            headers=sent,
            allow_redirects=False,
        ) as answer:
            response = web.Response(status=answer.status, body=await answer.read() or None)
            for name in _ANSWERED:
                for value in answer.headers.getall(name, ()):
                    response.headers.add(name, value)
            return response


def _is_full(answer: web.Response) -> bool:
    """Whether it was the worker that had no room; what else it lacks, another one lacks, too."""
    if answer.status != Full.status or not isinstance(answer.body, bytes):
        return False
    return bool(json.loads(answer.body)["type"] == kind(Full))
