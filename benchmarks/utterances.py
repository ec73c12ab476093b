"""Speech whose phones are known, for listeners to be judged by: made here, or given as recordings.

What is made here comes from our own voices, whose phones are exact. What is given is a folder of
recordings with transcripts; when each phone is said is found by forced alignment, which itself is
right for some nine frames in ten.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engines import registry
from engines.errors import VoiceUnavailable
from engines.log_mel import RATE
from engines.nets.speech.corpus import Utterance, part_of
from engines.types import Floats
from live.errors import Unprocessable
from live.offline.spoken import Recording, joined
from live.resampling import resample

_AROUND_S = 0.3
_SENTENCES = (
    "Good morning, and welcome to the front desk.",
    "Please sign in on the screen and take a seat by the window.",
    "Your visitor badge is valid until five o'clock this afternoon.",
    "My boss bought a pump and a big blue map for Bob and Pam.",
    "Five very brave farmers found a wolf above the valley.",
    "Who would choose the blue shoes for you in June?",
    "The judge chewed a cheap orange, which was just too much.",
    "Show me the measure, and we shall share the treasure.",
    "Three thin brothers breathe through the thick cloth.",
    "Zoe sees six busy seas and the sun is so soft.",
    "He ran around the garden while the rain grew colder.",
    "Take the lift to the tenth floor, then turn left at the clock.",
)


@dataclass(frozen=True, slots=True)
class Condition:
    """What is done to the sound before anybody listens."""

    name: str
    noise_db: float | None = None
    """Speech to noise."""
    level_db: float = 0.0

    def of(self, samples: Floats, seed: int) -> Floats:
        """`(n,)` the same speech under this condition."""
        heard = samples
        if self.noise_db is not None:
            noise = _noise(len(samples), seed)
            speech = np.sqrt(np.mean(samples[np.abs(samples) > 1e-3] ** 2))
            heard = samples + noise * speech * 10 ** (-self.noise_db / 20)
        return np.asarray(np.clip(heard * 10 ** (self.level_db / 20), -1, 1), np.float32)


CONDITIONS = (
    Condition("clean"),
    Condition("noise 15 dB", noise_db=15.0),
    Condition("level −20 dB", level_db=-20.0),
)


def made(voice: str, language: str = "", *, count: int = len(_SENTENCES)) -> list[Utterance]:
    """What a voice of ours makes of the English sentences; empty where it is not installed."""
    try:
        speaker = registry.voice(voice)
        return [
            _utterance(f"{voice}-{number}", voice, joined(speaker.speak(text, language=language)))
            for number, text in enumerate(_SENTENCES[:count])
        ]
    except VoiceUnavailable:
        return []


def given(folder: Path, *, everybody: bool, count: int | None = None) -> list[Utterance]:
    """Recordings of a folder; those of speakers that training leaves out, unless `everybody`.

    Raises `Unprocessable` where there is none, or where what aligns them is not installed.
    """
    try:
        from engines.nets.speech import recordings  # noqa: PLC0415 - needs the training group
    except ImportError as error:
        raise Unprocessable(
            f"recordings cannot be aligned without {error.name}; install it by:"
            " pip install --group training"
        ) from error

    def wanted(speaker: str) -> bool:
        return everybody or part_of(speaker) == "test"

    chosen = recordings.utterances(folder, wanted)
    found = [one for _, one in zip(range(count or 1 << 30), chosen, strict=False)]
    if not found:
        raise Unprocessable(
            f"{folder} has no recording of a speaker that training left out; name another folder,"
            " or take all of its speakers by --everybody"
        )
    return found


def _utterance(name: str, speaker: str, said: Recording) -> Utterance:
    around = round(_AROUND_S * RATE)
    samples = np.pad(resample(said.samples, said.rate, RATE), around)
    shift_ns = around * 1_000_000_000 // RATE
    phones = tuple(phone.later(shift_ns) for phone in said.phones or ())
    return Utterance(name, speaker, samples, phones)


def _noise(count: int, seed: int) -> Floats:
    """`(count,)` of mean square 1, falling with frequency as a room's noise does (−5 dB/octave)."""
    white = np.fft.rfft(np.random.default_rng(seed).standard_normal(count))
    shaped = np.fft.irfft(white / (np.arange(len(white)) / len(white) + 0.005) ** 0.83, count)
    return np.asarray(shaped / np.sqrt(np.mean(shaped**2)), np.float32)
