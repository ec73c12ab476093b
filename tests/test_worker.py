"""The worker's pace: with a camera and without, while somebody speaks and while nobody does."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import av
import numpy as np
import pytest

from engines.types import Sound
from live.clock import SECOND, now_ns
from live.disclosure import Stamped
from live.ingest import CameraFrame, Mailbox
from live.measures import Counts
from live.pipeline import Pipeline
from live.worker import Worker
from tests.fakes import FakeDriver, FakeRenderer, FakeTracker, ListeningDriver, permitted, stamp
from tests.voices import MS

pytestmark = pytest.mark.alone


class FakeEars:
    """Ears with what the test lets them hear."""

    def __init__(self) -> None:
        self.listening = False
        self.behind_ns = 0
        self.hears_peer = False
        self.sounding = False
        self.waiting: list[Sound] = []

    def take(self, *, patient: bool = False) -> list[Sound]:
        taken, self.waiting = self.waiting, []
        return taken


class Bench:
    """A worker with fake parts, and what it showed."""

    def __init__(self, driver: FakeDriver) -> None:
        self.driver = driver
        self.ears = FakeEars()
        self.frames: Mailbox[CameraFrame] = Mailbox()
        self.shown: list[Stamped] = []
        self.shown_at: list[float] = []
        self.worker = Worker(
            self._build,
            self.frames,
            self.ears,  # type: ignore[arg-type]  # as much of them as it asks for
            self._show,
            Counts(),
            lambda: None,
        )

    def camera(self, pts_ns: int | None = None) -> None:
        """One picture of the camera."""
        frame = av.VideoFrame.from_ndarray(np.full((96, 64), 128, np.uint8), format="yuv420p")
        now = now_ns() if pts_ns is None else pts_ns
        self.frames.put(CameraFrame(frame, now, now))

    def rate(self, seconds: float) -> float:
        """Pictures a second that are shown meanwhile."""
        before = len(self.shown)
        time.sleep(seconds)
        return (len(self.shown) - before) / seconds

    def _build(self) -> Pipeline:
        return Pipeline(FakeTracker(), self.driver, FakeRenderer(), permitted(), stamp())

    def _show(self, stamped: Stamped) -> None:
        self.shown.append(stamped)
        self.shown_at.append(time.monotonic())


@contextmanager
def running(driver: FakeDriver | None = None) -> Iterator[Bench]:
    bench = Bench(driver or FakeDriver())
    bench.worker.start()
    bench.worker.ready.result(5)
    bench.worker.live.set()
    try:
        yield bench
    finally:
        bench.worker.stop()
        assert bench.worker.join(5)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_without_a_camera_it_goes_on_slowly_and_quicker_while_somebody_speaks() -> None:
    with running() as bench:
        until(lambda: len(bench.shown) > 2)
        idle = bench.rate(1.0)
        bench.ears.sounding = True
        spoken = bench.rate(1.0)
        until(lambda: len(bench.shown) > 50)
    assert idle < 27  # a busy machine may take some, never give
    assert spoken < 32
    # blinks are seen at 20, mouths want more: whatever was taken, some intervals were let be
    intervals = np.diff(bench.shown_at)
    assert np.percentile(intervals, 15) < 0.037


def test_a_slow_camera_is_waited_for_unless_somebody_speaks() -> None:
    with running() as bench:
        for spoken in (False, True):
            bench.ears.sounding = spoken
            time.sleep(0.1)
            before = len(bench.shown)
            for _ in range(4):
                bench.camera()
                time.sleep(0.2)
            shown = len(bench.shown) - before
            if spoken:
                assert shown > 12  # between its pictures the mouth goes on …
                held = list(itertools.islice(reversed(bench.driver.driven), 8))
                assert all(face is not None for face in held)  # … in the face that was seen
            else:
                assert 4 <= shown <= 6


def test_a_quick_camera_sets_the_pace_also_while_somebody_speaks() -> None:
    with running() as bench:
        bench.ears.sounding = True
        bench.camera()
        until(lambda: bool(bench.shown))
        before = len(bench.shown)
        begin = time.monotonic()
        while time.monotonic() < begin + 1:
            bench.camera()
            time.sleep(1 / 35)
        sent = round((time.monotonic() - begin) * 35)
        assert len(bench.shown) - before <= sent + 3


def test_nothing_is_shown_before_the_peer_is_there() -> None:
    bench = Bench(FakeDriver())
    bench.worker.start()
    bench.worker.ready.result(5)
    time.sleep(0.6)
    assert bench.shown == []
    bench.worker.stop()
    assert bench.worker.join(5)


def test_sounds_reach_the_driver_once_and_in_order() -> None:
    with running(ListeningDriver()) as bench:
        sounds = [Sound(np.zeros(160, np.float32), i * 10 * MS) for i in range(50)]
        for sound in sounds:
            bench.ears.waiting = [*bench.ears.waiting, sound]
            time.sleep(0.002)
        until(lambda: len(bench.driver.heard) >= 49)
        got = [sound.pts_ns for sound, _ in bench.driver.heard]
        assert got == sorted(set(got))
        assert bench.ears.listening


@pytest.mark.parametrize("camera", [False, True])
def test_a_picture_waits_for_the_sound_that_a_driver_looks_ahead_to(camera: bool) -> None:
    driver = ListeningDriver(look_ahead_ns=40 * MS)
    with running(driver) as bench:

        def lag_ns() -> float:
            """By how much the next pictures are of the past."""
            lags = []
            for _ in range(3):
                if camera:
                    bench.camera()
                del bench.shown[:-1]
                until(lambda: len(bench.shown) > 1)
                lags.append(now_ns() - bench.shown[-1].planes.pts_ns)
            return min(lags)

        until(lambda: len(bench.shown) > 2)
        assert lag_ns() < 40 * MS
        bench.ears.hears_peer = True
        bench.ears.behind_ns = 20 * MS
        begin = len(bench.shown)
        while len(bench.shown) < begin + 40:
            if camera:
                bench.camera()
            time.sleep(0.004)
        times = [one.planes.pts_ns for one in bench.shown[begin:]]
        assert 58 * MS < lag_ns() < 150 * MS
        assert (np.diff(times) > 0).all()  # no picture is older than the one before
        driver.look_ahead_ns = 0  # as where the face drives: then no sound is waited for
        begin = len(bench.shown)
        while len(bench.shown) < begin + 40:
            if camera:
                bench.camera()
            time.sleep(0.004)
        assert lag_ns() < 40 * MS


def test_the_worker_ends_while_it_waits() -> None:
    with running() as bench:
        until(lambda: bool(bench.shown))
        begin = time.monotonic()
        bench.worker.stop()
        assert bench.worker.join(5)
        assert time.monotonic() - begin < 1
    assert "session-worker" not in {one.name for one in threading.enumerate()}
    assert bench.shown[-1].planes.pts_ns > SECOND
