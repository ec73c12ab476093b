"""Errors go in, `application/problem+json` (RFC 9457) comes out, by one middleware.

`type` is `urn:visavis:problem:` and the error's name in the tree of `live.errors`, or `about:blank`
for what HTTP itself says; `detail` is for people, `reason` (of an unusable portrait) for programs.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from aiohttp import web

from live.errors import (
    Full,
    InvalidToken,
    MissingScope,
    Unauthorised,
    UnusablePortrait,
    VisavisError,
)

_log = logging.getLogger(__name__)
CONTENT_TYPE = "application/problem+json"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def kind(error: type[VisavisError]) -> str:
    """The problem's type: the error's name in kebab case within our namespace."""
    return "urn:visavis:problem:" + re.sub(r"(?<!^)(?=[A-Z])", "-", error.__name__).lower()


def of_error(error: VisavisError) -> web.Response:
    """What the client is told of an error of ours."""
    headers = {}
    if error.retryable:
        headers["Retry-After"] = str(getattr(error, "retry_after_s", Full.retry_after_s))
    if isinstance(error, Unauthorised | MissingScope):
        headers["WWW-Authenticate"] = _challenge(error)
    members = {"reason": error.reason} if isinstance(error, UnusablePortrait) else {}
    return _problem(error.status, kind(type(error)), str(error), headers, members)


def _challenge(error: Unauthorised | MissingScope) -> str:
    """RFC 6750, section 3: without a token nothing is said of what would be wrong with one."""
    realm = 'Bearer realm="visavis"'
    if isinstance(error, MissingScope):
        return f'{realm}, error="insufficient_scope", scope="{error.scope}"'
    return f'{realm}, error="invalid_token"' if isinstance(error, InvalidToken) else realm


def of_http(error: web.HTTPException) -> web.Response:
    """What the client is told of an error that aiohttp found."""
    headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
    details = {
        403: "Only this server's own page and programs may ask this, not another site's page.",
        404: "There is nothing at this address.",
        405: f"This address takes {headers.get('Allow', 'other methods')} only.",
        413: "The body is larger than is taken here.",
        421: "Without access tokens this server answers to the name localhost only; whoever runs it"
        " can set access.required.",
    }
    detail = details.get(error.status, "The request could not be understood.")
    return _problem(error.status, "about:blank", detail, headers, {})


def middleware(count: Callable[[str], None]) -> Any:
    """Turns whatever a handler raises into a problem; `count` gets the error's name.

    An unforeseen error is logged by its place, without its text, which might quote what a client
    sent.
    """

    @web.middleware
    async def turn(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except VisavisError as error:
            count(type(error).__name__)
            return of_error(error)
        except web.HTTPException as error:
            if error.status < HTTPStatus.BAD_REQUEST:
                raise
            count(type(error).__name__)
            return of_http(error)
        except Exception as error:
            count("Mistake")
            _log.exception(
                "a request failed",
                exc_info=_without_text(error),
                extra={"error": type(error).__name__},
            )
            detail = "The server made a mistake; its log says where."
            return _problem(500, "about:blank", detail, {}, {})

    return turn


def _without_text(error: Exception) -> Exception:
    return RuntimeError("text withheld").with_traceback(error.__traceback__)


def _problem(
    status: int, type_: str, detail: str, headers: dict[str, str], members: dict[str, Any]
) -> web.Response:
    body = {"type": type_, "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return web.Response(
        status=status,
        body=json.dumps(body | members, ensure_ascii=False).encode(),
        content_type=CONTENT_TYPE,
        headers=headers,
    )
