"""Marked videos go through codecs and attacks; what two seconds of the rest tell comes out.

A trial is one window: a subject is filmed, labelled or not, marked with a random key and payload,
sent through a call's codec, attacked, and the last two seconds are given to a detector that holds
the key and knows nothing else. Before the window lie two to three seconds, so that it begins at no
keyframe and in any phase of the mark.

All trials of one turn share their marked stream; turns differ in subject, place in its performance,
label, key and payload. So the trials of one cell are independent, those of one turn are not: a
subject that is hard is hard in all cells. Every draw follows from the seed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol
from zlib import crc32

import numpy as np

from benchmarks import mark_attacks, mark_subjects
from benchmarks.mark_codecs import RATE, Codec, Video, call
from benchmarks.mark_planes import Applies, planes_of
from benchmarks.mark_subjects import Subject
from engines.mark import KEY_BYTES
from engines.types import Rgb
from live import public_id

WINDOW_S = 2.0
_WARM = (60, 91)
"""Pictures before the window, from … to before."""
_PLACES = 300


class Tells(Protocol):
    """What a detector found."""

    @property
    def payload(self) -> bytes:
        """As it was given to the mark."""

    @property
    def score(self) -> float:
        """Standard deviations of chance."""


class Finds(Protocol):
    """Reads the mark."""

    def find(self, pictures: Iterable[Rgb]) -> Tells | None:
        """`None`: no mark."""


Marker = Callable[[bytes, bytes], Applies]
"""Of key and payload."""
Reader = Callable[[Sequence[bytes]], Finds]
"""Of the keys."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What is done to a marked video."""

    codec: Codec
    bitrate: int
    """Bits a second asked for."""
    attack: str


class Outcome(StrEnum):
    """What a detector made of a marked window."""

    RIGHT = "right"
    WRONG = "wrong"
    """A payload that was never put in."""
    MISSED = "missed"


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of one window."""

    turn: int
    subject: str
    labelled: bool
    cell: Cell
    outcome: Outcome
    reached: int
    """Bits a second over the window, by the call's codec."""
    find_s: float
    """CPU of the detection."""
    score: float | None
    """Of what was found; `None`: nothing was."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Which trials are made."""

    turns: int
    bitrates: Sequence[int]
    attacks: Sequence[str]
    clips: Sequence[Path] = ()
    seed: int = 0

    @property
    def count(self) -> int:
        """Of all trials."""
        return self.turns * len(self.bitrates) * len(Codec) * len(self.attacks)


@dataclass(frozen=True, slots=True)
class Stream:
    """One turn's marked stream."""

    turn: int
    subject: Subject
    key: bytes
    payload: bytes
    unmarked: Sequence[Rgb]
    marked: Sequence[Rgb]


def stream(plan: Plan, turn: int, marker: Marker) -> Stream:
    """Films, labels and marks."""
    subjects = mark_subjects.subjects(list(plan.clips))
    generator = np.random.default_rng((plan.seed, turn))
    subject = subjects[turn % len(subjects)]
    count = int(generator.integers(*_WARM)) + round(WINDOW_S * RATE)
    plain = mark_subjects.pictures(subject, int(generator.integers(_PLACES)), count)
    planes = [planes_of(rgb, labelled=subject.labelled) for rgb in plain]
    unmarked = [each.rgb for each in planes]
    key = generator.bytes(KEY_BYTES)
    payload = public_id.to_payload(generator.bytes(public_id.BYTES).hex())
    marking = marker(key, payload)
    for each in planes:
        marking.apply(each.luma)
    return Stream(turn, subject, key, payload, unmarked, [each.rgb for each in planes])


def trials(plan: Plan, marker: Marker, reader: Reader) -> Iterator[Trial]:
    """Makes all trials, turn by turn."""
    for turn in range(plan.turns):
        yield from _turn(plan, stream(plan, turn, marker), reader)


def window(video: Video) -> list[Rgb]:
    """The last two seconds."""
    return list(video.pictures[-round(WINDOW_S * video.rate) :])


def _turn(plan: Plan, found: Stream, reader: Reader) -> Iterator[Trial]:
    detector = reader([found.key])
    for codec in Codec:
        attacks = mark_attacks.attacks(codec)
        for bitrate in plan.bitrates:
            coded = call(Video(found.marked), codec, bitrate)
            reached = round(coded.bitrate(round(WINDOW_S * RATE)))
            for name in plan.attacks:
                drawn = crc32(f"{codec} {bitrate} {name}".encode())
                generator = np.random.default_rng((plan.seed, found.turn, drawn))
                seen = window(attacks[name](coded.video, generator))
                began_s = time.process_time()
                told = detector.find(seen)
                find_s = time.process_time() - began_s
                yield Trial(
                    found.turn,
                    found.subject.name,
                    found.subject.labelled,
                    Cell(codec, bitrate, name),
                    _outcome(told, found.payload),
                    reached,
                    find_s,
                    told.score if told else None,
                )


def _outcome(told: Tells | None, payload: bytes) -> Outcome:
    if told is None:
        return Outcome.MISSED
    return Outcome.RIGHT if told.payload == payload else Outcome.WRONG
