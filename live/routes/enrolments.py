"""`/enrolments`: a person before the camera consents; and takes back what they consented to."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from aiohttp import web

from live.access.gate import SUBPROTOCOL
from live.access.rates import Rates, network_of
from live.allowance import AtOnce
from live.avatars import check_name
from live.bodies import Form, read_form, read_object
from live.consent.record import ID_PATTERN, LONGEST_DAYS, Mode, Purpose
from live.enrolment.camera import DEADLINE_S, LARGEST_MESSAGE, CameraSocket
from live.enrolment.desk import Asked, Desk
from live.enrolment.leaving import Leaving
from live.enrolment.phrases import LANGUAGES
from live.errors import BadRequest

IMAGE_LIMIT = 8 << 20
UPLOADS_AT_ONCE = 2
WITHDRAWALS_PER_MINUTE = 20
"""From one address, so that nobody keeps others from theirs; a code has 125 bits, so this is about
load and not about guessing."""
CODE_LIMIT = 64
_FIELDS = ("name", "purposes", "modes", "days", "language")
_HEARTBEAT_S = 20.0

Choice = TypeVar("Choice", bound=StrEnum)


class EnrolmentRoutes:
    """Answers for live enrolment and for withdrawal."""

    def __init__(self, desk: Desk, leaving: Leaving, days: int) -> None:
        """`days`: that a consent is given for unless the person says else."""
        self._desk, self._leaving = desk, leaving
        self._days = days
        self._withdrawals = Rates(WITHDRAWALS_PER_MINUTE)
        self._uploads = AtOnce(UPLOADS_AT_ONCE, "enrolments")

    def table(self) -> list[web.RouteDef]:
        """The routes."""
        return [
            web.post("/enrolments", self.open),
            web.get("/enrolments/{secret}/camera", self.camera),
            web.post(f"/consents/{{id:{ID_PATTERN}}}/withdraw", self.withdraw),
        ]

    async def open(self, request: web.Request) -> web.Response:
        """Begins an enrolment; 201 with its secret address and the text that is agreed to."""
        with self._uploads.one():
            form = await read_form(request, files=frozenset(["image"]), limit=IMAGE_LIMIT)
            enrolment = await self._desk.open(_asked(form, self._days))
        camera = f"/enrolments/{enrolment.secret}/camera"
        body = {
            "camera": camera,
            "agreement": enrolment.agreement,
            "agreed": enrolment.agreed,
            "portrait": "sent" if enrolment.sent is not None else "taken",
            "deadline_s": int(DEADLINE_S),
        }
        return web.json_response(body, status=201, headers={"Location": camera})

    async def camera(self, request: web.Request) -> web.StreamResponse:
        """One attempt, over a WebSocket."""
        enrolment = self._desk.get(request.match_info["secret"])
        socket = web.WebSocketResponse(
            heartbeat=_HEARTBEAT_S, max_msg_size=LARGEST_MESSAGE, protocols=(SUBPROTOCOL,)
        )
        if not socket.can_prepare(request):
            raise BadRequest("this address takes WebSockets only")
        await socket.prepare(request)
        await CameraSocket(self._desk, enrolment, socket).run()
        return socket

    async def withdraw(self, request: web.Request) -> web.Response:
        """Takes a consent back by its code; it and all that rests on it is gone for good."""
        self._withdrawals.take(network_of(request.remote))
        values = await read_object(request)
        code = values.get("code")
        if not isinstance(code, str) or len(code) > CODE_LIMIT:
            raise BadRequest('send {"code": "…"}, the withdrawal code of this consent')
        consent = request.match_info["id"]
        ended = await asyncio.shield(self._leaving.withdraw(consent, code))
        return web.json_response({"id": consent, "withdrawn": True, "ended_calls": ended})


def _asked(form: Form, days: int) -> Asked:
    texts = form.texts
    unknown = [name for name in texts if name not in _FIELDS]
    if unknown:
        raise BadRequest(f"the form has a field that is not known; known are {', '.join(_FIELDS)}")
    language = texts.get("language", LANGUAGES[0])
    if language not in LANGUAGES:
        raise BadRequest(f"'language' is one of {', '.join(LANGUAGES)}")
    return Asked(
        check_name(texts.get("name", "")),
        _some(texts, "purposes", Purpose, {Purpose.CALL, Purpose.RENDER}),
        _some(texts, "modes", Mode, {Mode.FACE, Mode.SPEECH}),
        _number(texts, "days", days),
        language,
        form.files.get("image", b""),
    )


def _some(
    texts: Mapping[str, str], field: str, known: type[Choice], usual: set[Choice]
) -> frozenset[Choice]:
    """Names, with blanks or commas between them."""
    names = texts.get(field, "").replace(",", " ").split()
    if not names:
        return frozenset(usual)
    if not set(names) <= set(known):
        raise BadRequest(f"'{field}' are some of {', '.join(known)}")
    return frozenset(known(name) for name in names)


def _number(texts: Mapping[str, str], field: str, usual: int) -> int:
    text = texts.get(field, "") or str(usual)
    if not (text.isascii() and text.isdigit() and len(text) < 6) or not (
        0 < int(text) <= LONGEST_DAYS
    ):
        raise BadRequest(f"'{field}' is a number of 1…{LONGEST_DAYS}")
    return int(text)
