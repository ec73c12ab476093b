"""The model card: what the file is, what it has learnt from and how well it does, as JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from engines.log_mel import RATE
from engines.nets.speech import corpus
from engines.nets.speech.listening import Exported
from engines.nets.speech.measure import Score

_LICENCES = {
    "librispeech": "LibriSpeech (Panayotov et al., 2015), CC BY 4.0",
    "ljspeech": "LJ Speech (Keith Ito), public domain",
    "librivox": "LibriVox, public domain",
    "espeak": "output of espeak-ng",
    "flite": "output of flite's voices slt, rms and awb",
    "hibari": "output of hibari-tts, Apache-2.0",
    "kokoro": "output of Kokoro-82M, Apache-2.0",
    "festival": "output of festival's voice kal",
}


def write(model: Path, work: Path, results: Iterable[tuple[str, str, Score]]) -> Path:
    """Writes the card beside the model and returns its path."""
    metadata = Exported(model).metadata
    card = {
        "file": model.name,
        "sha256": hashlib.sha256(model.read_bytes()).hexdigest(),
        "bytes": model.stat().st_size,
        "version": metadata["version"],
        "look_ahead_frames": int(metadata["look_ahead_frames"]),
        "training_sha256": metadata["training_sha256"],
        "learnt_from": [
            _source(path)
            for kind in ("recorded", "spoken")
            for path in sorted((work / kind).glob("*.npz"))
        ],
        "figures": [
            {"test_set": name, "condition": condition, **_rounded(score)}
            for name, condition, score in results
        ],
    }
    path = model.with_suffix(".json")
    path.write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", "utf-8")
    return path


def _source(path: Path) -> dict[str, object]:
    utterances = corpus.load(path)
    if path.parent.name == "recorded":
        utterances = [each for each in utterances if corpus.part_of(each.speaker) == "train"]
    return {
        "name": path.stem,
        "origin": next(
            (origin for name, origin in _LICENCES.items() if path.stem.startswith(name)),
            "not known to this program",
        ),
        "minutes": round(sum(len(each.samples) for each in utterances) / RATE / 60, 1),
        "speakers": len({each.speaker for each in utterances}),
    }


def _rounded(score: Score) -> dict[str, float]:
    return {name: round(value, 3) for name, value in asdict(score).items()}
