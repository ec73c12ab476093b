"""Pieces of sound go in, what is being said at a moment comes out.

Sound may come in any order of events that a network, a peer or a program can produce: pieces late,
twice, with gaps, seconds ahead of their time, or taken back. The listener keeps one timeline of
what is to be heard, listens to it in its order and only as far as it is needed, and remembers for
a second what it understood.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engines.drivers.speech_network import MOST_LOOK_AHEAD_FRAMES, SpeechNetwork
from engines.log_mel import HOP, RATE, LogMel
from engines.log_mel import LOOK_AHEAD_NS as _MEL_LOOK_AHEAD_NS
from engines.types import Floats, Sound

FRAME_NS = 10_000_000
"""What the network says, it says about every 10 ms."""
SMOOTHING_NS = 22_000_000
"""Frames this far on both sides of a moment have a say in it."""
LOOK_AHEAD_NS = _MEL_LOOK_AHEAD_NS + MOST_LOOK_AHEAD_FRAMES * FRAME_NS + SMOOTHING_NS
"""64.5 ms: how much sound after a moment is needed to know all about the mouth at that moment. With
less, the newest frames count for those that are missing."""

_SECOND = 1_000_000_000
_AHEAD_NS = LOOK_AHEAD_NS + 150_000_000  # is listened to before it is needed, to spread the work
_MOST_AHEAD_NS = 120 * _SECOND  # sound further ahead is a mistake, not an utterance
_KEPT_NS = _SECOND
_SAME_NS = 15_000_000  # pieces that meet within this are one stream
_ROUNDING_NS = 500_000  # between pieces of which one follows the other
_BRIDGED_NS = 400_000_000  # shorter gaps are silence in the stream, longer ones end it
_LONGEST_STEP = RATE // 2
_LOWEST_HZ = 25.0
_BLOCK = 512


class Moment(NamedTuple):
    """What is heard around one moment: rows are frames, in their order."""

    times_ns: NDArray[np.int64]
    phones: Floats
    """`(n, 40)` probabilities."""
    curves: Floats
    """`(n, k)` 0…1."""
    levels: Floats
    """`(n,)` mean of the log-mel spectrum, as in `engines.log_mel`."""

    def part(self, first: int, last: int | None = None) -> Moment:
        """Some of the frames."""
        rows = slice(first, last)
        return Moment(self.times_ns[rows], self.phones[rows], self.curves[rows], self.levels[rows])

    def joined(self, later: Moment) -> Moment:
        """These frames and later ones."""
        return Moment(
            np.concatenate([self.times_ns, later.times_ns]),
            np.concatenate([self.phones, later.phones]),
            np.concatenate([self.curves, later.curves]),
            np.concatenate([self.levels, later.levels]),
        )


class Listener:
    """The ear of one session. Not thread-safe."""

    def __init__(self, network: SpeechNetwork) -> None:
        """`network`: may be shared."""
        self._network = network
        self._waiting: list[tuple[int, Floats]] = []
        self._next_ns: int | None = None
        """When the first sample is heard that has not been listened to."""
        self._frames = _no_frames(len(network.curve_names))
        self._restart(0)

    def hear(self, sound: Sound, now_ns: int) -> None:
        """Takes a piece in; it takes the place of what was to be heard at its time.

        An empty piece takes back all from its time on.
        """
        start, samples = sound.pts_ns, sound.samples
        if len(samples) == 0:
            self._take_back(start)
            return
        if start > now_ns + _MOST_AHEAD_NS or start + _length_ns(samples) < now_ns - _KEPT_NS:
            return
        samples = _sane(samples[: _samples(now_ns + _MOST_AHEAD_NS - start)])
        self._insert(start, start + _length_ns(samples), samples)

    def listen(self, now_ns: int) -> None:
        """Listens to all that has come and is needed for a picture at this time."""
        self._forget(now_ns - _KEPT_NS)
        until_ns = now_ns + _AHEAD_NS
        while self._waiting and self._waiting[0][0] < until_ns:
            start, samples = self._waiting.pop(0)
            count = min(len(samples), _LONGEST_STEP, max(_samples(until_ns - start), HOP))
            if count < len(samples):
                self._waiting.insert(0, (start + _length_ns(samples[:count]), samples[count:]))
            else:
                samples = self._with_next(start, samples, until_ns)
                count = len(samples)
            self._take(start, samples[:count])

    def _with_next(self, start: int, samples: Floats, until_ns: int) -> Floats:
        """A piece with those that go on where it ends: what is said of each takes as long."""
        joined = [samples]
        length = len(samples)
        while self._waiting and self._waiting[0][0] < until_ns:
            gap = self._waiting[0][0] - start - length * _SECOND // RATE
            more = len(self._waiting[0][1])
            if abs(gap) > _ROUNDING_NS or length + more > _LONGEST_STEP:
                break
            joined.append(self._waiting.pop(0)[1])
            length += more
        return samples if len(joined) == 1 else np.concatenate(joined)

    def around(self, pts_ns: int, before_ns: int, after_ns: int) -> Moment:
        """The frames that are known from `before_ns` before to `after_ns` after a time."""
        times = self._frames.times_ns
        first = int(np.searchsorted(times, pts_ns - before_ns))
        last = int(np.searchsorted(times, pts_ns + after_ns, side="right"))
        return self._frames.part(first, last)

    def newest_ns(self, least_ns: int, most_ns: int) -> int:
        """The time between these two that is nearest to the newest frame's."""
        return min(max(self._last_ns(), least_ns), most_ns)

    def _insert(self, start: int, end: int, samples: Floats) -> None:
        for at, (other_start, other) in reversed(list(enumerate(self._waiting))):
            other_end = other_start + _length_ns(other)
            if other_end <= start:
                break
            # Pieces that overlap by chance of rounding stay whole.
            if other_end - start <= _SAME_NS or end - other_start <= _SAME_NS:
                continue
            kept = []
            if start - other_start > _SAME_NS:
                kept.append((other_start, other[: _samples(start - other_start)]))
            if other_end - end > _SAME_NS:
                kept.append((end, other[-_samples(other_end - end) :]))
            self._waiting[at : at + 1] = kept
        place = bisect_left(self._waiting, start, key=lambda piece: piece[0])
        self._waiting.insert(place, (start, samples))

    def _take_back(self, start: int) -> None:
        first = bisect_left(self._waiting, start, key=lambda piece: piece[0])
        del self._waiting[first:]
        if self._waiting:
            last_start, last = self._waiting[-1]
            if last_start + _length_ns(last) > start:
                self._waiting[-1] = (last_start, last[: _samples(start - last_start)])
        if self._next_ns is not None and self._next_ns > start:
            known = bisect_right(self._frames.times_ns, start)
            self._frames = self._frames.part(0, known)
            self._next_ns = None

    def _take(self, start: int, samples: Floats) -> None:
        """Listens to a piece where the one before it ended, as far as they belong together."""
        if self._next_ns is not None:
            gap = start - self._next_ns
            if -_SAME_NS <= gap <= _SAME_NS:
                # A peer's clock and rounding wander: the timeline follows, a frame at a time.
                self._origin_ns += gap // 8
                self._next_ns += gap // 8
            elif 0 < gap <= _BRIDGED_NS:
                samples = np.concatenate([np.zeros(_samples(gap), np.float32), samples])
            elif gap < 0:
                # Heard already, and more than by chance: only what is new is listened to.
                samples = samples[_samples(-gap) :]
            else:
                self._next_ns = None
        if self._next_ns is None:
            self._restart(start)
            self._next_ns = start
        self._next_ns += _length_ns(samples)
        self._understand(self._high_pass(samples))

    def _restart(self, origin_ns: int) -> None:
        self._mel = LogMel()
        self._states = self._network.start()
        self._high_pass = _HighPass()
        self._origin_ns = origin_ns
        self._count = 0

    def _understand(self, samples: Floats) -> None:
        mel = self._mel.push(samples)
        if len(mel) == 0:
            return
        phones, curves, self._states = self._network.hear(mel, self._states)
        number = self._count + np.arange(len(mel))
        self._count += len(mel)
        times = self._origin_ns + (number - self._network.look_ahead_frames) * FRAME_NS
        times += FRAME_NS // 2
        answers = Moment(times, np.exp(phones), curves, mel.mean(axis=1))
        # The first ones are about what was before the first sample.
        known = int(np.searchsorted(times, max(self._origin_ns, self._last_ns()), side="right"))
        self._frames = self._frames.joined(answers.part(known))

    def _last_ns(self) -> int:
        times = self._frames.times_ns
        return int(times[-1]) if len(times) else -(2**62)

    def _forget(self, before_ns: int) -> None:
        while self._waiting and self._waiting[0][0] + _length_ns(self._waiting[0][1]) < before_ns:
            self._waiting.pop(0)
        first = bisect_left(self._frames.times_ns, before_ns)
        if first:
            self._frames = self._frames.part(first)


class _HighPass:
    """One pole: a cheap microphone's constant offset would sound like a hum to the lowest bands."""

    def __init__(self) -> None:
        self._pole = float(np.exp(-2.0 * np.pi * _LOWEST_HZ / RATE))
        self._powers = self._pole ** np.arange(1, _BLOCK + 1)
        self._before: float | None = None
        self._last = 0.0

    def __call__(self, samples: Floats) -> Floats:
        """The samples without what is slower than `_LOWEST_HZ`; goes on where it ended."""
        out = np.empty(len(samples), np.float32)
        for start in range(0, len(samples), _BLOCK):
            block = samples[start : start + _BLOCK].astype(np.float64)
            before = block[0] if self._before is None else self._before
            powers = self._powers[: len(block)]
            # The recursion y = p·y' + (x − x') as a sum, which arrays can do.
            sums = np.cumsum(np.diff(block, prepend=before) / powers)
            filtered = powers * (self._last + sums)
            self._before, self._last = float(block[-1]), float(filtered[-1])
            out[start : start + _BLOCK] = filtered
        return out


def _sane(samples: Floats) -> Floats:
    """Finite and within −1…1."""
    finite = np.nan_to_num(np.asarray(samples, np.float32), posinf=0.0, neginf=0.0)
    return np.clip(finite, -1.0, 1.0)


def _length_ns(samples: Floats) -> int:
    return len(samples) * _SECOND // RATE


def _samples(length_ns: int) -> int:
    return length_ns * RATE // _SECOND


def _no_frames(curves: int) -> Moment:
    return Moment(
        np.zeros(0, np.int64),
        np.zeros((0, 40), np.float32),
        np.zeros((0, curves), np.float32),
        np.zeros(0, np.float32),
    )
