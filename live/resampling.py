"""Sound of one rate in, the same sound at another rate out, as a stream or as a whole."""

from __future__ import annotations

import av
import numpy as np
from numpy.typing import NDArray

from engines.types import Floats

_NOTHING: Floats = np.zeros(0, np.float32)


class Resampler:
    """A stream's change of rate, by FFmpeg's polyphase filter; mono float32, −1…1.

    What comes out lies in time where it lay; up to some 2 ms of it wait for what comes next.
    """

    def __init__(self, from_rate: int, to_rate: int) -> None:
        """Rates in samples a second."""
        self._from_rate, self._same = from_rate, from_rate == to_rate
        self._by = av.AudioResampler(format="flt", layout="mono", rate=to_rate)

    def __call__(self, samples: Floats) -> Floats:
        """The next piece `(n,)`; what is ready of it, `(m,)`."""
        if self._same or not len(samples):
            return samples
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples[None], np.float32), format="flt", layout="mono"
        )
        frame.sample_rate = self._from_rate
        return _joined(self._by.resample(frame))

    def rest(self) -> Floats:
        """What still waited; the stream is at its end."""
        return _NOTHING if self._same else _joined(self._by.resample(None))


def resample(samples: Floats, from_rate: int, to_rate: int) -> Floats:
    """A whole sound `(n,)` at another rate."""
    by = Resampler(from_rate, to_rate)
    return np.concatenate((by(samples), by.rest()))


def to_int16(samples: Floats) -> NDArray[np.int16]:
    """−1…1 as 16-bit samples, clipped."""
    return np.asarray(np.rint(np.clip(samples, -1, 1) * 32767), np.int16)


def _joined(frames: list[av.AudioFrame]) -> Floats:
    if not frames:
        return _NOTHING
    return np.concatenate([np.asarray(frame.to_ndarray()[0], np.float32) for frame in frames])
