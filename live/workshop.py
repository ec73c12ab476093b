"""Image files and catalogue entries go in; portraits and avatars ready to be shown come out.

Everything here takes long and blocks. The server does it on the thread of `live.prepared`, the
command line where it stands.
"""

from __future__ import annotations

from collections.abc import Callable

from engines.types import Avatar, Picture, Portrait, Renderer, Tracker
from live.avatars import AvatarStore, Entry, Opened, check_id, check_name

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

    def prepare(self, opened: Opened, size: int, by: str = "") -> Avatar:
        """As the function `prepare`; `by`: a renderer's name, empty for the workshop's own."""
        own = self._others is None or by in ("", self._renderer.name)
        renderer = self._renderer if own or self._others is None else self._others(by)
        return prepare(opened, self._tracker, renderer, size)

    def add(
        self,
        store: AvatarStore,
        image: bytes,
        document: str,
        *,
        id: str = "",
        name: str = "",
        copies: bool = False,
    ) -> Entry:
        """Keeps an image file with the signed consent for it, once an avatar can be made of it.

        `copies`: as `AvatarStore.add`. Raises `NoConsent`, `UnusablePortrait`, `Conflict`,
        `BadRequest`.
        """
        store.check_document(document)  # before anything is done with a face
        if id:
            store.check_free(check_id(id))
        check_name(name)
        portrait = self._read(image)
        # Prepared only to learn whether it can be: the renderer has the last word on a portrait.
        self._renderer.prepare(portrait, id=id or "new", consent="", size=_TRIAL_SIZE)
        return store.add(portrait, document, id=id, name=name, copies=copies)

    def close(self) -> None:
        """Frees the tracker's networks."""
        self._tracker.close()


def prepare(opened: Opened, tracker: Tracker, renderer: Renderer, size: int) -> Avatar:
    """An avatar for pictures of `size` × `size`; raises `UnusablePortrait`."""
    rgb = opened.contents.rgb()
    portrait = Portrait(rgb, tuple(tracker.find(Picture(rgb))), opened.contents.coverage())
    consent = opened.permit.record.id
    return renderer.prepare(portrait, id=opened.entry.id, consent=consent, size=size)
