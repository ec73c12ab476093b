"""A build's progress: TensorRT's nested phases go in, the share that is done comes out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from engines.backends.tensorrt.api import trt


@dataclass(slots=True)
class _Phase:
    parent: str | None
    steps: int
    done: int = 0


class Monitor(trt.IProgressMonitor):
    """Called from TensorRT's threads: it only counts. It has to outlive the build."""

    def __init__(self, wanted: Callable[[], bool]) -> None:
        """`wanted`: asked at each step whether to go on."""
        trt.IProgressMonitor.__init__(self)
        self.wanted = wanted
        self._lock = Lock()
        self._phases: dict[str, _Phase] = {}
        self._share = 0.0

    @property
    def share(self) -> float:
        """0…1, never less than before."""
        with self._lock:
            return self._share

    def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
        """A phase begins within its parent's present step."""
        with self._lock:
            self._phases[phase_name] = _Phase(parent_phase, max(num_steps, 1))

    def step_complete(self, phase_name: str, step: int) -> bool:
        """A step, counted from 0, is done; says whether to go on."""
        with self._lock:
            if phase_name in self._phases:
                self._phases[phase_name].done = step + 1
                self._share = max(self._share, self._reached(phase_name))
        return self.wanted()

    def phase_finish(self, phase_name: str) -> None:
        """A phase has ended."""
        with self._lock:
            self._phases.pop(phase_name, None)

    def _reached(self, name: str) -> float:
        """How much of everything is done, by a phase's place in its parents."""
        share, seen = 0.0, set[str]()
        while name in self._phases and name not in seen:
            seen.add(name)
            phase = self._phases[name]
            share = min((phase.done + share) / phase.steps, 1.0)
            name = phase.parent or ""
        return share
