"""One utterance: a voice's stretches or raw sound in, pieces for ear, mouth and captions out.

An utterance is made on the event loop, fed on the synthesis thread and emptied by the `Speaker`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from engines.types import Floats, Phone, Sound, SpeechStream
from live.clock import SECOND, VOICE_RATE, now_ns, ns_from_ticks
from live.resampling import Resampler, to_int16

LISTENER_RATE = 16_000
"""Of the `Sound` that drivers listen to."""

_PHONES_BESIDE_NS = SECOND // 5
"""How far phones around a piece are told with it: mouths begin before the sound does."""


class Reason(StrEnum):
    """Why an utterance is at its end."""

    DONE = "done"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Started:
    """The first sound of an utterance leaves."""

    utterance: str


@dataclass(frozen=True, slots=True)
class Caption:
    """What has been said so far of one stretch of an utterance."""

    utterance: str
    start: int
    """Where in the utterance's text `text` begins, in characters."""
    text: str
    final: bool
    """Nothing more comes to this stretch."""


@dataclass(frozen=True, slots=True)
class Finished:
    """An utterance is at its end; each has one of these."""

    utterance: str
    reason: Reason
    characters: int
    """Of the text, said to their end."""
    seconds: float
    """Of the utterance's own sound that left."""
    message: str = ""
    """What went wrong, where it failed."""


Event = Started | Caption | Finished


@dataclass(slots=True)
class Stretch:
    """A stretch of an utterance, ready to be heard."""

    voice: NDArray[np.int16]
    """`(n,)` at 48 kHz."""
    heard: Floats
    """`(m,)` at 16 kHz, the same."""
    phones: tuple[Phone, ...] | None
    """In times from its first sample on."""
    text: str
    start: int
    """Where in the utterance's text it begins."""
    begins_ns: int | None = None
    """When it is to be heard, on the session's clock; `None`: not yet decided."""
    pulled: int = 0
    """Samples of `voice` that have left."""
    told: int = 0
    """Samples of `heard` that the driver has."""
    _word_ends: NDArray[np.int64] = field(init=False)
    _word_times: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        """Finds out when each word will have been said."""
        self._word_ends, self._word_times = _word_times(self.text, self.phones, len(self.voice))

    @property
    def length_ns(self) -> int:
        """How long it sounds."""
        return ns_from_ticks(len(self.voice), VOICE_RATE)

    @property
    def next_ns(self) -> int:
        """When the next sample that has not left is to be heard."""
        assert self.begins_ns is not None
        return self.begins_ns + ns_from_ticks(self.pulled, VOICE_RATE)

    @property
    def said(self) -> int:
        """Characters of `text` that have been said: whole words."""
        if self.pulled >= len(self.voice):
            return len(self.text)
        words = int(np.searchsorted(self._word_times, self.pulled, side="right"))
        return int(self._word_ends[words - 1]) if words else 0

    def tell(self, until_ns: int) -> Sound | None:
        """What the driver has not heard yet of what is to be heard until then."""
        assert self.begins_ns is not None
        upto = min((until_ns - self.begins_ns) * LISTENER_RATE // SECOND, len(self.heard))
        if upto <= self.told:
            return None
        first, self.told = self.told, upto
        pts_ns = self.begins_ns + ns_from_ticks(first, LISTENER_RATE)
        end_ns = self.begins_ns + ns_from_ticks(upto, LISTENER_RATE)
        phones = None
        if self.phones is not None:
            there = (phone.later(self.begins_ns) for phone in self.phones)
            phones = tuple(
                phone
                for phone in there
                if phone.end_ns > pts_ns - _PHONES_BESIDE_NS
                and phone.start_ns < end_ns + _PHONES_BESIDE_NS
            )
        return Sound(self.heard[first:upto], pts_ns, now_ns(), phones)


class Utterance:
    """Something that is said, from the request to its end."""

    def __init__(
        self, id: str, speech: SpeechStream, *, length: int = 0, seconds: float = 0
    ) -> None:
        """`speech` is used on the synthesis thread.

        `length`: of its text, in characters; `seconds`: of its sound, where that lies in memory.
        """
        self.id = id
        self.speech = speech
        self.length = length
        self.seconds = seconds
        self.asked_ns = now_ns()
        self.ready: deque[Stretch] = deque()
        """Stretches that have not been heard to their end."""
        self.complete = False
        """Nothing more comes to `ready`."""
        self.error: str | None = None
        """Why it broke off, in words for people."""
        self.dropped = False
        self.at_once = False
        """Nothing else was to be said when it was asked for."""
        self.started = False
        self.characters = 0
        """Said, of the stretches that were heard to their end."""
        self.samples = 0
        """Of 48 kHz, that have left."""
        self._stretches = self._made()

    def next(self) -> Stretch | None:
        """The next stretch, when it is made; `None` at the end. Raises what the voice does."""
        return next(self._stretches, None)

    def ahead_ns(self) -> int:
        """How much sound is ready that has not left."""
        return sum(ns_from_ticks(len(one.voice) - one.pulled, VOICE_RATE) for one in self.ready)

    def finished(self, reason: Reason) -> Finished:
        """The event of the end at this point."""
        characters = self.characters + (self.ready[0].said if self.ready else 0)
        message = self.error or "" if reason is Reason.FAILED else ""
        return Finished(self.id, reason, characters, self.samples / VOICE_RATE, message)

    def _made(self) -> Iterator[Stretch]:
        converter = None
        phones: tuple[Phone, ...] | None = None
        start = 0
        for speech in self.speech:
            sound, phones = _clean(speech.samples), speech.phones
            if converter is None or speech.rate != converter.rate:
                converter, sound = _Converter(speech.rate), _faded_in(sound, speech.rate)
            yield Stretch(*converter(sound), phones, speech.text, start)
            start += len(speech.text)
        if converter is not None:
            yield Stretch(*converter.rest(), phones and (), "", start)


class _Converter:
    """Sound for the ear and the same for the mouth, sample for sample."""

    _STEP = VOICE_RATE // LISTENER_RATE

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self._ear = Resampler(rate, VOICE_RATE)
        self._mouth = Resampler(VOICE_RATE, LISTENER_RATE)
        self._voice: Floats = np.zeros(0, np.float32)
        self._heard: Floats = np.zeros(0, np.float32)

    def __call__(self, sound: Floats) -> tuple[NDArray[np.int16], Floats]:
        """What is ready, at 48 and at 16 kHz."""
        voice = self._ear(sound)
        return self._even(voice, self._mouth(voice))

    def rest(self) -> tuple[NDArray[np.int16], Floats]:
        """What still waited."""
        voice = self._ear.rest()
        return self._even(voice, np.concatenate((self._mouth(voice), self._mouth.rest())))

    def _even(self, voice: Floats, heard: Floats) -> tuple[NDArray[np.int16], Floats]:
        """As much of both as there is of either; the filters lag by different times."""
        voice = np.concatenate((self._voice, voice))
        heard = np.concatenate((self._heard, heard))
        ready = min(len(voice) // self._STEP, len(heard))
        self._voice, self._heard = voice[ready * self._STEP :], heard[ready:]
        return to_int16(voice[: ready * self._STEP]), heard[:ready]


def _clean(samples: Floats) -> Floats:
    """Without what is no number and would stay in every filter."""
    return np.asarray(np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0), np.float32)


def _faded_in(sound: Floats, rate: int) -> Floats:
    edge = min(rate // 200, len(sound))
    ramp = np.linspace(0, 1, edge, dtype=np.float32)
    return np.concatenate((sound[:edge] * ramp, sound[edge:]))


def _word_times(
    text: str, phones: tuple[Phone, ...] | None, samples: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where each word of `text` ends, in characters, and when, in samples at 48 kHz.

    Nobody tells which phones are which word's. Words are taken to last in proportion to their
    letters, over the time in which there is a voice: good to a syllable or two.
    """
    ends = [i for i in range(1, len(text) + 1) if _ends_word(text, i)]
    letters = np.cumsum([_is_spoken(one) for one in text]) if text else np.zeros(0)
    if not ends or not letters[-1]:
        return np.array(ends, np.int64), np.full(len(ends), samples, np.int64)
    shares = letters[np.array(ends) - 1] / letters[-1]
    spoken = [(one.start_ns, one.end_ns) for one in phones or () if one.name != "SIL"]
    if not spoken:
        spoken = [(0, ns_from_ticks(samples, VOICE_RATE))]
    durations = np.array([end - start for start, end in spoken])
    progress = np.concatenate(([0.0], np.cumsum(durations) / max(durations.sum(), 1)))
    which = np.clip(np.searchsorted(progress, shares, side="left") - 1, 0, len(spoken) - 1)
    starts = np.array([start for start, _ in spoken])[which]
    within = (shares - progress[which]) * durations.sum()
    times = (starts + within) * VOICE_RATE / SECOND
    return np.array(ends, np.int64), np.minimum(times.astype(np.int64), samples)


def _ends_word(text: str, end: int) -> bool:
    return not text[end - 1].isspace() and (end == len(text) or text[end].isspace())


def _is_spoken(letter: str) -> int:
    return 3 if letter.isdigit() else int(letter.isalpha())
