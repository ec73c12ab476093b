"""From the files of a corpus to a trained network: who learns what from which of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from engines.articulation import CURVES, curves
from engines.log_mel import HOP
from engines.nets.speech import corpus
from engines.nets.speech.batches import Batches, Lesson
from engines.nets.speech.network import Listener, Teacher
from engines.nets.speech.training import Plan, listener_loss, teacher_loss
from engines.nets.speech.training import train as train_net

_RECORDED_SHARE = 0.6
"""How much of what is heard in training is recorded, not synthesised."""


def train(work: Path, kind: str, name: str, *, minutes: float, rate: float, workers: int) -> None:
    """Trains the `teacher` or the `listener`; the checkpoint is `name`.pt in `work`."""
    torch.set_num_threads(1)
    sources, shares = _sources(work)
    batches = Batches(sources, shares, size=32, seconds=4.0, curves=len(CURVES), seed=int(minutes))
    plan = Plan(minutes, rate, workers)
    if kind == "teacher":
        train_net(Teacher(), teacher_loss, batches, plan, work / f"{name}.pt")
    else:
        train_net(Listener(len(CURVES)), listener_loss, batches, plan, work / f"{name}.pt")


def _sources(work: Path) -> tuple[dict[str, list[Lesson]], dict[str, float]]:
    """What is learnt from, and how much of the time each."""
    sources: dict[str, list[Lesson]] = {}
    recorded: list[str] = []
    spoken: list[str] = []
    for kind, names in (("recorded", recorded), ("spoken", spoken)):
        for path in sorted((work / kind).glob("*.npz")):
            utterances = corpus.load(path)
            if kind == "recorded":
                utterances = [u for u in utterances if corpus.part_of(u.speaker) == "train"]
            sources[path.stem] = [_lesson(utterance, work) for utterance in utterances]
            names.append(path.stem)
    seconds = {name: sum(len(x.utterance.samples) for x in sources[name]) for name in sources}
    shares: dict[str, float] = {}
    for names, share in ((recorded, _RECORDED_SHARE), (spoken, 1 - _RECORDED_SHARE)):
        # By the root of their lengths: much of one voice teaches less than a little of another.
        roots = {name: np.sqrt(seconds[name]) for name in names}
        shares |= {name: share * root / sum(roots.values()) for name, root in roots.items()}
    return sources, shares


def _lesson(utterance: corpus.Utterance, work: Path) -> Lesson:
    del work
    count = len(utterance.samples) // HOP
    centres_ns = np.arange(count) * corpus.FRAME_NS + corpus.FRAME_NS // 2
    return Lesson(utterance, None, curves(utterance.phones, centres_ns))
