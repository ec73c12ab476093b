"""Recorded speech with transcripts, in a folder of the user's, becomes utterances with phones."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
from scipy.signal import resample_poly
from tqdm import tqdm

from engines.log_mel import RATE
from engines.nets.speech.alignment import Aligner
from engines.nets.speech.corpus import Utterance
from engines.types import Floats

_SPHINX = re.compile(r"<s>(?P<text>.*)</s>\s*\((?P<id>[^)]+)\)")
_DOUBTFUL = -0.6
"""Machine transcripts with a lower mean log-probability are left out."""


class Transcript(NamedTuple):
    """What is said in a recording, and how sure whoever wrote it down was (0: certain)."""

    text: str
    log_probability: float = 0.0


def utterances(
    folder: Path, wanted: Callable[[str], bool] = lambda speaker: True
) -> Iterator[Utterance]:
    """The recordings (FLAC, WAV) of `folder` that have a transcript which fits, aligned.

    `wanted`: which speakers' recordings are taken.
    """
    known = transcripts(folder)
    sounds = sorted(path for path in folder.rglob("*") if path.suffix.lower() in {".flac", ".wav"})
    aligner, refused = Aligner(), 0
    for path in tqdm(sounds, desc=folder.name, unit="recording", disable=None):
        transcript = known.get(path.stem)
        if not wanted(speaker(path.stem, folder)):
            continue
        if transcript is None or transcript.log_probability < _DOUBTFUL:
            continue
        samples = read_sound(path)
        phones = aligner.align(samples, transcript.text)
        if phones is None:
            refused += 1
            continue
        yield Utterance(path.stem, speaker(path.stem, folder), samples, phones)
    print(f"{folder.name}: {refused} recordings whose transcript does not fit were left out")


def transcripts(folder: Path) -> dict[str, Transcript]:
    """By recording: LibriSpeech's `*.trans.txt`, LJ Speech's `metadata.csv`, CMU Sphinx's
    `transcription`, or any `*.tsv` of name, [mean log-probability, …] and, last, text.

    Raises `SystemExit` if there is none.
    """
    found: dict[str, Transcript] = {}
    for path in sorted(folder.rglob("*")):
        if path.name.endswith(".trans.txt"):
            rows = (line.split(" ", 1) for line in path.read_text("utf-8").splitlines())
            found |= {row[0]: Transcript(row[1]) for row in rows if len(row) == 2}
        elif path.name == "metadata.csv":
            with path.open(encoding="utf-8", newline="") as file:
                fields = csv.reader(file, delimiter="|", quoting=csv.QUOTE_NONE)
                found |= {row[0]: Transcript(row[-1]) for row in fields if len(row) >= 2}
        elif path.name == "transcription":
            matches = _SPHINX.finditer(path.read_text("utf-8"))
            found |= {match["id"]: Transcript(match["text"]) for match in matches}
        elif path.suffix == ".tsv":
            rows = (line.split("\t") for line in path.read_text("utf-8").splitlines())
            found |= {
                row[0]: Transcript(row[-1], float(row[1]) if len(row) > 2 else 0.0)
                for row in rows
                if len(row) >= 2
            }
    if not found:
        raise SystemExit(f"{folder}: no transcripts (*.trans.txt, metadata.csv, *.tsv) in it")
    return found


def speaker(name: str, folder: Path) -> str:
    """Who says the recording `name`: LibriSpeech writes it first; else it is the folder's one."""
    return name.split("-", maxsplit=1)[0] if name.count("-") >= 2 else folder.name


def read_sound(path: Path) -> Floats:
    """`(n,)` float32 at 16 kHz, all channels mixed."""
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return to_16_khz(samples.mean(1), rate)


def to_16_khz(samples: Floats, rate: int) -> Floats:
    """The same sound at 16 kHz."""
    if rate == RATE:
        return samples
    common = int(np.gcd(rate, RATE))
    return np.asarray(resample_poly(samples, RATE // common, rate // common), np.float32)
