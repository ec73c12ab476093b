"""How well enrolment tells a mouth that says a phrase from one that says another.

Synthetic voices read phrases; mouths are moved by rules from the same phones
(`engines.articulation`), but with a time, a strength and a smoothness of their own, as nobody moves
by rules. Every mouth is held against every voice, both beginning at the same moment, which is the
hardest: a stranger's mouth that begins elsewhere fits worse. Real mouths are not measured.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import record
from engines.articulation import CURVES, curves
from engines.drivers.speech_network import speech_network
from engines.log_mel import RATE
from engines.types import Floats, Phone
from engines.types import Voice as Reader
from live.clock import SECOND
from live.enrolment.hearing import OPENING, Hearing, Voice
from live.enrolment.phrases import phrase
from live.enrolment.reading import LEAST_AGREEMENT, Lips, agreement
from live.errors import BadRequest, VoiceUnavailable
from live.voices import Voices

_PHRASES, _QUICK_PHRASES = 40, 8
_FPS = 15
_QUIET_S = 0.5
_VOICES = ("hibari", "espeak")
_UNLIKE = {"moderately": 1.0, "very": 1.7}
"""How far from the rules mouths move."""

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Said:
    """One phrase."""

    voice: Voice
    mouth: Array
    """`(n,)` how far the lips would be open by the rules, every 10 ms."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    record.add_arguments(parser)
    parser.add_argument("--phrases", type=int, help=f"how many ({_PHRASES}; {_QUICK_PHRASES})")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measures, prints the figures, writes the record and returns it."""
    count = args.phrases or (_QUICK_PHRASES if args.quick else _PHRASES)
    if count < 2:
        raise BadRequest("--phrases: at least two are needed")
    recorder = record.Recorder("reading", args)
    readers = _readers()
    rng = np.random.default_rng(0)
    said = [_say(readers[number % len(readers)], number, rng) for number in range(count)]
    figures = {
        "phrases": count,
        "voices": [reader.name for reader in readers],
        "threshold": LEAST_AGREEMENT,
        "unlike_the_rules": {name: compared(said, much) for name, much in _UNLIKE.items()},
    }
    for reader in readers:
        reader.close()
    show(figures)
    done = recorder.finish(figures)
    record.write(done, args.json)
    return done


def compared(said: list[Said], unlike: float) -> dict[str, Any]:
    """Every mouth with every voice."""
    rng = np.random.default_rng(5)
    mouths = [mouth(one.mouth, unlike, rng) for one in said]
    fits = np.array([[agreement(seen, one.voice) for seen in mouths] for one in said])
    own, others = np.diag(fits), fits[~np.eye(len(said), dtype=bool)]
    return {
        "own_refused": int((own < LEAST_AGREEMENT).sum()),
        "others_accepted": int((others >= LEAST_AGREEMENT).sum()),
        "pairs_of_others": len(others),
        "own_p5_p50": np.percentile(own, [5, 50]).round(2).tolist(),
        "others_p50_p95": np.percentile(others, [50, 95]).round(2).tolist(),
    }


def show(figures: dict[str, Any]) -> None:
    """Prints them."""
    print(f"{figures['phrases']} phrases by {', '.join(figures['voices'])}", end="; ")
    print(f"a correlation of {figures['threshold']} or more is asked for")
    for name, found in figures["unlike_the_rules"].items():
        share = 100 * found["others_accepted"] / found["pairs_of_others"]
        print(
            f"{name:>10} unlike the rules: own phrase refused {found['own_refused']}"
            f" (5 %, median {found['own_p5_p50']}); another accepted in {share:.1f} % of"
            f" {found['pairs_of_others']} (median, 95 % {found['others_p50_p95']})"
        )


def mouth(opening: Array, unlike: float, rng: np.random.Generator) -> list[Lips]:
    """What a camera sees of somebody who says it their own way, up to 0.2 s late."""
    count = len(opening)
    times = np.arange(count) / 100
    strength = np.exp(0.35 * unlike * _wander(count, 41, rng))
    hurried = times + 0.03 * unlike * _wander(count, 61, rng)
    smooth = np.hanning(int(6 + 8 * unlike) + 2)
    moved = np.convolve(
        np.interp(hurried, times, opening) * strength, smooth / smooth.sum(), "same"
    )
    at = np.arange(0.1, times[-1], 1 / _FPS)
    at = at + rng.uniform(-0.02, 0.02, len(at))
    seen = np.interp(at - rng.uniform(0.0, 0.2), times, moved)
    seen += rng.normal(0.0, 0.03 * unlike, len(at))
    return [Lips(round(s * SECOND), float(one)) for s, one in zip(at, seen, strict=True)]


def _wander(count: int, window: int, rng: np.random.Generator) -> Array:
    """`(count,)` noise of deviation 1 that changes within `window` steps."""
    noise = rng.normal(size=count + window - 1)
    wandering: Array = np.convolve(noise, np.ones(window) / np.sqrt(window), "valid")
    return wandering


def _readers() -> list[Reader]:
    voices = Voices({}, _VOICES[0])
    found = []
    for name in _VOICES:
        try:
            found.append(voices.open(name))
        except VoiceUnavailable:
            continue
    if not found:
        raise BadRequest("no voice is installed that tells its phones; see docs/voices.md")
    return found


def _say(reader: Reader, seed: int, rng: np.random.Generator) -> Said:
    words = phrase("en", Random(seed))  # noqa: S311
    text = (", " if seed % 2 else " ").join(words)
    sound, phones = _spoken(reader, text, float(rng.uniform(0.7, 1.0)))
    quiet = np.zeros(round(_QUIET_S * RATE), np.float32)
    sound = np.concatenate([quiet, sound, quiet])
    noise = 10 ** (-rng.uniform(45, 60) / 20)
    sound += rng.normal(0.0, noise, len(sound)).astype(np.float32)
    hearing = Hearing(speech_network())
    hearing.hear(sound, len(sound) * SECOND // RATE)
    times = np.arange(len(sound) * 100 // RATE, dtype=np.int64) * (SECOND // 100)
    moved = curves([phone.later(round(_QUIET_S * SECOND)) for phone in phones], times)
    opening = sum(weight * moved[:, CURVES.index(name)] for name, weight in OPENING)
    return Said(hearing.between(0, 60 * SECOND), np.asarray(opening, np.float64))


def _spoken(reader: Reader, text: str, pace: float) -> tuple[Floats, list[Phone]]:
    """`(n,)` at 16 kHz, and what is said in it."""
    pieces, phones, at_ns, rate = [], [], 0, RATE
    for stretch in reader.speak(text, pace=pace):
        rate = stretch.rate
        pieces.append(stretch.samples)
        phones += [phone.later(at_ns) for phone in stretch.phones or ()]
        at_ns += len(stretch.samples) * SECOND // rate
    whole = np.concatenate(pieces)
    times = np.arange(len(whole) * RATE // rate) * rate / RATE
    return np.interp(times, np.arange(len(whole)), whole).astype(np.float32), phones
