"""What can be asked of any voice's speech whose phones are told."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from engines.phones import PHONES, VOWELS
from engines.types import Phone, Speech

FRAME_NS = 10_000_000


def phones_of(speech: Speech) -> tuple[Phone, ...]:
    """The speech's phones, which must cover the sound in order."""
    phones = speech.phones
    assert phones
    assert phones[0].start_ns == 0
    assert abs(phones[-1].end_ns - len(speech.samples) / speech.rate * 1e9) < 1e6
    assert all(a.end_ns == b.start_ns for a, b in pairwise(phones))
    assert all(phone.start_ns < phone.end_ns for phone in phones)
    assert {phone.name for phone in phones} <= set(PHONES)
    assert all(phone.name in VOWELS for phone in phones if phone.stressed)
    return phones


def levels(speech: Speech) -> NDArray[np.float32]:
    """RMS of each 10 ms, relative to the loud parts."""
    frame = speech.rate // 100
    whole = speech.samples[: len(speech.samples) // frame * frame].reshape(-1, frame)
    level = np.sqrt(np.mean(whole**2, axis=1))
    return np.asarray(level / np.percentile(level, 95), np.float32)


def within(speech: Speech, names: frozenset[str] | set[str]) -> NDArray[np.bool_]:
    """Which 10 ms lie in phones of these names."""
    times = (np.arange(len(levels(speech))) + 0.5) * FRAME_NS
    marked = np.zeros(len(times), np.bool_)
    for phone in phones_of(speech):
        if phone.name in names:
            marked |= (times >= phone.start_ns) & (times < phone.end_ns)
    return marked


def best_shift_ms(speeches: list[Speech]) -> int:
    """By how much the loudness follows the vowels: where the two correlate best."""
    loud, vowels = [], []
    for speech in speeches:
        loud += [*np.sqrt(levels(speech)), *np.zeros(20)]
        vowels += [*within(speech, VOWELS), *np.zeros(20)]
    shifts = range(-10, 11)
    return 10 * max(shifts, key=lambda by: float(np.corrcoef(np.roll(loud, -by), vowels)[0, 1]))
