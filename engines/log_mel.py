"""Log-mel spectra, as a stream: what the speech network hears, in training and in service alike.

16 kHz, 25 ms Hann windows every 10 ms, 512-point FFT, 80 triangular mel bands (O'Shaughnessy's
2595·log10(1 + f/700)) from 20 to 7,600 Hz, then `(log(power + 1e-6) + 4) / 4`, which keeps speech
of usual levels within about ±2. There is no normalisation over time, hence nothing to settle.

Frame `i` is centred on (i + 0.5) · 10 ms and needs the sound up to 12.5 ms after its centre. Before
the first sample there is silence.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

RATE = 16_000
HOP = 160
BANDS = 80
LOOK_AHEAD_NS = 12_500_000
"""How much sound after its centre a frame needs."""

_WINDOW = 400
_FFT = 512
_LOWEST_HZ, _HIGHEST_HZ = 20.0, 7600.0
_BEFORE = (_WINDOW - HOP) // 2
"""Samples of silence before the first, which centre frame 0 on the middle of the first hop."""


def log_mel(samples: Floats) -> Floats:
    """`(n // 160, 80)` float32 of `(n,)` samples at 16 kHz, with silence after the last one."""
    after = np.zeros(_BEFORE, np.float32)
    return LogMel().push(np.concatenate([np.asarray(samples, np.float32), after]))


class LogMel:
    """The same, piece by piece; the frames do not depend on how the sound is cut."""

    def __init__(self) -> None:
        """Starts after silence."""
        self._pending: Floats = np.zeros(_BEFORE, np.float32)

    def push(self, samples: Floats) -> Floats:
        """The `(k, 80)` float32 frames that `(n,)` further samples (16 kHz, −1…1) complete."""
        sound = np.concatenate([self._pending, np.asarray(samples, np.float32)])
        count = max(0, (len(sound) - _WINDOW) // HOP + 1)
        self._pending = sound[count * HOP :]
        if count == 0:
            return np.zeros((0, BANDS), np.float32)
        # Windows that overlap, where they lie: numpy's own view of them takes as long as the FFT.
        step = sound.itemsize
        frames = np.ndarray((count, _WINDOW), sound.dtype, sound, strides=(HOP * step, step))
        spectrum = np.fft.rfft(frames * _HANN, _FFT, axis=1)
        power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
        bands: Floats = (np.log(power @ _FILTERS + 1e-6) + 4.0) / 4.0
        return bands.astype(np.float32, copy=False)


def _mel_filters() -> Floats:
    """`(257, 80)`: the share of each FFT bin in each band."""
    lowest, highest = (2595 * np.log10(1 + hz / 700) for hz in (_LOWEST_HZ, _HIGHEST_HZ))
    edges = 700 * (10 ** (np.linspace(lowest, highest, BANDS + 2) / 2595) - 1)
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    bins = np.arange(_FFT // 2 + 1)[:, None] * RATE / _FFT
    rising, falling = (bins - low) / (centre - low), (high - bins) / (high - centre)
    return np.maximum(0, np.minimum(rising, falling)).astype(np.float32)


_FILTERS = _mel_filters()
_HANN: Floats = np.hanning(_WINDOW + 1)[:-1].astype(np.float32)
