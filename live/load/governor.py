"""How calls keep up goes in, the step at which each is drawn comes out, look by look.

Calls that share a busy machine go down together, to the same step, so that none is starved for
others; a call that is slow by itself (a large picture, a slow device) goes down alone. They come
back together, too, one step at a time, once what is saved now would not be missed; a return that
was regretted is tried again later and later.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from live.load.machine import LEAST_SHARE, Use
from live.load.steps import STEPS

_BUSY_FULL = 0.9
_TURNS_FULL = 0.75
"""Of the machine, and of the time for turns: from here on, calls wait for each other."""
_BUSY_RETURN, _TURNS_RETURN = 0.9, 0.87
"""That a return may make of them."""
_WORK_RETURN = 0.95
"""Of a call's time, likewise."""
_LACKING = 0.05
"""Of a call's pictures: from here on it does not keep up."""
_LACKING_AT_WORK = 0.6
"""Of the time that has to be spent on drawing where pictures lack because of it: a network that
delivers in bursts brings some too late to be drawn at all."""
_STRAINED_LOOKS = 2
_CALM_LOOKS = 4
_LONGEST_CALM_LOOKS = 64
_REGRET_LOOKS = 15
"""After a return; if calls have to go down again that soon it was one too early."""


@dataclass(frozen=True, slots=True)
class Pull:
    """How one call kept up since the last look."""

    camera_fps: float
    """Pictures a second that it would draw at its best step."""
    work: float
    """Of the time that its thread spent on drawing, or on waiting until it could (0…1)."""
    lacking: float
    """Of the pictures that were to be drawn at its step, those that were not."""

    @property
    def strained(self) -> bool:
        """Whether it does not keep up."""
        return self.lacking > _LACKING and self.work > _LACKING_AT_WORK


@dataclass(slots=True)
class _Held:
    """One call's step, and since when what."""

    step: int = 0
    strained_looks: int = 0
    calm_looks: int = 0
    patience: int = _CALM_LOOKS
    since_return: int = _REGRET_LOOKS
    pull: Pull = field(default_factory=lambda: Pull(30, 0, 0))


class Governor:
    """Looks once a second. Not thread-safe."""

    def __init__(self, cores: float, processes: int = 1) -> None:
        """No call yet; `cores` of the machine may be used, by calls of so many processes."""
        self._cores = cores
        # What a return may take however busy others are: here, other processes' calls are others.
        ours = (_BUSY_RETURN - (1 - LEAST_SHARE)) / processes
        self._most_of_others = (_BUSY_RETURN - ours) * cores
        self._held: dict[str, _Held] = {}

    @property
    def step(self) -> int:
        """The number of the cheapest step at which any call is drawn."""
        return max((held.step for held in self._held.values()), default=0)

    def look(self, pulls: Mapping[str, Pull], use: Use) -> Mapping[str, int]:
        """One look at all calls, by any name; the number of each one's step from now on.

        `use`: of the machine, since the last look. A call that is new begins where the best of the
        others are.
        """
        newcomer = min((held.step for held in self._held.values()), default=0)
        self._held = {name: self._held.get(name) or _Held(newcomer) for name in pulls}
        for name, pull in pulls.items():
            _note(self._held[name], pull)
        strained = [held for held in self._held.values() if held.strained_looks >= _STRAINED_LOOKS]
        if strained:
            self._down(strained, shared=self._is_full(use))
        else:
            self._back(use)
        return {name: held.step for name, held in self._held.items()}

    def _is_full(self, use: Use) -> bool:
        busy = (use.own + use.others) / self._cores
        return busy > _BUSY_FULL or use.turns > _TURNS_FULL

    def _down(self, strained: Iterable[_Held], *, shared: bool) -> None:
        everybody = list(self._held.values())
        lowest = min(held.step for held in everybody) + 1
        for held in everybody if shared else strained:
            step = max(held.step, lowest) if shared else held.step + 1
            _move(held, min(step, len(STEPS) - 1))

    def _back(self, use: Use) -> None:
        """Lets those who are lowest come up a step, if all of them may."""
        lowest = self.step
        if not lowest:
            return
        returning = [held for held in self._held.values() if held.step == lowest]
        before = sum(_load(held, held.step) for held in self._held.values())
        after = before + sum(_load(h, h.step - 1) - _load(h, h.step) for h in returning)
        more = after / max(before, 1e-6)
        others = min(use.others, self._most_of_others)
        if (use.own * more + others) / self._cores > _BUSY_RETURN:
            return
        if use.turns * more > _TURNS_RETURN:
            return
        if all(held.calm_looks >= held.patience and _may_return(held) for held in returning):
            for held in returning:
                _move(held, held.step - 1)


def _note(held: _Held, pull: Pull) -> None:
    held.pull = pull
    held.since_return += 1
    held.strained_looks = held.strained_looks + 1 if pull.strained else 0
    held.calm_looks = 0 if pull.strained else held.calm_looks + 1


def _load(held: _Held, step: int) -> float:
    return STEPS[step].load(held.pull.camera_fps)


def _may_return(held: _Held) -> bool:
    """Whether its own thread would keep up."""
    more = _load(held, held.step - 1) / max(_load(held, held.step), 1e-6)
    return held.pull.work * more <= _WORK_RETURN


def _move(held: _Held, step: int) -> None:
    if step < held.step:
        held.since_return = 0
    elif step > held.step:
        regretted = held.since_return < _REGRET_LOOKS
        held.patience = min(2 * held.patience, _LONGEST_CALM_LOOKS) if regretted else _CALM_LOOKS
    held.step = step
    held.strained_looks = held.calm_looks = 0
