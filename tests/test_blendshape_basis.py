"""Coefficients become a mesh: lips meet, part, round and bare the teeth as they are asked to."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from engines.blendshapes import BASIS, to_mesh
from engines.face_mesh import BLENDSHAPE_INDEX, INNER_LIPS, LEFT_EYE, RIGHT_EYE, STABLE
from engines.types import Floats

UPPER, LOWER = INNER_LIPS[1:10], INNER_LIPS[19:10:-1]
MIDDLE = 4


def mesh(**coefficients: float) -> Floats:
    """Names without a side stand for both."""
    weights = np.zeros(52, np.float32)
    for name, value in coefficients.items():
        sides = [name] if name in BLENDSHAPE_INDEX else [f"{name}Left", f"{name}Right"]
        for side in sides:
            weights[BLENDSHAPE_INDEX[side]] = value
    return to_mesh(weights)


def opening(of: Floats) -> Floats:
    """`(9,)` how much further apart than at rest each pair of lip points is; eye distances."""
    apart: Floats = of[LOWER, 1] - of[UPPER, 1]
    return apart


def width(of: Floats) -> float:
    """How much wider than at rest the mouth is."""
    return float(of[291, 0] - of[61, 0])


def test_rest_is_rest() -> None:
    assert np.abs(mesh()).max() == 0.0
    assert BASIS.shape == (52, 478, 3)
    assert np.isfinite(BASIS).all()


def test_shapes_are_symmetric() -> None:
    for name in ("jawOpen", "mouthPucker", "mouthFunnel", "mouthRollLower"):
        of = mesh(**{name: 0.5})
        for right, left in ((61, 291), (50, 280), (37, 267), (84, 314)):
            assert of[right] * [-1, 1, 1] == pytest.approx(of[left], abs=2e-3)
    smile = mesh(mouthSmileLeft=1.0)
    assert np.linalg.norm(smile[291]) > 5 * np.linalg.norm(smile[61])


def test_jaw_opens_the_mouth_downwards_and_leaves_the_skull_alone() -> None:
    of = mesh(jawOpen=0.5)
    assert opening(of)[MIDDLE] > 0.15
    assert of[152, 1] > 0.08  # the chin
    assert np.abs(of[STABLE]).max() < 0.02


@pytest.mark.parametrize("jaw", [0.03, 0.1, 0.3, 0.6])
@pytest.mark.parametrize("pucker", [0.0, 0.6])
def test_closed_lips_meet_wherever_the_jaw_is(jaw: float, pucker: float) -> None:
    of = mesh(jawOpen=jaw, mouthClose=jaw, mouthPucker=pucker)
    assert opening(of).max() <= 0.0
    assert opening(of).min() > -0.08  # and do not pass far through each other


def test_half_closed_lips_are_between() -> None:
    whole, half = opening(mesh(jawOpen=0.3)), opening(mesh(jawOpen=0.3, mouthClose=0.15))
    assert 0.1 < half[MIDDLE] / whole[MIDDLE] < 0.8


@pytest.mark.parametrize(
    "rounded",
    [{"mouthPucker": 0.8}, {"mouthFunnel": 0.6}, {"mouthPucker": 0.4, "mouthFunnel": 0.5}],
)
def test_rounded_lips_are_narrow_and_their_opening_is_round(rounded: dict[str, float]) -> None:
    plain, of = mesh(jawOpen=0.3), mesh(jawOpen=0.3, **rounded)
    assert width(of) < width(plain) - 0.04
    assert opening(of)[[0, 8]].max() < 0.6 * opening(plain)[[0, 8]].max()
    assert opening(of)[MIDDLE] > 0.08


def test_f_bares_the_upper_teeth() -> None:
    of = mesh(jawOpen=0.07, mouthRollLower=0.55, mouthUpperUp=0.32, mouthShrugLower=0.12)
    assert of[13, 1] < -0.01  # the upper lip rises
    assert of[17, 1] < of[14, 1] - 0.01  # the lower one rolls in: less of it is seen
    assert opening(of)[MIDDLE] > 0.005


def test_spreading_widens() -> None:
    assert width(mesh(mouthStretch=0.6)) > 0.03
    assert width(mesh(mouthSmile=0.6)) > 0.05


def test_lids_and_gaze_travel_elsewhere() -> None:
    for name in ("eyeBlink", "eyeLookUp", "eyeWide"):
        assert np.abs(mesh(**{name: 1.0})).max() == 0.0
    assert np.abs(mesh(jawOpen=1.0)[np.r_[RIGHT_EYE, LEFT_EYE]]).max() < 0.02


@settings(deadline=None, max_examples=50)
@given(arrays(np.float32, 52, elements=st.floats(0.0, 1.0, width=32)), st.integers(0, 51))
def test_any_coefficients_give_a_bounded_mesh_without_jumps(weights: Floats, which: int) -> None:
    of = to_mesh(weights)
    assert of.shape == (478, 3)
    assert of.dtype == np.float32
    assert np.isfinite(of).all()
    assert np.linalg.norm(of, axis=1).max() < 2.5
    nudged = weights.copy()
    nudged[which] = min(1.0, nudged[which] + 0.002)
    # `mouthClose` over a nearly closed jaw is the steepest: a ratio.
    assert np.abs(to_mesh(nudged) - of).max() < 0.02
