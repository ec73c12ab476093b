"""From the mesh to implicit keypoints: coefficients are found again, and a map is fitted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engines.blendshape_inverse import to_coefficients
from engines.blendshapes import to_mesh
from engines.face_geometry import face_width, rotation_matrix
from engines.face_mesh import BLENDSHAPE_INDEX, BLENDSHAPES
from engines.implicit_map import FEATURES, features
from engines.implicit_map_fit import SIZE, fit
from engines.renderers.warp.framing import frame
from engines.types import Avatar, Backdrop, Motion, Network, Picture, Portrait, Space
from tests.drawn import person
from tests.portrait_fakes import KEYPOINTS, POINTS

_NAMES = ("jawOpen", "mouthPucker", "mouthSmileLeft", "browInnerUp", "mouthFunnel", "cheekPuff")


@pytest.mark.parametrize("name", _NAMES)
def test_one_shape_is_found_again(name: str) -> None:
    coefficients = np.zeros(52, np.float32)
    coefficients[BLENDSHAPE_INDEX[name]] = 0.7
    found = to_coefficients(to_mesh(coefficients))
    assert BLENDSHAPES[int(found.argmax())] == name
    assert found.max() == pytest.approx(0.7, abs=0.15)


def test_mixtures_are_explained_within_bounds() -> None:
    rng = np.random.default_rng(0)
    left = []
    for _ in range(50):
        coefficients = np.zeros(52, np.float32)
        coefficients[rng.choice(52, 4, replace=False)] = rng.uniform(0.2, 1.0, 4)
        mesh = to_mesh(coefficients)
        found = to_coefficients(mesh)
        assert found.min() >= 0.0
        assert found.max() <= 1.0
        apart = float(np.linalg.norm(to_mesh(found) - mesh))
        left.append(apart / max(float(np.linalg.norm(mesh)), 1e-6))
    assert np.mean(left) < 0.06
    assert max(left) < 0.3  # where lips are shut or rounded, which is no sum of shapes
    assert not to_coefficients(np.zeros((478, 3))).any()


def test_eyes_are_features_of_their_own() -> None:
    eyes = np.array([[0.25, 0.1, 0.02], [1.2, 0.1, 0.04]], np.float32)
    told = features(np.zeros(52), eyes)
    assert told.shape == (FEATURES,)
    np.testing.assert_allclose(told[52:], [0.75, 0, 0, 0.2, 0.1, 0.03], atol=1e-6)


class Linear:
    """Renderer and motion network in one: sees what was drawn, by a law that is linear."""

    name = "linear"
    space = Space.MESH478
    inputs = {"picture": (1, 3, 32, 32)}  # noqa: RUF012
    outputs = dict.fromkeys(("angles", "translation", "expression", "scale", "keypoints"), (1,))

    def __init__(self, noise: float = 0.0) -> None:
        rng = np.random.default_rng(4)
        self.law = rng.normal(0, 0.02, (FEATURES, POINTS, 3))
        self.noise, self._rng = noise, rng
        self._motion = Motion.neutral()
        self.unit = 1.0

    def prepare(self, portrait: Portrait, *, id: str, consent: str, size: int = 512) -> Avatar:
        landmarks = frame(portrait, portrait.faces[0], size).landmarks
        side = 2.2 * np.ptp(landmarks[:468, :2], axis=0).max()
        self.unit = face_width(landmarks) / (side / 2)
        return Avatar(id, portrait, None, self.name, consent)

    def with_backdrop(self, avatar: Avatar, backdrop: Backdrop) -> Avatar:
        return avatar

    def render(self, avatar: Avatar, motion: Motion) -> Picture:
        self._motion = motion
        return Picture(np.zeros((SIZE, SIZE, 3), np.uint8))

    def bind(self, **constants: NDArray[Any]) -> Network:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

    def __call__(self, *inputs: NDArray[Any]) -> Sequence[NDArray[Any]]:
        """A head whose z axis points at the viewer: pitch and yaw count the other way."""
        motion = self._motion
        told = features(to_coefficients(motion.expression), motion.eyes)
        offsets = np.tensordot(told, self.law, axes=1)
        offsets = offsets + self._rng.normal(0, self.noise, offsets.shape)
        turned = rotation_matrix(motion.pose[:3] * (-1, -1, 1))
        angles = np.degrees(
            [
                np.arctan2(turned[2, 1], turned[2, 2]),
                -np.arcsin(turned[2, 0]),
                np.arctan2(turned[1, 0], turned[0, 0]),
            ]
        )
        place = np.append(motion.pose[3:5] * self.unit, 0.0)
        return (
            angles[None],
            place[None],
            offsets[None],
            np.exp(motion.pose[5:]).reshape(1, 1),
            KEYPOINTS[None],
        )


def test_a_linear_network_is_found_out() -> None:
    linear = Linear()
    told: list[tuple[int, int]] = []
    found = fit(
        linear,
        "0" * 64,
        linear,
        [person(), person(jaw=0.2), person(matte=False)],
        samples=50,
        progress=lambda done, total: told.append((done, total)),
    )
    assert found.held_out > 0.999
    assert told[-1] == (150, 150)
    np.testing.assert_allclose(found.pose, np.diag([-1, -1, 1, 1, 1, 1]), atol=0.03)
    # What never moves the mesh is never asked for.
    eyes_own = [name.startswith("eyeBlink") for name in BLENDSHAPES]
    assert not found.expression[:52][eyes_own].any()
    rng = np.random.default_rng(9)
    for _ in range(20):
        coefficients = np.zeros(52, np.float32)
        coefficients[rng.choice(52, 3, replace=False)] = rng.uniform(0.1, 0.9, 3)
        motion = Motion(
            Space.MESH478,
            to_mesh(coefficients),
            np.zeros(6, np.float32),
            np.array([[0.2, 0.1, 0], [1, 0.1, 0]], np.float32),
            3,
            2,
        )
        linear.render(Avatar("", person(), None, "", ""), motion)
        expected = linear()[2][0]
        translated = found.translate(motion)
        assert (translated.space, translated.pts_ns, translated.captured_ns) == (
            Space.IMPLICIT21, 3, 2,
        )  # fmt: skip
        np.testing.assert_allclose(translated.expression, expected, atol=0.004)


def test_noise_shows_in_the_held_out_error() -> None:
    portraits = [person(), person(matte=False)]
    noisy = Linear(0.006)
    found = fit(noisy, "0" * 64, noisy, portraits, samples=60)
    assert 0.0 < found.held_out < 0.9
