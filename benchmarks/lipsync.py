"""How well a mouth follows speech by listening: recordings go in, a table of figures comes out.

The figures are those of `engines.nets.speech.measure` (viseme accuracy on speech frames, in 15 and
in 8 classes; rest in silence; closures of P, B and M; the jaw's correlation; the latency that was
granted), for each of these, in the same run on the same sound:

* **visavis**: the shipped network, fed as in a call, with the sound of a picture at a time;
* **its curves**: the jaw and the lips that the same network asks for, without names of visemes:
  only the jaw's correlation and the closures say something there;
* **loudness**: what every avatar could do without a network: a jaw that opens with the level;
* **HeadAudio**, where `--peers` is given and npm can fetch it: an open browser library.

By itself it has sentences of our own voices, whose phones are exact, but on which the network was
trained. So `--recordings FOLDER` (LibriSpeech's layout, LJ Speech's, CMU Sphinx's or a .tsv) is the
real test: of such a folder only speakers are taken that training always leaves out. Every set is
heard as it is, under noise 15 dB below the speech, and 20 dB more quietly.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks import record
from benchmarks.peers import headaudio
from benchmarks.utterances import CONDITIONS, Condition, given, made
from engines.drivers.speech_network import SpeechNetwork, speech_network
from engines.log_mel import HOP, RATE, LogMel
from engines.nets.speech.corpus import Utterance, labels
from engines.nets.speech.measure import Score, Shown, score, shown
from engines.types import Floats
from engines.visemes import CLOSED, JAW_OF_VISEME, SILENT, VISEMES
from live.resampling import resample

_OWN = {"hibari": "", "espeak": "en-GB"}
"""Voices that the sentences are made with, and their languages."""
_NAMES = ("visavis", "its curves", "loudness", "HeadAudio")
_PIECE = RATE // 50
_PICTURE = RATE // 30
"""What is listened to at a time: a driver listens once for each picture."""
_OPEN = VISEMES.index("aa")
_SHUT = 0.6
"""Of the jaw's opening, taken back by the lips: from there on they meet."""
_MOVING = 0.02
"""Of a coefficient; a mouth with less is at rest."""
_QUIET, _LOUD = -2.5, 1.5
"""log10 of the level at which the loudness rule's jaw begins to open, and the range to all open."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What the network should reach on speakers that training never saw."""

    least: float
    allowed_loss: float | None = None
    """Under noise and at low level, against clean; `None`: no goal there."""


GOALS = {
    "acc15": Goal(0.66, 0.05),
    "closure_f1": Goal(0.62),
    "jaw_r": Goal(0.90),
    "silence_recall": Goal(0.95),
}
_COLUMNS = (
    *("acc15", "grp8", "silence_recall", "macro_f1", "closure_f1", "onset_median_ms", "jaw_r"),
    "latency_ms",
)


class Judged(NamedTuple):
    """A system's figures on a set under a condition."""

    score: Score
    cpu_ms: float
    """For 20 ms of sound."""


class Listened(NamedTuple):
    """What a system showed of each recording, and what that cost."""

    items: list[Shown]
    cpu_s: float


System = Callable[[Sequence[Floats], Sequence[NDArray[np.uint8]]], Listened]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `visavis bench lipsync`."""
    record.add_arguments(parser)
    parser.add_argument(
        "--recordings",
        action="append",
        type=Path,
        default=[],
        metavar="FOLDER",
        help="recordings with transcripts; may be repeated",
    )
    parser.add_argument(
        "--everybody", action="store_true", help="take speakers that training may have heard too"
    )
    parser.add_argument("--peers", action="store_true", help="fetch HeadAudio by npm and run it")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Judges every system on every set, prints the table and returns the record."""
    recorder = record.Recorder("lipsync", args)
    systems: dict[str, System] = {
        "visavis": by_network,
        "its curves": by_curves,
        "loudness": by_loudness,
    }
    if args.peers:
        systems["HeadAudio"] = by_headaudio
    rows: dict[str, dict[str, dict[str, Judged]]] = {}
    for name, utterances in _sets(args).items():
        rows[name] = {}
        for condition in CONDITIONS:
            sys.stderr.write(f"{name}, {condition.name}: {len(utterances)} recordings\n")
            rows[name][condition.name] = _judge(systems, utterances, condition)
    sys.stdout.write(table(rows))
    figures = {
        name: {
            condition: {
                system: asdict(judged.score) | {"cpu_ms_per_20_ms": judged.cpu_ms}
                for system, judged in by_system.items()
            }
            for condition, by_system in by_condition.items()
        }
        for name, by_condition in rows.items()
    }
    goals = {name: asdict(goal) for name, goal in GOALS.items()}
    done = recorder.finish({"sets": figures, "goals": goals, "missed": missed(rows)})
    record.write(done, args.json)
    return done


def by_network(recordings: Sequence[Floats], phones: Sequence[NDArray[np.uint8]]) -> Listened:
    """The shipped network, picture by picture."""
    network = speech_network()
    start = time.process_time()
    heard = [_streamed(network, one) for one in recordings]
    cpu_s = time.process_time() - start
    items = [shown(one.phones, said) for one, said in zip(heard, phones, strict=True)]
    return Listened(items, cpu_s)


def by_curves(recordings: Sequence[Floats], phones: Sequence[NDArray[np.uint8]]) -> Listened:
    """The curves of the shipped network; `aa` wherever they ask for an open mouth."""
    network = speech_network()
    jaw_open, mouth_close = (network.curve_names.index(f) for f in ("jawOpen", "mouthClose"))
    start = time.process_time()
    heard = [_streamed(network, one) for one in recordings]
    cpu_s = time.process_time() - start
    items = []
    for one, said in zip(heard, phones, strict=True):
        jaw, close = one.curves[:, jaw_open], one.curves[:, mouth_close]
        moving = one.curves.max(axis=1) > _MOVING
        shut = close > _SHUT * np.maximum(jaw, _MOVING)
        visemes = np.where(shut, CLOSED, np.where(moving, _OPEN, SILENT))
        items.append(Shown(visemes, jaw - close, said))
    return Listened(items, cpu_s)


def by_loudness(recordings: Sequence[Floats], phones: Sequence[NDArray[np.uint8]]) -> Listened:
    """A jaw that opens with the level; `aa` where it is open."""
    start = time.process_time()
    items = []
    for samples, said in zip(recordings, phones, strict=True):
        power = np.convolve(samples**2, np.full(3 * HOP, 1 / (3 * HOP)), "same")[HOP // 2 :: HOP]
        level = np.log10(np.sqrt(np.maximum(power, 0.0)) + 1e-6)
        jaw = np.clip((level - _QUIET) / _LOUD, 0, 1).astype(np.float32)
        items.append(Shown(np.where(jaw > 0.2, _OPEN, SILENT), jaw, said))
    return Listened(items, time.process_time() - start)


def by_headaudio(recordings: Sequence[Floats], phones: Sequence[NDArray[np.uint8]]) -> Listened:
    """HeadAudio, at the rate that it was made for."""
    heard = headaudio.listen([resample(one, RATE, headaudio.RATE) for one in recordings])
    items = [
        Shown(visemes, JAW_OF_VISEME[visemes], said)
        for visemes, said in zip(heard.visemes, phones, strict=True)
    ]
    return Listened(items, heard.cpu_s)


class _Heard(NamedTuple):
    phones: Floats
    """`(n, 40)` probabilities."""
    curves: Floats


def _streamed(network: SpeechNetwork, samples: Floats) -> _Heard:
    """What the network says of a recording, as it says it: late by its look-ahead."""
    mel, states = LogMel(), network.start()
    phones, curves = [], []
    for start in range(0, len(samples), _PICTURE):
        frames = mel.push(samples[start : start + _PICTURE])
        if len(frames):
            said, asked, states = network.hear(frames, states)
            phones.append(np.exp(said))
            curves.append(asked)
    return _Heard(np.concatenate(phones), np.concatenate(curves))


def _sets(args: argparse.Namespace) -> dict[str, list[Utterance]]:
    count = 4 if args.quick else 12
    own = {voice: made(voice, language, count=count) for voice, language in _OWN.items()}
    recorded = {
        folder.name: given(folder, everybody=args.everybody, count=8 if args.quick else None)
        for folder in args.recordings
    }
    return recorded | {f"{name} (heard in training)": them for name, them in own.items() if them}


def _judge(
    systems: dict[str, System], utterances: Sequence[Utterance], condition: Condition
) -> dict[str, Judged]:
    sounds = [condition.of(one.samples, seed) for seed, one in enumerate(utterances)]
    phones = [labels(one.phones, len(one.samples) // HOP) for one in utterances]
    pieces = sum(len(one) for one in sounds) / _PIECE
    judged = {}
    for name, system in systems.items():
        listened = system(sounds, phones)
        judged[name] = Judged(score(listened.items), 1000 * listened.cpu_s / pieces)
    return judged


def missed(rows: dict[str, dict[str, dict[str, Judged]]]) -> list[str]:
    """The goals that the network misses, as `set: figure`, on what training has not heard."""
    found = []
    for name, by_condition in rows.items():
        if "heard in training" in name:
            continue
        clean = by_condition["clean"]["visavis"].score
        for key, goal in GOALS.items():
            if getattr(clean, key) < goal.least:
                found.append(f"{name}: {key}")
            if goal.allowed_loss is None:
                continue
            for condition, judged in by_condition.items():
                loss = getattr(clean, key) - getattr(judged["visavis"].score, key)
                if loss > goal.allowed_loss:
                    found.append(f"{name}, {condition}: {key}")
    return found


def table(rows: dict[str, dict[str, dict[str, Judged]]]) -> str:
    """The figures for people, a block per set."""
    width = max(len(f"{system}, {condition.name}") for system in _NAMES for condition in CONDITIONS)
    heads = [*(key.replace("_", " ") for key in _COLUMNS), "cpu ms/20 ms"]
    lines = []
    for name, by_condition in rows.items():
        seconds = by_condition["clean"]["visavis"].score.seconds
        lines.append(f"\n{name}: {seconds:.0f} s")
        lines.append("".ljust(width) + "".join(f"  {head}" for head in heads))
        for condition, by_system in by_condition.items():
            for system, judged in by_system.items():
                values = [_cell(judged.score, key) for key in _COLUMNS] + [f"{judged.cpu_ms:.3f}"]
                cells = "".join(
                    f"  {value.rjust(len(head))}" for value, head in zip(values, heads, strict=True)
                )
                lines.append(f"{system}, {condition}".ljust(width) + cells)
    for goal in missed(rows):
        lines.append(f"missed: {goal}")
    return "\n".join(lines) + "\n"


def _cell(figures: Score, key: str) -> str:
    value = getattr(figures, key)
    return f"{value:.0f}" if key.endswith("_ms") else f"{value:.3f}"
