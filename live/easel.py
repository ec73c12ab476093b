"""Motions go in, pictures come out: the renderer at work, and the one that takes its place.

What it draws is square; where a wide picture is asked for, it is laid out on a canvas.

A renderer may live on a device that can go away in the middle of a call. Then, or where it fails
again and again, another one that needs no device draws the same avatar from the same picture on.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from engines.errors import DeviceLost
from engines.registry import understands
from engines.types import (
    Avatar,
    Backdrop,
    BackdropKind,
    Backed,
    Driver,
    Motion,
    Picture,
    Renderer,
    Seat,
    Seated,
)
from live.canvas import Canvas
from live.consent.permitted import Permitted
from live.errors import Unprocessable
from live.planes import Planes
from live.shape import Shape

logger = logging.getLogger(__name__)

_MOST_FAILURES = 3
"""Pictures in a row that may fail to be drawn; a tenth of a second."""


class Fall(StrEnum):
    """Why another renderer has taken over."""

    DEVICE_LOST = "device_lost"
    RENDER_FAILED = "render_failed"


@dataclass(frozen=True, slots=True)
class Reserve:
    """What draws where the first renderer cannot."""

    renderer: Renderer
    avatar: Permitted
    """The same, made by this renderer."""
    driver: Callable[[], Driver]
    """Makes one that this renderer understands."""

    def __post_init__(self) -> None:
        """Raises as `Easel` for an avatar that it would not take."""
        _check_avatar(self.avatar, self.renderer)


@dataclass(frozen=True, slots=True)
class _Shown:
    """What is drawn."""

    avatar: Avatar
    """As it was opened."""
    before: Avatar
    """The same before the background that is asked for."""
    canvas: Canvas | None
    """`None`: the picture stays square."""

    @classmethod
    def of(cls, renderer: Renderer, avatar: Avatar, backdrop: Backdrop, shape: Shape) -> _Shown:
        """Takes as long as the renderer's `with_backdrop`, and the canvas."""
        before = avatar
        if backdrop.kind is not BackdropKind.KEEP:
            before = renderer.with_backdrop(avatar, backdrop)
        if shape is Shape.SQUARE:
            return cls(avatar, before, None)
        plate = renderer.plate(before) if isinstance(renderer, Backed) else None
        if plate is None:
            plate = renderer.render(before, Motion.neutral()).rgb
        return cls(avatar, before, Canvas(plate, shape.width(len(plate))))


class Easel:
    """One call's renderer and avatar. One thread draws; `ask` and `keep` may be any other's."""

    def __init__(
        self,
        renderer: Renderer,
        avatar: Permitted,
        on_fall: Callable[[Fall], None],
        shape: Shape = Shape.SQUARE,
    ) -> None:
        """Takes a seat where the renderer has seats; `on_fall` is called on the drawing thread.

        Raises `Unprocessable` where another renderer made the avatar, `DeviceFull`, and `TypeError`
        for an avatar without a permit.
        """
        _check_avatar(avatar, renderer)
        self.renderer = renderer
        """That draws now."""
        self.fallen: Fall | None = None
        self.reserve_comes = False
        """Whether a reserve is being made: until then, a lost device is no reason to give up."""
        self._on_fall = on_fall
        self._shape = shape
        self._wanted = avatar.avatar
        self._backdrop = Backdrop()
        self._shown = self._ready()
        self._asked: _Shown | None = None
        self._seat: Seat | None = renderer.seat() if isinstance(renderer, Seated) else None
        self._reserve: Reserve | None = None
        self._failures = 0
        self._lock = threading.Lock()

    @property
    def avatar(self) -> Avatar:
        """That is shown, before its own background."""
        return self._shown.avatar

    def ask(self, avatar: Permitted | None = None, backdrop: Backdrop | None = None) -> None:
        """Another avatar, another background, or both, from the next picture on.

        Takes as long as the renderer's `with_backdrop`, and the canvas. Raises `Unprocessable`
        where another renderer made the avatar, `TypeError` for one without a permit.
        """
        if avatar is not None:
            _check_avatar(avatar, self.renderer)
        with self._lock:
            if avatar is not None:
                self._wanted = avatar.avatar
                if self._reserve is not None and not self._fits(self._reserve):
                    self._reserve, self.reserve_comes = None, self.fallen is None
            self._backdrop = backdrop or self._backdrop
            self._asked = self._ready()

    def keep(self, reserve: Reserve | None) -> None:
        """Has a reserve at hand; `None`: there is none to be had.

        One of another avatar than is wanted comes too late: whatever is said of that one, its
        consent counts for this call no more.
        """
        with self._lock:
            if reserve is None or self._fits(reserve):
                self._reserve = reserve
                self.reserve_comes = False

    def turn(self) -> None:
        """Takes what was asked for; called before a picture."""
        if self._asked is not None:
            with self._lock:
                asked, self._asked = self._asked, None
            if asked is not None and asked.avatar.made_by == self.renderer.name:
                self._shown = asked

    def draw(self, motion: Motion) -> Picture | Planes:
        """One picture, in planes of its own where it is wide; raises what the renderer raises."""
        shown = self._shown
        picture = self.renderer.render(shown.before, motion)
        self._failures = 0
        return picture if shown.canvas is None else shown.canvas.planes(picture)

    def fall(self, error: Exception) -> Reserve | None:
        """What takes over after this error, and has done so; `None`: nothing, for now."""
        lost = isinstance(error, DeviceLost)
        self._failures += 1
        reserve = self._reserve
        if reserve is None or self.fallen or not (lost or self._failures >= _MOST_FAILURES):
            return None
        with self._lock:
            before, self.renderer = self.renderer, reserve.renderer
            self._wanted = reserve.avatar.avatar
            self._asked = None
            self._shown = self._ready()
            self.fallen = Fall.DEVICE_LOST if lost else Fall.RENDER_FAILED
        self.close()
        logger.warning(
            "the renderer %s was lost (%s, %s); the call goes on with %s",
            before.name,
            self.fallen,
            type(error).__name__,
            self.renderer.name,
        )
        self._on_fall(self.fallen)
        return reserve

    def _ready(self) -> _Shown:
        return _Shown.of(self.renderer, self._wanted, self._backdrop, self._shape)

    def _fits(self, reserve: Reserve) -> bool:
        return reserve.avatar.id == self._wanted.id

    def close(self) -> None:
        """Gives the seat back."""
        if self._seat is not None:
            self._seat.close()
            self._seat = None


def misunderstood(driver: Driver, reserve: Reserve) -> bool:
    """Whether a driver has to be exchanged for this reserve."""
    return not understands(reserve.renderer, driver)


def _check_avatar(permitted: Permitted, renderer: Renderer) -> None:
    if not isinstance(permitted, Permitted):
        raise TypeError("an avatar is drawn together with the permit to show it, or not at all")
    made_by = permitted.avatar.made_by
    if made_by != renderer.name:
        raise Unprocessable(
            f"this avatar was made by the renderer {made_by!r}, the call draws with"
            f" {renderer.name!r}; add the avatar again with that renderer"
        )
