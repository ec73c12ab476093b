"""Calls go in once a second; each is told its step, and how many more fit is known from then on."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import replace
from typing import Protocol

from live.clock import SECOND
from live.load.costs import Costs
from live.load.effort import Effort
from live.load.governor import Governor
from live.load.machine import Meter, cores
from live.load.places import MeasuredPlaces, Places, SetPlaces
from live.load.steps import FULL, STEPS, Step
from live.load.turns import Turns

_log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0


class Drawn(Protocol):
    """What is asked of a call; on the event loop."""

    @property
    def public_id(self) -> str:
        """Names the call."""

    def effort(self) -> Effort:
        """What it has counted so far."""

    def ease(self, step: Step) -> None:
        """Draws it at this step from its next picture on."""


class Balance:
    """One server's share of the machine, and who is drawn how. Belongs to the event loop."""

    def __init__(
        self,
        places: int | None = None,
        *,
        processes: int = 1,
        on_cores: float | None = None,
        meter: Meter | None = None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`places`: calls held at once; `None`: as many as are found to fit.

        `processes`: that hold them, this one among them: whoever shares them out counts what the
        cores hold, and places count turns alone. `on_cores`: that may be used by all of them;
        `None`: as many as the system gives.
        """
        self.cores = on_cores or cores()
        self.costs = Costs()
        self.turns = Turns()
        """That all calls take at drawing."""
        self.drawn = 0.0
        """Pictures so far, counted in ones that are drawn in full."""
        self._governor = Governor(self.cores, processes)
        self.places = self._places(places, processes)
        self._meter = meter or Meter()
        self._now_s = now_s
        self._looked_s = now_s()
        self._turned_ns = 0
        self._efforts: dict[str, tuple[Effort, Step]] = {}

    def look(self, calls: Iterable[Drawn]) -> None:
        """Tells each call its step, by what has happened since the last look."""
        now_s = self._now_s()
        took_s, self._looked_s = max(now_s - self._looked_s, 1e-3), now_s
        turned_ns, self._turned_ns = self._turned_ns, self.turns.held_ns
        turns = (self._turned_ns - turned_ns) / (took_s * SECOND)
        use = replace(self._meter.use(), turns=turns)
        held = {call.public_id: call for call in calls}
        efforts = {name: call.effort() for name, call in held.items()}
        new = Effort(), FULL
        pulls, pictures = {}, 0.0
        for name, effort in efforts.items():
            before, step = self._efforts.get(name, new)
            pulls[name] = effort.since(before, took_s, step)
            pictures += (effort.drawn - before.drawn) * step.cost
        self.drawn += pictures
        self.costs.note(use, pictures, took_s)
        was = self._governor.step
        for name, number in self._governor.look(pulls, use).items():
            self._efforts[name] = efforts[name], STEPS[number]
            held[name].ease(STEPS[number])
        for name in self._efforts.keys() - held.keys():
            del self._efforts[name]
        if self._governor.step != was:
            name = STEPS[self._governor.step].name
            _log.info("calls are drawn at %s", name, extra={"calls": len(held)})

    @property
    def step(self) -> int:
        """The number of the cheapest step at which any call is drawn."""
        return self._governor.step

    def at_steps(self) -> dict[str, int]:
        """How many calls are drawn at each step, by its name."""
        found = dict.fromkeys((step.name for step in STEPS), 0)
        for _, step in self._efforts.values():
            found[step.name] += 1
        return found

    async def kept(self, calls: Callable[[], Iterable[Drawn]]) -> AsyncIterator[None]:
        """Looks at `calls` while the server runs (`cleanup_ctx`)."""
        watching = asyncio.create_task(self._watch(calls), name="balance")
        yield
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)

    async def _watch(self, calls: Callable[[], Iterable[Drawn]]) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            self.look(calls())

    def _places(self, places: int | None, processes: int) -> Places:
        if places:
            return SetPlaces(math.ceil(places / processes))
        counted = self.cores if processes == 1 else math.inf
        return MeasuredPlaces(self.costs, counted, lambda: self.step)
