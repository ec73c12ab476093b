"""The neural portrait's renderer: implicit keypoints move a portrait, a network draws it.

One call for each picture goes to the device, with 21 keypoints; all that depends on the portrait
alone was bound before. After Guo et al., "LivePortrait", arXiv 2407.03168. One thing is done
otherwise: lips that are parted in the portrait are closed before the stitching network sees the
keypoints, not after.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from engines.errors import UnusablePortrait
from engines.implicit_keypoints import driven
from engines.network_source import NetworkSource
from engines.portrait_networks import PortraitNetworks, portrait_networks
from engines.portraits import usable_face
from engines.renderers.portrait.canvas import Canvas
from engines.renderers.portrait.features import Maker, PortraitFeatures
from engines.renderers.portrait.pose import change
from engines.types import (
    Avatar,
    Backdrop,
    Motion,
    Picture,
    Portrait,
    Rgb,
    Seat,
    Seated,
    Space,
)

_SIZES = (64, 2048)


class PortraitRenderer:
    """Draws `implicit21` motions, and `mesh478` ones by the set's map.

    No state of a session: one instance serves many at once.
    """

    name = "portrait"
    space = Space.IMPLICIT21
    also: tuple[Space, ...] = (Space.MESH478,)

    def __init__(self, networks: PortraitNetworks | None = None) -> None:
        """`networks`: the user's own set on the best backend unless told.

        Opens the networks, so that a server knows at its start what it can do. Raises
        `ModelUnavailable`, `BackendUnavailable`, `EngineError`.
        """
        networks = networks or portrait_networks(NetworkSource())
        self._map = networks.map()
        for artefact in ("motion", "appearance", "lips"):
            networks.open(artefact)
        self._frame = networks.open("frame")
        self._make = Maker(networks)

    @classmethod
    def from_networks(cls, source: NetworkSource) -> PortraitRenderer:
        """With the operator's folder and backend."""
        return cls(portrait_networks(source))

    def seat(self) -> Seat:
        """Room for one session's pictures on the device; raises `DeviceFull`.

        A backend that has no such limit has always room.
        """
        return self._frame.seat() if isinstance(self._frame, Seated) else _Floor()

    def prepare(self, portrait: Portrait, *, id: str, consent: str, size: int = 512) -> Avatar:
        """Lets the networks look at a portrait once, and keeps what they saw on the device.

        Raises `UnusablePortrait`, `DeviceFull`, `DeviceLost`.
        """
        if not _SIZES[0] <= size <= _SIZES[1]:
            raise UnusablePortrait(
                "too_large" if size > _SIZES[1] else "too_small",
                f"avatars are drawn at {_SIZES[0]} to {_SIZES[1]} pixels, not at {size}",
            )
        canvas = Canvas.of(portrait, usable_face(portrait), size)
        return Avatar(id, portrait, self._make.features(canvas, size), self.name, consent)

    def with_backdrop(self, avatar: Avatar, backdrop: Backdrop) -> Avatar:
        """The same person before another background; without a matte nothing can change.

        The first time the appearance network looks again, and a plate is made: as long as a tenth
        of a second, and longer on processors. Then it is known.
        """
        features: PortraitFeatures = avatar.features
        if features.canvas.framed.matte is None or backdrop == features.backdrop:
            return avatar
        return replace(avatar, features=self._make.before(features, backdrop))

    def plate(self, avatar: Avatar) -> Rgb | None:
        """The background that is shown; `None`: no matte. Made anew: a tenth of a second."""
        features: PortraitFeatures = avatar.features
        return features.canvas.plate(features.backdrop, features.paste.size)

    def render(self, avatar: Avatar, motion: Motion) -> Picture:
        """One picture, `(size, size, 3)`; a motion that is not finite or too large is held.

        Raises `DeviceLost`.
        """
        features: PortraitFeatures = avatar.features
        if motion.space is Space.MESH478:
            motion = self._map.translate(motion)
        keypoints = driven(features.source, change(motion, features.face_width)) + features.lips
        (drawn,) = features.frame(keypoints[None].astype(np.float32))
        return Picture(features.paste.over(drawn[0]), motion.pts_ns, motion.captured_ns)


class _Floor:
    """Where there are no seats to be taken."""

    def close(self) -> None:
        """Nothing to give back."""
