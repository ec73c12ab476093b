"""What the synthetic head does in the test clip: seconds go in, coefficients and angles come out.

The order of the acts: a neutral face (to calibrate on), speech, gaze, a smile with raised brows and
a long blink, stillness (to measure jitter on), then turning, nodding and tilting while speaking.
It ends as it begins, so that a looping camera shows no jump.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engines.face_mesh import BLENDSHAPE_INDEX, BLENDSHAPES

FPS = 30
SECONDS = 11.4
NEUTRAL = (0.0, 1.3)
"""Seconds of the neutral face at the start."""
STILL = (7.3, 8.3)
"""Seconds in which nothing moves."""
_SPEECH = ((1.5, 2.9), (3.2, 4.5), (8.5, 9.7), (9.9, 11.0))
_BLINKS = (1.8, 2.7, 3.6, 4.5, 6.05, 8.7, 9.9, 10.7)

_VISEMES = {
    "aa": {"jawOpen": 0.62, "mouthLowerDown*": 0.3, "mouthUpperUp*": 0.2},
    "ee": {"jawOpen": 0.18, "mouthStretch*": 0.4, "mouthSmile*": 0.35, "mouthUpperUp*": 0.2},
    "oo": {"jawOpen": 0.16, "mouthPucker": 0.8, "mouthFunnel": 0.2},
    "oh": {"jawOpen": 0.42, "mouthFunnel": 0.6},
    "mm": {"mouthPress*": 0.5, "mouthRollLower": 0.3, "mouthRollUpper": 0.3},
    "ff": {"jawOpen": 0.06, "mouthRollLower": 0.45, "mouthUpperUp*": 0.25},
    "ss": {"jawOpen": 0.08, "mouthStretch*": 0.3, "mouthLowerDown*": 0.25},
}
_ORDER = ("mm", "aa", "ss", "ee", "ff", "aa", "oo", "mm", "oh", "ss", "aa", "ee", "oo", "aa")


@dataclass(frozen=True, slots=True)
class Performance:
    """The truth of each frame."""

    coefficients: NDArray[np.float32]
    """`(n, 52)` in the order of `face_mesh.BLENDSHAPES`; `_neutral` is 0."""
    euler_deg: NDArray[np.float32]
    """`(n, 3)` yaw, pitch, roll in degrees. The head's rotation in `Face.head`'s axes (x right,
    y up, z towards the viewer) is `Ry(yaw) @ Rx(pitch) @ Rz(roll)`: a positive yaw turns the face
    to the picture's right, a positive pitch nods down, a positive roll tilts counter-clockwise."""


def perform(seed: int = 0) -> Performance:
    """The whole performance at `FPS`; the same for the same seed."""
    times = np.arange(round(SECONDS * FPS)) / FPS
    coefficients = np.zeros((len(times), len(BLENDSHAPES)))
    _speak(coefficients, times, np.random.default_rng(seed))
    _add(coefficients, "mouthSmile*", 0.75 * _plateau(times, 6.1, 7.0, 0.25))
    _add(coefficients, "cheekSquint*", 0.4 * _plateau(times, 6.1, 7.0, 0.25))
    _add(coefficients, "browInnerUp", 0.9 * _plateau(times, 6.4, 7.0, 0.2))
    _add(coefficients, "browOuterUp*", 0.8 * _plateau(times, 6.4, 7.0, 0.2))
    _look(coefficients, times)
    blink = np.max([_plateau(times, start, start + 0.2, 0.09) for start in _BLINKS], axis=0)
    blink = np.maximum(blink, _plateau(times, 6.55, 6.95, 0.12))
    _add(coefficients, "eyeBlink*", blink)
    return Performance(
        np.clip(coefficients, 0.0, 1.0).astype(np.float32), _turn(times).astype(np.float32)
    )


def rotation(euler_deg: NDArray[np.floating]) -> NDArray[np.float64]:
    """`(3, 3)` the rotation of one row of `Performance.euler_deg`."""
    (sy, sp, sr), (cy, cp, cr) = np.sin(np.radians(euler_deg)), np.cos(np.radians(euler_deg))
    yaw = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    pitch = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    roll = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    product: NDArray[np.float64] = yaw @ pitch @ roll
    return product


def _add(coefficients: NDArray[np.float64], name: str, much: NDArray[np.float64] | float) -> None:
    names = [name.replace("*", side) for side in ("Left", "Right")] if "*" in name else [name]
    for each in names:
        coefficients[:, BLENDSHAPE_INDEX[each]] += much


def _plateau(
    times: NDArray[np.float64], start: float, stop: float, ramp: float
) -> NDArray[np.float64]:
    """0 outside `start`…`stop`, 1 inside, with smooth ramps of `ramp` seconds within them."""
    edge = np.clip(np.minimum(times - start, stop - times) / ramp, 0.0, 1.0)
    smooth: NDArray[np.float64] = edge * edge * (3.0 - 2.0 * edge)
    return smooth


def _speak(
    coefficients: NDArray[np.float64], times: NDArray[np.float64], rng: np.random.Generator
) -> None:
    """Visemes of 90 to 170 ms, run into each other as lips do."""
    spoken = np.zeros_like(coefficients)
    number = 0
    for start, stop in _SPEECH:
        at = start
        while at < stop - 0.1:
            length = rng.uniform(0.09, 0.17)
            frames = (times >= at) & (times < min(at + length, stop))
            for name, weight in _VISEMES[_ORDER[number % len(_ORDER)]].items():
                _add(
                    spoken, name, float(weight * rng.uniform(0.8, 1.1)) * frames.astype(np.float64)
                )
            at += length
            number += 1
    kernel = np.exp(-0.5 * (np.arange(-4, 5) / 1.3) ** 2)
    kernel /= kernel.sum()
    for column in range(spoken.shape[1]):
        coefficients[:, column] += np.convolve(spoken[:, column], kernel, mode="same")


def _look(coefficients: NDArray[np.float64], times: NDArray[np.float64]) -> None:
    """Glances to the subject's left, right, up and down, and small ones while speaking."""
    across, up = np.zeros_like(times), np.zeros_like(times)
    for start, stop, x, y in (
        (2.0, 2.5, 0.3, 0.0),
        (3.7, 4.2, -0.3, 0.1),
        (4.7, 5.0, 0.85, 0.0),
        (5.0, 5.35, -0.85, 0.0),
        (5.35, 5.65, 0.0, 0.7),
        (5.65, 5.95, 0.0, -0.7),
        (8.9, 9.3, 0.4, -0.1),
        (10.1, 10.5, -0.4, 0.1),
    ):
        glance = _plateau(times, start, stop, 0.08)
        across += x * glance
        up += y * glance
    for name, much in (
        ("eyeLookOutLeft", across),
        ("eyeLookInRight", across),
        ("eyeLookInLeft", -across),
        ("eyeLookOutRight", -across),
        ("eyeLookUp*", up),
        ("eyeLookDown*", -up),
        ("eyeWide*", 0.5 * up),  # the lids go up with the eyes
    ):
        _add(coefficients, name, np.maximum(much, 0.0))


def _turn(times: NDArray[np.float64]) -> NDArray[np.float64]:
    """`(n, 3)` yaw, pitch, roll."""
    nod = _plateau(times, 1.5, 4.5, 0.5)
    euler = np.stack(
        [
            3.0 * nod * np.sin(2.1 * (times - 1.5)),
            2.0 * nod * np.sin(3.3 * (times - 1.5)),
            1.5 * nod * np.sin(1.7 * (times - 1.5)),
        ],
        axis=1,
    )
    for axis, start, stop, degrees in (
        (0, 8.45, 9.75, 20),
        (1, 9.65, 10.55, 12),
        (2, 10.45, 11.3, 8),
    ):
        phase = np.clip((times - start) / (stop - start), 0.0, 1.0)
        swing = np.sin(2.0 * np.pi * phase) * np.clip(np.sin(np.pi * phase) * 2.5, 0.0, 1.0)
        euler[:, axis] += degrees * swing
    return euler
