"""What a call has counted so far goes in; how it kept up between two looks comes out."""

from __future__ import annotations

from dataclasses import dataclass

from live.clock import SECOND
from live.load.governor import Pull
from live.load.steps import Step

_WITHOUT_CAMERA_FPS = 25.0
"""Pictures a second that are drawn while none come."""
_CAMERA_FROM_FPS = 5.0


@dataclass(frozen=True, slots=True)
class Effort:
    """Counts since the call's beginning."""

    came: int = 0
    """Pictures of the camera."""
    drawn: int = 0
    """Pictures of the avatar."""
    work_ns: int = 0
    """What drawing them took, with waiting for a processor."""

    def since(self, before: Effort, took_s: float, step: Step) -> Pull:
        """How the call, drawn at this step, kept up meanwhile."""
        camera_fps = (self.came - before.came) / took_s
        if camera_fps < _CAMERA_FROM_FPS:
            camera_fps = _WITHOUT_CAMERA_FPS
        wanted = step.pictures(camera_fps) * took_s
        return Pull(
            camera_fps,
            min(1.0, (self.work_ns - before.work_ns) / (took_s * SECOND)),
            max(0.0, 1 - (self.drawn - before.drawn + 1) / wanted),  # one may be at work
        )
