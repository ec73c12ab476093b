"""One step of a challenge at a time: sights go in, whether it was done comes out.

A step is done by a movement that begins after the step was told, from rest, and ends at rest: what
had begun before cannot have been an answer.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Protocol

from live.clock import MILLISECOND, SECOND
from live.enrolment import reading
from live.enrolment.baseline import Baseline, baseline, hint
from live.enrolment.challenge import Step, Task
from live.enrolment.codes import Fault, Hint
from live.enrolment.continuity import narrowing, parallax
from live.enrolment.hearing import Hearing
from live.enrolment.sight import Bearing, Sight

REST_NS: Final = 1200 * MILLISECOND
"""Straight and at rest for so long, at the beginning."""
LEAST_SIGHTS: Final = 8
TURN: Final = 17.0
"""Degrees from straight that are a turn; 20 before the tracker are 20 ± 2 of the head."""
AWRY: Final = 13.0
"""Degrees to the other side that are a wrong turn."""
REST_YAW: Final = 9.0
HOLD_NS: Final = 150 * MILLISECOND
"""How long a turn has to last."""
LEAST_PARALLAX: Final = 0.04
"""Of a turned head, in face widths: 0.051 to 0.078 were measured at 17° to 24°, and up to 0.034 on
photographs that were turned by up to 50°; see `continuity.parallax`."""
LEAST_WIDTH: Final = 0.85
"""Of a turned head: 0.94 to 1.08 were measured, and 0.64 to 0.77 on photographs that were turned by
60°; see `continuity.narrowing`."""
SHUT_NS: Final = 400 * MILLISECOND
"""How long the eyes have to be closed; a blink takes 100 to 300 ms."""
_SHUT, _OPEN = 0.55, 0.75
"""Of the openness at rest."""
_LEAST_BLINK = 0.25


class Done(StrEnum):
    """How far a step is."""

    WAITING = "waiting"
    DONE = "done"


Outcome = Done | Fault


class Doing(Protocol):
    """A step that is under way."""

    hint: Hint | None

    def see(self, sight: Sight, now: Bearing) -> Outcome:
        """The next picture with a face."""

    def late(self) -> Fault:
        """What is wrong when its time is over."""


class Held:
    """Whether something has lasted."""

    def __init__(self, for_ns: int) -> None:
        """`for_ns`: how long is long enough."""
        self._for_ns = for_ns
        self._since_ns: int | None = None

    def see(self, at_ns: int, so: bool) -> bool:
        """`so`: whether it is so in the picture of this time."""
        if not so:
            self._since_ns = None
        elif self._since_ns is None:
            self._since_ns = at_ns
        return self._since_ns is not None and at_ns - self._since_ns >= self._for_ns


class Front:
    """Straight, eyes open, mouth closed; what comes of it is the baseline of the rest."""

    def __init__(self) -> None:
        """Has seen nothing."""
        self.hint: Hint | None = Hint.NO_FACE
        self.found: Baseline | None = None
        self._sights: list[Sight] = []

    def restart(self, why: Hint | None) -> None:
        """Forgets what it has seen."""
        self.hint = why
        self._sights.clear()

    def see(self, sight: Sight, now: Bearing) -> Outcome:
        """The next picture with a face."""
        wrong = hint(sight)
        if wrong is not None:
            self.restart(wrong)
            return Done.WAITING
        self.hint = None
        self._sights.append(sight)
        lasted = sight.at_ns - self._sights[0].at_ns >= REST_NS
        if lasted and len(self._sights) >= LEAST_SIGHTS:
            self.found = baseline(self._sights)
            return Done.DONE
        return Done.WAITING

    def late(self) -> Fault:
        """What is wrong when its time is over."""
        return Fault.TOO_SLOW


class Turn:
    """The head to one side and back."""

    hint: Hint | None = None

    def __init__(self, side: int, rest: Baseline) -> None:
        """`side`: 1 to the person's own left, −1 to their right."""
        self._side, self._rest = side, rest
        self._held, self._awry = Held(HOLD_NS), Held(HOLD_NS)
        self._turned = False

    def see(self, sight: Sight, now: Bearing) -> Outcome:
        """The next picture with a face."""
        turn = self._side * (now.yaw - self._rest.yaw)
        if self._awry.see(sight.at_ns, turn <= -AWRY):
            return Fault.WRONG_TURN
        if self._held.see(sight.at_ns, turn >= TURN) and not self._turned:
            if is_flat(self._rest.bearing, now):
                return Fault.FLAT_PICTURE
            self._turned = True
        return Done.DONE if self._turned and abs(turn) < REST_YAW else Done.WAITING

    def late(self) -> Fault:
        """What is wrong when its time is over."""
        return Fault.TOO_SLOW


def is_flat(front: Bearing, turned: Bearing) -> bool:
    """Whether a face turned as a photograph of one does."""
    return parallax(front, turned) < LEAST_PARALLAX or narrowing(front, turned) < LEAST_WIDTH


class Eyes:
    """Closed for a moment, and open again."""

    hint: Hint | None = None

    def __init__(self, rest: Baseline) -> None:
        """Begins with open eyes."""
        self._rest = rest
        self._held = Held(SHUT_NS)
        self._closed = False

    def see(self, sight: Sight, now: Bearing) -> Outcome:
        """The next picture with a face."""
        self._closed = self._held.see(sight.at_ns, shut(now, self._rest)) or self._closed
        opened = now.eyes > _OPEN * self._rest.eyes
        return Done.DONE if self._closed and opened else Done.WAITING

    def late(self) -> Fault:
        """What is wrong when its time is over."""
        return Fault.TOO_SLOW


def shut(now: Bearing, rest: Baseline) -> bool:
    """Whether both eyes are closed."""
    return now.eyes < _SHUT * rest.eyes and now.blink > _LEAST_BLINK


_SPEAK_UP_NS = 5 * SECOND
_SPEECHLESS_NS = 9 * SECOND
"""Without sound: so long the mouth is watched."""


class Phrase:
    """Words read aloud, the mouth moving with the voice."""

    def __init__(self, words: int, hearing: Hearing | None) -> None:
        """`hearing`: `None` where there is no microphone."""
        self.hint: Hint | None = None
        self._words, self._hearing = words, hearing
        self._lips: list[reading.Lips] = []
        self._fault: Fault | None = None

    def see(self, sight: Sight, now: Bearing) -> Outcome:
        """The next picture with a face."""
        self._lips.append(reading.Lips(sight.at_ns, now.lips))
        began_ns = self._lips[0].at_ns
        if self._hearing is None:
            over = sight.at_ns - began_ns >= _SPEECHLESS_NS
            return self._judged(None) if over else Done.WAITING
        voice = self._hearing.between(began_ns, sight.at_ns)
        said = reading.speech(voice)
        quiet = not said.ended_ns and sight.at_ns - began_ns > _SPEAK_UP_NS
        self.hint = Hint.SPEAK_UP if quiet else None
        enough = said.seconds >= reading.LEAST_SPEECH_S * self._words
        ended = len(voice.times_ns) and voice.times_ns[-1] - said.ended_ns >= reading.SILENCE_NS
        return self._judged(self._hearing) if enough and ended else Done.WAITING

    def _judged(self, hearing: Hearing | None) -> Outcome:
        return self._wrong(hearing) or Done.DONE

    def _wrong(self, hearing: Hearing | None) -> Fault | None:
        if not self._lips:
            return Fault.TOO_SLOW
        start_ns, end_ns = self._lips[0].at_ns, self._lips[-1].at_ns
        voice = hearing.between(start_ns, end_ns) if hearing else None
        return reading.judge(self._lips, voice, self._words)

    def late(self) -> Fault:
        """What is wrong when its time is over."""
        return self._wrong(self._hearing) or Fault.TOO_SLOW


def begin(task: Task, rest: Baseline, hearing: Hearing | None) -> Doing:
    """A step after the first."""
    match task.step:
        case Step.LEFT:
            return Turn(1, rest)
        case Step.RIGHT:
            return Turn(-1, rest)
        case Step.EYES:
            return Eyes(rest)
        case _:
            return Phrase(len(task.phrase), hearing)
