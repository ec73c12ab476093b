"""A synthetic voice for the test clip: mouth coefficients go in, sound comes out.

A pulse train through three resonators (formants), as in Klatt's synthesizer (J. Acoust. Soc. Am.
67, 1980): the jaw opens the first formant and sets the loudness, round lips lower the second.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from engines.face_mesh import BLENDSHAPE_INDEX

RATE = 48_000
_PITCH_HZ = 125.0
_BANDWIDTHS_HZ = (80.0, 110.0, 170.0)
_BLOCK = 240  # samples between changes of the resonators: 5 ms


def speak(coefficients: NDArray[np.floating], fps: float) -> NDArray[np.float32]:
    """`(round(n / fps · RATE),)` mono −1…1 for `(n, 52)` coefficients."""
    length = round(len(coefficients) / fps * RATE)
    frames = np.arange(len(coefficients)) / fps
    blocks = np.arange(0, length, _BLOCK) / RATE

    def over(name: str) -> NDArray[np.float64]:
        values: NDArray[np.float64] = np.interp(
            blocks, frames, coefficients[:, BLENDSHAPE_INDEX[name]]
        )
        return values

    jaw, round_lips = over("jawOpen"), np.maximum(over("mouthPucker"), over("mouthFunnel"))
    wide = over("mouthStretchLeft")
    formants = np.stack(
        [280 + 700 * jaw, 1500 + 1300 * wide - 700 * round_lips, 2500 + 300 * wide], axis=1
    )
    sound = _pulses(length)
    for number, bandwidth in enumerate(_BANDWIDTHS_HZ):
        sound = _resonate(sound, formants[:, number], bandwidth)
    loud = np.repeat(np.clip(jaw * 1.6, 0.0, 1.0), _BLOCK)[:length]
    sound *= np.convolve(loud, np.ones(_BLOCK) / _BLOCK, mode="same")
    loudest = max(float(np.abs(sound).max()), 1e-9)
    return np.asarray(0.5 * sound / loudest, np.float32)


def _pulses(length: int) -> NDArray[np.float64]:
    """Glottal pulses whose pitch wavers, with a little breath."""
    seconds = np.arange(length) / RATE
    pitch = _PITCH_HZ * (1 + 0.08 * np.sin(2 * np.pi * 0.9 * seconds) + 0.02 * np.sin(31 * seconds))
    cycle = np.cumsum(pitch / RATE) % 1.0
    breath = np.random.default_rng(3).normal(size=length)
    pulses: NDArray[np.float64] = np.where(cycle < 0.6, np.sin(np.pi * cycle / 0.6) ** 2, 0.0)
    return np.diff(pulses, prepend=0.0) + 0.0005 * breath


def _resonate(
    sound: NDArray[np.float64], frequencies: NDArray[np.float64], bandwidth: float
) -> NDArray[np.float64]:
    """A two-pole resonator of unit gain at 0 Hz whose frequency changes from block to block."""
    out = np.zeros(len(sound))
    decay = math.exp(-math.pi * bandwidth / RATE)
    before, last = 0.0, 0.0
    for block, frequency in enumerate(frequencies):
        b = 2.0 * decay * math.cos(2.0 * math.pi * frequency / RATE)
        c = -decay * decay
        gain = 1.0 - b - c
        for k in range(block * _BLOCK, min((block + 1) * _BLOCK, len(sound))):
            before, last = last, gain * sound[k] + b * last + c * before
            out[k] = last
    return out
