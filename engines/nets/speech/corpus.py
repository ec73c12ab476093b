"""Utterances with their phones, in files of one source each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engines.log_mel import HOP, RATE
from engines.phones import PHONES
from engines.types import Floats, Phone

NUMBERS = {name: number for number, name in enumerate(PHONES)}
FRAME_NS = HOP * 1_000_000_000 // RATE


@dataclass(frozen=True, slots=True)
class Utterance:
    """Somebody says something."""

    name: str
    speaker: str
    samples: Floats
    """`(n,)` float32, −1…1, 16 kHz mono."""
    phones: tuple[Phone, ...]
    """In order, without gaps; what lies outside them is silence."""


def labels(phones: Sequence[Phone], count: int) -> NDArray[np.uint8]:
    """`(count,)` places in `PHONES`: what is said at the centres of 10 ms frames."""
    frames = np.zeros(count, np.uint8)
    for phone in phones:
        first, last = (
            -(-(ns - FRAME_NS // 2) // FRAME_NS) for ns in (phone.start_ns, phone.end_ns)
        )
        frames[max(first, 0) : max(last, 0)] = NUMBERS[phone.name]
    return frames


def part_of(speaker: str) -> str:
    """`test`, `tune` or `train`: 12 % of speakers are for tests only, 4 % for tuning thresholds.

    Decided by a hash of the speaker's name, hence the same for everybody and for ever.
    """
    share = int.from_bytes(hashlib.sha256(speaker.encode()).digest()[:4], "big") % 100
    return "test" if share < 12 else "tune" if share < 16 else "train"


def save(path: Path, utterances: Iterable[Utterance]) -> None:
    """Writes a file that `load` reads; samples are stored in 16 bits."""
    kept = list(utterances)
    if not kept:
        raise SystemExit(f"{path.name}: not one utterance could be made; nothing is written")
    phones = [phone for utterance in kept for phone in utterance.phones]
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        path,
        names=[utterance.name for utterance in kept],
        speakers=[utterance.speaker for utterance in kept],
        lengths=[len(utterance.samples) for utterance in kept],
        samples=np.concatenate([_int16(utterance.samples) for utterance in kept]),
        counts=[len(utterance.phones) for utterance in kept],
        phones=np.array([NUMBERS[phone.name] for phone in phones], np.uint8),
        stressed=[phone.stressed for phone in phones],
        starts_ns=[phone.start_ns for phone in phones],
        ends_ns=[phone.end_ns for phone in phones],
    )


def load(path: Path) -> list[Utterance]:
    """The utterances of a file that `save` wrote."""
    with np.load(path) as file:
        stored = {name: file[name] for name in file.files}
    columns = (stored[name].tolist() for name in ("phones", "starts_ns", "ends_ns", "stressed"))
    phones = [Phone(PHONES[number], *rest) for number, *rest in zip(*columns, strict=True)]
    sounds = np.split(stored["samples"], np.cumsum(stored["lengths"])[:-1])
    ends = np.cumsum(stored["counts"]).tolist()
    return [
        Utterance(
            str(name), str(speaker), (sound / 32768).astype(np.float32), tuple(phones[begin:end])
        )
        for name, speaker, sound, begin, end in zip(
            stored["names"], stored["speakers"], sounds, [0, *ends[:-1]], ends, strict=True
        )
    ]


def _int16(samples: Floats) -> NDArray[np.int16]:
    return (np.clip(samples, -1, 1) * 32767).astype(np.int16)
