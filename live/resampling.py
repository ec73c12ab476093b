"""Sound of one rate in, the same sound at another rate out, as a stream or as a whole."""

from __future__ import annotations

from itertools import pairwise

import av
import numpy as np
from av.filter import Graph
from numpy.typing import NDArray

from engines.types import Floats

_NOTHING: Floats = np.zeros(0, np.float32)


class Resampler:
    """A stream's change of rate, by FFmpeg's polyphase filter; mono float32, −1…1.

    What comes out lies in time where it lay; up to some 2 ms of it wait for what comes next.
    `av.AudioResampler` does the same, and takes a thread for each of the machine's cores for it.
    """

    def __init__(self, from_rate: int, to_rate: int) -> None:
        """Rates in samples a second."""
        self._from_rate, self._same = from_rate, from_rate == to_rate
        self._graph = _graph(from_rate, to_rate)

    def __call__(self, samples: Floats) -> Floats:
        """The next piece `(n,)`; what is ready of it, `(m,)`."""
        if self._same or not len(samples):
            return samples
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples[None], np.float32), format="flt", layout="mono"
        )
        frame.sample_rate = self._from_rate
        return self._passed(frame)

    def rest(self) -> Floats:
        """What still waited; the stream is at its end."""
        return _NOTHING if self._same else self._passed(None)

    def _passed(self, frame: av.AudioFrame | None) -> Floats:
        self._graph.push(frame)
        pieces = [_NOTHING]
        while True:
            try:
                piece = self._graph.pull()
            except (BlockingIOError, EOFError):  # nothing more now, or ever
                return np.concatenate(pieces)
            assert isinstance(piece, av.AudioFrame)
            pieces.append(np.asarray(piece.to_ndarray()[0], np.float32))


def resample(samples: Floats, from_rate: int, to_rate: int) -> Floats:
    """A whole sound `(n,)` at another rate."""
    by = Resampler(from_rate, to_rate)
    return np.concatenate((by(samples), by.rest()))


def to_int16(samples: Floats) -> NDArray[np.int16]:
    """−1…1 as 16-bit samples, clipped."""
    return np.asarray(np.rint(np.clip(samples, -1, 1) * 32767), np.int16)


def _graph(from_rate: int, to_rate: int) -> Graph:
    graph = Graph()
    graph.threads = 1
    given = {"sample_rate": f"{from_rate}", "time_base": f"1/{from_rate}"}
    chain = (
        graph.add("abuffer", sample_fmt="flt", channel_layout="mono", **given),
        graph.add("aformat", sample_fmts="flt", sample_rates=f"{to_rate}", channel_layouts="mono"),
        graph.add("abuffersink"),
    )
    for one, following in pairwise(chain):
        one.link_to(following)
    graph.configure()
    return graph
