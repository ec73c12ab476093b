"""What the peer says comes out at 16 kHz, at its time, whatever the network did to it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.types import Sound
from live import opus
from live.clock import MILLISECOND, SECOND, VOICE_RATE, ns_from_ticks
from live.hearing import RATE, Hearing
from live.measures import Counts
from live.opus import Piece

START_NS = 7 * SECOND


def pieces(samples: opus.Samples) -> list[Piece]:
    """48 kHz sound in packets of 20 ms."""
    encode = opus.Encoder()
    return [
        Piece(encode(samples[at : at + opus.SLOT]), 40_000 + at, time_of(at), 0)
        for at in range(0, len(samples), opus.SLOT)
    ]


def time_of(sample: int) -> int:
    return START_NS + ns_from_ticks(sample, VOICE_RATE)


def bursts(count: int = 20) -> opus.Samples:
    """A burst of 10 ms every 100 ms, in quiet."""
    t = np.arange(4800)
    one = np.where(t < 480, 12_000 * np.sin(t * 2 * np.pi * 1000 / VOICE_RATE), 0).astype(np.int16)
    return np.tile(one, count)


def heard(found: Iterable[Piece], counts: Counts | None = None) -> list[Sound]:
    """One by one, as a worker that keeps up takes them."""
    hearing = Hearing(counts or Counts())
    sounds = []
    for piece in found:
        hearing.put(piece)
        sounds += hearing.take()
    return sounds


def loud(sounds: list[Sound]) -> list[float]:
    """When something begins after quiet, in seconds from the start."""
    level = np.concatenate([np.abs(sound.samples) for sound in sounds])
    times = np.concatenate([
        (sound.pts_ns - START_NS) / SECOND + np.arange(len(sound.samples)) / RATE
        for sound in sounds
    ])  # fmt: skip
    at = times[level > 0.1]
    return [float(at[0])] + [float(b) for a, b in pairwise(at) if b - a > 0.03]


def breaks_ms(sounds: list[Sound]) -> float:
    """By how much a piece begins elsewhere than where the one before ended, at most."""
    return max(
        abs(b.pts_ns - a.pts_ns - len(a.samples) * SECOND / RATE) / MILLISECOND
        for a, b in pairwise(sounds)
    )


def test_sound_stands_at_its_time() -> None:
    sounds = heard(pieces(bursts()))
    begins = loud(sounds)
    ahead = opus.AHEAD / VOICE_RATE  # a listener to the packets hears it that much later, too
    assert begins == pytest.approx([i * 0.1 + ahead for i in range(20)], abs=1e-3)
    assert breaks_ms(sounds) < 0.01
    total = sum(len(sound.samples) for sound in sounds)
    assert 0 <= 2.0 - total / RATE <= 1e-3  # what is held back
    assert all(sound.samples.dtype == np.float32 for sound in sounds)


def test_what_was_lost_is_silence_of_its_length() -> None:
    every = pieces(bursts())
    sounds = heard(piece for i, piece in enumerate(every) if i % 10)  # every second burst
    assert loud(sounds) == pytest.approx([i * 0.1 + 0.1065 for i in range(0, 20, 2)], abs=0.01)
    assert breaks_ms(sounds) < 0.01


def test_a_long_pause_is_silence_and_a_longer_one_a_new_beginning() -> None:
    every = pieces(bursts(40))
    sounds = heard(every[:10] + every[50:60])
    assert breaks_ms(sounds) < 0.01
    sounds = heard(every[:10] + every[100:110])
    assert breaks_ms(sounds) == pytest.approx(1800, abs=2)
    assert loud(sounds)[2:] == pytest.approx([2.0065, 2.1065], abs=0.005)


def test_packets_that_come_twice_or_too_late_change_nothing() -> None:
    every = pieces(bursts())
    once = heard(every)
    again = heard(one for i, piece in enumerate(every) for one in (piece, every[max(0, i - 3)]))
    assert np.array_equal(
        np.concatenate([sound.samples for sound in once]),
        np.concatenate([sound.samples for sound in again]),
    )


def test_a_packet_that_is_none_is_silence() -> None:
    every = pieces(bursts())
    counts = Counts()
    for i in (20, 21):
        every[i] = every[i]._replace(data=b"\xff\xff")
    sounds = heard(every, counts)
    assert counts["dropped.unheard_sound"] == 2
    assert breaks_ms(sounds) < 0.01
    assert len(loud(sounds)) == 19


def test_what_nobody_takes_does_not_pile_up() -> None:
    counts = Counts()
    hearing = Hearing(counts)
    every = pieces(bursts())
    for piece in every:
        hearing.put(piece)
    sounds = hearing.take()
    assert counts["dropped.unheard_sound"] == 50
    assert sounds[0].pts_ns == every[50].pts_ns
    assert hearing.take() == []


def test_listening_is_cheap() -> None:
    hearing = Hearing(Counts())
    costs = []
    for piece in pieces(bursts()):
        hearing.put(piece)
        start = time.thread_time()
        hearing.take()
        costs.append(time.thread_time() - start)
    assert np.median(costs) < 0.3e-3


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.binary(max_size=40), st.integers(-5000, 200_000)), max_size=12))
def test_any_packets_are_survived(packets: list[tuple[bytes, int]]) -> None:
    hearing = Hearing(Counts())
    for i, (data, ticks) in enumerate(packets):
        hearing.put(Piece(data, ticks, START_NS + i * 20 * MILLISECOND, 0))
        for sound in hearing.take():
            assert np.isfinite(sound.samples).all()
            assert len(sound.samples) <= RATE * 1.2


@given(st.binary(max_size=4))
def test_a_packets_length_is_known_or_none(data: bytes) -> None:
    samples = opus.duration(data)
    assert samples % 120 == 0
    assert samples <= 5760


def test_lengths_are_those_of_the_standard() -> None:
    assert [opus.duration(bytes([config << 3])) for config in range(32)] == [
        *(480, 960, 1920, 2880) * 3,
        *(480, 960) * 2,
        *(120, 240, 480, 960) * 4,
    ]
    assert opus.duration(b"\xfb\x03") == 3 * 960
    assert opus.duration(b"\xfb\x3f") == opus.duration(b"\xfb") == opus.duration(b"") == 0
