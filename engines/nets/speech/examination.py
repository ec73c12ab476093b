"""The exported network before strangers: test sets in, figures out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from scipy import fft

from engines.log_mel import log_mel
from engines.nets.speech import corpus
from engines.nets.speech.corpus import Utterance
from engines.nets.speech.listening import Exported
from engines.nets.speech.measure import Score, score, shown
from engines.types import Floats

_NOISE_DB = 15.0
_QUIET_DB = 20.0

HEADER = (
    "| test set | condition | acc15 | acc15 all | grp8 | silence | macro F1 | P/B/M F1"
    " | onset ms | jaw r | latency ms |\n|---|---|---|---|---|---|---|---|---|---|---|"
)


def examine(
    path: Path, sets: Mapping[str, Sequence[Utterance]]
) -> Iterator[tuple[str, str, Score]]:
    """Test set, condition and figures, for the network at `path`."""
    network = Exported(path)
    for name, utterances in sets.items():
        for condition, spoil in CONDITIONS.items():
            items = []
            for number, utterance in enumerate(utterances):
                mel = log_mel(spoil(utterance.samples, np.random.default_rng(number)))
                labels = corpus.labels(utterance.phones, len(mel))
                items.append(shown(network.hear(mel).phones, labels))
            yield name, condition, score(items, range(-4, 5))


def test_sets(work: Path) -> dict[str, list[Utterance]]:
    """What training never hears: the strangers among the recorded, and all of `test`."""
    sets = {}
    for path in sorted((work / "recorded").glob("*.npz")):
        heard = corpus.load(path)
        sets[path.stem] = [each for each in heard if corpus.part_of(each.speaker) == "test"]
    return sets | {path.stem: corpus.load(path) for path in sorted((work / "test").glob("*.npz"))}


def row(name: str, condition: str, figures: Score) -> str:
    """A line of the table under `HEADER`; the latency counts the network's look-ahead out."""
    cells = [
        *(name, condition, f"{figures.acc15:.3f}", f"{figures.acc15_all:.3f}"),
        *(f"{figures.grp8:.3f}", f"{figures.silence_recall:.3f}", f"{figures.macro_f1:.3f}"),
        *(f"{figures.closure_f1:.3f}", f"{figures.onset_median_ms:+.0f}"),
        *(f"{figures.jaw_r:.3f}", str(figures.latency_ms)),
    ]
    return f"| {' | '.join(cells)} |"


def _noisy(samples: Floats, rng: np.random.Generator) -> Floats:
    """Pink noise, 15 dB below the louder half of the sound."""
    spectrum = fft.rfft(rng.standard_normal(len(samples), np.float32))
    noise = fft.irfft(spectrum / np.sqrt(np.arange(len(spectrum)) + 1), len(samples))
    pieces = samples[: len(samples) // 320 * 320].reshape(-1, 320)
    power = np.mean(np.sort(np.mean(pieces**2, 1))[len(pieces) // 2 :])
    gain = np.sqrt(power / np.mean(noise**2)) * 10 ** (-_NOISE_DB / 20)
    return np.asarray(samples + gain * noise, np.float32)


CONDITIONS: dict[str, Callable[[Floats, np.random.Generator], Floats]] = {
    "clean": lambda samples, _: samples,
    "15 dB noise": _noisy,
    "−20 dB": lambda samples, _: np.asarray(samples * 10 ** (-_QUIET_DB / 20), np.float32),
}
