"""The rooms in their order: what each is given, what comes out, and what may change meanwhile."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from engines.errors import SpaceMismatch
from engines.types import Backdrop, BackdropKind, Picture, Sound, Space
from live.disclosure import Label, Stamped
from live.errors import Unprocessable
from live.pipeline import ROOMS, FaceState, Pipeline
from tests.fakes import (
    FakeDriver,
    FakeRenderer,
    FakeTracker,
    ListeningDriver,
    is_all,
    permitted,
    stamp,
)

MS = 1_000_000


def camera(level: int = 50, pts_ms: int = 0) -> Picture:
    rgb = np.zeros((48, 64, 3), np.uint8)
    rgb[:, :32] = level
    return Picture(rgb, pts_ms * MS, pts_ms * MS - 3 * MS)


class Rooms:
    """A pipeline and its fakes."""

    def __init__(self) -> None:
        self.tracker, self.driver, self.renderer = FakeTracker(), FakeDriver(), FakeRenderer()
        self.stamp = stamp()
        self.pipeline = Pipeline(
            self.tracker, self.driver, self.renderer, permitted(level=100), self.stamp
        )


@pytest.fixture
def rooms() -> Rooms:
    return Rooms()


def test_a_picture_goes_through_all_rooms(rooms: Rooms) -> None:
    stamped = rooms.pipeline(camera(50, pts_ms=40))
    assert isinstance(stamped, Stamped)
    assert stamped.planes.rgb.shape == (64, 64, 3)
    assert is_all(stamped.planes.rgb, 100)
    assert (stamped.planes.pts_ns, stamped.planes.captured_ns) == (40 * MS, 37 * MS)
    assert rooms.pipeline.motion.pose[0] == 50
    assert rooms.pipeline.face is not None
    assert all(len(rooms.pipeline.times[room]) == 1 for room in ROOMS)


def test_there_is_no_pipeline_without_a_stamp() -> None:
    with pytest.raises(TypeError):
        Pipeline(FakeTracker(), FakeDriver(), FakeRenderer(), permitted())  # type: ignore[call-arg]


def test_parts_that_do_not_fit() -> None:
    with pytest.raises(SpaceMismatch):
        Pipeline(FakeTracker(), FakeDriver(Space.ARKIT52), FakeRenderer(), permitted(), stamp())
    foreign = permitted(made_by="another")
    with pytest.raises(Unprocessable, match="another"):
        Pipeline(FakeTracker(), FakeDriver(), FakeRenderer(), foreign, stamp())


def test_a_driver_without_a_motion_holds_the_last(rooms: Rooms) -> None:
    rooms.pipeline(camera(50, pts_ms=0))
    stamped = rooms.pipeline(camera(0, pts_ms=33))
    assert rooms.driver.driven[-1] is None
    assert rooms.pipeline.motion.pose[0] == 50
    assert stamped.planes.pts_ns == 33 * MS


def test_states_of_the_face(rooms: Rooms) -> None:
    assert rooms.pipeline.state is FaceState.LOST_FACE
    at = [
        (0, 50, FaceState.TRACKING),
        (33, 0, FaceState.TRACKING),  # too short to be news
        (299, 0, FaceState.TRACKING),
        (300, 0, FaceState.LOST_FACE),
        (2900, 0, FaceState.LOST_FACE),
        (3100, 0, FaceState.IDLE),
        (3133, 50, FaceState.TRACKING),
    ]
    for pts_ms, level, state in at:
        rooms.pipeline(camera(level, pts_ms))
        assert rooms.pipeline.state is state, pts_ms


def test_no_face_from_the_start_is_idle_in_the_end(rooms: Rooms) -> None:
    for pts_ms in (5_000, 8_100):
        rooms.pipeline(camera(0, pts_ms))
    assert rooms.pipeline.state is FaceState.IDLE


def test_the_avatar_goes_on_without_a_camera(rooms: Rooms) -> None:
    rooms.pipeline(camera(50, pts_ms=0))
    stamped = rooms.pipeline.without_camera(600 * MS)
    assert stamped.planes.pts_ns == 600 * MS
    assert rooms.driver.driven[-1] is None
    assert len(rooms.tracker.seen) == 1
    assert rooms.pipeline.state is FaceState.LOST_FACE


def test_sound_reaches_the_driver_with_the_pictures_time(rooms: Rooms) -> None:
    sounds = [Sound(np.zeros(160, np.float32), i) for i in range(3)]
    rooms.pipeline(camera(pts_ms=40), sounds[:2])
    rooms.pipeline.without_camera(80 * MS, sounds[2:])
    assert rooms.driver.heard == [(sounds[0], 40 * MS), (sounds[1], 40 * MS), (sounds[2], 80 * MS)]


def test_between_the_pictures_of_a_slow_camera_the_face_stays(rooms: Rooms) -> None:
    rooms.pipeline(camera(50, pts_ms=100))
    for pts_ms in (133, 166, 399):
        rooms.pipeline.without_camera(pts_ms * MS)
        face = rooms.driver.driven[-1]
        assert face is not None
        assert face.pts_ns == pts_ms * MS  # drivers divide by the time between two
        assert rooms.pipeline.state is FaceState.TRACKING
    rooms.pipeline.without_camera(400 * MS)
    assert rooms.driver.driven[-1] is None
    assert rooms.pipeline.state is FaceState.LOST_FACE
    rooms.pipeline(camera(0, pts_ms=433))
    rooms.pipeline.without_camera(466 * MS)
    assert rooms.driver.driven[-1] is None


def test_a_listening_driver_says_how_far_it_looks(rooms: Rooms) -> None:
    assert (rooms.pipeline.listens, rooms.pipeline.look_ahead_ns) == (False, 0)
    rooms.pipeline.request(driver=ListeningDriver(60 * MS))
    rooms.pipeline(camera())
    assert (rooms.pipeline.listens, rooms.pipeline.look_ahead_ns) == (True, 60 * MS)


def test_liveliness_is_every_lively_drivers() -> None:
    first, second = ListeningDriver(), ListeningDriver()
    pipeline = Pipeline(
        FakeTracker(), first, FakeRenderer(), permitted(), stamp(Label()), liveliness=0.25
    )
    assert first.liveliness == 0.25
    pipeline.request(liveliness=0.75)
    pipeline(camera())
    assert first.liveliness == 0.75
    pipeline.request(driver=second)
    pipeline(camera())
    assert second.liveliness == 0.75
    pipeline.request(driver=FakeDriver(), liveliness=1)  # which is not
    pipeline(camera())


def test_times_only_go_forward(rooms: Rooms) -> None:
    rooms.pipeline(camera(pts_ms=100))
    times = [rooms.pipeline(camera(pts_ms=ms)).planes.pts_ns for ms in (40, 100, 133)]
    assert times == [101 * MS, 102 * MS, 133 * MS]
    assert rooms.tracker.seen[-2].pts_ns == 102 * MS
    assert rooms.pipeline.without_camera(120 * MS).planes.pts_ns == 134 * MS


def test_changes_begin_with_the_next_picture(rooms: Rooms) -> None:
    pipeline = rooms.pipeline
    pipeline(camera())
    pipeline.request(avatar=permitted("light", 200), backdrop=Backdrop(BackdropKind.GREEN))
    assert pipeline.avatar.id == "grey"
    assert is_all(pipeline(camera()).planes.rgb, (0, 255, 0))
    assert pipeline.avatar.id == "light"
    pipeline.request(backdrop=Backdrop())
    assert is_all(pipeline(camera()).planes.rgb, 200)
    # a background outlives a change of avatar
    pipeline.request(backdrop=Backdrop(BackdropKind.GREEN))
    pipeline(camera())
    pipeline.request(avatar=permitted("dark", 20))
    assert is_all(pipeline(camera()).planes.rgb, (0, 255, 0))


def test_a_foreign_avatar_is_refused_and_the_call_goes_on(rooms: Rooms) -> None:
    with pytest.raises(Unprocessable):
        rooms.pipeline.request(avatar=permitted(made_by="another"))
    with pytest.raises(SpaceMismatch):
        rooms.pipeline.request(driver=FakeDriver(Space.IMPLICIT21))
    assert is_all(rooms.pipeline(camera()).planes.rgb, 100)


def test_the_driver_is_exchanged_and_calibrated(rooms: Rooms) -> None:
    other = FakeDriver()
    rooms.pipeline.calibrate()
    rooms.pipeline.request(driver=other)
    rooms.pipeline(camera())
    assert (rooms.driver.calibrations, other.calibrations) == (0, 1)
    assert other.driven
    rooms.pipeline(camera())
    assert other.calibrations == 1


def test_a_mirror_shows_the_camera_turned_round(rooms: Rooms) -> None:
    rooms.pipeline.request(mirror=True)
    rooms.pipeline(camera(50))
    assert rooms.tracker.seen[-1].rgb[0, 0, 0] == 0
    assert rooms.tracker.seen[-1].rgb[0, 63, 0] == 50
    assert rooms.tracker.seen[-1].rgb.flags.c_contiguous
    assert rooms.tracker.resets == 1
    rooms.pipeline.request(mirror=True)
    rooms.pipeline(camera(50))
    assert rooms.tracker.resets == 1


def test_requests_from_other_threads_lose_nothing(rooms: Rooms) -> None:
    def ask() -> None:
        for _ in range(200):
            rooms.pipeline.calibrate()
            rooms.pipeline.request(avatar=permitted("new", 7))

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        rooms.pipeline(camera())
    rooms.pipeline(camera())
    assert rooms.pipeline.avatar.id == "new"
    assert rooms.driver.calibrations > 0


def test_closing_frees_the_tracker(rooms: Rooms) -> None:
    rooms.pipeline.close()
    assert rooms.tracker.closed
