"""From the files of a corpus to a trained network: who learns what from which of them.

A folder of work holds `recorded/` and `spoken/` (utterances to learn from, of people and of
synthesisers), `test/` (utterances never to learn from), `soft/` (what the teacher says about the
former) and the checkpoints.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from engines.articulation import CURVES, curves
from engines.log_mel import HOP, log_mel
from engines.nets.speech import corpus
from engines.nets.speech.batches import Batches, Lesson
from engines.nets.speech.network import Listener, Teacher
from engines.nets.speech.training import (
    Plan,
    averaged,
    curves_loss,
    listener_loss,
    teacher_loss,
    train,
)

_RECORDED_SHARE = 0.6
"""How much of what is heard in training is recorded, not synthesised."""
_BATCH, _SECONDS = 32, 4.0


def train_teacher(work: Path, plan: Plan) -> None:
    """Makes `teacher.pt`, or goes on with it."""
    train(Teacher(), teacher_loss, _batches(work), plan, work / "teacher.pt")


def train_listener(work: Path, plan: Plan, *, begin_with: Path | None) -> None:
    """Makes `listener.pt`, or goes on with it; `begin_with`: a checkpoint to start from."""
    net = _listener(begin_with)
    train(net, listener_loss, _batches(work), plan, work / "listener.pt")


def train_curves(work: Path, plan: Plan) -> None:
    """Makes `curves.pt` of `listener.pt`: only the head for the curves learns."""
    net = _listener(work / "listener.pt").requires_grad_(False)
    net.curves.requires_grad_(True)
    train(net, curves_loss, _batches(work), plan, work / "curves.pt")


def teach(work: Path) -> None:
    """Writes what the teacher says about each utterance to learn from, into `soft/`."""
    torch.set_num_threads(1)
    teacher = averaged(work / "teacher.pt", Teacher())
    for path in _sources(work):
        said = []
        utterances = corpus.load(path)
        for utterance in tqdm(utterances, desc=path.stem, unit="utterance", disable=None):
            with torch.inference_mode():
                logits = teacher(torch.from_numpy(log_mel(utterance.samples))[None])[0]
            said.append(torch.softmax(logits, 1).numpy().astype(np.float16))
        (work / "soft").mkdir(exist_ok=True)
        np.savez(
            work / "soft" / path.name,
            names=[utterance.name for utterance in utterances],
            lengths=[len(rows) for rows in said],
            probabilities=np.concatenate(said),
        )


def trained(work: Path) -> tuple[Listener, str]:
    """The listener as it is to be exported, and the SHA-256 of the checkpoint that it is from."""
    path = work / "curves.pt"
    if not path.exists():
        path = work / "listener.pt"
    if not path.exists():
        raise SystemExit(f"{path} is not there; train the listener first")
    net = averaged(path, Listener(len(CURVES)))
    assert isinstance(net, Listener)
    return net, hashlib.sha256(path.read_bytes()).hexdigest()


def _listener(checkpoint: Path | None) -> Listener:
    torch.manual_seed(0)
    net = Listener(len(CURVES))
    return net if checkpoint is None else averaged(checkpoint, net)


def _batches(work: Path) -> Batches:
    """What is learnt from, each source heard by the root of its length.

    Much of one voice teaches less than a little of another.
    """
    torch.set_num_threads(1)
    sources = {path: list(_lessons(path, work)) for path in _sources(work)}
    if not sources:
        raise SystemExit(f"{work}: nothing to learn from; make the data first")
    lengths = {
        path: sum(len(lesson.utterance.samples) for lesson in lessons)
        for path, lessons in sources.items()
    }
    shares: dict[str, float] = {}
    for kind, share in (("recorded", _RECORDED_SHARE), ("spoken", 1 - _RECORDED_SHARE)):
        roots = {path.stem: lengths[path] ** 0.5 for path in sources if path.parent.name == kind}
        shares |= {name: share * root / sum(roots.values()) for name, root in roots.items()}
    return Batches(
        {path.stem: lessons for path, lessons in sources.items()},
        shares,
        size=_BATCH,
        seconds=_SECONDS,
        curves=len(CURVES),
    )


def _sources(work: Path) -> list[Path]:
    return [path for kind in ("recorded", "spoken") for path in sorted((work / kind).glob("*.npz"))]


def _lessons(path: Path, work: Path) -> Iterator[Lesson]:
    soft = _soft(work / "soft" / path.name)
    for utterance in corpus.load(path):
        if path.parent.name == "recorded" and corpus.part_of(utterance.speaker) != "train":
            continue
        count = len(utterance.samples) // HOP
        centres_ns = np.arange(count) * corpus.FRAME_NS + corpus.FRAME_NS // 2
        yield Lesson(utterance, soft.get(utterance.name), curves(utterance.phones, centres_ns))


def _soft(path: Path) -> dict[str, NDArray[np.float16]]:
    if not path.exists():
        return {}
    with np.load(path) as file:
        rows = np.split(file["probabilities"], np.cumsum(file["lengths"])[:-1])
        return dict(zip(file["names"].tolist(), rows, strict=True))
