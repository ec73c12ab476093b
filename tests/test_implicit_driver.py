"""The driver of the neural portrait's own space, with a motion network whose answers are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from engines.blendshapes import to_mesh
from engines.drivers.implicit import ImplicitDriver
from engines.errors import DeviceLost
from engines.face_geometry import rotation_matrix, rotation_vector
from engines.face_mesh import BLENDSHAPE_INDEX
from engines.implicit_keypoints import rotation
from engines.types import Driver, Face, Listening, Lively, Motion, Picture, Sound, Space
from tests import portrait_fakes
from tests.ears import MS, LoudnessNetwork, pieces, silence, voice
from tests.heads import head
from tests.portrait_fakes import POINTS, Arrays, Fakes

FRAME = 1000 * MS // 30
SECOND = 1000 * MS


class Sight:
    """A motion network that sees what it is told to, and shows what it was shown."""

    def __init__(self) -> None:
        self.angles = np.zeros(3)
        self.expression = np.zeros((POINTS, 3))
        self.shown: list[NDArray[np.float32]] = []

    def __call__(self, given: Arrays) -> Arrays:
        self.shown.append(given["picture"])
        return {
            **portrait_fakes.motion(given),
            "angles": self.angles[None].astype(np.float32),
            "expression": self.expression[None].astype(np.float32),
        }


class Scene:
    """A driver, and time that passes."""

    def __init__(self, folder: Path) -> None:
        self.sight = Sight()
        self.fakes = Fakes(motion=self.sight)
        self.networks = portrait_fakes.networks(folder, self.fakes)
        self.driver = ImplicitDriver(self.networks, 1, 0.5, LoudnessNetwork())
        self.now_ns = 0

    def play(
        self, seconds: float, face: Face | None = None, sounds: Sequence[Sound] = ()
    ) -> list[Motion]:
        """`face` before a picture of its own in each frame."""
        motions: list[Motion] = []
        waiting = list(sounds)
        for _ in range(round(seconds * 30)):
            come = []
            while waiting and waiting[0].pts_ns <= self.now_ns + 100 * MS:
                come.append(waiting.pop(0))
            shown = None
            if face is not None:
                picture = Picture(np.full((480, 640, 3), 90, np.uint8), self.now_ns)
                shown = replace(face, pts_ns=self.now_ns, picture=picture)
            motions += self.driver.drive(shown, come, self.now_ns)
            self.now_ns += FRAME
        return motions


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_what_it_says_of_itself(scene: Scene) -> None:
    assert isinstance(scene.driver, Driver)
    assert isinstance(scene.driver, Listening)
    assert isinstance(scene.driver, Lively)
    assert scene.driver.space is Space.IMPLICIT21
    scene.driver.liveliness = 0.25
    assert scene.driver.liveliness == 0.25


def test_expression_and_turn_are_relative_to_the_neutral_face(scene: Scene) -> None:
    rng = np.random.default_rng(0)
    scene.sight.angles = np.array([4.0, -6.0, 3.0])
    scene.sight.expression = own = rng.normal(0, 0.02, (POINTS, 3))
    rest = scene.play(1.5, head())[-1]
    np.testing.assert_allclose(rest.expression, 0, atol=1e-4)
    np.testing.assert_allclose(rest.pose, 0, atol=1e-3)
    assert rest.expression.shape == (POINTS, 3)
    moved = rng.normal(0, 0.02, (POINTS, 3))
    scene.sight.expression = own + moved
    turn = np.radians([5.0, 15.0, -4.0])
    scene.sight.angles = angles_of(rotation([4.0, -6.0, 3.0]) @ rotation_matrix(turn))
    shown = scene.play(1.0, head())[-1]
    np.testing.assert_allclose(shown.expression, moved, atol=2e-3)
    np.testing.assert_allclose(shown.pose[:3], turn, atol=5e-3)


def angles_of(turned: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pitch, yaw, roll in degrees: the opposite of `rotation`."""
    yaw = -np.arcsin(turned[2, 0])
    pitch = np.arctan2(turned[2, 1], turned[2, 2])
    roll = np.arctan2(turned[1, 0], turned[0, 0])
    angles = np.degrees([pitch, yaw, roll])
    np.testing.assert_allclose(rotation(angles), turned, atol=1e-9)
    return np.asarray(angles)


def test_where_the_head_is_the_landmarks_tell(scene: Scene) -> None:
    scene.play(1.5, head())
    shown = scene.play(1.0, head(place=(0.6, 0.5)))[-1]
    assert shown.pose[3] > 0.2
    assert abs(shown.pose[4]) < 0.02


def test_a_strong_turn_is_held_softly(scene: Scene) -> None:
    scene.play(1.5, head())
    scene.sight.angles = np.array([0.0, 70.0, 0.0])
    shown = scene.play(1.0, head())[-1]
    assert 35 < np.degrees(shown.pose[1]) < 41


def test_the_face_fills_the_crop_wherever_it_is(scene: Scene) -> None:
    driver, sight = scene.driver, scene.sight
    for place, size in (((0.5, 0.5), (640, 480)), ((0.62, 0.5), (640, 480))):
        face = head(place=place, size=size)
        picture = np.zeros((size[1], size[0], 3), np.uint8)
        low, high = face.landmarks[:468, :2].min(axis=0), face.landmarks[:468, :2].max(axis=0)
        (x0, y0), (x1, y1) = np.rint(low).astype(int), np.rint(high).astype(int)
        picture[y0:y1, x0:x1] = 255
        scene.now_ns += FRAME
        driver.drive(replace(face, pts_ns=scene.now_ns, picture=Picture(picture)))
        rows, columns = np.nonzero(sight.shown[-1][0, 0] > 0.5)
        side = sight.shown[-1].shape[-1]
        assert np.ptp(rows) / side == pytest.approx(1 / 2.2, abs=0.05)
        assert columns.mean() == pytest.approx(side / 2, abs=1.5)
        assert rows.mean() == pytest.approx(side * 0.6, abs=1.5)  # the crop is raised by a tenth


def test_a_picture_is_looked_at_once(scene: Scene) -> None:
    picture = Picture(np.zeros((480, 640, 3), np.uint8))
    face = replace(head(), picture=picture)
    for _ in range(3):
        scene.now_ns += FRAME
        scene.driver.drive(replace(face, pts_ns=scene.now_ns))
    assert len(scene.sight.shown) == 1


def test_without_a_face_it_eases_to_idle_life_and_comes_back(scene: Scene) -> None:
    scene.play(1.5, head())
    scene.sight.expression = np.full((POINTS, 3), 0.05)
    held = scene.play(1.0, head())
    scene.driver.liveliness = 0.0
    gone = scene.play(3.0)
    path = np.stack([motion.expression for motion in (*held[-1:], *gone)])
    assert np.abs(np.diff(path, axis=0)).max() < 0.01  # no jump
    assert np.abs(gone[-1].expression).max() < 1e-3
    scene.driver.liveliness = 0.5
    blinks = np.ptp([motion.expression for motion in scene.play(8.0)], axis=0).max()
    assert blinks > 1e-3  # it lives
    back = scene.play(1.0, head())
    np.testing.assert_allclose(back[-1].expression, 0.05, atol=3e-3)
    assert all(motion.eyes.tolist() == [[1, 0, 0], [1, 0, 0]] for motion in (*gone, *back))


def test_a_face_without_its_picture_is_followed_by_its_landmarks(scene: Scene) -> None:
    driver = scene.driver
    for _ in range(45):
        scene.now_ns += FRAME
        driver.drive(head(time_s=scene.now_ns / SECOND))
    (shown,) = driver.drive(head(jaw=0.0, closed=(1.0, 1.0), time_s=scene.now_ns / SECOND + 0.5))
    assert not scene.sight.shown
    assert np.abs(shown.expression).max() > 1e-3


def test_a_voice_moves_the_mouth_by_the_map(scene: Scene) -> None:
    """Who keeps still before the camera while a voice is heard gets the voice's mouth."""
    scene.play(1.5, head())
    start = scene.now_ns
    sound = pieces(np.concatenate([voice(2.5), silence(1.0)]))
    sound = [replace(piece, pts_ns=piece.pts_ns + start) for piece in sound]
    spoken = scene.play(2.5, head(), sound)[-20:]
    wide = np.zeros(52, np.float32)
    wide[BLENDSHAPE_INDEX["jawOpen"]] = 0.4
    open_jaw = scene.networks.map().offsets(to_mesh(wide), Motion.neutral().eyes).reshape(-1)
    much = np.mean([motion.expression.reshape(-1) @ open_jaw for motion in spoken])
    assert much > 0.5 * open_jaw @ open_jaw
    assert scene.driver.look_ahead_ns > 0


def test_calibration_takes_the_next_second_anew(scene: Scene) -> None:
    scene.play(1.5, head())
    scene.sight.expression = np.full((POINTS, 3), 0.03)
    scene.sight.angles = np.array([0.0, 10.0, 0.0])
    assert scene.play(1.0, head())[-1].expression.mean() > 0.025
    scene.driver.calibrate()
    rest = scene.play(3.0, head())[-1]
    np.testing.assert_allclose(rest.expression, 0, atol=2e-3)
    assert np.abs(rotation_vector(rotation_matrix(rest.pose[:3]))).max() < 0.01


def test_a_lost_device_is_told(scene: Scene) -> None:
    scene.play(0.2, head())
    network = scene.fakes.networks["motion"]
    network.dies_after = network.calls
    with pytest.raises(DeviceLost):
        scene.play(0.2, head())
