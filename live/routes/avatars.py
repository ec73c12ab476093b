"""`/avatars`: the catalogue, the portraits, adding and removing."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

from live.access.gate import granted
from live.access.scopes import Scope
from live.allowance import AtOnce
from live.avatars import ID_PATTERN, AvatarStore, Entry, portrait_png
from live.bodies import Form, read_form
from live.calls import Calls
from live.consent.built_in import ENDLESS
from live.consent.record import time_text
from live.errors import BadRequest, NoConsent
from live.prepared import PreparedAvatars
from live.watches import REMOVED

IMAGE_LIMIT = 20 << 20
UPLOADS_AT_ONCE = 4
"""Each may hold as much as `IMAGE_LIMIT` in memory."""
_ONE = f"/avatars/{{id:{ID_PATTERN}}}"
_FIELDS = ("image", "consent", "id", "name")


def described(entry: Entry) -> dict[str, Any]:
    """What the catalogue says of one avatar, and of nobody who agreed to it."""
    consent = entry.consent
    return {
        "id": entry.id,
        "name": entry.name,
        "description": entry.description,
        "built_in": entry.built_in,
        "consent": consent.id,
        "basis": consent.basis.value,
        "purposes": sorted(consent.purposes),
        "modes": sorted(consent.modes),
        "not_before": time_text(consent.not_before),
        "not_after": None if consent.not_after == ENDLESS else time_text(consent.not_after),
        "portrait": f"/avatars/{entry.id}/portrait.png",
    }


class AvatarRoutes:
    """Answers for what has an address below `/avatars`."""

    def __init__(self, store: AvatarStore, prepared: PreparedAvatars, calls: Calls) -> None:
        """The store's methods block, so they run on a thread: not that of `prepared`, which may be
        fetching models for a while.
        """
        self._store = store
        self._prepared = prepared
        self._calls = calls
        self._uploads = AtOnce(UPLOADS_AT_ONCE, "uploads")

    def table(self) -> list[web.RouteDef]:
        """The routes."""
        return [
            web.get("/avatars", self.list),
            web.post("/avatars", self.add),
            web.get(_ONE, self.show),
            web.delete(_ONE, self.remove),
            web.get(f"{_ONE}/portrait.png", self.portrait),
        ]

    async def list(self, request: web.Request) -> web.Response:
        """Every avatar that a call can show."""
        entries = await asyncio.to_thread(self._store.entries)
        return web.json_response({"avatars": [described(entry) for entry in entries]})

    async def show(self, request: web.Request) -> web.Response:
        """One avatar."""
        entry = await asyncio.to_thread(self._store.entry, request.match_info["id"])
        return web.json_response(described(entry))

    async def portrait(self, request: web.Request) -> web.Response:
        """Its portrait, for people to choose by."""
        found = await asyncio.to_thread(self._store.opened, request.match_info["id"])
        etag = found.contents.version
        headers = {"ETag": f'"{etag}"', "Cache-Control": "no-cache"}
        if any(known.value in (etag, "*") for known in request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
        png = await asyncio.to_thread(portrait_png, found.contents)
        return web.Response(body=png, content_type="image/png", headers=headers)

    async def add(self, request: web.Request) -> web.Response:
        """Takes a portrait with a signed consent for it; 201 with the new avatar."""
        with self._uploads.one():
            form = await read_form(request, files=frozenset(["image"]), limit=IMAGE_LIMIT)
            entry = await self._add(form, copies=Scope.ADMIN in granted(request).scopes)
        return web.json_response(
            described(entry), status=201, headers={"Location": f"/avatars/{entry.id}"}
        )

    async def _add(self, form: Form, *, copies: bool) -> Entry:
        unknown = [name for name in form.texts if name not in _FIELDS]
        if unknown:
            raise BadRequest(
                f"the form has a field that is not known; known are {', '.join(_FIELDS)}"
            )
        document = form.texts.get("consent", "").strip()
        if not document:
            raise NoConsent(
                "no avatar without consent: send a signed consent record for this picture in the"
                " field `consent`; enrol before the camera, or see POST /consents and"
                " `visavis consent grant`"
            )
        image = form.files.get("image")
        if not image:
            raise BadRequest("the form has no picture; send it as the file `image`")
        return await self._prepared.add(
            image,
            document,
            id=form.texts.get("id", ""),
            name=form.texts.get("name", ""),
            copies=copies,
        )

    async def remove(self, request: web.Request) -> web.Response:
        """Deletes an added avatar and ends the calls in which it is shown; 200 says how many.

        Whoever takes a face back has it taken off the air at once, so a running call is no reason
        to refuse.
        """
        avatar = request.match_info["id"]
        await asyncio.to_thread(self._store.remove, avatar)
        self._prepared.forget(avatar)
        ended = await self._calls.end_calls_of(avatar, REMOVED)
        return web.json_response({"ended_calls": ended})
