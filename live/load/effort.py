"""What a call has counted so far goes in; how it kept up between two looks comes out."""

from __future__ import annotations

from dataclasses import dataclass

from live.clock import SECOND
from live.load.governor import Pull

_WITHOUT_CAMERA_FPS = 25.0
"""Pictures a second that are drawn while none come."""
_CAMERA_FROM_FPS = 5.0


@dataclass(frozen=True, slots=True)
class Effort:
    """Counts since the call's beginning."""

    came: int = 0
    """Pictures of the camera."""
    replaced: int = 0
    """Of them, those whose place a newer one took."""
    drawn: int = 0
    """Pictures of the avatar."""
    work_ns: int = 0
    """What drawing them took, with waiting for a processor."""

    def since(self, before: Effort, took_s: float) -> Pull:
        """How the call kept up meanwhile."""
        came = self.came - before.came
        camera_fps = came / took_s
        return Pull(
            camera_fps if camera_fps >= _CAMERA_FROM_FPS else _WITHOUT_CAMERA_FPS,
            min(1.0, (self.work_ns - before.work_ns) / (took_s * SECOND)),
            (self.replaced - before.replaced) / max(came, 1),
        )
