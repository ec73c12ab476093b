"""Picture and sound in, stamped picture out: the order of the rooms, written once.

camera ─► track ─► drive ─► render ─► stamp ─► Stamped
sound  ────────────►┘

A pipeline is plain synchronous code on values, run by one thread: its session's worker in a call,
the caller's own when rendering offline. It cannot be built without a stamp, so nothing that it
yields is unmarked, and it takes no avatar without the permit to show it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from time import perf_counter_ns
from typing import TypeVar

from engines.errors import DeviceLost
from engines.registry import check_spaces, understands
from engines.types import (
    Avatar,
    Backdrop,
    Driver,
    Face,
    Listening,
    Lively,
    Motion,
    Picture,
    Renderer,
    Sound,
    Tracker,
)
from live.clock import MILLISECOND, SECOND
from live.consent.permitted import Permitted
from live.disclosure import Stamp, Stamped
from live.easel import Easel, Fall, misunderstood
from live.measures import Durations
from live.planes import Planes
from live.shape import Shape

ROOMS = ("track", "drive", "render", "stamp")

_LOST_AFTER_NS = 300 * MILLISECOND  # shorter gaps are blinks of the detector, not news
_IDLE_AFTER_NS = 3 * SECOND

T = TypeVar("T")


class FaceState(StrEnum):
    """What the pipeline sees, in the words of the data channel's `state` message."""

    TRACKING = "tracking"
    LOST_FACE = "lost_face"
    IDLE = "idle"


@dataclass(slots=True)
class _Requests:
    """What the next frame is to begin with; `None` leaves a thing as it is."""

    driver: Driver | None = None
    mirror: bool | None = None
    liveliness: float | None = None
    calibrate: bool = False


class Pipeline:
    """Tracker, driver, renderer and stamp in a row; owns the tracker and the driver.

    Called by one thread. `request`, `calibrate`, `state` and `times` may be used from any other.
    """

    def __init__(
        self,
        tracker: Tracker,
        driver: Driver,
        renderer: Renderer,
        avatar: Permitted,
        stamp: Stamp,
        *,
        shape: Shape = Shape.SQUARE,
        liveliness: float | None = None,
        on_fall: Callable[[Fall], None] = lambda fall: None,
    ) -> None:
        """Raises `SpaceMismatch`, `DeviceFull`, `Unprocessable` where another renderer made the
        avatar, and `TypeError` for one without a permit.

        `shape`: of what comes out. `liveliness`: of drivers that are `Lively`; `None`: as they
        come. `on_fall` is called on the pipeline's thread where another renderer takes over.
        """
        check_spaces(driver, renderer)
        self.easel = Easel(renderer, avatar, on_fall, shape)
        self._tracker = tracker
        self._driver = driver
        self._stamp = stamp
        self._mirror = False
        self._liveliness = liveliness
        self._enliven()
        self._requests = _Requests()
        self._lock = threading.Lock()
        self._last_ns: int | None = None
        self._seen_ns: int | None = None
        self._since_ns: int | None = None
        self.times: Mapping[str, Durations] = {room: Durations() for room in ROOMS}
        self.state = FaceState.LOST_FACE
        self.face: Face | None = None
        """The face found in the last picture."""
        self.motion = Motion.neutral()
        """The motion last drawn."""

    @property
    def avatar(self) -> Avatar:
        """The avatar on show, before its own background."""
        return self.easel.avatar

    @property
    def listens(self) -> bool:
        """Whether the driver at work makes use of sound."""
        return isinstance(self._driver, Listening)

    @property
    def look_ahead_ns(self) -> int:
        """How far sound has to reach beyond a picture's time for the driver at work."""
        driver = self._driver
        return driver.look_ahead_ns if isinstance(driver, Listening) else 0

    def __call__(self, picture: Picture, sounds: Sequence[Sound] = ()) -> Stamped:
        """One camera picture's way through all rooms; `sounds` are what came to be heard."""
        self._apply_requests()
        picture = (picture.mirrored() if self._mirror else picture).at(
            self._forward(picture.pts_ns)
        )
        self.face = self._timed("track", lambda: self._tracker.track(picture))
        self._note(self.face is not None, picture.pts_ns)
        return self._finish(self.face, sounds, picture.pts_ns, picture.captured_ns)

    def without_camera(self, pts_ns: int, sounds: Sequence[Sound] = ()) -> Stamped:
        """The next frame while no camera picture comes: after a moment, as after a lost face."""
        self._apply_requests()
        pts_ns = self._forward(pts_ns)
        self._note(False, pts_ns)
        lost = self._seen_ns is None or pts_ns - self._seen_ns >= _LOST_AFTER_NS
        if lost or self.face is None:
            self.face = None
        else:  # between the pictures of a slow camera
            self.face = replace(self.face, pts_ns=pts_ns)
        return self._finish(self.face, sounds, pts_ns, pts_ns)

    def request(
        self,
        *,
        avatar: Permitted | None = None,
        driver: Driver | None = None,
        backdrop: Backdrop | None = None,
        mirror: bool | None = None,
        liveliness: float | None = None,
    ) -> None:
        """Exchanges parts of a running call from its next frame on; raises as the constructor.

        May take some time where another background is asked for.
        """
        if driver is not None:
            check_spaces(driver, self.easel.renderer)
        if avatar is not None or backdrop is not None:
            self.easel.ask(avatar, backdrop)
        with self._lock:
            new = {
                "driver": driver,
                "mirror": mirror,
                "liveliness": liveliness,
            }
            for name, value in new.items():
                if value is not None:
                    setattr(self._requests, name, value)

    def calibrate(self) -> None:
        """Lets the driver take the neutral face anew from the next frame on."""
        with self._lock:
            self._requests.calibrate = True

    def close(self) -> None:
        """Frees the tracker's networks and the renderer's seat.

        The thread that calls the pipeline calls this too.
        """
        self._tracker.close()
        self.easel.close()

    def _finish(
        self, face: Face | None, sounds: Sequence[Sound], pts_ns: int, captured_ns: int
    ) -> Stamped:
        motions = self._timed("drive", lambda: self._drive(face, sounds, pts_ns))
        # The times are the camera picture's whatever the driver made of them: a held motion is
        # shown now, and latency is counted from the camera.
        last = motions[-1] if motions else self.motion
        self.motion = replace(last, pts_ns=pts_ns, captured_ns=captured_ns)
        drawn = self._timed("render", self._draw)
        drawn = drawn.at(pts_ns, captured_ns)
        return self._timed("stamp", lambda: self._stamp(drawn))

    def _drive(self, face: Face | None, sounds: Sequence[Sound], pts_ns: int) -> Sequence[Motion]:
        try:
            return self._driver.drive(face, sounds, pts_ns)
        except DeviceLost as error:
            if not self._fall(error):
                raise
        return self._driver.drive(face, sounds, pts_ns)

    def _draw(self) -> Picture | Planes:
        try:
            return self.easel.draw(self.motion)
        except Exception as error:
            if not self._fall(error):
                raise
        return self.easel.draw(self.motion)

    def _fall(self, error: Exception) -> bool:
        """Goes on with the reserve; says whether there is one."""
        reserve = self.easel.fall(error)
        if reserve is None:
            return False
        if misunderstood(self._driver, reserve):
            self._driver = reserve.driver()
            self._enliven()
            self.motion = Motion.neutral(self.motion.pts_ns, self.motion.captured_ns)
        return True

    def _forward(self, pts_ns: int) -> int:
        """A time later than that of the frame before: filters divide by the difference."""
        if self._last_ns is not None:
            pts_ns = max(pts_ns, self._last_ns + MILLISECOND)
        self._last_ns = pts_ns
        return pts_ns

    def _timed(self, room: str, work: Callable[[], T]) -> T:
        start = perf_counter_ns()
        done = work()
        self.times[room].add(perf_counter_ns() - start)
        return done

    def _note(self, seen: bool, pts_ns: int) -> None:
        """Keeps `state`: short gaps in tracking are none, long ones are idleness."""
        if self._since_ns is None:
            self._since_ns = pts_ns
        if seen:
            self._seen_ns = pts_ns
            self.state = FaceState.TRACKING
            return
        last = self._seen_ns if self._seen_ns is not None else self._since_ns
        if pts_ns - last >= _IDLE_AFTER_NS:
            self.state = FaceState.IDLE
        elif pts_ns - last >= _LOST_AFTER_NS:
            self.state = FaceState.LOST_FACE

    def _apply_requests(self) -> None:
        with self._lock:
            wanted, self._requests = self._requests, _Requests()
        if wanted.driver is not None and understands(self.easel.renderer, wanted.driver):
            self._driver = wanted.driver
        if wanted.liveliness is not None:
            self._liveliness = wanted.liveliness
        if wanted.driver is not None or wanted.liveliness is not None:
            self._enliven()
        if wanted.mirror is not None and wanted.mirror is not self._mirror:
            self._mirror = wanted.mirror
            # the face has jumped to the other side, and its neutral place with it
            self._tracker.reset()
            self._driver.calibrate()
        self.easel.turn()
        if wanted.calibrate:
            self._driver.calibrate()

    def _enliven(self) -> None:
        if self._liveliness is not None and isinstance(self._driver, Lively):
            self._driver.liveliness = self._liveliness
