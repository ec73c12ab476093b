"""The default tracker on faces that come, go, move, cross and change size."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engines import avatars
from engines.face_geometry import face_width, rotation_vector
from engines.face_mesh import BLENDSHAPE_INDEX
from engines.trackers.detector import detect
from engines.trackers.litert import LitertTracker
from engines.types import Face, Picture, Rgb, Tracker
from engines.weights import ModelStore
from tests.scenes import scene

FRAME_NS = 33_333_333


@pytest.fixture(scope="module")
def loaded() -> Iterator[LitertTracker]:
    tracker = LitertTracker(ModelStore())
    yield tracker
    tracker.close()


@pytest.fixture
def tracker(loaded: LitertTracker) -> LitertTracker:
    loaded.reset()
    return loaded


class Camera:
    """Shows a tracker one frame after another, 30 a second unless told."""

    def __init__(self, tracker: LitertTracker, frame_ns: int = FRAME_NS) -> None:
        self._tracker = tracker
        self._frame_ns = frame_ns
        self.now_ns = 0

    def show(self, rgb: Rgb) -> Face | None:
        self.now_ns += self._frame_ns
        return self._tracker.track(Picture(rgb, self.now_ns, self.now_ns))

    def show_for(self, rgb: Rgb, seconds: float) -> list[Face | None]:
        return [self.show(rgb) for _ in range(round(seconds * 1e9 / self._frame_ns))]

    def until_seen(self, rgb: Rgb, near: float, most_s: float = 5.0) -> float:
        """Seconds until a face is followed whose centre is near `x`."""
        start = self.now_ns
        while (self.now_ns - start) < most_s * 1e9:
            if at(self.show(rgb), near):
                return (self.now_ns - start) / 1e9
        raise AssertionError("never seen")


def centre(face: Face) -> NDArray[np.float64]:
    return np.asarray(face.landmarks[:, :2].mean(axis=0), np.float64)


def at(face: Face | None, x: float) -> bool:
    return face is not None and abs(float(centre(face)[0]) - x) < 30


BIG_LEFT = ("leo", 40, 30, 300)
SMALL_RIGHT = ("kofi", 400, 100, 180)
LEFT_X, RIGHT_X = 190, 490


def test_it_is_a_tracker(tracker: LitertTracker) -> None:
    assert isinstance(tracker, Tracker)


@pytest.mark.parametrize("name", avatars.ids())
def test_every_built_in_face_is_read_the_same_at_every_place(
    name: str, tracker: LitertTracker
) -> None:
    (there,) = tracker.find(Picture(scene((name, 40, 20, 320))))
    (here,) = tracker.find(Picture(scene((name, 250, 35, 320))))
    moved = here.landmarks - there.landmarks
    assert np.abs(moved[:, :2] - (210, 15)).max() < 0.02 * face_width(here.landmarks)
    assert np.abs(here.blendshapes - there.blendshapes).max() < 0.1
    assert here.landmarks.dtype == here.blendshapes.dtype == np.float32
    assert here.landmarks.shape == (478, 3)
    assert here.head.shape == (4, 4)
    assert here.score > 0.9


def test_the_pose_is_in_centimetres_before_the_camera(tracker: LitertTracker) -> None:
    (near,) = tracker.find(Picture(scene(("leo", 170, 30, 300))))
    (far,) = tracker.find(Picture(scene(("leo", 245, 105, 150))))
    assert far.head[2, 3] == pytest.approx(2 * near.head[2, 3], rel=0.05)
    assert near.head[2, 3] < -20
    assert np.abs(rotation_vector(near.head[:3, :3])[1:]).max() < 0.06  # neither yaw nor roll
    (left,) = tracker.find(Picture(scene(("leo", 20, 30, 300))))
    assert left.head[0, 3] < near.head[0, 3] - 5


def test_a_moving_face_is_followed_by_its_landmarks_alone(
    tracker: LitertTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    searches = counted(monkeypatch)
    camera = Camera(tracker)
    first = camera.show(scene(("leo", 0, 30, 300)))
    assert first is not None
    for step in range(1, 14):
        face = camera.show(scene(("leo", 20 * step, 30, 300)))
        assert face is not None
        moved = face.landmarks[:, :2] - first.landmarks[:, :2] - (20 * step, 0)
        assert np.abs(moved).max() < 0.03 * face_width(face.landmarks)
        assert face.pts_ns == face.captured_ns == camera.now_ns
    assert len(searches) == 1


def counted(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Grows by one whenever the detector is run."""
    runs: list[None] = []

    def count(*args: Any) -> Any:
        runs.append(None)
        return detect(*args)

    monkeypatch.setattr("engines.trackers.litert.detect", count)
    return runs


@pytest.mark.parametrize("fps", [5, 30, 60])
@pytest.mark.parametrize("away_s", [0.1, 0.6, 3.0])
def test_a_lost_face_is_found_within_300_ms_wherever_it_comes_back(
    fps: int, away_s: float, tracker: LitertTracker
) -> None:
    camera = Camera(tracker, round(1e9 / fps))
    camera.show_for(scene(BIG_LEFT), 0.4)
    away = camera.show_for(scene(), max(away_s, 1 / fps))
    assert away == [None] * len(away)
    back = scene(("leo", 330, 30, 300))
    assert camera.until_seen(back, 480) <= 0.3


def test_the_detector_rests_while_nobody_is_there(
    tracker: LitertTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    searches = counted(monkeypatch)
    Camera(tracker).show_for(scene(), 3)
    assert len(searches) <= 48  # of 90 frames: all of the first second, then ten a second at most


def test_of_two_faces_the_nearest_is_followed_and_stays_followed(tracker: LitertTracker) -> None:
    camera = Camera(tracker)
    for face in camera.show_for(scene(BIG_LEFT, SMALL_RIGHT), 2):
        assert at(face, LEFT_X)
    for size in range(180, 320, 4):  # the other comes nearer, and passes before the same distance
        assert at(camera.show(scene(BIG_LEFT, ("kofi", 490 - size // 2, 40, size))), LEFT_X)


def test_a_moment_without_the_followed_face_does_not_hand_over(tracker: LitertTracker) -> None:
    camera = Camera(tracker)
    camera.show_for(scene(BIG_LEFT, SMALL_RIGHT), 0.5)
    for face in camera.show_for(scene(SMALL_RIGHT), 0.15):
        assert face is None
    assert at(camera.show(scene(BIG_LEFT, SMALL_RIGHT)), LEFT_X)


def test_when_the_followed_face_leaves_the_other_is_taken(tracker: LitertTracker) -> None:
    camera = Camera(tracker)
    camera.show_for(scene(BIG_LEFT, SMALL_RIGHT), 0.5)
    assert camera.until_seen(scene(SMALL_RIGHT), RIGHT_X) <= 0.3


def test_a_much_nearer_face_is_followed_once_it_stays(tracker: LitertTracker) -> None:
    camera = Camera(tracker)
    camera.show_for(scene(("kofi", 480, 100, 130)), 0.5)
    assert 0.4 < camera.until_seen(scene(BIG_LEFT, ("kofi", 480, 100, 130)), LEFT_X) <= 1.5
    for face in camera.show_for(scene(BIG_LEFT, ("kofi", 480, 100, 130)), 1):
        assert at(face, LEFT_X)


def test_a_stream_that_changes_size_keeps_its_face(
    tracker: LitertTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    camera = Camera(tracker)
    camera.show_for(scene(BIG_LEFT, SMALL_RIGHT), 0.4)
    searches = counted(monkeypatch)
    half = scene(("leo", 20, 15, 150), ("kofi", 200, 50, 90), width=320, height=180)
    assert at(camera.show(half), LEFT_X / 2)
    assert searches == []
    upright = scene(("leo", 30, 200, 300), width=360, height=640)
    assert at(camera.show(upright), 180)
    large = scene(("leo", 300, 500, 700), width=1080, height=1920)
    assert at(camera.show(large), 650)


def test_without_a_clock_it_works_all_the_same(tracker: LitertTracker) -> None:
    frames = [scene(BIG_LEFT, SMALL_RIGHT)] * 5 + [scene(SMALL_RIGHT)] * 10
    frames += [scene()] * 60 + [scene(BIG_LEFT)] * 10
    seen = [tracker.track(Picture(rgb)) for rgb in frames]
    assert all(at(face, LEFT_X) for face in seen[:5])
    assert at(seen[14], RIGHT_X)
    assert at(seen[-1], LEFT_X)
    assert all(np.isfinite(face.landmarks).all() for face in seen if face)


@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 640), (640, 1), (2, 2), (15, 17), (16, 16), (17, 333), (361, 641)]
)
@pytest.mark.parametrize("kind", ["black", "white", "noise"])
def test_pictures_without_a_face(kind: str, shape: tuple[int, int], tracker: LitertTracker) -> None:
    rng = np.random.default_rng(3)
    rgb = {
        "black": np.zeros((*shape, 3), np.uint8),
        "white": np.full((*shape, 3), 255, np.uint8),
        "noise": rng.integers(0, 256, (*shape, 3), np.uint8),
    }[kind]
    assert tracker.track(Picture(rgb)) is None
    assert list(tracker.find(Picture(rgb))) == []
    assert at(tracker.track(Picture(scene(BIG_LEFT))), LEFT_X)  # and the next frame works


@pytest.mark.parametrize(
    "view",
    [
        lambda rgb: rgb[:, :, ::-1][:, :, ::-1].copy("F"),
        lambda rgb: np.repeat(rgb, 2, axis=1)[:, ::2],
        lambda rgb: np.ascontiguousarray(rgb[::-1])[::-1],
        lambda rgb: np.ascontiguousarray(rgb[..., ::-1])[..., ::-1],
    ],
)
def test_the_layout_in_memory_makes_no_difference(
    view: Callable[[Rgb], Rgb], tracker: LitertTracker
) -> None:
    rgb = scene(BIG_LEFT)
    odd = view(rgb)
    assert not odd.flags.c_contiguous
    np.testing.assert_array_equal(
        tracker.find(Picture(odd))[0].landmarks, tracker.find(Picture(rgb))[0].landmarks
    )


def test_an_upside_down_camera_does_no_harm(tracker: LitertTracker) -> None:
    camera = Camera(tracker)
    for face in camera.show_for(np.ascontiguousarray(scene(BIG_LEFT)[::-1, ::-1]), 1):
        if face is not None:  # the networks may well read a face into it
            assert np.isfinite(face.landmarks).all()
            assert np.abs(centre(face) - (450, 180)).max() < 150
    assert camera.until_seen(scene(BIG_LEFT), LEFT_X) <= 0.3


def test_a_leaning_head_is_read_as_an_upright_one(tracker: LitertTracker) -> None:
    upright = scene(("leo", 170, 30, 300), width=640, height=640)
    (straight,) = tracker.find(Picture(upright))
    (turned,) = tracker.find(Picture(np.ascontiguousarray(np.rot90(upright))))
    back = np.stack([640 - turned.landmarks[:, 1], turned.landmarks[:, 0]], axis=1)
    assert np.abs(back - straight.landmarks[:, :2]).max() < 0.06 * face_width(straight.landmarks)


def test_a_still_picture_gives_all_its_faces_largest_first(tracker: LitertTracker) -> None:
    people = [("kofi", 370, 90, 230), ("leo", 10, 20, 330), ("sam", 610, 150, 180)]
    faces = tracker.find(Picture(scene(*people, width=800)))
    assert len(faces) == 3
    widths = [face_width(face.landmarks) for face in faces]
    assert widths == sorted(widths, reverse=True)
    assert at(faces[0], 175)


def test_small_and_tightly_cropped_faces_are_found_in_stills(tracker: LitertTracker) -> None:
    small = scene(("leo", 300, 700, 150), width=1600, height=1200)
    (face,) = tracker.find(Picture(small))
    assert at(face, 375)
    (whole,) = tracker.find(Picture(scene(BIG_LEFT)))
    x0, y0 = whole.landmarks[:, :2].min(axis=0).astype(int)
    x1, y1 = whole.landmarks[:, :2].max(axis=0).astype(int)
    tight = np.ascontiguousarray(scene(BIG_LEFT)[y0:y1, x0:x1])
    (again,) = tracker.find(Picture(tight))
    apart = again.landmarks[:, :2] + (x0, y0) - whole.landmarks[:, :2]
    assert np.abs(apart).max() < 0.1 * face_width(whole.landmarks)


def test_finding_leaves_the_tracking_alone(tracker: LitertTracker) -> None:
    camera = Camera(tracker)
    camera.show_for(scene(BIG_LEFT, SMALL_RIGHT), 0.3)
    tracker.find(Picture(scene(("mira", 200, 10, 340))))
    assert at(camera.show(scene(BIG_LEFT, SMALL_RIGHT)), LEFT_X)


def test_a_reset_takes_the_nearest_face_anew(tracker: LitertTracker) -> None:
    camera = Camera(tracker)
    camera.show_for(scene(SMALL_RIGHT), 0.3)
    larger = scene(("leo", 60, 50, 240), SMALL_RIGHT)  # not so much that it would be gone over to
    assert at(camera.show(larger), RIGHT_X)
    tracker.reset()
    assert at(camera.show(larger), 180)


def test_smoothing_calms_a_still_face_and_does_not_hold_back_a_moving_one() -> None:
    rng = np.random.default_rng(0)
    plain, smooth = LitertTracker(ModelStore()), LitertTracker(ModelStore(), smooth=True)
    wobble: dict[str, list[NDArray[np.float32]]] = {"plain": [], "smooth": []}
    still = scene(BIG_LEFT)
    for time_ns in range(0, 20 * FRAME_NS, FRAME_NS):
        noisy = np.clip(still + rng.normal(0, 12, still.shape), 0, 255).astype(np.uint8)
        for name, tracker in (("plain", plain), ("smooth", smooth)):
            face = tracker.track(Picture(noisy, time_ns))
            assert face is not None
            wobble[name].append(face.landmarks[:, :2])
    calm, rough = (np.std(wobble[name][5:], axis=0).mean() for name in ("smooth", "plain"))
    assert calm < 0.6 * rough
    moved = scene(("leo", 80, 30, 300))
    time_ns = 20 * FRAME_NS
    a, b = (each.track(Picture(moved, time_ns)) for each in (plain, smooth))
    assert a is not None
    assert b is not None
    assert abs(float(centre(a)[0] - centre(b)[0])) < 2  # of a step of 40
    plain.close()
    smooth.close()


def test_blendshapes_tell_an_open_mouth(tracker: LitertTracker) -> None:
    """The mouth of a portrait, stretched in the picture, is read as an open jaw."""
    shut = scene(("leo", 100, 0, 360))
    (face,) = tracker.find(Picture(shut))
    lip, chin = int(face.landmarks[13, 1]), int(face.landmarks[152, 1])
    gap = (chin - lip) // 2
    opened = shut.copy()
    opened[lip + gap :] = shut[lip:-gap]
    left, right = (int(face.landmarks[i, 0]) for i in (78, 308))
    inside = (right - left) // 5
    opened[lip : lip + gap] = shut[lip]
    opened[lip : lip + gap, left + inside : right - inside] = (50, 15, 15)
    (wide,) = tracker.find(Picture(opened))
    jaw = BLENDSHAPE_INDEX["jawOpen"]
    assert face.blendshapes[jaw] < 0.1
    assert wide.blendshapes[jaw] > 0.3
