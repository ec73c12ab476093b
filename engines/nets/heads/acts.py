"""Random acts: a generator goes in, ARKit coefficients and angles as people show them come out.

Each act stands by itself: a mouth (speech, a laugh, a grimace, rest), lids, brows, a gaze and a
turn of the head, drawn from what people in calls do, with the wide and the rare more often.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engines.face_mesh import BLENDSHAPE_INDEX, BLENDSHAPES

MOST_YAW, MOST_PITCH, MOST_ROLL = 45.0, 20.0, 15.0

_SPEECH = (
    {"jawOpen": 0.55, "mouthLowerDown*": 0.35, "mouthUpperUp*": 0.2},  # ah
    {"jawOpen": 0.35, "mouthStretch*": 0.3, "mouthLowerDown*": 0.3, "mouthUpperUp*": 0.2},  # eh
    {"jawOpen": 0.16, "mouthStretch*": 0.35, "mouthSmile*": 0.3, "mouthUpperUp*": 0.25},  # ee
    {"jawOpen": 0.40, "mouthFunnel": 0.55},  # oh
    {"jawOpen": 0.15, "mouthPucker": 0.75, "mouthFunnel": 0.25},  # oo
    {"mouthPress*": 0.5, "mouthRollLower": 0.3, "mouthRollUpper": 0.3},  # m b p
    {"jawOpen": 0.07, "mouthRollLower": 0.5, "mouthUpperUp*": 0.3},  # f v
    {"jawOpen": 0.08, "mouthStretch*": 0.3, "mouthLowerDown*": 0.35, "mouthUpperUp*": 0.15},  # s
    {"jawOpen": 0.14, "mouthFunnel": 0.45, "mouthUpperUp*": 0.3, "mouthLowerDown*": 0.3},  # sh
    {"jawOpen": 0.22, "mouthUpperUp*": 0.2, "mouthLowerDown*": 0.25},  # d n l
)
_LAUGH = {"mouthSmile*": 0.8, "cheekSquint*": 0.5, "mouthUpperUp*": 0.4, "jawOpen": 0.3}
_SMILE = {"mouthSmile*": 0.75, "cheekSquint*": 0.35}
_GRIMACES = (
    {"mouthLeft": 0.6}, {"mouthRight": 0.6}, {"jawLeft": 0.5}, {"jawRight": 0.5},
    {"mouthFrown*": 0.7}, {"mouthShrugLower": 0.6, "mouthShrugUpper": 0.4}, {"cheekPuff": 0.6},
    {"noseSneer*": 0.7, "mouthUpperUp*": 0.5}, {"mouthPucker": 0.9}, {"mouthDimple*": 0.6},
    {"jawOpen": 0.95}, {"mouthSmileLeft": 0.8}, {"mouthSmileRight": 0.8},
    {"mouthLowerDown*": 0.7, "mouthUpperUp*": 0.7},
)  # fmt: skip
_FRIENDLY = {"mouthSmile*": 0.46, "cheekSquint*": 0.15, "browOuterUp*": 0.1, "eyeWide*": 0.14}


@dataclass(frozen=True, slots=True)
class Act:
    """One picture's truth."""

    coefficients: NDArray[np.float64]
    """`(52,)` in the order of `face_mesh.BLENDSHAPES`."""
    euler_deg: NDArray[np.float64]
    """`(3,)` yaw, pitch, roll, as `performance.Performance.euler_deg`."""


def neutral(rng: np.random.Generator) -> Act:
    """How somebody looks on a portrait: nearly straight at the camera, now and then smiling."""
    coefficients = np.zeros(len(BLENDSHAPES))
    if rng.random() < 0.5:
        _add(coefficients, _FRIENDLY, rng.uniform(0.2, 1.2))
    euler = rng.normal(0.0, [4.0, 3.0, 2.0]).clip(-10, 10)
    return Act(coefficients, euler)


def act(rng: np.random.Generator, mood: NDArray[np.float64]) -> Act:
    """Something that a person does whose portrait shows the coefficients `mood`."""
    added = np.zeros(len(BLENDSHAPES))
    _mouth(added, rng)
    _eyes(added, rng)
    if rng.random() < 0.3:
        brows = ({"browInnerUp": 0.8, "browOuterUp*": 0.6}, {"browDown*": 0.7})[rng.integers(2)]
        _add(added, brows, rng.uniform(0.3, 1.1))
    coefficients = np.clip(mood + (1.0 - 0.7 * mood) * added, 0.0, 1.0)
    limits = np.array([MOST_YAW, MOST_PITCH, MOST_ROLL])
    if rng.random() < 0.15:
        euler = rng.uniform(-limits, limits)
    else:
        euler = rng.normal(0.0, [13.0, 6.0, 4.5]).clip(-limits, limits)
    return Act(coefficients, euler)


def _mouth(added: NDArray[np.float64], rng: np.random.Generator) -> None:
    kind = rng.choice(4, p=[0.62, 0.16, 0.14, 0.08])
    if kind == 0:  # on the way from one sound to the next
        first, second = (_SPEECH[number] for number in rng.integers(len(_SPEECH), size=2))
        share, loud = rng.beta(0.5, 0.5), rng.uniform(0.6, 1.25)
        _add(added, first, share * loud)
        _add(added, second, (1 - share) * loud)
        if rng.random() < 0.25:
            _add(added, _SMILE, rng.uniform(0.2, 0.8))
    elif kind == 1:
        _add(added, _LAUGH if rng.random() < 0.6 else _SMILE, rng.uniform(0.4, 1.15))
        added[BLENDSHAPE_INDEX["jawOpen"]] *= rng.uniform(0.0, 1.6)
    elif kind == 2:
        _add(added, _GRIMACES[rng.integers(len(_GRIMACES))], rng.uniform(0.3, 1.0))


def _eyes(added: NDArray[np.float64], rng: np.random.Generator) -> None:
    if rng.random() < 0.35:
        shut = 1.0 if rng.random() < 0.5 else rng.uniform(0.1, 1.0)
        _add(added, {"eyeBlink*": 1.0}, shut)
        if rng.random() < 0.08:
            added[BLENDSHAPE_INDEX["eyeBlinkLeft" if rng.random() < 0.5 else "eyeBlinkRight"]] = 0
    elif rng.random() < 0.2:
        _add(added, {"eyeWide*": 1.0}, rng.uniform(0.2, 0.9))
    elif rng.random() < 0.15:
        _add(added, {"eyeSquint*": 1.0}, rng.uniform(0.2, 0.9))
    across, up = rng.normal(0.0, [0.3, 0.22]).clip(-0.9, 0.8)
    looks = (
        ("eyeLookOutLeft", across), ("eyeLookInRight", across), ("eyeLookInLeft", -across),
        ("eyeLookOutRight", -across), ("eyeLookUp*", up), ("eyeLookDown*", -up),
        ("eyeWide*", 0.5 * up),
    )  # fmt: skip
    for name, much in looks:
        _add(added, {name: 1.0}, max(float(much), 0.0))


def _add(added: NDArray[np.float64], shapes: dict[str, float], much: float) -> None:
    for name, weight in shapes.items():
        sides = ("Left", "Right") if name.endswith("*") else ("",)
        for side in sides:
            added[BLENDSHAPE_INDEX[name.rstrip("*") + side]] += much * weight
