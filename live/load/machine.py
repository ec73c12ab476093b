"""The system's own counters in; how many cores there are and who keeps them busy out.

Linux tells of the whole machine and of a container's share of it; elsewhere only this process is
seen, and nobody else is taken to use anything.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from live import cgroup

LEAST_SHARE = 0.5
"""Of the cores, that is ours however busy others are: a scheduler divides fairly."""

_ROOT = Path("/")


def cores(root: Path = _ROOT) -> float:
    """The processor cores that this process may use; parts of one where a container's quota has
    them."""
    if hasattr(os, "sched_getaffinity"):
        allowed = len(os.sched_getaffinity(0))
    else:
        allowed = os.cpu_count() or 1
    return min(allowed, cgroup.processors(root) or allowed)


@dataclass(frozen=True, slots=True)
class Use:
    """Cores that were busy on the average of a while."""

    own: float
    """With this process."""
    others: float
    """With everything else on the machine, and what a host takes from a virtual machine."""
    turns: float = 0.0
    """How much of the time it was some call's turn to draw (0…1): Python runs one at a time."""


class Meter:
    """Tells, each time it is asked, who used the machine since it was asked before."""

    def __init__(
        self,
        now_s: Callable[[], float] = time.monotonic,
        own_s: Callable[[], float] = time.process_time,
        machine_s: Callable[[], float | None] | None = None,
    ) -> None:
        """`own_s`, `machine_s`: CPU seconds of this process and of the machine, since any time."""
        self._now_s, self._own_s = now_s, own_s
        self._machine_s = machine_s or busy_s
        self._before = self._look()

    def use(self) -> Use:
        """Since the last time."""
        before, self._before = self._before, self._look()
        took_s = max(self._before[0] - before[0], 1e-3)
        own = (self._before[1] - before[1]) / took_s
        machine, machine_before = self._before[2], before[2]
        if machine is None or machine_before is None:
            return Use(own, 0.0)
        return Use(own, max(0.0, (machine - machine_before) / took_s - own))

    def _look(self) -> tuple[float, float, float | None]:
        return self._now_s(), self._own_s(), self._machine_s()


def busy_s(root: Path = _ROOT) -> float | None:
    """CPU seconds that the machine has spent on anything; `None` where it does not say.

    What runs with a low priority (`nice`) is left out: it makes room for who needs it.
    """
    try:
        words = (root / "proc/stat").read_text().split("\n", 1)[0].split()
        user, _nice, system, _idle, _wait, irq, soft, stolen = (int(word) for word in words[1:9])
    except (OSError, ValueError):
        return None
    return (user + system + irq + soft + stolen) / os.sysconf("SC_CLK_TCK")
