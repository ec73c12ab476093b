"""What leaves: only stamped pictures, only the newest, with sound that waits for them."""

from __future__ import annotations

import asyncio
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from aiortc.mediastreams import MediaStreamError
from hypothesis import given
from hypothesis import strategies as st

from engines.types import Picture
from live.clock import MILLISECOND, SECOND, SessionClock, now_ns
from live.decoded import decoded
from live.disclosure import Stamped
from live.egress import AvatarTrack, VoiceTrack
from live.frames import to_frame
from live.measures import Counts
from live.opus import SILENCE, Piece
from live.voice_line import next_delay
from tests.fakes import stamp
from tests.loops import in_loop

MARKED = stamp()


def stamped(level: int = 90, pts_ns: int = 0, captured_ns: int = 0) -> Stamped:
    return MARKED(Picture(np.full((64, 64, 3), level, np.uint8), pts_ns, captured_ns))


OPUS = b"\xf8"
"""Begins a packet of 20 ms, mono."""


def put(track: VoiceTrack, count: int, pts_ns: int = 0) -> None:
    """Piece number `count` of a voice, 20 ms each."""
    time_ns = pts_ns or now_ns()
    track.put(Piece(OPUS + bytes([count % 256]), 960 * count, time_ns, time_ns))


def test_colours_survive() -> None:
    y, x = np.mgrid[:480, :640]
    rgb = np.stack([x * 200 // 640 + 20, y * 200 // 480 + 20, 0 * x + 90], axis=2).astype(np.uint8)
    back = decoded(to_frame(MARKED(Picture(rgb)))).rgb
    assert np.abs(back.astype(int) - rgb).max() < 10


def test_odd_sizes_are_cut() -> None:
    frame = to_frame(MARKED(Picture(np.zeros((65, 33, 3), np.uint8))))
    assert (frame.width, frame.height) == (32, 64)


@in_loop
async def test_nothing_unstamped_leaves() -> None:
    with pytest.raises(TypeError, match="stamped"):
        AvatarTrack(Counts(), SessionClock()).show(Picture(np.zeros((2, 2, 3), np.uint8)))  # type: ignore[arg-type]


@in_loop
async def test_the_newest_picture_is_sent_and_the_others_are_counted() -> None:
    counts = Counts()
    track = AvatarTrack(counts, SessionClock())
    for level in (10, 20, 200):
        track.show(stamped(level, captured_ns=now_ns() - 5 * MILLISECOND))
    await asyncio.sleep(0)
    frame = await track.recv()
    assert abs(int(decoded(frame).rgb.mean()) - 200) < 3
    assert counts["dropped.unsent"] == 2
    assert len(track.latency) == counts["out"] == 0  # not before it has been sent
    track.show(stamped())
    await track.recv()
    assert counts["out"] == 1
    assert 5 * MILLISECOND <= track.latency.recent_ns() < 500 * MILLISECOND


@in_loop
async def test_the_way_out_is_timed_without_a_gap() -> None:
    track = AvatarTrack(Counts(), SessionClock())
    track.show(stamped(captured_ns=now_ns()))
    await asyncio.sleep(0.01)
    await track.recv()
    await asyncio.sleep(0.02)
    track.note_encoded()
    await asyncio.sleep(0.03)
    waiting = asyncio.ensure_future(track.recv())  # asks for the next: the first has been sent
    await asyncio.sleep(0)
    times = [track.times[stage].recent_ns() for stage in ("hand_over", "encode", "send")]
    assert all(time >= ms * MILLISECOND for time, ms in zip(times, (9, 19, 29), strict=True))
    assert abs(sum(times) - track.latency.recent_ns()) < 5 * MILLISECOND
    track.stop()
    with pytest.raises(MediaStreamError):
        await waiting


@in_loop
async def test_times_only_go_up() -> None:
    track = AvatarTrack(Counts(), SessionClock())
    times = []
    start = now_ns()
    for ns in (0, 33_333_333, 33_333_334, -2 * SECOND, 93 * MILLISECOND):
        track.show(stamped(pts_ns=start + ns))
        times.append((await track.recv()).pts or 0)
    assert [time - times[0] for time in times] == [0, 3000, 3001, 3002, 8370]


@in_loop
async def test_who_waits_learns_of_the_end() -> None:
    clock = SessionClock()
    for track in (AvatarTrack(Counts(), clock), VoiceTrack(lambda: 0, Counts(), clock=clock)):
        waiting = asyncio.ensure_future(track.recv())
        await asyncio.sleep(0)
        track.stop()
        with pytest.raises(MediaStreamError):
            await waiting


@in_loop
async def test_a_picture_after_the_end_is_dropped() -> None:
    track = AvatarTrack(Counts(), SessionClock())
    track.stop()
    track.show(stamped())
    await asyncio.sleep(0)
    with pytest.raises(MediaStreamError):
        await track.recv()


def test_a_loop_that_has_gone_does_no_harm() -> None:
    async def make() -> AvatarTrack:
        return AvatarTrack(Counts(), SessionClock())

    asyncio.run(make()).show(stamped())


@in_loop
async def test_the_voice_passes_untouched_and_waits_for_the_picture() -> None:
    delay_ns = 24 * MILLISECOND  # and a viewer takes 60 more to be heard than to be seen
    track = VoiceTrack(lambda: delay_ns + 60 * MILLISECOND, Counts(), clock=SessionClock())
    start = now_ns()
    for count in range(15):
        put(track, count, start + count * 20 * MILLISECOND)
    times = [(await track.recv()).pts or 0 for _ in range(15)]
    before = now_ns()
    put(track, 15, before)
    last = await track.recv()
    assert now_ns() - before >= delay_ns
    assert bytes(last) == OPUS + bytes([15])
    assert last.time_base == Fraction(1, 48_000)
    assert {b - a for a, b in pairwise(times)} == {960}
    assert len(track.latency) == 15


@in_loop
async def test_a_gap_in_the_sound_stays_a_gap() -> None:
    track = VoiceTrack(lambda: 0, Counts(), clock=SessionClock())
    start = now_ns() - 100 * MILLISECOND
    for count in (0, 1, 5):
        put(track, count, start + count * 20 * MILLISECOND)
    found = []
    for _ in range(3):
        found.append(((await track.recv()).pts or 0, track.begins_spurt))
    first = found[0][0]
    assert [(pts - first, begins) for pts, begins in found] == [
        (0, True),
        (960, False),
        (5 * 960, True),
    ]


@in_loop
async def test_a_burst_of_sound_does_not_pile_up() -> None:
    counts = Counts()
    track = VoiceTrack(lambda: 0, counts, clock=SessionClock())
    for count in range(500):
        put(track, count)
    assert bytes(await track.recv()) == OPUS + bytes([450 % 256])
    assert counts["dropped.late_sound"] == 450


@in_loop
async def test_sound_that_was_held_up_catches_up() -> None:
    counts = Counts()
    track = VoiceTrack(lambda: 0, counts, clock=SessionClock())
    start = now_ns() - 600 * MILLISECOND
    for count in range(30):
        put(track, count, start + count * 20 * MILLISECOND)
    first = bytes(await track.recv())[1]
    # what is 150 ms late or more is gone
    assert 22 <= first <= 29
    assert counts["dropped.late_sound"] == first


@in_loop
async def test_sound_after_the_end_is_dropped() -> None:
    track = VoiceTrack(lambda: 0, Counts(), clock=SessionClock())
    track.stop()
    put(track, 0)
    with pytest.raises(MediaStreamError):
        await track.recv()


@given(st.integers(0, 10**9), st.integers(-(10**9), 10**9))
def test_the_delay_is_smooth_and_bounded(present: int, wanted: int) -> None:
    present = min(present, 400 * MILLISECOND)
    following = next_delay(present, wanted)
    assert abs(following - present) <= 2 * MILLISECOND
    assert 0 <= following <= 400 * MILLISECOND
    for _ in range(201):
        following = next_delay(following, wanted)
    assert following == min(max(wanted, 0), 400 * MILLISECOND)


@in_loop
async def test_who_does_not_listen_is_sent_nothing_and_a_voice_goes_on() -> None:
    asked = []

    class Voice:
        def sound(self, pts_ns: int) -> None:
            asked.append(pts_ns)

    track = VoiceTrack(lambda: 0, Counts(), clock=SessionClock(), source=Voice())
    track.audible = False
    waiting = asyncio.ensure_future(track.recv())
    await asyncio.sleep(0.2)
    assert not waiting.done()
    assert len(asked) > 5
    track.audible = True
    assert bytes(await waiting) == SILENCE
