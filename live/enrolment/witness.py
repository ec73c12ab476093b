"""A challenge and what is seen and heard go in; how far it is, and at last a finding, come out.

No clock and no network: the times are those of the sights, and what has come so far decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from live.clock import MILLISECOND, SECOND
from live.enrolment.baseline import Baseline, hint
from live.enrolment.challenge import MOST_NS, Challenge, Step
from live.enrolment.codes import Fault, Hint
from live.enrolment.continuity import LEAST_RATE, Continuity
from live.enrolment.hearing import Hearing
from live.enrolment.sight import Bearing, Sight, alike
from live.enrolment.steps import Doing, Done, Front, Held, begin, shut

UNASKED_TURN: Final = 17.0
"""Degrees from straight, where no turn is asked."""
_UNASKED_NS = 200 * MILLISECOND
_UNASKED_CLOSING_NS = 1 * SECOND
_STRAIGHT = 8.0
_ALIKE_REST = 0.5
"""Least correlation of the face's patch with that at rest, when it looks straight again."""
_OTHER_NS = 400 * MILLISECOND


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an attempt is."""

    number: int
    """Of the present step, from 0."""
    step: Step | None
    """What is asked; `None`: a pause, or it is over."""
    hint: Hint | None
    fault: Fault | None
    passed: bool


class Witness:
    """Watches one attempt. Not thread-safe."""

    def __init__(self, challenge: Challenge, hearing: Hearing | None) -> None:
        """`hearing`: `None` where there is no microphone; then no sound is checked."""
        self._tasks, self._hearing = challenge.tasks, hearing
        self._front = Front()
        self._doing: Doing | None = self._front
        self._number = 0
        self._due_ns: int | None = None
        """When the present step has to be done, or the present pause is over."""
        self._began_ns: int | None = None
        self._continuity = Continuity()
        self._turning, self._closing = Held(_UNASKED_NS), Held(_UNASKED_CLOSING_NS)
        self._other = Held(_OTHER_NS)
        self._fault: Fault | None = None
        self._hint: Hint | None = Hint.NO_FACE

    @property
    def rest(self) -> Baseline | None:
        """How the person looks straight at the camera, once that is known."""
        return self._front.found

    @property
    def progress(self) -> Progress:
        """How far it is."""
        passed = self._number == len(self._tasks) and self._fault is None
        asked = self._doing is not None and not passed and self._fault is None
        step = self._tasks[self._number].step if asked else None
        return Progress(self._number, step, self._hint, self._fault, passed)

    def see(self, sight: Sight) -> Progress:
        """The next picture; what comes after the end changes nothing."""
        if self._fault is None and self._number < len(self._tasks):
            self._fault = self._next(sight)
        return self.progress

    def _next(self, sight: Sight) -> Fault | None:
        if self._began_ns is None:
            self._began_ns, self._due_ns = sight.at_ns, sight.at_ns + self._tasks[0].deadline_ns
        if sight.at_ns - self._began_ns > MOST_NS:
            return Fault.TOO_SLOW
        fault = self._continuity.see(sight)
        if self.rest is None:
            return self._settle(sight, fault)
        fault = fault or self._check(sight, self.rest)
        if fault is not None:
            return fault
        slow = self._continuity.rate < 1.5 * LEAST_RATE
        self._hint = self._help(sight) or (Hint.SLOW if slow else None)
        return self._go_on(sight, self.rest)

    def _settle(self, sight: Sight, broken: Fault | None) -> Fault | None:
        """Somebody sits down: nothing that happens counts against them before they are at rest."""
        assert self._due_ns is not None
        if broken is not None:
            self._continuity = Continuity()
        if broken is not None or sight.bearing is None:
            self._front.restart(hint(sight))
        elif self._front.see(sight, sight.bearing) is Done.DONE:
            self._advance(sight.at_ns)
            self._hint = None
            return None
        self._hint = self._front.hint
        return self._front.late() if sight.at_ns > self._due_ns else None

    def _check(self, sight: Sight, rest: Baseline) -> Fault | None:
        """What is amiss whatever is asked."""
        now = sight.bearing
        if now is None:
            return None
        step = self.progress.step
        turned = abs(now.yaw - rest.yaw)
        may_turn = step in (Step.LEFT, Step.RIGHT)
        if self._turning.see(sight.at_ns, turned > UNASKED_TURN and not may_turn):
            return Fault.UNASKED_TURN
        may_close = step in (Step.EYES, Step.PHRASE)  # who reads looks down
        if self._closing.see(sight.at_ns, shut(now, rest) and not may_close):
            return Fault.UNASKED_CLOSING
        return self._same(sight, now, rest, turned)

    def _same(self, sight: Sight, now: Bearing, rest: Baseline, turned: float) -> Fault | None:
        """Whoever looks straight again looks as before."""
        straight = turned < _STRAIGHT and not shut(now, rest)
        unlike = sight.patch is not None and alike(sight.patch, rest.patch) < _ALIKE_REST
        other = self._other.see(sight.at_ns, straight and unlike)
        return Fault.FACE_CHANGED if other else None

    def _help(self, sight: Sight) -> Hint | None:
        if self._doing is not None and self._doing.hint is not None:
            return self._doing.hint
        wrong = hint(sight)
        return wrong if wrong in (Hint.NO_FACE, Hint.TWO_FACES, Hint.TOO_DARK) else None

    def _go_on(self, sight: Sight, rest: Baseline) -> Fault | None:
        """The step or pause that is due."""
        assert self._due_ns is not None
        if self._doing is None:
            if sight.at_ns >= self._due_ns:
                self._begin(sight, rest)
            return None
        if sight.at_ns > self._due_ns:
            return self._doing.late()
        outcome = self._doing.see(sight, sight.bearing) if sight.bearing else Done.WAITING
        if outcome is Done.DONE:
            self._advance(sight.at_ns)
        return outcome if isinstance(outcome, Fault) else None

    def _begin(self, sight: Sight, rest: Baseline) -> None:
        """A step is told only to who looks straight: what follows is then an answer to it."""
        if not _at_rest(sight, rest):
            self._hint = self._hint or Hint.LOOK_STRAIGHT
            return
        task = self._tasks[self._number]
        self._doing = begin(task, rest, self._hearing)
        self._due_ns = sight.at_ns + task.deadline_ns

    def _advance(self, at_ns: int) -> None:
        self._number += 1
        self._doing = None
        if self._number < len(self._tasks):
            self._due_ns = at_ns + self._tasks[self._number].pause_ns


def _at_rest(sight: Sight, rest: Baseline) -> bool:
    now = sight.bearing
    return now is not None and abs(now.yaw - rest.yaw) < _STRAIGHT and not shut(now, rest)
