"""How many calls are held and what they cost goes in; how many more are taken comes out."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

from live.load.costs import Costs
from live.load.machine import LEAST_SHARE
from live.load.steps import ENOUGH_FPS, LAST_ENOUGH, STEPS

HIGHEST_USE = 0.85
"""Of the cores: work that comes by chance needs some left over, or it waits. Two processes with two
calls each on two cores kept 30 pictures a second at 0.84; with a fifth, at 0.91, one had 20."""
HIGHEST_TURNS = 0.87
"""Of the time for turns: whoever is next has to be woken."""
_BAND = 0.15
"""Of a call, by which there has to be more room than for one call more before it is taken, and
less than for one before it is not: figures that waver must not open and shut the door."""


class Places(Protocol):
    """Decides how many calls are held."""

    def free(self, calls: int) -> int:
        """How many more would be taken beside `calls`."""

    def why_full(self, calls: int) -> str:
        """Why no more are taken, for people."""


class SetPlaces:
    """As many as the operator says."""

    def __init__(self, places: int) -> None:
        """`places`: calls held at once."""
        self._places = places

    def free(self, calls: int) -> int:
        """How many more would be taken beside `calls`."""
        return max(0, self._places - calls)

    def why_full(self, calls: int) -> str:
        """Why no more are taken."""
        return "every place is taken"


class MeasuredPlaces:
    """As many as can be drawn `ENOUGH_FPS` times a second, by what a picture costs here.

    One call is always taken: what it lacks it is drawn without.
    """

    def __init__(
        self,
        costs: Costs,
        cores: float,
        step: Callable[[], int] = lambda: 0,
        *,
        in_turn: bool = True,
    ) -> None:
        """`cores`: that calls share; infinite where somebody else counts them.

        `step`: the number of the step that calls are drawn at now; `in_turn`: whether they all
        wait for each other, as those of one process do.
        """
        self._costs = costs
        self._cores = cores
        self._step = step
        self._in_turn = in_turn
        self._places: int | None = None

    def free(self, calls: int) -> int:
        """How many more would be taken beside `calls`."""
        if calls and self._step() > LAST_ENOUGH:
            return 0
        return max(0, self._held() - calls)

    def why_full(self, calls: int) -> str:
        """Why no more are taken, with the figures that say so."""
        if self._step() > LAST_ENOUGH:
            return (
                f"this machine is too busy to draw its calls {ENOUGH_FPS:.0f} times a second"
                f" ({calls} now), so it takes no more"
            )
        if self._fit_in_turn() < self._fit_on_cores():
            return (
                f"this server has room for {self._held()} calls (it holds {calls} now) that are"
                f" drawn {ENOUGH_FPS:.0f} times a second: a picture keeps the others waiting for"
                f" {self._costs.turn_ms:.0f} ms"
            )
        return (
            f"this machine has room for {self._held()} calls (it holds {calls} now) that are drawn"
            f" {ENOUGH_FPS:.0f} times a second: a picture takes {self._costs.picture_ms:.0f} ms of"
            f" a processor, and others leave {self._available():.1f} of {self._cores:g}"
        )

    def _held(self) -> int:
        """Calls that fit, in whole ones that do not come and go with the last digit."""
        fit = min(self._fit_on_cores(), self._fit_in_turn())
        if self._places is None:
            self._places = math.floor(fit)
        elif fit >= self._places + 1 + _BAND or fit < self._places - _BAND:
            self._places = math.floor(fit + _BAND if fit < self._places else fit - _BAND)
        self._places = max(1, self._places)
        return self._places

    def _fit_on_cores(self) -> float:
        """Calls that the cores left to us can draw."""
        each = STEPS[LAST_ENOUGH].load() * self._costs.picture_ms / 1000
        return HIGHEST_USE * self._available() / each

    def _fit_in_turn(self) -> float:
        """Calls that can be drawn one after another, on however many cores."""
        if not self._in_turn:
            return math.inf
        return HIGHEST_TURNS * 1000 / max(STEPS[LAST_ENOUGH].load() * self._costs.turn_ms, 1e-3)

    def _available(self) -> float:
        """Cores that others leave us."""
        return max(LEAST_SHARE * self._cores, self._cores - self._costs.others)
