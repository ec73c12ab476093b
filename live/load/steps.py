"""The steps by which a call is drawn more cheaply, best first, and what each saves."""

from __future__ import annotations

from dataclasses import dataclass

ENOUGH_FPS = 25.0
"""Pictures a second under which a call is not taken: from there on motion is seen to stutter."""
_CAMERA_FPS = 30.0
"""What cameras of calls give; a step's savings are counted from there."""


@dataclass(frozen=True, slots=True)
class Step:
    """How well a call is drawn."""

    name: str
    """As clients are told."""
    fps: float | None = None
    """The most pictures a second; `None`: as many as the camera gives."""
    cost: float = 1.0
    """Of a picture, against one that is drawn in full."""

    def pictures(self, camera_fps: float) -> float:
        """How many a second are drawn of a camera that gives so many."""
        return camera_fps if self.fps is None else min(self.fps, camera_fps)

    def load(self, camera_fps: float = _CAMERA_FPS) -> float:
        """Pictures drawn in full that a second at this step costs as much as."""
        return self.pictures(camera_fps) * self.cost


STEPS = (
    Step("full"),
    Step("25_fps", 25),
    Step("20_fps", 20),
    Step("15_fps", 15),
    Step("10_fps", 10),
    Step("hold", 2),
)
"""Each is cheaper than the one before. `hold` keeps the last picture for half a second at a time:
the call stays, and its sound with it."""

FULL = STEPS[0]


def _last_enough() -> int:
    return max(
        place for place, step in enumerate(STEPS) if step.fps is None or step.fps >= ENOUGH_FPS
    )


LAST_ENOUGH = _last_enough()
"""The cheapest step that still gives `ENOUGH_FPS`, by its number."""
