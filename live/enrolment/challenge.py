"""Chance goes in, what a person is to do before the camera comes out: no two times the same.

Who can tell beforehand what will be asked, can play a recording of it. So the order of the steps,
the pauses between them and the words are drawn when an attempt begins, and each step is told only
when it begins.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from hashlib import sha256
from itertools import pairwise
from random import Random, SystemRandom

from live.clock import MILLISECOND, SECOND
from live.enrolment.phrases import phrase


class Step(StrEnum):
    """What can be asked."""

    FRONT = "front"
    """Look straight at the camera, eyes open, mouth closed."""
    LEFT = "left"
    """Turn the head to one's own left."""
    RIGHT = "right"
    EYES = "eyes"
    """Close the eyes for a moment."""
    PHRASE = "phrase"
    """Read the phrase aloud."""


DEADLINES_NS = {
    Step.FRONT: 30 * SECOND,
    Step.LEFT: 8 * SECOND,
    Step.RIGHT: 8 * SECOND,
    Step.EYES: 10 * SECOND,
    Step.PHRASE: 20 * SECOND,
}
"""From when a step is told until it has to be done."""
PAUSES_MS = (300, 1200)
"""Between two steps, at least and at most."""
MOST_NS = 120 * SECOND
"""All of it; the sum of the deadlines and pauses is less."""

_TURNS = (Step.LEFT, Step.RIGHT)


@dataclass(frozen=True, slots=True)
class Task:
    """One step of one challenge."""

    step: Step
    pause_ns: int
    """Before it is told."""
    phrase: tuple[str, ...] = ()
    """Of `PHRASE`: the words to read."""

    @property
    def deadline_ns(self) -> int:
        """Within which it has to be done, once it was told."""
        return DEADLINES_NS[self.step]


@dataclass(frozen=True, slots=True)
class Challenge:
    """All that is asked in one attempt, in its order."""

    nonce: str
    language: str
    tasks: tuple[Task, ...]

    @property
    def sha256(self) -> str:
        """Names this challenge in a consent record, which thereby holds none of its words."""
        text = json.dumps(asdict(self), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return sha256(text.encode()).hexdigest()


def draw(language: str, random: Random | None = None) -> Challenge:
    """A new challenge: straight ahead first, then the rest in any of 72 orders.

    One turn is asked for twice, never twice running. `random`: the system's unless told; `KeyError`
    for a language that is not of `phrases.LANGUAGES`.
    """
    chance = random or SystemRandom()
    steps = [Step.LEFT, Step.RIGHT, Step.EYES, Step.PHRASE, chance.choice(_TURNS)]
    while True:
        chance.shuffle(steps)
        if all(one is not other for one, other in pairwise(steps)):
            break
    words = phrase(language, chance)
    tasks = tuple(
        Task(
            step,
            chance.randint(*PAUSES_MS) * MILLISECOND if step is not Step.FRONT else 0,
            words if step is Step.PHRASE else (),
        )
        for step in (Step.FRONT, *steps)
    )
    return Challenge(f"{chance.getrandbits(128):032x}", language, tasks)
