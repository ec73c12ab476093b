"""A clock that goes on even where the times of pictures stand still or run back."""

from __future__ import annotations

_USUAL_STEP_NS = 33_333_333


class SteadyClock:
    """Adds up the steps between pictures; a step that is none counts as one of 30 fps."""

    def __init__(self) -> None:
        """Starts at zero."""
        self.now_ns = 0
        self._pts_ns = 0

    def advance(self, pts_ns: int) -> int:
        """The time of a picture with this stamp; always later than that of the one before."""
        step_ns = pts_ns - self._pts_ns
        self._pts_ns = pts_ns
        self.now_ns += step_ns if step_ns > 0 else _USUAL_STEP_NS
        return self.now_ns
