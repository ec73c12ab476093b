"""A device that goes away in the middle of a call, or has no room for one: what the peer sees."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engines.errors import DeviceFull, DeviceLost
from engines.renderers.portrait import PortraitRenderer
from engines.renderers.warp import WarpRenderer
from engines.types import Avatar, Backdrop, BackdropKind, Motion, Picture, Space
from live import rtc
from live.consent.permitted import Permitted
from live.easel import Fall, Reserve
from live.errors import Unprocessable
from live.metrics import Metrics
from live.pipeline import Pipeline
from live.renderers import RESERVE, Renderers
from live.request import Parts, SessionRequest
from live.session import Session
from tests import consents, fakes, portrait_fakes
from tests.drawn import person
from tests.loops import in_loop
from tests.peer import Peer
from tests.portrait_fakes import Fakes

pytestmark = pytest.mark.alone

MS = 1_000_000


@pytest.fixture(autouse=True)
def _adapted() -> Any:
    with rtc.adapted(rtc.ADAPTATIONS):
        yield


class Dying(fakes.FakeRenderer):
    """Draws dark squares until its time has come; has as many seats as it is told."""

    name = "dying"

    def __init__(self, error: type[Exception] = DeviceLost, dies_after: int = 3) -> None:
        super().__init__()
        self.error, self.left, self.seats, self.taken = error, dies_after, 1, 0

    def seat(self) -> Dying:
        if self.taken == self.seats:
            raise DeviceFull("the device has no memory for one more call; try again later")
        self.taken += 1
        return self

    def close(self) -> None:
        self.taken -= 1

    def render(self, avatar: Avatar, motion: Motion) -> Picture:
        if self.left <= 0:
            raise self.error("gone")
        self.left -= 1
        return super().render(avatar, motion)


def dark() -> Permitted:
    return fakes.permitted(level=40, made_by="dying")


def reserve(space: Space = Space.MESH478) -> Reserve:
    return Reserve(
        fakes.FakeRenderer(), fakes.permitted(level=200), lambda: fakes.FakeDriver(space)
    )


LEVELS = (40, 120, 200, 255)
"""Of the pictures in green, but for the mark."""


class Rooms:
    def __init__(self, renderer: Dying, driver: fakes.FakeDriver | None = None) -> None:
        self.falls: list[Fall] = []
        self.renderer = renderer
        self.driver = driver or fakes.FakeDriver()
        self.pipeline = Pipeline(
            fakes.FakeTracker(),
            self.driver,
            renderer,
            dark(),
            fakes.stamp(),
            on_fall=self.falls.append,
        )
        self.pts_ns = 0

    def level(self) -> int:
        """Of the next picture."""
        self.pts_ns += 33 * MS
        rgb = np.full((48, 64, 3), 50, np.uint8)
        drawn = self.pipeline(Picture(rgb, self.pts_ns, self.pts_ns)).planes.rgb
        return next(level for level in LEVELS if fakes.is_all(drawn[..., 1], level))


def test_a_lost_device_costs_no_picture() -> None:
    rooms = Rooms(Dying(dies_after=2))
    rooms.pipeline.easel.keep(reserve())
    assert [rooms.level() for _ in range(5)] == [40, 40, 200, 200, 200]
    assert rooms.falls == [Fall.DEVICE_LOST]
    assert rooms.renderer.taken == 0  # the seat was given back
    assert len(rooms.driver.driven) == 5  # no motion was asked for twice
    rooms.pipeline.close()


def test_a_picture_that_fails_now_and_then_is_no_reason() -> None:
    rooms = Rooms(Dying(ValueError, 1))
    rooms.pipeline.easel.keep(reserve())
    rooms.level()
    for _ in range(2):
        for _ in range(2):
            with pytest.raises(ValueError, match="gone"):
                rooms.level()
        rooms.renderer.left = 1
        assert rooms.level() == 40
    assert not rooms.falls
    levels = []
    for _ in range(3):
        try:
            levels.append(rooms.level())
        except ValueError:
            levels.append(-1)
    assert levels == [-1, -1, 200]
    assert rooms.falls == [Fall.RENDER_FAILED]


def test_without_a_reserve_the_error_is_the_callers() -> None:
    rooms = Rooms(Dying(dies_after=0))
    with pytest.raises(DeviceLost):
        rooms.level()
    rooms.pipeline.easel.keep(reserve())
    assert rooms.level() == 200


def test_the_background_goes_along() -> None:
    rooms = Rooms(Dying(dies_after=1))
    rooms.pipeline.easel.keep(reserve())
    rooms.level()
    rooms.pipeline.request(backdrop=Backdrop(BackdropKind.GREEN))
    assert rooms.level() == 255
    assert rooms.falls
    rooms.pipeline.request(avatar=fakes.permitted("other", 120), backdrop=Backdrop())
    assert rooms.level() == 120


def test_a_reserve_of_the_avatar_before_is_not_shown() -> None:
    """Its consent may have ended since, and nobody would have noticed."""
    rooms = Rooms(Dying(dies_after=2))
    easel = rooms.pipeline.easel
    easel.keep(reserve())
    rooms.level()
    rooms.pipeline.request(avatar=fakes.permitted("other", 120, made_by="dying"))
    assert rooms.level() == 120
    easel.keep(reserve())  # which was on its way
    assert easel.reserve_comes
    with pytest.raises(DeviceLost):
        rooms.level()
    other = fakes.permitted("other", 200)
    easel.keep(Reserve(fakes.FakeRenderer(), other, fakes.FakeDriver))
    assert rooms.level() == 200


def test_a_reserve_needs_a_permit_like_any_other() -> None:
    with pytest.raises(TypeError, match="permit"):
        Reserve(fakes.FakeRenderer(), fakes.avatar(), fakes.FakeDriver)  # type: ignore[arg-type]
    with pytest.raises(Unprocessable, match="dying"):
        Reserve(fakes.FakeRenderer(), dark(), fakes.FakeDriver)


class OwnSpace(Dying):
    space = Space.IMPLICIT21


def test_a_driver_of_the_lost_space_is_exchanged() -> None:
    class Seeing(fakes.FakeDriver):
        left = 2

        def drive(self, *given: Any) -> Any:
            self.left -= 1
            if self.left < 0:
                raise DeviceLost("gone")
            return super().drive(*given)

    seeing = Seeing(Space.IMPLICIT21)
    rooms = Rooms(OwnSpace(dies_after=99), seeing)
    taken: list[fakes.FakeDriver] = []

    def another() -> fakes.FakeDriver:
        taken.append(fakes.FakeDriver())
        return taken[-1]

    rooms.pipeline.easel.keep(replace(reserve(), driver=another))
    assert [rooms.level() for _ in range(4)] == [40, 40, 200, 200]
    assert len(taken) == 1
    assert len(taken[0].driven) == 2
    # A change that was asked for before the fall and does not fit any more is passed over.
    rooms.pipeline._requests.driver = fakes.FakeDriver(Space.IMPLICIT21)
    assert rooms.level() == 200


@asynccontextmanager
async def call(request: SessionRequest) -> Any:
    session, peer = Session(request), Peer(keep_last=True)
    try:
        await peer.call(session.answer)
        yield session, peer
    finally:
        await session.close()
        await peer.close()


def portrait_request(folder: Path, fakes_of_set: Fakes, lost: list[str]) -> SessionRequest:
    """A call that a neural portrait draws, with the warp renderer in reserve."""
    networks = portrait_fakes.networks(folder, fakes_of_set)
    renderer, warp, portrait = PortraitRenderer(networks), WarpRenderer(), person()
    avatar = consents.permitted(renderer.prepare(portrait, id="drawn", consent="", size=256))
    prepared = consents.permitted(warp.prepare(portrait, id="drawn", consent="", size=256))

    async def open_reserve(id: str) -> Reserve:
        assert id == "drawn"
        return Reserve(warp, prepared, fakes.FakeDriver)

    plain = fakes.request()
    parts = Parts(plain.parts.tracker, plain.parts.driver, lambda: renderer, plain.parts.voice)
    return replace(
        plain,
        avatar=avatar,
        parts=parts,
        open_reserve=open_reserve,
        on_device_lost=lambda: lost.append("told"),
    )


@in_loop
async def test_a_call_goes_on_when_the_device_is_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    set_of_fakes, lost = Fakes(), list[str]()
    frame = set_of_fakes.networks["frame"]
    request = portrait_request(tmp_path, set_of_fakes, lost)
    async with call(request) as (session, peer):
        await peer.until(lambda: len(peer.seen) > 20 and bool(peer.said("stats")))
        assert session.report()["renderer"] == "portrait"
        assert session._pipeline.easel._reserve is not None
        with caplog.at_level(logging.WARNING):
            frame.dies_after = frame.calls
            died, shown = time.monotonic(), len(peer.seen)
            await peer.until(lambda: session.report()["renderer"] == RESERVE)
            assert time.monotonic() - died < 1.0
            await peer.until(lambda: len(peer.seen) > shown + 10)
        times = np.array([one.at for one in list(peer.seen)[shown - 1 :]])
        assert np.diff(times).max() < 1.0  # no frozen picture
        await peer.until(lambda: any(m["state"] == "degraded" for m in peer.said("state")))
        (told,) = (m for m in peer.said("state") if m["state"] == "degraded")
        assert (told["reason"], told["renderer"]) == ("device_lost", "warp")
        assert "simpler renderer" in told["message"]
        await peer.until(lambda: peer.said("state")[-1]["state"] == "tracking")
        report = session.report()
        assert report["frames"]["dropped"].get("failed") is None
        assert lost == ["told"]
        assert "portrait was lost (device_lost, DeviceLost)" in caplog.text
        # Every picture that left was stamped: the label is in the last one, as in any.
        assert peer.last is not None
        assert peer.last[210:250, 80:176].max() > 200
        metrics = Metrics()
        metrics.session_ended("closed", session.tally())
        assert b'visavis_fallbacks_total{reason="device_lost"} 1.0' in metrics.text()


@in_loop
async def test_a_reserve_that_comes_late_is_waited_for() -> None:
    come = asyncio.Event()

    async def open_reserve(id: str) -> Reserve:
        await come.wait()
        return reserve()

    renderer = Dying(dies_after=5)
    request = replace(
        fakes.request(renderer=lambda: renderer), avatar=dark(), open_reserve=open_reserve
    )
    async with call(request) as (session, peer):
        dropped = session._counts
        await peer.until(lambda: dropped["dropped.failed"] > 32)  # more than end a call otherwise
        assert session.report()["state"] != "closed"
        come.set()
        await peer.until(lambda: session.report()["renderer"] == "fake")
        shown = len(peer.seen)
        await peer.until(lambda: len(peer.seen) > shown + 5)
        assert renderer.taken == 0


@in_loop
async def test_no_seat_no_call() -> None:
    renderer = Dying(dies_after=10**6)
    request = replace(fakes.request(renderer=lambda: renderer), avatar=dark())
    async with call(request) as (_, peer):
        await peer.until(lambda: len(peer.seen) > 3)
        assert renderer.taken == 1
        second, other = Session(request), Peer()
        with pytest.raises(DeviceFull) as refused:
            await other.call(second.answer)
        assert (refused.value.status, refused.value.retryable) == (503, True)
        assert second.closed.is_set()
        await other.close()
    assert renderer.taken == 0


@in_loop
async def test_a_device_that_is_lost_before_the_call_is_told() -> None:
    class Gone(Dying):
        def seat(self) -> Dying:
            raise DeviceLost("gone")

    told: list[bool] = []
    renderer = Gone()
    request = replace(
        fakes.request(renderer=lambda: renderer),
        avatar=dark(),
        on_device_lost=lambda: told.append(True),
    )
    session, peer = Session(request), Peer()
    with pytest.raises(DeviceLost):
        await peer.call(session.answer)
    assert told == [True]
    await peer.close()


@in_loop
async def test_a_reserve_that_cannot_be_had_is_not_waited_for() -> None:
    async def open_reserve(id: str) -> Reserve:
        raise ZeroDivisionError

    request = replace(
        fakes.request(renderer=lambda: Dying(dies_after=5)),
        avatar=dark(),
        open_reserve=open_reserve,
    )
    async with call(request) as (session, _):
        async with asyncio.timeout(30):
            await session.closed.wait()


def test_new_calls_open_on_what_works(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def renderer(name: str, source: object) -> Any:
        made.append(name)
        return OwnSpace() if name == "dying" else fakes.FakeRenderer()

    drivers: list[str] = []
    monkeypatch.setattr("engines.registry.renderer", renderer)

    def driver(name: str, source: object) -> fakes.FakeDriver:
        drivers.append(name)
        return fakes.FakeDriver()

    monkeypatch.setattr("engines.registry.driver", driver)
    renderers = Renderers("dying")
    assert renderers.name == "dying"
    assert renderers.get("dying") is renderers.get("dying")
    for name in ("auto", "face"):
        renderers.driver(name, renderers.name)
    renderers.lose()
    renderers.lose()
    assert renderers.name == RESERVE
    renderers.driver("auto", renderers.name)
    assert drivers == ["implicit", "face", "auto"]
    assert made == ["dying", RESERVE]
    plain = Renderers(RESERVE)
    plain.lose()
    assert plain.name == RESERVE
