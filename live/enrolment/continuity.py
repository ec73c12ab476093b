"""Sights in their order go in; whether they show one living face all along comes out.

A recording that is cut together, a photograph, or a second person who takes over breaks something
here: time, place, size, or how the face looks.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np

from engines.face_geometry import Points
from engines.types import Floats
from live.clock import MILLISECOND, SECOND
from live.enrolment.codes import Fault
from live.enrolment.sight import Bearing, Sight, alike

LONGEST_LOSS_NS: Final = 700 * MILLISECOND
"""Without a face in the pictures."""
LONGEST_GAP_NS: Final = 1 * SECOND
"""Without a picture."""
LEAST_RATE: Final = 3.0
"""Pictures a second, over `_RATE_WINDOW_NS`."""

_RATE_WINDOW_NS = 3 * SECOND
_STILL_WINDOW_NS = 3 * SECOND
_STILL = 0.0012
"""Face widths: a printed face, and the tracker's trembling on it, moves and deforms by less."""
_FAST = 6.0
"""Face widths a second: nobody moves the head so fast."""
_SLACK = 0.25
"""Face widths that are always allowed from one picture to the next: the tracker settles."""
_FAST_TURN = 500.0
"""Degrees a second; the fastest wilful turns are slower."""
_TURN_SLACK = 12.0
_GROWTH = 1.25
"""From one picture to the next, and as much again for every `_GROWTH_NS` between them."""
_GROWTH_NS = 200 * MILLISECOND
_ALIKE_NEXT = 0.55
"""Least correlation of the face's patch in two pictures that follow each other: 0.71 and more in
three clips of talking heads; two in three pairs of made heads are below 0.55."""
_CROWDED = 2
"""Counts of more than one face that are one too many: a single one may be a mistake."""


class Continuity:
    """Watches one attempt from its first good picture on. Not thread-safe."""

    def __init__(self) -> None:
        """Has seen nothing."""
        self._last: Sight | None = None
        """With a face."""
        self._seen_ns: int | None = None
        self._times: deque[int] = deque()
        self._shown: deque[tuple[int, Points]] = deque()
        self._began_ns: int | None = None
        self._crowded = 0

    @property
    def rate(self) -> float:
        """Pictures a second of late."""
        if len(self._times) < 2:
            return 0.0
        return (len(self._times) - 1) * SECOND / max(self._times[-1] - self._times[0], 1)

    def see(self, sight: Sight) -> Fault | None:
        """The next picture."""
        fault = self._time(sight.at_ns) or self._count(sight)
        if fault is None and sight.bearing is None:
            return self._lost(sight.at_ns)
        if fault is None and sight.bearing is not None:
            fault = self._step(sight, sight.bearing) or self._alive(sight.at_ns, sight.bearing)
            self._last = sight
        return fault

    def _time(self, at_ns: int) -> Fault | None:
        before, self._seen_ns = self._seen_ns, at_ns
        if self._began_ns is None:
            self._began_ns = at_ns
        if before is not None and not 0 < at_ns - before <= LONGEST_GAP_NS:
            return Fault.INTERRUPTED
        self._times.append(at_ns)
        while at_ns - self._times[0] > _RATE_WINDOW_NS:
            self._times.popleft()
        settled = at_ns - self._began_ns >= _RATE_WINDOW_NS
        return Fault.FEW_PICTURES if settled and self.rate < LEAST_RATE else None

    def _count(self, sight: Sight) -> Fault | None:
        if sight.crowd is not None:
            self._crowded = self._crowded + 1 if sight.crowd > 1 else 0
        return Fault.TWO_FACES if self._crowded >= _CROWDED else None

    def _lost(self, at_ns: int) -> Fault | None:
        since = self._last.at_ns if self._last is not None else self._began_ns
        lost = since is not None and at_ns - since > LONGEST_LOSS_NS
        return Fault.FACE_LOST if lost else None

    def _step(self, sight: Sight, now: Bearing) -> Fault | None:
        last = self._last
        if last is None or last.bearing is None:
            return None
        before, passed_ns = last.bearing, sight.at_ns - last.at_ns
        if passed_ns > LONGEST_LOSS_NS:
            return Fault.FACE_LOST
        passed_s = passed_ns / SECOND
        growth = (now.width / sight.size[0]) / (before.width / last.size[0])
        if (
            _moved(last, before, sight, now) > _SLACK + _FAST * passed_s
            or abs(now.yaw - before.yaw) > _TURN_SLACK + _FAST_TURN * passed_s
            or max(growth, 1 / growth) > _GROWTH ** (1 + passed_ns / _GROWTH_NS)
        ):
            return Fault.FACE_JUMPED
        if _unlike(last.patch, sight.patch) and abs(now.yaw - before.yaw) < _TURN_SLACK:
            return Fault.FACE_CHANGED
        return None

    def _alive(self, at_ns: int, now: Bearing) -> Fault | None:
        """A face that neither moves nor deforms for seconds is a picture of one."""
        self._shown.append((at_ns, _placed(now)))
        while at_ns - self._shown[0][0] > _STILL_WINDOW_NS:
            self._shown.popleft()
        if at_ns - self._shown[0][0] < 0.9 * _STILL_WINDOW_NS:
            return None
        spread = np.stack([points for _, points in self._shown]).std(axis=0)
        return Fault.STILL_PICTURE if float(spread.mean()) < _STILL else None


def _moved(last: Sight, before: Bearing, sight: Sight, now: Bearing) -> float:
    """How far the face went, in face widths."""
    there = np.array(before.centre) / last.size
    here = np.array(now.centre) / sight.size
    return float(np.linalg.norm((here - there) * sight.size) / now.width)


def _unlike(before: Floats | None, now: Floats | None) -> bool:
    return before is not None and now is not None and alike(before, now) < _ALIKE_NEXT


def _placed(now: Bearing) -> Points:
    """The face's points in the picture, in face widths."""
    return now.outline + np.array(now.centre) / now.width


def parallax(front: Bearing, turned: Bearing) -> float:
    """How far a turned face is from any flat one, in face widths.

    A photograph that is turned moves as a plane does (an affine map, but for its perspective); on
    a head the nose goes further than the temples. Root mean square of what an affine map of the
    rigid landmarks leaves.
    """
    ones = np.ones((len(front.outline), 1))
    flat = np.hstack([front.outline, ones])
    mapped, *_ = np.linalg.lstsq(flat, turned.outline, rcond=None)
    return float(np.sqrt(np.square(turned.outline - flat @ mapped).sum(axis=1).mean()))


def narrowing(front: Bearing, turned: Bearing) -> float:
    """How much of its width against its height a turned face still shows.

    A head that is turned by 20° shows all but some hundredths; a photograph has to be turned by 60°
    before a tracker takes it for a head that is turned by so much, and then shows half.
    """
    extents = [np.ptp(face.outline, axis=0) for face in (front, turned)]
    before, now = (float(width / height) for width, height in extents)
    return now / before
