"""`/avatars`: the catalogue, the portraits, adding and removing."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from live.avatars import ID_PATTERN, AvatarStore, Entry, portrait_png
from live.prepared import PreparedAvatars


def described(entry: Entry) -> dict[str, Any]:
    """What the catalogue says of one avatar."""
    return {
        "id": entry.id,
        "name": entry.name,
        "description": entry.description,
        "built_in": entry.built_in,
        "whose": entry.statement.whose.value,
        "statement": entry.statement.text,
        "portrait": f"/avatars/{entry.id}/portrait.png",
    }


class AvatarRoutes:
    """Answers for what has an address below `/avatars`."""

    def __init__(self, store: AvatarStore, prepared: PreparedAvatars) -> None:
        """The store's methods block: they run on the thread of `prepared`."""
        self._store = store
        self._prepared = prepared

    def table(self) -> list[web.RouteDef]:
        """The routes."""
        return [
            web.get("/avatars", self.list),
            web.get(f"/avatars/{{id:{ID_PATTERN}}}", self.show),
            web.get(f"/avatars/{{id:{ID_PATTERN}}}/portrait.png", self.portrait),
        ]

    async def list(self, request: web.Request) -> web.Response:
        """Every avatar that a call can show."""
        entries = await self._prepared.run(self._store.entries)
        return web.json_response({"avatars": [described(entry) for entry in entries]})

    async def show(self, request: web.Request) -> web.Response:
        """One avatar."""
        entry = await self._prepared.run(self._store.entry, request.match_info["id"])
        return web.json_response(described(entry))

    async def portrait(self, request: web.Request) -> web.Response:
        """Its portrait, for people to choose by."""
        entry = await self._prepared.run(self._store.entry, request.match_info["id"])
        status = entry.portrait.stat()
        etag = f"{status.st_mtime_ns:x}-{status.st_size:x}"
        headers = {"ETag": f'"{etag}"', "Cache-Control": "no-cache"}
        if any(known.value in (etag, "*") for known in request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
        png = await self._prepared.run(portrait_png, entry)
        return web.Response(body=png, content_type="image/png", headers=headers)
