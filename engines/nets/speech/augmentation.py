"""What microphones, rooms and lines do to a voice, drawn anew for each piece of speech."""

from __future__ import annotations

import numpy as np
from scipy import fft

from engines.log_mel import BANDS, RATE
from engines.types import Floats

_LEVELS_DB = (-45.0, -10.0)
_WARPS = np.linspace(0.86, 1.16, 31)


def tempo(rng: np.random.Generator) -> float:
    """How much faster, and with it higher, a voice is played."""
    return float(np.exp(rng.uniform(-0.2, 0.2))) if rng.random() < 0.7 else 1.0


def played(samples: Floats, start: float, speed: float, count: int) -> Floats:
    """`count` samples at most, from sample `start` on, `speed` times as fast."""
    available = int((len(samples) - 1 - start) / speed)
    places = start + speed * np.arange(max(0, min(count, available)))
    before = places.astype(np.int64)
    share = (places - before).astype(np.float32)
    return samples[before] * (1 - share) + samples[before + 1] * share


def transmitted(samples: Floats, rng: np.random.Generator) -> Floats:
    """The voice through a room and a microphone, at some level; as long as it was."""
    length = fft.next_fast_len(len(samples) + RATE // 2, real=True)
    spectrum = fft.rfft(samples, length)
    if rng.random() < 0.4:
        spectrum *= fft.rfft(_room(rng), length)
    hertz = np.arange(len(spectrum), dtype=np.float32) * RATE / length
    heard = fft.irfft(spectrum * _response(hertz, rng), length)[: len(samples)]
    level = 10 ** (rng.uniform(*_LEVELS_DB) / 20)
    return np.asarray(heard * (level / _speech_level(heard)), np.float32)


def degraded(samples: Floats, rng: np.random.Generator) -> Floats:
    """What a sound card may add: an offset, clipping, 16 bits."""
    if rng.random() < 0.1:
        samples = samples + np.float32(rng.uniform(-0.05, 0.05))
    if rng.random() < 0.05:
        samples = samples * np.float32(rng.uniform(2, 8))
    return np.asarray(np.round(np.clip(samples, -1, 1) * 32767) / 32767, np.float32)


def warped(mel: Floats, rng: np.random.Generator) -> Floats:
    """Formants moved up or down: another length of the vocal tract. `(n, 80)` → `(n, 80)`."""
    if rng.random() < 0.5:
        return mel
    return np.asarray(mel @ _WARP_MATRICES[int(rng.integers(len(_WARPS)))], np.float32)


def masked(mel: Floats, rng: np.random.Generator) -> Floats:
    """A few bands and moments replaced by the mean (Park et al., "SpecAugment", 2019)."""
    mel = mel.copy()
    mean = mel.mean()
    for _ in range(int(rng.integers(3))):
        first = int(rng.integers(BANDS - 12))
        mel[:, first : first + int(rng.integers(1, 12))] = mean
    for _ in range(int(rng.integers(3))):
        first = int(rng.integers(max(1, len(mel) - 8)))
        mel[first : first + int(rng.integers(1, 8))] = mean
    return mel


def _room(rng: np.random.Generator) -> Floats:
    """An impulse response: the direct sound, then noise that fades."""
    length = int(RATE * rng.uniform(0.08, 0.5))
    fading = np.exp(-6.9 * np.arange(length, dtype=np.float32) / length)
    response = (
        rng.standard_normal(length, np.float32) * fading * np.float32(rng.uniform(0.02, 0.25))
    )
    response[: RATE // 500] = 0
    response[0] = 1
    return np.asarray(response, np.float32)


def _response(hertz: Floats, rng: np.random.Generator) -> Floats:
    """A smooth gain over frequency, sometimes with the band of a telephone or a slow codec."""
    places = np.array([0, 150, 400, 1000, 2200, 4000, 8000], np.float32)
    gain_db = np.interp(hertz, places, rng.uniform(-7, 7, len(places)))
    if rng.random() < 0.25:
        gain_db -= np.clip((hertz / rng.choice([3400, 4000, 6000]) - 1) * 200, 0, 60)
    if rng.random() < 0.25:
        gain_db -= np.clip((1 - hertz / rng.uniform(80, 320)) * 40, 0, 40)
    return np.asarray(10 ** (gain_db / 20), np.float32)


def _speech_level(samples: Floats) -> float:
    """Root mean square of the louder half of the 20 ms pieces."""
    pieces = samples[: len(samples) // 320 * 320].reshape(-1, 320)
    powers = np.sort(np.mean(pieces**2, 1))[len(pieces) // 2 :] if len(pieces) else samples**2
    return float(np.sqrt(np.mean(powers) + 1e-10))


def _warp_matrix(factor: float) -> Floats:
    """Linear interpolation of bands at `factor` times their places on the mel scale."""
    places = np.clip(np.arange(BANDS) * factor, 0, BANDS - 1)
    below = np.minimum(places.astype(int), BANDS - 2)
    matrix = np.zeros((BANDS, BANDS), np.float32)
    matrix[below, np.arange(BANDS)] = 1 - (places - below)
    matrix[below + 1, np.arange(BANDS)] = places - below
    return matrix


_WARP_MATRICES = [_warp_matrix(factor) for factor in _WARPS]
