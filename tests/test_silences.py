"""Silences of phones follow the sound, and cutting keeps phones and samples together."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.types import Floats, Phone
from engines.voices.silences import cut, fitted

RATE = 16_000
MS = 1_000_000


def sound(*stretches: tuple[int, bool]) -> Floats:
    """Milliseconds of noise or nothing."""
    random = np.random.default_rng(0)
    parts = [random.uniform(-0.3, 0.3, ms * RATE // 1000) * loud for ms, loud in stretches]
    return np.concatenate(parts).astype(np.float32)


def phones(*named: tuple[str, int]) -> tuple[Phone, ...]:
    """Names and milliseconds."""
    ends = np.cumsum([0, *(ms for _, ms in named)]).tolist()
    return tuple(
        Phone(name, start * MS, end * MS)
        for (name, _), (start, end) in zip(named, pairwise(ends), strict=True)
    )


def bounds(told: tuple[Phone, ...]) -> list[int]:
    return [phone.start_ns // MS for phone in told] + [told[-1].end_ns // MS]


def test_a_sound_ends_where_it_falls_silent() -> None:
    told = phones(("SIL", 100), ("AA", 300), ("SIL", 100))
    samples = sound((50, False), (250, True), (200, False))
    assert bounds(fitted(told, samples, RATE)) == [0, 50, 300, 500]


def test_a_sound_goes_on_for_as_long_as_it_is_heard() -> None:
    told = phones(("SIL", 100), ("AA", 200), ("SIL", 200))
    samples = sound((120, False), (260, True), (120, False))
    assert bounds(fitted(told, samples, RATE)) == [0, 120, 380, 500]


def test_a_stop_is_closed_before_it_is_heard() -> None:
    told = phones(("SIL", 100), ("P", 50), ("AA", 200), ("T", 30), ("AA", 120))
    samples = sound((100, False), (190, True), (60, False), (150, True))
    assert bounds(fitted(told, samples, RATE)) == [0, 30, 150, 290, 380, 500]


def test_a_silence_that_is_loud_belongs_to_the_sound_after_it() -> None:
    told = phones(("AA", 100), ("SIL", 80), ("S", 100), ("AA", 100), ("SIL", 100))
    moved = fitted(told, sound((380, True), (100, False)), RATE)
    assert [phone.name for phone in moved] == ["AA", "S", "AA", "SIL"]
    assert bounds(moved) == [0, 100, 280, 380, 480]


def test_the_silence_around_is_cut_and_the_phones_with_it() -> None:
    told = phones(("SIL", 200), ("AA", 100), ("SIL", 50), ("M", 100), ("SIL", 400))
    samples = sound((200, False), (250, True), (400, False))
    kept, rest = cut(told, samples, RATE, before_ns=30 * MS, after_ns=150 * MS)
    assert bounds(kept) == [0, 30, 130, 180, 280, 430]
    np.testing.assert_array_equal(rest, samples[170 * 16 : 600 * 16])
    whole, same = cut(told, samples, RATE, before_ns=900 * MS, after_ns=900 * MS)
    assert whole == told
    assert len(same) == len(samples)


_NAMED = st.lists(
    st.tuples(st.sampled_from(["SIL", "AA", "P", "T", "M"]), st.integers(1, 300)),
    min_size=1,
    max_size=12,
)


@settings(deadline=None)
@given(_NAMED, st.lists(st.tuples(st.integers(0, 300), st.booleans()), min_size=1, max_size=9))
def test_phones_stay_in_order_and_cover_the_same_time(
    named: list[tuple[str, int]], loud: list[tuple[int, bool]]
) -> None:
    told = phones(*named)
    samples = sound(*loud)
    moved = fitted(told, samples, RATE)
    names = [phone.name for phone in told if phone.name != "SIL"]
    assert [phone.name for phone in moved if phone.name != "SIL"] == names
    assert (moved[0].start_ns, moved[-1].end_ns) == (0, told[-1].end_ns)
    assert all(a.end_ns == b.start_ns for a, b in pairwise(moved))
    assert all(phone.start_ns < phone.end_ns for phone in moved)
    kept, rest = cut(moved, samples, RATE, before_ns=30 * MS, after_ns=100 * MS)
    assert all(a.end_ns == b.start_ns for a, b in pairwise(kept))
    assert len(rest) <= len(samples)
