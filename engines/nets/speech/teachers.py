"""Synthetic voices that tell when they say what: as many as are installed."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from tqdm import tqdm

from engines.log_mel import RATE
from engines.nets.speech import espeak, texts
from engines.nets.speech.corpus import NUMBERS, Utterance
from engines.nets.speech.recordings import read_sound, to_16_khz
from engines.types import Floats, Phone, Speech
from engines.voices.hibari import HibariVoice

_SHORTEST = RATE // 2
_CMU_TO_ARPABET = {"PAU": "SIL", "H#": "SIL", "#": "SIL", "AX": "AH", "AXR": "ER"}
_FLITE_VOICES = ("slt", "rms", "awb")

Spoken = tuple[Floats, tuple[Phone, ...]]
"""Samples at 16 kHz and the phones in them."""


def espeak_english(rng: np.random.Generator) -> Callable[[str], tuple[str, Spoken]]:
    """Eight accents in fifty voices."""
    return _espeak(rng, espeak.ENGLISH)


def espeak_foreign(rng: np.random.Generator) -> Callable[[str], tuple[str, Spoken]]:
    """The sounds of fourteen languages; what is said means nothing in them."""
    return _espeak(rng, espeak.FOREIGN)


def flite(rng: np.random.Generator) -> Callable[[str], tuple[str, Spoken]]:
    """Three of flite's voices (a BSD-like licence), with its own phone times."""

    def say(text: str) -> tuple[str, Spoken]:
        voice = _FLITE_VOICES[int(rng.integers(len(_FLITE_VOICES)))]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "said.wav"
            stretch = f"duration_stretch={rng.uniform(0.75, 1.25):.2f}"
            command = [
                "flite",
                "-voice",
                voice,
                "--setf",
                stretch,
                "-psdur",
                "-t",
                text,
                "-o",
                str(path),
            ]
            told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            samples = read_sound(path)
        ends = [token.rsplit(":", 1) for token in told.split() if ":" in token]
        return f"flite-{voice}", (samples, _in_a_row((name, float(end)) for name, end in ends))

    return say


def hibari(rng: np.random.Generator) -> Callable[[str], tuple[str, Spoken]]:
    """The voice that the server itself speaks with (Apache-2.0)."""
    voice = HibariVoice()

    def say(text: str) -> tuple[str, Spoken]:
        return "hibari", _joined(voice.speak(text, pace=float(rng.uniform(0.75, 1.35))))

    return say


def kokoro(rng: np.random.Generator) -> Callable[[str], tuple[str, Spoken]]:
    """A new voice for each text."""
    from engines.nets.speech.kokoro import RATE as KOKORO_RATE  # noqa: PLC0415 - needs its wheels
    from engines.nets.speech.kokoro import Kokoro  # noqa: PLC0415

    model = Kokoro()

    def say(text: str) -> tuple[str, Spoken]:
        samples, phones = model.say(text, rng)
        return "kokoro", (to_16_khz(samples, KOKORO_RATE), phones)

    return say


def festival(_: np.random.Generator) -> Callable[[str], tuple[str, Spoken]]:
    """Festival's diphone voice kal (BSD-like): a synthetic stranger, for tests only."""

    def say(text: str) -> tuple[str, Spoken]:
        with tempfile.TemporaryDirectory() as folder:
            script, sound, times = (
                Path(folder) / name for name in ("say.scm", "said.wav", "said.lab")
            )
            plain = text.replace("\\", " ").replace('"', " ")
            script.write_text(
                f'(voice_kal_diphone) (set! said (utt.synth (Utterance Text "{plain}")))'
                f'(utt.save.segs said "{times}") (utt.save.wave said "{sound}" \'riff)'
            )
            subprocess.run(["festival", "-b", script], capture_output=True, check=True)
            rows = (line.split() for line in times.read_text().splitlines())
            phones = _in_a_row((row[2], float(row[0])) for row in rows if len(row) == 3)
            return "festival-kal", (read_sound(sound), phones)

    return say


TEACHERS: dict[str, Callable[[np.random.Generator], Callable[[str], tuple[str, Spoken]]]] = {
    "espeak": espeak_english,
    "espeak-foreign": espeak_foreign,
    "flite": flite,
    "hibari": hibari,
    "kokoro": kokoro,
    "festival": festival,
}


def utterances(
    name: str, count: int, seed: int, recorded: Sequence[str] = ()
) -> Iterator[Utterance]:
    """`count` things said by the teacher `name`, the same for the same seed."""
    say = TEACHERS[name](np.random.default_rng([seed, 1]))
    said = islice(texts.sentences(seed, recorded), count)
    for number, text in enumerate(tqdm(said, desc=name, total=count, unit="said", disable=None)):
        speaker, (samples, phones) = say(text)
        if len(samples) >= _SHORTEST and phones:
            yield Utterance(f"{name}-{number:05}", speaker, samples, phones)


def _espeak(rng: np.random.Generator, voices: Sequence[str]) -> Callable[[str], tuple[str, Spoken]]:
    library = espeak.Espeak()

    def say(text: str) -> tuple[str, Spoken]:
        variant = espeak.VARIANTS[int(rng.integers(len(espeak.VARIANTS)))]
        manner = espeak.Manner(
            f"{voices[int(rng.integers(len(voices)))]}+{variant}",
            words_per_minute=int(rng.integers(120, 250)),
            pitch=int(rng.integers(10, 99)),
            pitch_range=int(rng.integers(15, 90)),
        )
        samples, phones = library.say(text, manner)
        return manner.voice, (to_16_khz(samples, library.rate), phones)

    return say


def _joined(stretches: Iterable[Speech]) -> Spoken:
    samples: list[Floats] = []
    phones: list[Phone] = []
    begun_ns = 0
    for speech in stretches:
        samples.append(to_16_khz(speech.samples, speech.rate))
        phones += [phone.later(begun_ns) for phone in speech.phones or ()]
        begun_ns += len(speech.samples) * 1_000_000_000 // speech.rate
    return np.concatenate(samples), tuple(phones)


def _in_a_row(ends: Iterator[tuple[str, float]]) -> tuple[Phone, ...]:
    """Phones of the CMU voices, each from the end of the one before."""
    phones: list[Phone] = []
    start_ns = 0
    for name, end in ends:
        plain = name.upper()
        plain = _CMU_TO_ARPABET.get(plain, plain)
        end_ns = int(end * 1e9)
        phones.append(Phone(plain if plain in NUMBERS else "AH", start_ns, end_ns))
        start_ns = end_ns
    return tuple(phones)
