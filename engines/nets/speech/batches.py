"""Utterances become batches: stretches of speech and pauses in noise, with what is to be learnt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import IterableDataset

from engines.log_mel import HOP, RATE, log_mel
from engines.nets.speech import augmentation
from engines.nets.speech.corpus import Utterance, labels
from engines.nets.speech.noises import Noises
from engines.types import Floats

_SPEECHLESS = 0.04
"""The share of stretches in which nobody speaks."""
_FINE_PER_FRAME = 2


@dataclass(frozen=True, slots=True)
class Lesson:
    """An utterance with what is to be learnt from it."""

    utterance: Utterance
    soft: NDArray[np.float16] | None = None
    """`(n, 40)` a teacher's probabilities, every 10 ms."""
    curves: Floats | None = None
    """`(n, k)` the mouth's curves, every 10 ms."""


class Batch(NamedTuple):
    """`b` stretches of `t` frames."""

    mel: torch.Tensor
    """`(b, t, 80)` float32."""
    phones: torch.Tensor
    """`(b, t)` int64."""
    soft: torch.Tensor
    """`(b, t, 40)` float32 a teacher's probabilities; rows of zeros where there are none."""
    curves: torch.Tensor
    """`(b, t, k)` float32; −1 where they are not known."""


class _Stretch(NamedTuple):
    """One of a batch."""

    mel: Floats
    phones: NDArray[np.int64]
    soft: Floats
    curves: Floats

    def retouched(self, rng: np.random.Generator) -> _Stretch:
        """The same in another throat, with other gaps."""
        return self._replace(mel=augmentation.masked(augmentation.warped(self.mel, rng), rng))


class Batches(IterableDataset[Batch]):
    """Endless; drawn by torch's seed, which is another in each worker."""

    def __init__(
        self,
        sources: Mapping[str, Sequence[Lesson]],
        shares: Mapping[str, float],
        *,
        size: int,
        seconds: float,
        curves: int,
    ) -> None:
        """`shares`: how much of the time each source is heard, need not sum to 1."""
        self._lessons = [lesson for name in sources for lesson in sources[name]]
        self._weights = np.concatenate([_weights(sources[name], shares[name]) for name in sources])
        self._weights /= self._weights.sum()
        self._fine = [labels_every_5_ms(lesson.utterance) for lesson in self._lessons]
        self._size, self._frames = size, int(seconds * RATE) // HOP
        self._curves = curves

    def __iter__(self) -> Iterator[Batch]:
        """Batches for ever."""
        rng = np.random.default_rng(torch.initial_seed() % 2**63)
        voices = [lesson.utterance.samples for lesson in self._lessons]
        noises = Noises(rng, voices, 10.0)
        # Making a stretch costs half as much as learning from it, hence each is heard twice.
        before: list[_Stretch] = []
        # Drawn in blocks: a weighted choice costs time in proportion to the corpus.
        while True:
            order = iter(rng.choice(len(self._lessons), 4096, p=self._weights).tolist())
            for _ in range(4096 // (self._size * 8)):
                count = self._size - len(before)
                made = [self._stretch(rng, noises, order) for _ in range(count)]
                yield _stacked([each.retouched(rng) for each in before + made])
                before = made[: self._size // 2]

    def _stretch(self, rng: np.random.Generator, noises: Noises, order: Iterator[int]) -> _Stretch:
        frames = self._frames
        sound = np.zeros(frames * HOP, np.float32)
        phones = np.zeros(frames, np.int64)
        soft = np.zeros((frames, 40), np.float32)
        soft[:, 0] = 1
        curves = np.zeros((frames, self._curves), np.float32)
        at = 0 if rng.random() >= _SPEECHLESS else len(sound)
        for _ in range(8):
            if rng.random() < 0.5:
                at += int(rng.exponential(0.4) * RATE)
            if at > len(sound) - RATE // 3:
                break
            lesson_number = next(order)
            at = self._say(lesson_number, at, rng, sound, (phones, soft, curves))
        heard = augmentation.degraded(_in_noise(sound, noises, rng), rng)
        return _Stretch(log_mel(heard), phones, soft, curves)

    def _say(
        self,
        number: int,
        at: int,
        rng: np.random.Generator,
        sound: Floats,
        targets: tuple[NDArray[np.int64], Floats, Floats],
    ) -> int:
        """Adds an utterance, or what there is room for of it, at a sample; where it ends."""
        lesson = self._lessons[number]
        samples = lesson.utterance.samples
        speed = augmentation.tempo(rng)
        room = len(sound) - at
        start = rng.uniform(0, max(0.0, len(samples) - room * speed))
        piece = augmentation.played(samples, start, speed, room)
        if len(piece) < HOP:
            return at
        sound[at : at + len(piece)] = augmentation.transmitted(piece, rng)
        first, last = -(-(at - HOP // 2) // HOP), (at + len(piece) - HOP // 2) // HOP
        centres = (np.arange(first, last) + 0.5) * HOP - at
        places = (start + speed * centres) / HOP
        phones, soft, curves = targets
        fine = self._fine[number]
        phones[first:last] = fine[np.clip((places * _FINE_PER_FRAME).astype(int), 0, len(fine) - 1)]
        soft[first:last] = 0 if lesson.soft is None else _at(lesson.soft, places)
        curves[first:last] = -1 if lesson.curves is None else _at(lesson.curves, places)
        return at + len(piece)


def labels_every_5_ms(utterance: Utterance) -> NDArray[np.uint8]:
    """`(n,)` phone numbers at the middles of 5 ms steps: to be read at any speed."""
    doubled = tuple(
        type(phone)(phone.name, phone.start_ns * _FINE_PER_FRAME, phone.end_ns * _FINE_PER_FRAME)
        for phone in utterance.phones
    )
    return labels(doubled, len(utterance.samples) * _FINE_PER_FRAME // HOP + 1)


def _weights(lessons: Sequence[Lesson], share: float) -> NDArray[np.float64]:
    """Chances of being chosen: in proportion to length, `share` in all."""
    lengths = np.array([len(lesson.utterance.samples) for lesson in lessons], np.float64)
    # A long utterance is not heard to its end in one stretch, hence chosen more often; a choice of
    # it also lasts longer, hence the root.
    weights = np.sqrt(lengths)
    return np.asarray(share * weights / weights.sum())


def _in_noise(sound: Floats, noises: Noises, rng: np.random.Generator) -> Floats:
    loud = sound[np.abs(sound) > 1e-4]
    level = np.sqrt(np.mean(loud**2)) if len(loud) else 10 ** (rng.uniform(-60, -15) / 20)
    snr_db = rng.uniform(45, 70) if rng.random() < 0.3 else rng.uniform(0, 40)
    if not len(loud):
        snr_db = 0.0
    return np.asarray(sound + noises.take(len(sound)) * (level * 10 ** (-snr_db / 20)), np.float32)


def _at(rows: NDArray[np.generic], places: NDArray[np.float64]) -> NDArray[np.generic]:
    """Rows at fractional places; row `i` stands at `i + 0.5`."""
    return np.asarray(rows[np.clip(places.astype(int), 0, len(rows) - 1)])


def _stacked(stretches: Sequence[_Stretch]) -> Batch:
    return Batch(*(torch.from_numpy(np.stack(parts)) for parts in zip(*stretches, strict=True)))
