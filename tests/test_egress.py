"""What leaves: only stamped pictures, only the newest, with sound that waits for them."""

from __future__ import annotations

import asyncio
from fractions import Fraction

import numpy as np
import pytest
from aiortc.mediastreams import MediaStreamError
from hypothesis import given
from hypothesis import strategies as st

from engines.types import Picture
from live.clock import MILLISECOND, now_ns
from live.disclosure import Stamped, VisibleLabel
from live.egress import AvatarTrack, VoiceTrack, next_delay, to_frame
from live.ingest import to_rgb
from live.measures import Counts
from tests.loops import in_loop

stamp = VisibleLabel(visible=False)


def stamped(level: int = 90, pts_ns: int = 0, captured_ns: int = 0) -> Stamped:
    return stamp(Picture(np.full((64, 64, 3), level, np.uint8), pts_ns, captured_ns))


def put(track: VoiceTrack, count: int, captured_ns: int = 0) -> None:
    """Piece number `count` of a voice, 20 ms each."""
    track.deliver_encoded(bytes([count % 256]), 960 * count, captured_ns or now_ns())


def test_colours_survive() -> None:
    y, x = np.mgrid[:480, :640]
    rgb = np.stack([x * 200 // 640 + 20, y * 200 // 480 + 20, 0 * x + 90], axis=2).astype(np.uint8)
    back = to_rgb(to_frame(stamp(Picture(rgb))))
    assert np.abs(back.astype(int) - rgb).max() < 10


def test_odd_sizes_are_cut() -> None:
    frame = to_frame(stamp(Picture(np.zeros((65, 33, 3), np.uint8))))
    assert (frame.width, frame.height) == (32, 64)


@in_loop
async def test_nothing_unstamped_leaves() -> None:
    with pytest.raises(AttributeError):
        AvatarTrack(Counts()).show(Picture(np.zeros((2, 2, 3), np.uint8)))  # type: ignore[arg-type]


@in_loop
async def test_the_newest_picture_is_sent_and_the_others_are_counted() -> None:
    counts = Counts()
    track = AvatarTrack(counts)
    for level in (10, 20, 200):
        track.show(stamped(level, captured_ns=now_ns() - 5 * MILLISECOND))
    await asyncio.sleep(0)
    frame = await track.recv()
    assert abs(int(to_rgb(frame).mean()) - 200) < 3
    assert counts["dropped.unsent"] == 2
    assert len(track.latency) == counts["out"] == 0  # not before it has been sent
    track.show(stamped())
    await track.recv()
    assert counts["out"] == 1
    assert 5 * MILLISECOND <= track.latency.recent_ns() < 500 * MILLISECOND


@in_loop
async def test_times_only_go_up() -> None:
    track = AvatarTrack(Counts())
    times = []
    for pts_ns in (7_000_000_000, 7_033_333_333, 7_033_333_334, 5_000_000_000, 7_100_000_000):
        track.show(stamped(pts_ns=pts_ns))
        times.append((await track.recv()).pts)
    assert times == [0, 3000, 3001, 3002, 9000]


@in_loop
async def test_who_waits_learns_of_the_end() -> None:
    for track in (AvatarTrack(Counts()), VoiceTrack(lambda: 0, Counts())):
        waiting = asyncio.ensure_future(track.recv())
        await asyncio.sleep(0)
        track.stop()
        with pytest.raises(MediaStreamError):
            await waiting


@in_loop
async def test_a_picture_after_the_end_is_dropped() -> None:
    track = AvatarTrack(Counts())
    track.stop()
    track.show(stamped())
    await asyncio.sleep(0)
    with pytest.raises(MediaStreamError):
        await track.recv()


def test_a_loop_that_has_gone_does_no_harm() -> None:
    async def make() -> AvatarTrack:
        return AvatarTrack(Counts())

    asyncio.run(make()).show(stamped())


@in_loop
async def test_the_voice_passes_untouched_and_waits_for_the_picture() -> None:
    delay_ns = 24 * MILLISECOND
    track = VoiceTrack(lambda: delay_ns, Counts())
    for count in range(15):
        put(track, count)
        await track.recv()
    before = now_ns()
    put(track, 15, before)
    packet = await track.recv()
    assert now_ns() - before >= delay_ns
    assert (bytes(packet), packet.pts) == (bytes([15]), 960 * 15)
    assert packet.time_base == Fraction(1, 48_000)
    assert len(track.latency) == 15


@in_loop
async def test_a_gap_in_the_sound_stays_a_gap() -> None:
    track = VoiceTrack(lambda: 0, Counts())
    for count in (0, 1, 51):
        put(track, count)
    assert [(await track.recv()).pts for _ in range(3)] == [0, 960, 51 * 960]


@in_loop
async def test_a_burst_of_sound_does_not_pile_up() -> None:
    counts = Counts()
    track = VoiceTrack(lambda: 0, counts)
    for count in range(500):
        put(track, count)
    assert (await track.recv()).pts == 960 * 450
    assert counts["dropped.late_sound"] == 450


@in_loop
async def test_sound_that_was_held_up_catches_up() -> None:
    counts = Counts()
    track = VoiceTrack(lambda: 0, counts)
    start = now_ns() - 600 * MILLISECOND
    for count in range(30):
        put(track, count, start + count * 20 * MILLISECOND)
    first = (await track.recv()).pts
    assert first is not None
    # what is 150 ms late or more is gone
    assert 960 * 22 <= first <= 960 * 29
    assert counts["dropped.late_sound"] == first // 960


@in_loop
async def test_sound_after_the_end_is_dropped() -> None:
    track = VoiceTrack(lambda: 0, Counts())
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
