"""Image files and catalogue entries go in; portraits and avatars ready to be shown come out.

Everything here takes long and blocks. The server does it on the thread of `live.prepared`, the
command line where it stands.
"""

from __future__ import annotations

from collections.abc import Callable

from engines.types import Avatar, Picture, Portrait, Renderer, Tracker
from live.avatars import AvatarStore, Entry, check_id, check_name, read_matte, read_picture
from live.consent import Statement

_TRIAL_SIZE = 256


class Workshop:
    """The parts that make avatars. Used by one thread at a time."""

    def __init__(
        self,
        tracker: Tracker,
        renderer: Renderer,
        read: Callable[[bytes], Portrait],
        *,
        others: Callable[[str], Renderer] | None = None,
    ) -> None:
        """`read` makes a portrait of an image file's bytes; raises `UnusablePortrait`.

        `others`: renderers that avatars may be made by, by name; `None`: `renderer` alone.
        """
        self._tracker = tracker
        self._renderer = renderer
        self._read = read
        self._others = others

    def prepare(self, entry: Entry, size: int, by: str = "") -> Avatar:
        """As the function `prepare`; `by`: a renderer's name, empty for the workshop's own."""
        own = self._others is None or by in ("", self._renderer.name)
        renderer = self._renderer if own or self._others is None else self._others(by)
        return prepare(entry, self._tracker, renderer, size)

    def add(
        self,
        store: AvatarStore,
        image: bytes,
        statement: Statement,
        *,
        id: str = "",
        name: str = "",
    ) -> Entry:
        """Keeps an image file, once it is sure that an avatar can be made of it.

        Raises `UnusablePortrait`, `Conflict`, `BadRequest`.
        """
        if id:
            store.check_free(check_id(id))
        check_name(name)
        portrait = self._read(image)
        # Prepared only to learn whether it can be: the renderer has the last word on a portrait.
        self._renderer.prepare(portrait, id=id or "new", consent=statement.id, size=_TRIAL_SIZE)
        return store.add(portrait, statement, id=id, name=name)

    def close(self) -> None:
        """Frees the tracker's networks."""
        self._tracker.close()


def prepare(entry: Entry, tracker: Tracker, renderer: Renderer, size: int) -> Avatar:
    """An avatar for pictures of `size` × `size`; raises `UnusablePortrait`, `NotFound`."""
    rgb = read_picture(entry.portrait)
    matte = read_matte(entry.matte) if entry.matte else None
    portrait = Portrait(rgb, tuple(tracker.find(Picture(rgb))), matte)
    return renderer.prepare(portrait, id=entry.id, consent=entry.statement.id, size=size)
