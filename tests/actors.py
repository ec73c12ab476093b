"""Scripted people for enrolment tests: what is asked goes in, sights without pictures come out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random

import numpy as np

from engines.face_geometry import Points
from engines.log_mel import RATE
from engines.types import Face, Floats
from live.clock import SECOND
from live.enrolment.challenge import Challenge, Step, draw
from live.enrolment.hearing import FRAMES, Voice
from live.enrolment.sight import PATCH, Sight, bearing
from live.enrolment.witness import Progress, Witness
from tests.heads import head

SIZE = (640, 480)
SPOKEN_S = 3.0
_REACTION_S = 0.4
_ACT_S = 1.4


def patch(seed: int = 0) -> Floats:
    """How a face looks; another seed is another face."""
    even = np.random.default_rng(seed).normal(size=(PATCH, PATCH)).astype(np.float32)
    return np.asarray((even - even.mean()) / even.std(), np.float32)


@dataclass(slots=True)
class Pose:
    """How the head is held."""

    yaw: float = 0.0
    """Degrees to the person's own left."""
    closed: float = 0.0
    jaw: float = 0.0


def opening(seconds: float) -> float:
    """A jaw that says something, 0…1."""
    voiced = 0.2 <= seconds <= 0.2 + SPOKEN_S
    return float(voiced * (0.3 + 0.3 * np.sin(9.0 * seconds) * np.cos(2.3 * seconds)))


def acted(step: Step | None, since_s: float) -> Pose:
    """What an honest person does so long after a step was told."""
    at = since_s - _REACTION_S
    much = float(np.sin(np.pi * np.clip(at / _ACT_S, 0.0, 1.0)))
    match step:
        case Step.LEFT:
            return Pose(yaw=26.0 * much)
        case Step.RIGHT:
            return Pose(yaw=-26.0 * much)
        case Step.EYES:
            return Pose(closed=min(1.0, 3.0 * much))
        case Step.PHRASE:
            return Pose(jaw=opening(at))
        case _:
            return Pose()


@dataclass(slots=True)
class ScriptedHearing:
    """An ear that hears a voice from a moment on; only `between` is asked of it."""

    began_ns: int | None = None
    says: Callable[[float], float] = opening

    def between(self, start_ns: int, end_ns: int) -> Voice:
        times = np.arange(start_ns, end_ns, SECOND // FRAMES, dtype=np.int64)
        began = start_ns if self.began_ns is None else self.began_ns
        seconds = (times - began) / SECOND
        lips = np.array([self.says(one) for one in seconds], np.float32)
        if self.began_ns is None:
            lips[:] = 0.0
        return Voice(times, np.where(lips > 0, -20.0, -70.0).astype(np.float32), lips)

    def hear(self, samples: Floats, at_ns: int) -> None:
        raise AssertionError(f"{len(samples) / RATE:g} s of sound that nobody scripted")


Act = Callable[[Step | None, float], Pose]


@dataclass(slots=True)
class Play:
    """One attempt, sight by sight, with whoever acts before the camera."""

    challenge: Challenge = field(default_factory=lambda: draw("en", Random(1)))
    act: Act = acted
    hearing: ScriptedHearing | None = field(default_factory=ScriptedHearing)
    fps: float = 15.0
    change: Callable[[Sight, float], Sight] = lambda sight, seconds: sight
    """Does something to the sight of a time."""
    seed: int = 0
    asked: list[Step | None] = field(default_factory=list)
    sights: list[Sight] = field(default_factory=list)

    def run(self, most_s: float = 130.0) -> Progress:
        """Until it is decided."""
        witness = Witness(self.challenge, self.hearing)  # type: ignore[arg-type]
        rng, looks = np.random.default_rng(self.seed), patch(self.seed)
        now, told, step = 0.0, 0.0, None
        progress = witness.progress
        while now < most_s and progress.fault is None and not progress.passed:
            if progress.step is not step:
                step, told = progress.step, now
                self.asked.append(step)
                if step is Step.PHRASE and self.hearing is not None:
                    self.hearing.began_ns = round((now + _REACTION_S) * SECOND)
            pose = self.act(step, now - told)
            sway = 0.004 * np.sin(1.7 * now)
            shown = scripted(pose, sway, rng)
            sight = Sight(round(now * SECOND) + 1, SIZE, bearing(shown), patch=looks, crowd=1)
            sight = self.change(sight, now)
            self.sights.append(sight)
            progress = witness.see(sight)
            now += 1.0 / self.fps
        return progress


def scripted(pose: Pose, sway: float, rng: np.random.Generator) -> Face:
    """The face of a pose, with the trembling of a tracker."""
    return head(
        (0.0, -np.radians(pose.yaw), 0.0),
        jaw=pose.jaw,
        closed=(pose.closed, pose.closed),
        place=(0.5 + sway, 0.5),
        noise=0.15,
        rng=rng,
    )


def flattened(sight: Sight, rest: Sight) -> Sight:
    """As if the face were printed: seen from the side it is only narrower."""
    assert sight.bearing is not None
    assert rest.bearing is not None
    outline: Points = rest.bearing.outline * (np.cos(np.radians(sight.bearing.yaw)), 1.0)
    return replace(sight, bearing=replace(sight.bearing, outline=outline))
