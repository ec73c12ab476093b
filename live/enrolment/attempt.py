"""Pictures and sound of one attempt go in; what to ask next, and at last the verdict, come out.

Everything here takes long (some 20 ms a picture) and runs on one thread at a time.
"""

from __future__ import annotations

from typing import Final

from engines.face_geometry import Points
from engines.types import Floats, Picture, Rgb, Tracker
from live.clock import MILLISECOND
from live.enrolment import likeness, sight, verdict
from live.enrolment.challenge import Challenge
from live.enrolment.codes import Fault
from live.enrolment.hearing import Hearing
from live.enrolment.moment import BestMoment
from live.enrolment.sight import Sight
from live.enrolment.verdict import Verdict
from live.enrolment.witness import Progress, Witness

COUNT_EVERY_NS: Final = 600 * MILLISECOND
"""How often other faces are looked for."""

_ALIKE = 0.75
"""Least correlation of a portrait's patch with that at rest; a face's own is above that."""


class Attempt:
    """One person before one camera, with one challenge. Not thread-safe."""

    def __init__(
        self, challenge: Challenge, tracker: Tracker, hearing: Hearing | None, sent: Points | None
    ) -> None:
        """`hearing`: `None` where there is no microphone; `sent`: the face of a portrait that was
        sent, as `sight.Bearing.shape`; `None`: the portrait is taken here. Closes the tracker.
        """
        self.challenge = challenge
        self._tracker, self._hearing, self._sent = tracker, hearing, sent
        self._witness = Witness(challenge, hearing)
        self._moment = BestMoment()
        self._counted_ns = 0

    @property
    def portrait(self) -> Rgb | None:
        """The best picture for a portrait so far."""
        return self._moment.rgb

    def hear(self, samples: Floats, at_ns: int) -> None:
        """`(n,)` samples at 16 kHz, the last of which was there at `at_ns`."""
        if self._hearing is not None:
            self._hearing.hear(samples, at_ns)

    def see(self, rgb: Rgb, at_ns: int) -> Progress:
        """The next picture."""
        picture = Picture(rgb, at_ns, at_ns)
        face = self._tracker.track(picture)
        among = None
        if at_ns - self._counted_ns >= COUNT_EVERY_NS:
            among, self._counted_ns = self._tracker.find(picture), at_ns
        seen = sight.look(rgb, face, at_ns, among)
        unsettled = self._witness.rest is None
        progress = self._witness.see(seen)
        if unsettled and progress.hint is not None:
            self._moment.forget()
        elif face is not None and (unsettled or self._is_rest(seen, progress)):
            self._moment.see(rgb, face, seen)
        return progress

    def _is_rest(self, seen: Sight, progress: Progress) -> bool:
        """Whether a later picture shows the face of the beginning, with nothing being asked."""
        rest = self._witness.rest
        if progress.step is not None or rest is None or seen.patch is None:
            return False
        return sight.alike(seen.patch, rest.patch) >= _ALIKE

    def verdict(self) -> Verdict | None:
        """`None` while it is under way."""
        progress, rest = self._witness.progress, self._witness.rest
        if progress.fault is not None:
            return verdict.failed(self.challenge, progress.fault)
        if not progress.passed or rest is None:
            return None
        if self._sent is None:
            if self.portrait is None:
                return verdict.failed(self.challenge, Fault.NO_PORTRAIT)
            return verdict.passed(self.challenge, sound=self._hearing is not None, difference=None)
        apart = likeness.difference(self._sent, rest.shape)
        if apart > likeness.MOST:
            return verdict.failed(self.challenge, Fault.OTHER_FACE, apart)
        return verdict.passed(self.challenge, sound=self._hearing is not None, difference=apart)

    def close(self) -> None:
        """Frees the tracker's networks and forgets the pictures."""
        self._moment.forget()
        self._tracker.close()
