"""`/consents`: records of who agreed to what, granted by the operator, shown and revoked."""

from __future__ import annotations

import asyncio
from hashlib import sha256
from typing import Any

from aiohttp import web

from engines import portraits
from live.allowance import AtOnce
from live.bodies import Form, read_form
from live.consent.authority import Consents
from live.consent.granting import Granted, Wish
from live.consent.record import (
    ID_PATTERN,
    REVOCATION_REASON_LIMIT,
    Basis,
    Evidence,
    Mode,
    Purpose,
    choice,
    choices,
)
from live.consent.verdict import examined
from live.errors import BadRequest

IMAGE_LIMIT = 20 << 20
UPLOADS_AT_ONCE = 2
"""Each may hold as much as `IMAGE_LIMIT` in memory, and twice that of pixels."""
_ONE = f"/consents/{{id:{ID_PATTERN}}}"
_FILES = frozenset(["image", "document"])
_FIELDS = ("image", "document", "subject", "basis", "statement", "purposes", "modes", "days")


class ConsentRoutes:
    """Answers for what has an address below `/consents`; there is no list of who agreed."""

    def __init__(self, consents: Consents) -> None:
        """All that touches files runs on threads."""
        self._consents = consents
        self._uploads = AtOnce(UPLOADS_AT_ONCE, "grants")

    def table(self) -> list[web.RouteDef]:
        """The routes."""
        return [
            web.post("/consents", self.grant),
            web.get(_ONE, self.show),
            web.delete(_ONE, self.revoke),
        ]

    async def grant(self, request: web.Request) -> web.Response:
        """Takes a portrait and what was agreed to; 201 with the signed record."""
        with self._uploads.one():
            form = await read_form(request, files=_FILES, limit=IMAGE_LIMIT)
            made = await asyncio.to_thread(self._grant, form)
        headers = {"Location": f"/consents/{made.record.id}"}
        return web.json_response(_plain(made), status=201, headers=headers)

    async def show(self, request: web.Request) -> web.Response:
        """One record, and whether it holds now."""
        return web.json_response(await asyncio.to_thread(self._shown, request.match_info["id"]))

    async def revoke(self, request: web.Request) -> web.Response:
        """Takes a record back; what is shown by it ends within seconds."""
        consent, reason = request.match_info["id"], request.query.get("reason", "")
        if len(reason) > REVOCATION_REASON_LIMIT or not reason.isprintable():
            raise BadRequest(f"a reason has at most {REVOCATION_REASON_LIMIT} printable characters")
        await asyncio.to_thread(self._consents.revoke, consent, " ".join(reason.split()))
        return web.json_response({"revoked": consent})

    def _grant(self, form: Form) -> Granted:
        unknown = [name for name in (*form.texts, *form.files) if name not in _FIELDS]
        if unknown:
            raise BadRequest(
                f"the form has a field that is not known; known are {', '.join(_FIELDS)}"
            )
        image = form.files.get("image")
        if not image:
            raise BadRequest("the form has no picture; send it as the file `image`")
        texts = form.texts
        wish = Wish(
            texts.get("statement", ""),
            texts.get("subject", "").strip(),
            choices(_words(texts.get("purposes", "call,render")), "purposes", Purpose),
            choices(_words(texts.get("modes", "face,speech")), "modes", Mode),
            _number(texts.get("days")),
        )
        basis = choice(texts.get("basis"), "basis", Basis)
        document = form.files.get("document")
        evidence: Evidence = {"document_sha256": sha256(document).hexdigest()} if document else {}
        return self._consents.grant(portraits.decode(image), wish, basis, evidence)

    def _shown(self, id: str) -> dict[str, Any]:
        known = self._consents.granted(id)
        verdict = examined(self._consents, known.document)
        return _plain(known) | {
            "standing": verdict.standing.value,
            "message": verdict.message,
        }


def _plain(granted: Granted) -> dict[str, Any]:
    return {
        "id": granted.record.id,
        "record": granted.document,
        "claims": granted.record.claims(),
    }


def _words(text: str) -> list[str]:
    return text.replace(",", " ").split()


def _number(text: str | None) -> int | None:
    if text is None or not text.strip():
        return None
    if not text.strip().isdecimal() or len(text) > 6:
        raise BadRequest("`days` is a whole number")
    return int(text)
