"""Phones and samples of a synthesised stretch go in; silences that agree with the sound come out.

A synthesiser that predicts durations counts the dying away of a sound to that sound. A mouth that
holds an open vowel through a silence looks wrong, so silence is where nothing is heard.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from engines.types import Floats, Phone

_FRAME_NS = 5_000_000
_QUIET = 0.01
"""Of the loud parts' level: −40 dB."""
_KEPT_NS = 30_000_000
"""What a phone keeps in any case."""
_MOST_NS = 100_000_000
_CLOSURE_NS = 80_000_000
"""How long a stop after a silence is closed before it is heard, at most."""
_STOPS = frozenset(("P", "B", "T", "D", "K", "G", "CH", "JH"))


def fitted(phones: tuple[Phone, ...], samples: Floats, rate: int) -> tuple[Phone, ...]:
    """The phones with their silences, closures of stops included, where nothing is heard.

    Bounds between other sounds stay. Silences grow as far as it is silent and shrink by at most
    100 ms; every phone keeps 30 ms. A silence between sounds that is none goes to the sound after
    it.
    """
    heard = _heard(samples, rate)
    beyond = phones[-1].end_ns // _FRAME_NS + 1 - len(heard) if phones else 0
    heard = np.pad(heard, (0, max(beyond, 0)))
    phones = _without_loud_silences(phones, heard)
    bounds = [phone.start_ns for phone in phones] + [phone.end_ns for phone in phones[-1:]]
    for at, (left, right) in enumerate(pairwise(phones), start=1):
        earliest = bounds[at - 1] + _kept(left)
        latest = right.end_ns - _kept(right)
        if left.name == "SIL":
            begins = _edge(~heard, bounds[at], max(earliest, bounds[at] - _MOST_NS), latest)
            closure = _CLOSURE_NS if right.name in _STOPS else 0
            bounds[at] = max(begins - closure, earliest)
        elif right.name == "SIL":
            bounds[at] = _edge(heard, bounds[at], earliest, min(latest, bounds[at] + _MOST_NS))
        elif right.name in _STOPS:
            bounds[at] = _edge(heard, bounds[at], earliest, bounds[at])
    return tuple(
        replace(phone, start_ns=start, end_ns=end)
        for phone, (start, end) in zip(phones, pairwise(bounds), strict=True)
    )


def cut(
    phones: tuple[Phone, ...], samples: Floats, rate: int, *, before_ns: int, after_ns: int
) -> tuple[tuple[Phone, ...], Floats]:
    """Both without what the silence at the start and the end is longer than told."""
    if not phones:
        return phones, samples
    first, last = phones[0], phones[-1]
    start = max(first.end_ns - before_ns, 0) if first.name == "SIL" else 0
    end = last.end_ns
    if last.name == "SIL":
        end = min(last.start_ns + after_ns, end)
    start_sample = start * rate // 1_000_000_000
    kept = samples[start_sample : max(end * rate // 1_000_000_000, start_sample)]
    shifted = (
        replace(
            phone,
            start_ns=max(phone.start_ns, start) - start,
            end_ns=min(phone.end_ns, end) - start,
        )
        for phone in phones
    )
    return tuple(phone for phone in shifted if phone.end_ns > phone.start_ns), kept


def _heard(samples: Floats, rate: int) -> NDArray[np.bool_]:
    """`(n,)`: whether something is heard in each frame of 5 ms."""
    frame = rate * _FRAME_NS // 1_000_000_000
    whole = samples[: len(samples) // frame * frame].reshape(-1, frame)
    level = np.sqrt(np.mean(np.square(whole), axis=1))
    loud = np.percentile(level, 95) if len(level) else 0.0
    return np.asarray(level > max(_QUIET * loud, 1e-5))


def _without_loud_silences(
    phones: tuple[Phone, ...], heard: NDArray[np.bool_]
) -> tuple[Phone, ...]:
    real: list[Phone] = []
    lent_ns: int | None = None
    for at, phone in enumerate(phones):
        frames = heard[phone.start_ns // _FRAME_NS : phone.end_ns // _FRAME_NS]
        if phone.name == "SIL" and 0 < at < len(phones) - 1 and 2 * frames.sum() > len(frames):
            lent_ns = phone.start_ns
        else:
            real.append(phone if lent_ns is None else replace(phone, start_ns=lent_ns))
            lent_ns = None
    return tuple(real)


def _kept(phone: Phone) -> int:
    return min(_KEPT_NS, phone.end_ns - phone.start_ns)


def _edge(passed: NDArray[np.bool_], planned: int, earliest: int, latest: int) -> int:
    """From `planned` forward through frames that are `passed` or back through those that are not.

    All in ns, the bounds included.
    """
    frame = planned // _FRAME_NS
    first, last = -(-earliest // _FRAME_NS), latest // _FRAME_NS
    while frame < last and passed[frame]:
        frame += 1
    while frame > first and not passed[frame - 1]:
        frame -= 1
    if frame == planned // _FRAME_NS:
        return planned
    return min(max(frame * _FRAME_NS, earliest), latest)
