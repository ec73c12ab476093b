"""Sounds that are no speech of the speaker's: what a listener must not move its mouth to."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy import fft

from engines.log_mel import RATE
from engines.types import Floats

_VOICES_IN_BABBLE = (4, 9)
_BANK, _RENEWED = 24, 0.25


class Noises:
    """A bank of noises, one of which is made anew each few times one is taken."""

    def __init__(self, rng: np.random.Generator, voices: Sequence[Floats], seconds: float) -> None:
        """Begins the bank; `voices` are utterances of which babble is mixed."""
        self._rng, self._voices = rng, voices
        self._length = int(seconds * RATE)
        self._kinds: tuple[Callable[[], Floats], ...] = (
            self._coloured,
            self._coloured,
            self._swelling,
            self._hum,
            self._clicks,
            self._tune,
            self._babble,
        )
        self._bank = [self._made()]

    def take(self, count: int) -> Floats:
        """`(count,)` samples of mean square 1."""
        if self._rng.random() < _RENEWED:
            if len(self._bank) == _BANK:
                del self._bank[0]
            self._bank.append(self._made())
        noise = self._bank[int(self._rng.integers(len(self._bank)))]
        return np.resize(np.roll(noise, int(self._rng.integers(self._length))), count)

    def _made(self) -> Floats:
        noise = self._kinds[int(self._rng.integers(len(self._kinds)))]()
        return np.asarray(noise / np.sqrt(np.mean(noise**2) + 1e-12), np.float32)

    def _coloured(self) -> Floats:
        """Power as a power of frequency, between 1 (bright) and −2.5 (rumble)."""
        white = fft.rfft(self._rng.standard_normal(self._length, np.float32))
        slope = self._rng.uniform(-1.0, 2.5) / 2
        shape = (np.arange(len(white), dtype=np.float32) / len(white) + 5e-3) ** -slope
        return np.asarray(fft.irfft(white * shape, self._length), np.float32)

    def _swelling(self) -> Floats:
        """Loudness that changes as speech's does, so that loudness alone tells nothing."""
        seconds = np.arange(self._length) / RATE
        swell = 1 + sum(
            self._rng.uniform(0.3, 0.9) * np.sin(2 * np.pi * (hz * seconds + self._rng.random()))
            for hz in self._rng.uniform(0.3, 7, 3)
        )
        return np.asarray(self._coloured() * np.maximum(swell, 0.02), np.float32)

    def _hum(self) -> Floats:
        """Mains, motors, fans: harmonics of one low tone, and hiss."""
        phase = 2 * np.pi * np.arange(self._length) / RATE * self._rng.uniform(45, 240)
        tones = [np.sin(k * phase) * self._rng.random() / k for k in range(1, 12)]
        return np.asarray(np.sum(tones, 0), np.float32) + 0.1 * _levelled(self._coloured())

    def _clicks(self) -> Floats:
        """Keys, cups, doors: short bursts over a quiet floor."""
        sound = 0.05 * _levelled(self._coloured())
        bright = _levelled(self._coloured())
        for start in self._rng.integers(0, self._length, int(self._rng.integers(4, 40))):
            length = min(int(self._rng.uniform(0.003, 0.12) * RATE), self._length - int(start))
            fading = np.exp(-np.linspace(0, 6, length, dtype=np.float32))
            sound[start : start + length] += self._rng.uniform(0.3, 3) * fading * bright[:length]
        return sound

    def _tune(self) -> Floats:
        """Music of a sort: notes with overtones, one after another and on top of each other."""
        sound = np.zeros(self._length, np.float32)
        for start in self._rng.integers(0, self._length, 24):
            length = min(int(self._rng.uniform(0.1, 1.2) * RATE), self._length - int(start))
            pitch = 110 * 2 ** (self._rng.integers(0, 36) / 12)
            phase = 2 * np.pi * pitch * np.arange(length) / RATE
            tones = sum(np.sin(k * phase) * self._rng.random() / k for k in range(1, 6))
            sound[start : start + length] += tones * np.exp(-np.linspace(0, 4, length))
        return sound + 1e-3 * _levelled(self._coloured())

    def _babble(self) -> Floats:
        """So many voices at once that none is understood."""
        sound = np.zeros(self._length, np.float32)
        for _ in range(int(self._rng.integers(*_VOICES_IN_BABBLE))):
            voice = _levelled(self._voices[int(self._rng.integers(len(self._voices)))])
            sound += np.roll(np.resize(voice, self._length), int(self._rng.integers(self._length)))
        return sound


def _levelled(sound: Floats) -> Floats:
    return np.asarray(sound / np.sqrt(np.mean(sound**2) + 1e-12), np.float32)
