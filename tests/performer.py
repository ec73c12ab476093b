"""A synthetic person who does what an enrolment asks: a step and a time go in, a picture comes out.

A built-in avatar's portrait, moved by the warp renderer as a camera would see a person move.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from engines import avatars
from engines.blendshapes import to_mesh
from engines.face_mesh import BLENDSHAPE_INDEX
from engines.renderers.warp.renderer import WarpRenderer
from engines.studio.performance import FPS, perform
from engines.studio.voice import speak
from engines.trackers.litert import LitertTracker
from engines.types import Avatar, Floats, Motion, Picture, Portrait, Rgb, Space
from engines.weights import ModelStore
from live.enrolment.challenge import Step
from tests.scenes import portrait

REACTION_S = 0.3
TURN_S = 1.2
YAW = 24.0
MOUTH_FPS = 15


@cache
def sitter(name: str, size: int = 384) -> Avatar:
    """A built-in avatar, ready to be drawn."""
    assert name in avatars.ids()
    tracker = LitertTracker(ModelStore())
    rgb = portrait(name)
    faces = tuple(tracker.find(Picture(rgb)))
    tracker.close()
    return WarpRenderer().prepare(Portrait(rgb, faces), id=name, consent="", size=size)


def pose(
    name: str, yaw: float = 0.0, closed: float = 0.0, jaw: float = 0.0, sway: float = 0.0
) -> Rgb:
    """`(384, 384, 3)`: `yaw` in degrees to the person's own left, `closed` and `jaw` 0…1,
    `sway` in face widths to the picture's right.
    """
    coefficients = np.zeros(52)
    coefficients[BLENDSHAPE_INDEX["jawOpen"]] = jaw
    motion = Motion(
        Space.MESH478,
        to_mesh(coefficients),
        np.array([0.0, np.radians(-yaw), 0.0, sway, 0.0, 0.0], np.float32),
        np.array([[1.0 - closed, 0, 0], [1.0 - closed, 0, 0]], np.float32),
    )
    return WarpRenderer().render(sitter(name), motion).rgb


@cache
def spoken() -> tuple[Floats, Floats]:
    """Three seconds of a synthetic voice, `(n,)` at 16 kHz, and its jaw at `MOUTH_FPS`, 0…1."""
    shown = slice(round(1.2 * FPS), round(4.9 * FPS))
    coefficients = perform().coefficients[shown]
    sound = speak(coefficients, FPS)
    sound = sound[: len(sound) // 3 * 3].reshape(-1, 3).mean(axis=1)
    jaw = coefficients[:: FPS // MOUTH_FPS, BLENDSHAPE_INDEX["jawOpen"]]
    return np.asarray(sound, np.float32), np.asarray(0.6 * jaw, np.float32)


def does(step: Step | None, since_s: float) -> dict[str, float]:
    """How the head is held so long after a step was told; the phrase is said elsewhere."""
    at = since_s - REACTION_S
    swing = max(0.0, np.sin(np.pi * at / TURN_S)) if 0 <= at <= TURN_S else 0.0
    if step is Step.LEFT:
        return {"yaw": YAW * float(min(1.0, 1.3 * swing))}
    if step is Step.RIGHT:
        return {"yaw": -YAW * float(min(1.0, 1.3 * swing))}
    if step is Step.EYES:
        return {"closed": float(min(1.0, 3.0 * swing))}
    return {}
