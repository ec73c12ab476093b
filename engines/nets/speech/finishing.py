"""From a checkpoint to the file that serves: thresholds tuned, written, compared with the original.

How readily the network says "closed" and "silent" is tuned on a few speakers who are neither learnt
from nor tested on, and becomes part of the file: whoever runs it need not know.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from engines.log_mel import log_mel
from engines.nets.speech import corpus, examination, export, lessons
from engines.nets.speech.listening import Exported
from engines.nets.speech.measure import Score, Shown, score, shown
from engines.nets.speech.network import Listener
from engines.phones import BILABIALS, PHONES
from engines.types import Floats

_CLOSURE_BIASES = np.arange(-2.5, 0.6, 0.25)
_SILENCE_BIASES = np.arange(-0.5, 2.1, 0.25)
_SILENCE_RECALL = 0.99
"""A mouth that moves in silence is seen sooner than a wrong one in speech."""
_RECALL_WEIGHT = 1.5
_PARITY = 1e-3
"""By how much a probability may differ: what half precision of the weights may do."""


class _Told(NamedTuple):
    """What the network says, and what is said."""

    posteriors: Floats
    phones: NDArray[np.uint8]


def finish(work: Path, out: Path, version: str) -> None:
    """Writes `out`; raises `SystemExit` if it does not say what the network says."""
    net, sha256 = lessons.trained(work)
    export.write(net, out, version=version, training_sha256=sha256)
    told = list(_tuning_set(work, Exported(out)))
    if not told:
        raise SystemExit(f"{work}: no speakers to tune thresholds on; make more data")
    closure, silence = tuned(told)
    print(f"tuned on {len(told)} sounds: closed {closure:+.2f}, silent {silence:+.2f}")
    net.readiness = torch.from_numpy(_bias(closure, silence))
    export.write(net, out, version=version, training_sha256=sha256)
    difference = parity(net, out)
    print(f"{out}: {out.stat().st_size:,} bytes, probabilities differ by {difference:.1e} at most")
    if difference > _PARITY:
        out.unlink()
        raise SystemExit("that is too much, so the file was deleted: the export is wrong")


def tuned(told: Sequence[_Told]) -> tuple[float, float]:
    """The biases of closures and of silence, in logits, with which acc15 and the closures' F sum to
    the most, among those that keep the mouth still in silence."""
    candidates = []
    for closure, silence in product(_CLOSURE_BIASES, _SILENCE_BIASES):
        weights = np.exp(_bias(closure, silence))
        items = [_weighted(each, weights) for each in told]
        figures = score(items, (0,))
        still = min(figures.silence_recall, _SILENCE_RECALL)
        candidates.append((still, figures.acc15 + _closures(figures), closure, silence))
    return max(candidates)[2:]


def _closures(figures: Score) -> float:
    """Van Rijsbergen's F: a closure that is missed weighs more than one that is invented."""
    precision, recall = figures.closure_precision, figures.closure_recall
    weight = _RECALL_WEIGHT**2
    return (1 + weight) * precision * recall / max(weight * precision + recall, 1e-9)


def parity(net: Listener, path: Path) -> float:
    """The largest difference of a probability between the file, fed in pieces, and the network."""
    sound = np.random.default_rng(0).normal(0, 0.1, 48_000).astype(np.float32)
    mel = log_mel(sound * np.repeat(np.linspace(0, 1, 30, dtype=np.float32), 1600))
    network = Exported(path)
    pieces = [network.push(piece) for piece in np.split(mel, [1, 3, 4, 10, 60])]
    with torch.inference_mode():
        answer = net.eval()(torch.from_numpy(mel)[None], net.initial())
    whole = (
        torch.softmax(answer.logits + net.readiness, 2)[0].numpy(),
        torch.sigmoid(answer.curves)[0].numpy(),
    )
    streamed = (np.concatenate(parts) for parts in zip(*pieces, strict=True))
    phones, curves = streamed
    return float(max(np.abs(np.exp(phones) - whole[0]).max(), np.abs(curves - whole[1]).max()))


def _tuning_set(work: Path, network: Exported) -> list[_Told]:
    told: list[_Told] = []
    for path in sorted((work / "recorded").glob("*.npz")):
        for utterance in corpus.load(path):
            if corpus.part_of(utterance.speaker) != "tune":
                continue
            for spoil in examination.CONDITIONS.values():
                mel = log_mel(spoil(utterance.samples, np.random.default_rng(len(told))))
                labels = corpus.labels(utterance.phones, len(mel))
                told.append(_Told(network.hear(mel).phones, labels))
    return told


def _weighted(told: _Told, weights: Floats) -> Shown:
    posteriors = told.posteriors * weights
    return shown(posteriors / posteriors.sum(1, keepdims=True), told.phones)


def _bias(closure: float, silence: float) -> Floats:
    biases = np.zeros(len(PHONES), np.float32)
    biases[[PHONES.index(name) for name in BILABIALS]] = closure
    biases[PHONES.index("SIL")] = silence
    return biases
