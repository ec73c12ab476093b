"""What one peer sent at one moment gets one time, however late either stream is."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from live.clock import MILLISECOND, SECOND, VIDEO_RATE, ns_from_ticks
from live.peer_clock import PeerClock, StreamClock

_NTP_ORIGIN = 3_900_000_000 << 32


def ntp(ns: int) -> int:
    return _NTP_ORIGIN + (ns << 32) // SECOND


def test_times_are_as_regular_as_the_senders() -> None:
    clock = StreamClock(VIDEO_RATE)
    start = 5 * SECOND
    times = [
        clock.at(3000 * i, start + round(SECOND * i / 30) + late * MILLISECOND)
        for i, late in enumerate([0, 7, 3, 20, 1])
    ]
    assert times == [start + ns_from_ticks(3000 * i, VIDEO_RATE) for i in range(5)]


def test_times_hang_on_the_frame_that_was_least_late() -> None:
    clock = StreamClock(VIDEO_RATE)
    assert clock.at(0, SECOND + 80 * MILLISECOND) == SECOND + 80 * MILLISECOND
    for i in range(1, 60):
        late = 40 if i % 3 else 0
        time = clock.at(3000 * i, SECOND + ns_from_ticks(3000 * i, VIDEO_RATE) + late * MILLISECOND)
    assert abs(time - SECOND - ns_from_ticks(3000 * 59, VIDEO_RATE)) < MILLISECOND


def test_nothing_jumps_by_more_than_a_slew() -> None:
    rng = np.random.default_rng(1)
    clock = StreamClock(VIDEO_RATE)
    ticks = 3000 * np.arange(600)
    arrivals = [ns_from_ticks(int(t), VIDEO_RATE) + int(rng.exponential(2e7)) for t in ticks]
    times = np.array([clock.at(int(t), a) for t, a in zip(ticks, arrivals, strict=True)])
    assert np.abs(np.diff(times) - SECOND / 30).max() <= 2 * MILLISECOND + 1
    assert np.abs(times[300:] - ticks[300:] * SECOND / VIDEO_RATE).max() < 4 * MILLISECOND


def test_a_clock_that_runs_slow_is_followed() -> None:
    clock = StreamClock(VIDEO_RATE)
    for i in range(30 * 120):
        arrived_ns = round(i * SECOND / 30 * 1.0003)
        time = clock.at(3000 * i, arrived_ns)
    assert abs(time - arrived_ns) < 5 * MILLISECOND


def test_times_follow_a_sender_that_jumped() -> None:
    clock = StreamClock(VIDEO_RATE)
    clock.at(0, 5 * SECOND)
    assert clock.at(90_000 * 60, 6 * SECOND) == 6 * SECOND
    assert clock.at(90_000 * 61, 7 * SECOND) == 7 * SECOND


def two_streams(*, picture_late: int, reports: bool, wrong_by: int = 0) -> int:
    """How much later than its sound a picture of the same moment stands, after ten seconds.

    The sound's ticks began 300 ms after the picture's, and both travel with jitter.
    """
    rng = np.random.default_rng(3)
    clock = PeerClock()
    sound_ns = picture_ns = 0
    for i in range(500):
        captured = i * 20 * MILLISECOND
        if captured >= 300 * MILLISECOND:
            arrived = SECOND + captured + 20 * MILLISECOND + int(rng.exponential(2e6))
            sound_ns = clock.sound_at(960 * (i - 15), arrived, 20 * MILLISECOND) - captured
        if i % 2:
            arrived = SECOND + captured + picture_late + int(rng.exponential(4e6))
            picture_ns = clock.picture_at(1800 * i, arrived) - captured
        if reports and i % 50 == 25:
            clock.sound_reported(960 * (i - 15), ntp(captured))
            clock.picture_reported(1800 * i, ntp(captured + wrong_by))
    return picture_ns - sound_ns


def test_reports_bring_both_streams_together() -> None:
    late = 35 * MILLISECOND
    assert abs(two_streams(picture_late=late, reports=False) - late) < 3 * MILLISECOND
    assert abs(two_streams(picture_late=late, reports=True)) < MILLISECOND


def test_reports_that_cannot_be_true_are_not_believed() -> None:
    late = 35 * MILLISECOND
    skew = two_streams(picture_late=late, reports=True, wrong_by=3 * SECOND)
    assert abs(skew - late) < 3 * MILLISECOND


@given(
    st.lists(
        st.tuples(st.integers(0, 1 << 40), st.integers(0, (1 << 64) - 1), st.booleans()),
        max_size=30,
    )
)
def test_any_report_is_survived(reports: list[tuple[int, int, bool]]) -> None:
    clock = PeerClock()
    for i, (ticks, time, sound) in enumerate(reports):
        (clock.sound_reported if sound else clock.picture_reported)(ticks, time)
        now = i * 20 * MILLISECOND
        assert abs(clock.sound_at(960 * i, now, 0) - now) <= 250 * MILLISECOND
        assert abs(clock.picture_at(1800 * i, now) - now) <= 250 * MILLISECOND
