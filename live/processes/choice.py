"""How workers are goes in; how many calls all of them take, and who takes the next one, come out.

Cores belong to all processes of the machine together, turns to each: so the machine's room is
counted here, once, and each worker's own room by itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass

from live.load.costs import Costs
from live.load.machine import Meter, cores
from live.load.places import MeasuredPlaces, Places, SetPlaces
from live.processes.lines import State


@dataclass(frozen=True, slots=True)
class Room:
    """A worker's, as far as its last word and what was handed to it since tell."""

    ready: bool
    free: int
    """How many more calls it would take."""
    calls: int
    """That it holds, or is about to."""


def room(state: State, calls: int) -> Room:
    """Of a worker that was given `calls`, of which `state` may not know yet."""
    return Room(state.ready, max(0, state.calls + state.free - calls), calls)


def preference(of: Room) -> tuple[bool, int, int]:
    """Sorts rooms, the best one first: loaded, then with the most room, then with fewest calls."""
    return not of.ready, -of.free, of.calls


class Machine:
    """What a picture costs and how many calls fit, over all processes. For the event loop."""

    def __init__(
        self,
        places: int | None,
        *,
        on_cores: float | None = None,
        own_s: Callable[[], float] = time.process_time,
        machine_s: Callable[[], float | None] | None = None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`places`: calls held at once by all workers; `None`: as many as are found to fit.

        `own_s`, `machine_s`: CPU seconds of this process and of the machine, since any time.
        """
        self.cores = on_cores or cores()
        self.costs = Costs()
        self._places: Places = (
            SetPlaces(places) if places else MeasuredPlaces(self.costs, self.cores, in_turn=False)
        )
        self._workers_s = 0.0
        """CPU seconds of all workers, those that are gone included."""
        self._known: dict[Hashable, State] = {}
        self._now_s = now_s
        self._looked_s = now_s()
        self._meter = Meter(now_s, lambda: own_s() + self._workers_s, machine_s)

    def look(self, states: Mapping[Hashable, State]) -> None:
        """Once a second: how each worker is now."""
        now_s = self._now_s()
        took_s, self._looked_s = max(now_s - self._looked_s, 1e-3), now_s
        pictures = 0.0
        for worker, state in states.items():
            # Of one that is new, only what it does from now on: the rest was before this look.
            before = self._known.get(worker, state)
            self._workers_s += max(0.0, state.cpu_s - before.cpu_s)
            pictures += max(0.0, state.pictures - before.pictures)
        self._known = dict(states)
        self.costs.note(self._meter.use(), pictures, took_s)

    def free(self, calls: int) -> int:
        """How many more calls the machine has room for beside these."""
        return self._places.free(calls)

    def why_full(self, calls: int) -> str:
        """Why it has no more, for people."""
        return self._places.why_full(calls)

    def at_steps(self) -> dict[str, int]:
        """None: at which step calls are drawn, their workers tell."""
        return {}
