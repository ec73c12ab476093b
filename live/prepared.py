"""Avatar ids go in, avatars made ready by the renderer come out; the last few are kept.

All that takes long with portraits (decoding, finding the face, preparing) runs on one thread of its
own, so that it neither holds up the event loop nor takes both cores from running calls.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from functools import cache
from typing import ParamSpec, TypeVar

from engines.types import Avatar
from live.avatars import AvatarStore, Entry, Opened
from live.consent.permitted import Permitted
from live.errors import (
    ChangedAvatar,
    ModelUnavailable,
    NoConsent,
    NotFound,
    TooManyRequests,
    VisavisError,
)
from live.one_thread import OneThread
from live.workshop import Workshop

KEPT = 8
"""Prepared avatars in memory; each is a few megabytes."""
WAITING = 16
"""Jobs that may wait for the thread."""
LOADING = "the server is still loading its models; try again in a few seconds"

_Key = tuple[str, str, int, str]
"""Id, version of the files, size, renderer."""

P = ParamSpec("P")
T = TypeVar("T")


class PreparedAvatars:
    """The avatars that calls can show. Belongs to the event loop; the work is done beside it."""

    def __init__(self, store: AvatarStore, furnish: Callable[[], Workshop]) -> None:
        """`furnish` loads the parts; it is called once, on the thread, before they are needed."""
        self._store = store
        self._workshop = cache(furnish)
        self.trouble = ""
        """Why the parts could not be loaded when it was last tried."""
        self._kept: OrderedDict[_Key, Avatar] = OrderedDict()
        self._coming: dict[_Key, asyncio.Task[Avatar]] = {}
        self._jobs = 0
        self._thread = OneThread("portraits")

    async def warm(self) -> None:
        """Loads the parts, so that the first call need not wait for them.

        Raises `ModelUnavailable`, `UnknownPart`; what it was is kept in `trouble`.
        """
        try:
            await self._run(self._workshop)
        except VisavisError as error:
            self.trouble = str(error)
            raise
        self.trouble = ""

    @property
    def is_warm(self) -> bool:
        """Whether the parts are loaded."""
        return self._workshop.cache_info().currsize > 0

    def check_warm(self) -> None:
        """Raises `ModelUnavailable` until the parts are loaded, which says what is wrong."""
        if not self.is_warm:
            raise ModelUnavailable(self.trouble or LOADING)

    async def open(self, id: str, size: int, by: str = "") -> Permitted:
        """The avatar, ready for pictures of `size` × `size`, with the permit to show it.

        `by`: the name of the renderer that makes it; empty: the workshop's own. Raises `NotFound`,
        `NoConsent`, `ChangedAvatar`, `UnusablePortrait`, `NotLogged`. Files and consent are checked
        each time. Whoever asks for an avatar that is being prepared waits for that one.
        """
        try:
            found = await asyncio.to_thread(self._store.opened, id)
        except (NoConsent, NotFound, ChangedAvatar):
            self.forget(id)
            raise
        avatar = await self._prepared(found, size, by)
        return await asyncio.to_thread(Permitted, avatar, found.permit)

    async def _prepared(self, found: Opened, size: int, by: str) -> Avatar:
        key = (found.entry.id, found.contents.version, size, by)
        self._forget(lambda known: known[0] == key[0] and known[1] != key[1])
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        if key not in self._coming:
            task = asyncio.create_task(self._run(self._prepare, found, size, by))
            self._coming[key] = task
            task.add_done_callback(lambda done: self._keep(key, done))
        return await asyncio.shield(self._coming[key])

    async def add(
        self, image: bytes, document: str, *, id: str = "", name: str = "", copies: bool = False
    ) -> Entry:
        """Keeps an image file with the signed consent for it, once an avatar can be made of it.

        `copies`: as `AvatarStore.add`. Raises `NoConsent`, `UnusablePortrait`, `Conflict`,
        `BadRequest`, `NotLogged`.
        """
        return await self._run(self._add, image, document, id, name, copies)

    def forget(self, id: str) -> None:
        """Drops what was prepared of an avatar that is gone."""
        self._forget(lambda known: known[0] == id)

    def _forget(self, is_gone: Callable[[_Key], bool]) -> None:
        for known in (self._kept, self._coming):
            for key in [key for key in known if is_gone(key)]:
                del known[key]

    async def _run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs a function on the thread for portraits; raises `TooManyRequests`."""
        if self._jobs >= WAITING:
            raise TooManyRequests("the server is busy with other portraits; try again soon")
        self._jobs += 1
        try:
            job = self._thread.submit(lambda: function(*args, **kwargs))
            return await asyncio.wrap_future(job)
        finally:
            self._jobs -= 1

    def close(self) -> None:
        """Lets the thread end."""
        self._thread.close()

    def _keep(self, key: _Key, task: asyncio.Task[Avatar]) -> None:
        # The exception is fetched in any case: nobody may have stayed to wait for it.
        failed = task.cancelled() or task.exception() is not None
        if self._coming.get(key) is not task:  # forgotten in the meantime
            return
        del self._coming[key]
        if not failed:
            self._kept[key] = task.result()
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)

    def _prepare(self, found: Opened, size: int, by: str) -> Avatar:
        avatar = self._workshop().prepare(found, size, by)
        self._store.note_loaded(found)
        return avatar

    def _add(self, image: bytes, document: str, id: str, name: str, copies: bool) -> Entry:
        workshop = self._workshop()
        return workshop.add(self._store, image, document, id=id, name=name, copies=copies)
