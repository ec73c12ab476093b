"""Recordings: what leaves a call is kept as it left, and whatever goes wrong, the call goes on."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import shutil
import threading
import time
from collections import namedtuple
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.mark import Detector
from engines.types import Picture, Rgb
from live import opus, public_id, rtc
from live.audit import Event
from live.clock import MILLISECOND, SECOND, VOICE_RATE, SessionClock, now_ns
from live.consent.authority import Permit
from live.consent.record import Purpose
from live.disclosure import Label
from live.measures import Counts
from live.provenance.credentials import Credentials
from live.provenance.reading import Standing, read
from live.recording.call import NOTICE
from live.recording.film import CallFilm, call_film
from live.recording.publisher import Publisher, Take
from live.recording.recorder import End, Recorder
from live.recording.recordings import Recordings, is_covered
from live.sections import Keys, Provenance, Recording
from live.session import Session
from tests import consents, fakes
from tests.fakes import MARK_KEY, MemoryAudit, stamp
from tests.loops import in_loop
from tests.peer import CodedCamera, Peer, constant

pytestmark = pytest.mark.alone

ID = "fedcba987654"
FPS = 25


@pytest.fixture(autouse=True)
def adapted() -> Iterator[None]:
    with rtc.adapted(rtc.ADAPTATIONS):
        yield


@pytest.fixture(scope="module")
def credentials(tmp_path_factory: pytest.TempPathFactory) -> Credentials:
    return Credentials.load(Provenance(), Keys(folder=tmp_path_factory.mktemp("keys")))


class Studio:
    """A recorder with what it needs, and what has become of it."""

    def __init__(
        self, folder: Path, credentials: Credentials, *, longest_ns: int = 60 * SECOND
    ) -> None:
        self.audit, self.counts, self.clock = MemoryAudit(), Counts(), SessionClock()
        self.ends: list[End] = []
        self.folder = folder / "recordings"
        self.publisher = Publisher(credentials, self.audit, "0123456789abcdef", "Bühne GmbH")
        self.recorder = Recorder(
            self.folder / "2026-08-02-call.mp4",
            Take(ID, Label(), datetime(2026, 8, 2, tzinfo=UTC)),
            self.publisher,
            clock=self.clock,
            counts=self.counts,
            longest_ns=longest_ns,
            on_end=self.ends.append,
        )
        self.stamp = stamp(Label(), ID)
        self.start_ns = now_ns()

    def permit(self, purposes: frozenset[Purpose] = consents.EVERY_PURPOSE) -> Permit:
        permit = consents.permitted(fakes.avatar(), purposes).permit
        self.recorder.note(permit, "face")
        return permit

    def show(self, ms: float, rgb: Rgb) -> None:
        pts_ns = self.start_ns + round(ms * MILLISECOND)
        self.recorder.show(self.stamp(Picture(rgb, pts_ns, pts_ns)))

    def hear(self, ms: float, data: bytes = opus.SILENCE) -> None:
        pts_ns = self.start_ns + round(ms * MILLISECOND)
        self.recorder.hear(data, self.clock.ticks(pts_ns, VOICE_RATE))

    def end(self) -> list[Path]:
        """What is in the folder when all is over."""
        self.recorder.stop()
        assert self.recorder.join(20)
        assert self.recorder.is_over
        return sorted(self.folder.iterdir()) if self.folder.is_dir() else []

    def events(self) -> list[str]:
        return [str(event) for event, _ in self.audit.told]


@pytest.fixture
def studio(tmp_path: Path, credentials: Credentials) -> Studio:
    return Studio(tmp_path, credentials)


def scene(light: bool, size: int = 256) -> Rgb:
    """A picture that is lit or not, with something in it for the mark to lie on."""
    rng = np.random.default_rng(1)
    cells = rng.integers(0, 60, (size // 16, size // 16, 3), np.uint8)
    return np.kron(cells, np.ones((16, 16, 1), np.uint8)) + np.uint8(130 if light else 20)


def beeps(count: int, sounding: Callable[[int], bool]) -> list[bytes]:
    """Packets of 20 ms, in some of which there is a tone."""
    encoder = opus.Encoder()
    tone = np.sin(np.arange(opus.SLOT) * 2 * np.pi * 1000 / VOICE_RATE) * 12_000
    silence = np.zeros(opus.SLOT)
    return [encoder((tone if sounding(n) else silence).astype(np.int16)) for n in range(count)]


def recorded(file: Path) -> tuple[list[float], list[Rgb], list[tuple[float, float]]]:
    """Times of the pictures in ms, the pictures, and times with the sound's level."""
    times, pictures, levels = [], [], []
    with av.open(str(file)) as container:
        for frame in container.decode(video=0):
            times.append(float(frame.time) * 1000)
            pictures.append(np.asarray(frame.to_ndarray(format="rgb24"), np.uint8))
    with av.open(str(file)) as container:
        sounds = container.decode(audio=0) if container.streams.audio else ()
        for sound in sounds:
            samples = sound.to_ndarray().astype(np.float32)
            assert sound.time is not None
            levels.append((sound.time * 1000, float(np.abs(samples).mean())))
    return times, pictures, levels


def test_what_leaves_is_kept_as_it_left(studio: Studio, credentials: Credentials) -> None:
    """Pictures at odd times; a flash and a tone together, half a second in."""
    studio.permit()
    studio.recorder.note(studio.permit(), "speech")
    studio.hear(-500)  # before it has begun, nothing is kept
    studio.show(-40, scene(True))
    studio.recorder.begin()
    times = [0, 40, 85, 120, 121, 200, 240, 420, 500, 540, 580, 640, 1000, 1040]
    packets = beeps(60, lambda n: 25 <= n < 30)
    studio.hear(-20, packets[0])  # before the first picture
    for n, packet in enumerate(packets):
        for ms in [each for each in times if 20 * n <= each < 20 * (n + 1)]:
            studio.show(ms, scene(light=500 <= ms < 600))
        studio.hear(20 * n, packet)
        time.sleep(0.002)
    (file,) = studio.end()
    assert (studio.ends, studio.counts["dropped.unrecorded"]) == ([End.CALL_ENDED], 0)
    assert file.stat().st_mode & 0o777 == 0o600
    seen, pictures, levels = recorded(file)
    assert [round(each - seen[0]) for each in seen] == times
    lit = [ms for ms, picture in zip(seen, pictures, strict=True) if picture.mean() > 120]
    loud = [ms for ms, level in levels if level > 0.2 * max(level for _, level in levels)]
    assert lit[0] == pytest.approx(500, abs=1)
    assert abs(loud[0] - lit[0]) <= 30
    assert abs(loud[-1] + 20 - 600) <= 40
    found = Detector([MARK_KEY]).find(pictures)
    assert found is not None
    assert public_id.from_payload(found.payload) == ID
    report = read(file, own=credentials.certificate.leaf)
    assert report.standing == Standing.VALID
    assert report.facts is not None
    assert (report.facts.kind, report.facts.public_id) == ("recording", ID)
    assert (report.facts.driven_by, len(report.facts.avatars)) == ("both", 2)
    assert report.facts.duration_ms == 1040
    (started, _), (made, facts) = studio.audit.told
    assert (started, made) == (Event.RECORDING_STARTED, Event.RECORDING_MADE)
    assert (facts["session"], facts["pictures"], facts["seconds"]) == (ID, len(times), 1)
    assert re.fullmatch("[0-9a-f]{64}", str(facts["film"]))


_MOMENTS = st.integers(-3000, 3000)
"""Milliseconds; a camera's clock, and a peer's, may jump."""


@given(
    told=st.lists(st.tuples(_MOMENTS, st.none() | st.binary(max_size=80)), min_size=1, max_size=40)
)
@settings(deadline=None, max_examples=30)
def test_whatever_comes_there_is_a_film(
    told: list[tuple[int, bytes | None]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """`None`: a picture; else a packet of a peer's, which may be anything."""
    file, clock, start_ns = tmp_path_factory.mktemp("film") / "a.mp4", SessionClock(), now_ns()
    marked, shown = stamp(), 0
    with call_film(file, clock) as out:
        for ms, data in [(0, None), *told]:
            at_ns = start_ns + ms * MILLISECOND
            if data is None:
                out.show(marked(Picture(np.full((64, 64, 3), 90, np.uint8), at_ns, at_ns)))
                shown += 1
            else:
                out.hear(data, clock.ticks(at_ns, VOICE_RATE))
    with av.open(str(file)) as container:
        times = [frame.pts for frame in container.decode(video=0)]
    assert len(times) == shown
    assert all(one is not None for one in times)
    assert len(set(times)) == shown


def test_only_stamped_pictures_are_taken(studio: Studio) -> None:
    studio.permit()
    studio.recorder.begin()
    studio.recorder.show(Picture(scene(True)))  # type: ignore[arg-type]
    assert studio.end() == []
    assert studio.ends == [End.FAILED]


def test_nothing_is_written_before_the_client_knows(studio: Studio) -> None:
    studio.permit()
    studio.show(0, scene(True))
    studio.hear(0)
    studio.recorder.stop()
    studio.recorder.begin()  # the call was over first
    assert studio.recorder.is_over
    assert not studio.folder.exists()
    assert studio.audit.told == []


def test_the_longest(tmp_path: Path, credentials: Credentials) -> None:
    studio = Studio(tmp_path, credentials, longest_ns=SECOND // 2)
    studio.permit()
    studio.recorder.begin()
    for ms in range(0, 2000, 40):
        studio.show(ms, scene(True, 64))
        time.sleep(0.001)
    assert studio.recorder.join(20)
    assert studio.ends == [End.LONGEST]
    (file,) = studio.end()
    assert len(recorded(file)[0]) == 1 + 520 // 40
    assert studio.events() == ["recording_started", "recording_made"]


class SlowAudit(MemoryAudit):
    """Holds up the recorder's thread until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()

    def write(self, event: Event, **facts: Any) -> str:
        assert self.go.wait(20)
        return super().write(event, **facts)


def test_a_recorder_that_is_too_slow_drops_and_counts(
    tmp_path: Path, credentials: Credentials
) -> None:
    studio = Studio(tmp_path, credentials)
    slow = SlowAudit()
    studio.publisher = Publisher(credentials, slow, "0" * 16, "")
    studio.recorder._publisher = studio.publisher
    studio.permit()
    studio.recorder.begin()
    start = time.thread_time()
    for _ in range(100):
        studio.recorder.show(STAMPED)
    for n in range(300):
        studio.hear(20 * n)
    assert time.thread_time() - start < 0.1  # whoever shows something is not held up
    assert studio.counts["dropped.unrecorded"] == 70 + 50
    slow.go.set()
    (file,) = studio.end()
    assert len(recorded(file)[0]) == 30


STAMPED = stamp()(Picture(np.full((64, 64, 3), 90, np.uint8), now_ns(), 0))


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def broken(*_: object) -> None:
    raise RuntimeError("a mistake")


@pytest.mark.parametrize(
    ("failure", "end"), [(full, End.DISK_FULL), (broken, End.FAILED)], ids=["full", "broken"]
)
def test_a_recording_that_fails_leaves_nothing(
    studio: Studio,
    monkeypatch: pytest.MonkeyPatch,
    failure: Callable[..., None],
    end: End,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(CallFilm, "show", failure)
    studio.permit()
    studio.recorder.begin()
    studio.show(0, scene(True))
    assert studio.end() == []
    assert studio.ends == [end]
    assert studio.audit.told[-1] == (Event.RECORDING_FAILED, {"session": ID, "reason": str(end)})
    assert "the call goes on" in caplog.text


def test_a_disk_that_is_almost_full_ends_it_while_there_is_room_to_sign(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(50_000_000))
    studio.permit()
    studio.recorder.begin()
    for ms in range(0, 1600, 40):
        studio.show(ms, scene(True, 64))
        time.sleep(0.001)
    assert studio.recorder.join(20)
    assert studio.ends == [End.DISK_FULL]
    (file,) = studio.end()
    assert len(recorded(file)[0]) == 30
    assert studio.events() == ["recording_started", "recording_made"]


def test_a_folder_that_cannot_be(tmp_path: Path, credentials: Credentials) -> None:
    (tmp_path / "recordings").touch()
    studio = Studio(tmp_path, credentials)
    studio.permit()
    studio.recorder.begin()
    studio.recorder.show(STAMPED)
    studio.end()
    assert studio.ends == [End.FAILED]
    assert studio.events() == ["recording_started", "recording_failed"]


def test_what_cannot_be_logged_is_not_recorded(studio: Studio) -> None:
    studio.permit()
    studio.audit.full = True
    studio.recorder.begin()
    studio.recorder.show(STAMPED)
    assert studio.end() == []
    assert studio.ends == [End.NOT_LOGGED]


def test_nothing_is_kept_without_consent(studio: Studio) -> None:
    studio.permit(frozenset({Purpose.CALL}))
    studio.recorder.begin()
    studio.recorder.show(STAMPED)
    assert studio.end() == []
    assert studio.ends == [End.NO_CONSENT]
    assert studio.events() == ["recording_failed"]


def test_nothing_is_kept_whose_consent_was_revoked_meanwhile(studio: Studio) -> None:
    permit = studio.permit()
    studio.recorder.begin()
    studio.show(0, scene(True))
    consents.authority().revoke(permit.record.id)
    assert studio.end() == []
    assert studio.ends == [End.NO_CONSENT]


def test_an_end_before_the_first_picture(studio: Studio) -> None:
    studio.permit()
    studio.recorder.begin()
    studio.hear(0)
    assert studio.end() == []
    assert studio.events() == ["recording_started", "recording_failed"]


def test_what_a_killed_server_has_left_is_removed(studio: Studio) -> None:
    names = (f".2026-08-01-{ID}.mp4.abcd", ".2026-08-01-0123456789ab.mp4.abcd", ".mine", "b.mp4")
    for name in names:
        (studio.folder / name).mkdir(parents=True)
        (studio.folder / name / "a.mp4").touch()
    for name in names:
        if ID not in name:  # one of them is still being written, by another server
            for each in (studio.folder / name / "a.mp4", studio.folder / name):
                os.utime(each, (0, 0))
    studio.permit()
    studio.recorder.begin()
    studio.recorder.show(STAMPED)
    left = [one.name for one in studio.end()]
    assert sorted(left) == sorted([names[0], ".mine", "b.mp4", "2026-08-02-call.mp4"])
    gone = {"session": "0123456789ab", "reason": "unfinished"}
    assert studio.audit.told[1] == (Event.RECORDING_FAILED, gone)


def recordings(folder: Path, credentials: Credentials, audit: MemoryAudit) -> Recordings:
    publisher = Publisher(credentials, audit, "0123456789abcdef", "")
    return Recordings(Recording(enabled=True, folder=folder), publisher)


@in_loop
async def test_a_recorded_call(tmp_path: Path, credentials: Credentials) -> None:
    audit = MemoryAudit()
    made = recordings(tmp_path, credentials, audit)
    request = fakes.request()
    request = type(request)(request.avatar, request.parts, fakes.call_settings(), recordings=made)
    session, peer = Session(request), Peer(camera=CodedCamera(constant(256, 256), FPS))
    assert session.report()["recording"] == "waiting"
    await peer.call(session.answer)
    await peer.until(lambda: len(peer.seen) > 2 * FPS and len(peer.heard) > 50)
    assert peer.said("hello")[0]["recorded"] is True
    told = [one for one in peer.said("state") if one["state"] == "recording"]
    assert told == [{"type": "state", "state": "recording", "message": NOTICE}]
    assert session.report()["recording"] == "on"
    await session.close()
    await peer.close()
    await made.close(20)
    (file,) = await asyncio.to_thread(lambda: list(tmp_path.iterdir()))
    assert re.fullmatch(rf"\d{{4}}-\d\d-\d\d-{session.public_id}\.mp4", file.name)
    times, _, levels = recorded(file)
    assert len(times) > FPS
    assert len(levels) > 25
    assert session.report()["recording"] == End.CALL_ENDED
    assert [event for event, _ in audit.told] == ["recording_started", "recording_made"]


@in_loop
async def test_a_call_whose_recording_fails_goes_on(
    tmp_path: Path, credentials: Credentials
) -> None:
    audit = MemoryAudit()
    audit.full = True
    request = fakes.request()
    request = type(request)(
        request.avatar,
        request.parts,
        fakes.call_settings(),
        recordings=recordings(tmp_path, credentials, audit),
    )
    session, peer = Session(request), Peer()
    await peer.call(session.answer)
    await peer.until(lambda: any(one["state"] == "recording_ended" for one in peer.said("state")))
    ended = next(one for one in peer.said("state") if one["state"] == "recording_ended")
    assert ended["reason"] == "not_logged"
    assert "not recorded any more" in ended["message"]
    assert session.report()["recording"] == "not_logged"
    seen = len(peer.seen)
    await peer.until(lambda: len(peer.seen) > seen + 5)
    await session.close()
    await peer.close()
    assert await asyncio.to_thread(lambda: list(tmp_path.iterdir())) == []


@in_loop
async def test_a_call_that_is_not_recorded_says_so() -> None:
    session, peer = Session(fakes.request()), Peer()
    await peer.call(session.answer)
    await peer.until(lambda: bool(peer.said("hello")))
    assert peer.said("hello")[0]["recorded"] is False
    assert session.report()["recording"] == "off"
    await session.close()
    await peer.close()


def test_which_avatars_may_be_recorded() -> None:
    every = consents.permitted(fakes.avatar())
    some = consents.permitted(fakes.avatar(), frozenset({Purpose.CALL}))
    assert [is_covered(one.permit) for one in (every, some)] == [True, False]


@in_loop
async def test_the_server_waits_for_films_but_not_for_ever(
    tmp_path: Path, credentials: Credentials, caplog: pytest.LogCaptureFixture
) -> None:
    slow = SlowAudit()
    made = recordings(tmp_path, credentials, slow)
    recorder = made.recorder(
        ID, Label(), clock=SessionClock(), counts=Counts(), on_end=lambda end: None
    )
    recorder.begin()
    recorder.show(STAMPED)
    start = asyncio.get_running_loop().time()
    await made.close(0.1)
    assert asyncio.get_running_loop().time() - start < 2
    assert "not finished in time" in caplog.text
    slow.go.set()
    assert await asyncio.to_thread(recorder.join, 20)
