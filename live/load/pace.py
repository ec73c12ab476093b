"""Times of pictures in; which of them are drawn out: as many a second as asked for, evenly."""

from __future__ import annotations

from live.clock import SECOND


class Pace:
    """Lets pictures pass, at most so many a second. Used by one thread; `fps` by any."""

    def __init__(self) -> None:
        """All pass."""
        self.fps: float | None = None
        """The most pictures a second; `None`: all pass."""
        self._due_ns = self._last_ns = 0

    def at_least(self, period_ns: int) -> int:
        """The time from one picture to the next where it is to be `period_ns` at best."""
        fps = self.fps
        return period_ns if fps is None else max(period_ns, round(SECOND / fps))

    def passes(self, pts_ns: int) -> bool:
        """Whether the picture of this time is to be drawn."""
        camera_ns, self._last_ns = abs(pts_ns - self._last_ns), pts_ns
        fps = self.fps
        if fps is None:
            return True
        period_ns = round(SECOND / fps)
        if not -period_ns < self._due_ns - pts_ns < 2 * period_ns:  # the first, or after a gap
            self._due_ns = pts_ns
        if pts_ns < self._due_ns - min(camera_ns, period_ns) / 2:  # the next one is nearer
            return False
        self._due_ns += period_ns
        return True
