"""A stranger's renderer: everything an outside package needs to write."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from engines.types import Avatar, Backdrop, Motion, Picture, Portrait, Space


class MirrorRenderer:
    """Shows the portrait mirrored and still."""

    name = "mirror"
    space = Space.MESH478

    def prepare(self, portrait: Portrait, *, id: str, consent: str, size: int = 512) -> Avatar:
        """Keeps the portrait's top left square."""
        return Avatar(id, portrait, portrait.rgb[:size, :size], self.name, consent)

    def with_backdrop(self, avatar: Avatar, backdrop: Backdrop) -> Avatar:
        """A mirror has one background."""
        return replace(avatar)

    def render(self, avatar: Avatar, motion: Motion) -> Picture:
        """The portrait, mirrored."""
        flipped = np.ascontiguousarray(avatar.features[:, ::-1])
        return Picture(flipped, motion.pts_ns, motion.captured_ns)
