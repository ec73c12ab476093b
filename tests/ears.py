"""A stand-in for the network that listens: it hears loudness, and says it three frames late."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engines.articulation import CURVES
from engines.drivers.speech_network import Heard, States
from engines.phones import PHONES
from engines.types import Floats, Sound

RATE = 16_000
MS = 1_000_000
LATE = 3
OPEN = 0.4
"""The jaw of whatever is loud."""


class LoudnessNetwork:
    """Loud frames are an `AA`, quiet ones silence; a loud low tone is an `M`."""

    look_ahead_frames = LATE
    curve_names = CURVES

    def __init__(self) -> None:
        self.frames = 0
        self.calls = 0

    def start(self) -> States:
        return (np.full((LATE, 80), -2.5, np.float32),)

    def hear(self, mel: Floats, states: States) -> Heard:
        assert np.isfinite(mel).all()
        self.frames += len(mel)
        self.calls += 1
        known = np.concatenate([states[0], mel])
        about, kept = known[: len(mel)], known[len(mel) :]
        low = about[:, :12].mean(axis=1) > about[:, 12:].mean(axis=1) + 1.0
        loud = (about.mean(axis=1) > -1.2) | low
        said = np.where(loud, np.where(low, PHONES.index("M"), PHONES.index("AA")), 0)
        phones = np.full((len(mel), len(PHONES)), -12.0, np.float32)
        phones[np.arange(len(mel)), said] = -0.001
        curves = np.zeros((len(mel), len(CURVES)), np.float32)
        curves[:, CURVES.index("jawOpen")] = OPEN * loud
        curves[:, CURVES.index("mouthLowerDownLeft")] = 0.2 * loud
        return Heard(phones, curves, (kept,))


def voice(seconds: float, seed: int = 0) -> Floats:
    """Something loud in all bands, `(n,)`."""
    rng = np.random.default_rng(seed)
    return rng.normal(0.0, 0.1, round(seconds * RATE)).astype(np.float32)


def hum(seconds: float) -> Floats:
    """Something loud and low."""
    times = np.arange(round(seconds * RATE)) / RATE
    tones = np.sin(2 * np.pi * np.outer((120, 240, 360, 480), times)).sum(axis=0)
    return np.asarray(0.1 * tones + 0.01 * voice(seconds), np.float32)


def silence(seconds: float) -> Floats:
    """Nothing, `(n,)`."""
    return np.zeros(round(seconds * RATE), np.float32)


def pieces(
    samples: Floats, start_ns: int = 0, each_ms: int = 20, rng: np.random.Generator | None = None
) -> list[Sound]:
    """The sound cut as it comes from a peer, or at random places."""
    cuts: NDArray[np.int64]
    if rng is None:
        cuts = np.arange(each_ms * RATE // 1000, len(samples), each_ms * RATE // 1000)
    else:
        cuts = np.sort(rng.integers(0, len(samples), 40))
    parts = np.split(samples, cuts)
    starts = np.r_[0, np.cumsum([len(part) for part in parts])[:-1]]
    return [
        Sound(part, start_ns + int(at) * 1_000_000_000 // RATE)
        for part, at in zip(parts, starts, strict=True)
    ]
