"""Scripted parts, quick and without networks, for tests of what stands around them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from engines.errors import UnknownPart
from engines.mark import Mark
from engines.types import (
    Avatar,
    Backdrop,
    BackdropKind,
    Driver,
    Face,
    Motion,
    Picture,
    Portrait,
    Renderer,
    Rgb,
    Sound,
    Space,
    Voice,
)
from live.audit import AuditLog, Event
from live.audit.event import Fact, check_facts
from live.consent.permitted import Permitted
from live.disclosure import Disclosure, Label
from live.errors import NotLogged
from live.provenance.statement import Statements
from live.public_id import to_payload
from live.request import OpenVoice
from live.session import CallSettings, Parts, SessionRequest
from tests import consents


def face(x: float = 0.0, *, pts_ns: int = 0, captured_ns: int = 0) -> Face:
    """A face that is nowhere in particular; `x` tells it from others."""
    return Face(
        landmarks=np.full((478, 3), x, np.float32),
        blendshapes=np.zeros(52, np.float32),
        head=np.eye(4),
        score=1.0,
        pts_ns=pts_ns,
        captured_ns=captured_ns,
    )


class FakeTracker:
    """Finds a face in every picture that is not (almost) black; remembers what it saw."""

    def __init__(self, on_track: Callable[[Picture], None] = lambda picture: None) -> None:
        self.seen: list[Picture] = []
        self.resets = 0
        self.closed = False
        self.threads: set[str] = set()
        self._on_track = on_track

    def track(self, picture: Picture) -> Face | None:
        self.seen.append(picture)
        del self.seen[:-100]
        self.threads.add(threading.current_thread().name)
        self._on_track(picture)
        if picture.rgb.mean() < 8:
            return None
        return face(float(picture.rgb[0, 0, 0]), pts_ns=picture.pts_ns)

    def find(self, picture: Picture) -> Sequence[Face]:
        found = self.track(picture)
        return [found] if found else []

    def reset(self) -> None:
        self.resets += 1

    def close(self) -> None:
        self.closed = True


class FakeDriver:
    """Passes the face's x on as the pose's first number; gives no motion without a face."""

    space = Space.MESH478

    def __init__(self, space: Space = Space.MESH478) -> None:
        self.space = space
        self.calibrations = 0
        self.driven: list[Face | None] = []
        self.heard: list[tuple[Sound, int]] = []
        """With the time of the picture with which it came."""

    def drive(
        self, face: Face | None, sounds: Sequence[Sound] = (), pts_ns: int | None = None
    ) -> Sequence[Motion]:
        self.driven.append(face)
        del self.driven[:-100]
        self.heard += [(sound, pts_ns or 0) for sound in sounds]
        del self.heard[:-1000]
        if face is None:
            return []
        neutral = Motion.neutral(face.pts_ns, face.captured_ns)
        pose = neutral.pose.copy()
        pose[0] = face.landmarks[0, 0]
        return [replace(neutral, pose=pose)]

    def calibrate(self) -> None:
        self.calibrations += 1


class ListeningDriver(FakeDriver):
    """One that listens, looks ahead, and may be lively."""

    def __init__(self, look_ahead_ns: int = 60_000_000) -> None:
        super().__init__()
        self.look_ahead_ns = look_ahead_ns
        self.liveliness = -1.0


class FakeRenderer:
    """Draws a grey square as bright as the avatar's features say, green where so asked."""

    name = "fake"
    space = Space.MESH478

    def __init__(self, size: int = 64) -> None:
        self.size = size

    def prepare(self, portrait: Portrait, *, id: str, consent: str, size: int = 512) -> Avatar:
        return Avatar(id, portrait, 128, made_by="fake", consent=consent)

    def with_backdrop(self, avatar: Avatar, backdrop: Backdrop) -> Avatar:
        return replace(avatar, features=(avatar.features, backdrop))

    def render(self, avatar: Avatar, motion: Motion) -> Picture:
        level, green = avatar.features, False
        if isinstance(level, tuple):
            level, green = level[0], level[1].kind is BackdropKind.GREEN
        rgb = np.full((self.size, self.size, 3), level, np.uint8)
        if green:
            rgb[...] = (0, 255, 0)
        return Picture(rgb, motion.pts_ns, motion.captured_ns)


class EchoParts:
    """Tracker and renderer in one, that show the camera's own picture: for measuring the way.

    The picture bypasses the motion; one per call.
    """

    name = "fake"
    space = Space.MESH478

    def __init__(self) -> None:
        self._picture = Picture(np.zeros((64, 64, 3), np.uint8))

    def track(self, picture: Picture) -> Face | None:
        self._picture = picture
        return face()

    def find(self, picture: Picture) -> Sequence[Face]:
        return []

    def reset(self) -> None:
        pass

    def close(self) -> None:
        pass

    def prepare(self, portrait: Portrait, *, id: str, consent: str, size: int = 512) -> Avatar:
        return Avatar(id, portrait, 128, made_by="fake", consent=consent)

    def with_backdrop(self, avatar: Avatar, backdrop: Backdrop) -> Avatar:
        return avatar

    def render(self, avatar: Avatar, motion: Motion) -> Picture:
        return self._picture.at(motion.pts_ns, motion.captured_ns)


def avatar(id: str = "grey", level: int = 128) -> Avatar:
    """An avatar for `FakeRenderer`."""
    portrait = Portrait(np.full((64, 64, 3), level, np.uint8), faces=())
    return Avatar(id, portrait, level, made_by="fake", consent="synthetic")


def permitted(id: str = "grey", level: int = 128, made_by: str = "fake") -> Permitted:
    """Such an avatar with a consent for everything."""
    return consents.permitted(replace(avatar(id, level), made_by=made_by))


def no_voice(name: str) -> Voice:
    """For calls in which nothing is said."""
    raise UnknownPart(f"no voice is called {name!r}")


class MemoryAudit(AuditLog):
    """An audit log on no disk, which is full when it is told so."""

    def __init__(self) -> None:
        self.told: list[tuple[Event, dict[str, Fact]]] = []
        self.full = False

    def write(self, event: Event, **facts: Fact) -> str:
        check_facts(facts, frozenset())
        if self.full:
            raise NotLogged("the disk is full")
        self.told.append((event, facts))
        return f"{len(self.told):064x}"


MARK_KEY = bytes(range(32))
NO_LABEL = Label(visible=False)


def call_settings(**decided: Any) -> CallSettings:
    """An operator's decisions, as they are by default where nothing is said."""
    label = decided.setdefault("label", Label())
    return CallSettings(
        MARK_KEY, statements=Statements(consents.keys(), "Bühne GmbH", label), **decided
    )


def stamp(label: Label = NO_LABEL, id: str = "0123456789ab") -> Disclosure:
    """The stamp of a call with this public id."""
    return Disclosure(label, Mark(MARK_KEY, to_payload(id)))


def is_all(rgb: Rgb, colour: int | tuple[int, int, int]) -> bool:
    """Whether a picture is of one colour, but for the mark in it."""
    return bool(np.abs(rgb.astype(int) - colour).max() <= 16)


def request(
    tracker: Callable[[], FakeTracker] = FakeTracker,
    renderer: Callable[[], Renderer] = FakeRenderer,
    settings: CallSettings | None = None,
    voice: OpenVoice = no_voice,
    driver: Callable[[str], Driver] = lambda name: FakeDriver(),
) -> SessionRequest:
    """A request for a call with fake parts."""
    return SessionRequest(
        permitted(),
        Parts(tracker, driver, renderer, voice),
        settings or call_settings(),
    )


def echo_request(settings: CallSettings | None = None) -> SessionRequest:
    """A request for a call that shows the camera's own picture, unlabelled."""
    parts = EchoParts()
    return SessionRequest(
        permitted(),
        Parts(lambda: parts, lambda name: FakeDriver(), lambda: parts, no_voice),
        settings or call_settings(label=NO_LABEL),
    )
