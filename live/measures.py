"""Durations and counts in, the plain numbers of a session's report out; bounded, thread-safe."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from live.clock import MILLISECOND, SECOND

_KEPT = 512
"""Samples a series keeps: 17 s of video at 30 pictures a second."""
_RECENT = 30

LIMITS_MS = (0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 24, 33, 50, 66, 100, 150, 250, 500, 1000)
"""The upper limits of a histogram's steps; one more step has none."""
_LIMITS_NS = tuple(round(limit * MILLISECOND) for limit in LIMITS_MS)


@dataclass(slots=True)
class Histogram:
    """How many durations fell into each step, and their sum, since the beginning."""

    steps: list[int] = field(default_factory=lambda: [0] * (len(LIMITS_MS) + 1))
    sum_ns: int = 0

    def add(self, ns: int) -> None:
        """One more duration."""
        self.steps[bisect_left(_LIMITS_NS, ns)] += 1
        self.sum_ns += ns

    def merge(self, other: Histogram) -> None:
        """Adds what another one has counted."""
        self.steps = [mine + its for mine, its in zip(self.steps, other.steps, strict=True)]
        self.sum_ns += other.sum_ns


@dataclass(frozen=True, slots=True)
class Tally:
    """What a call has counted since its beginning, for the server's totals."""

    counts: Mapping[str, int]
    """`in`, `out` and `dropped.<reason>` video frames; `utterances.<reason>`, `interrupts` and
    `spoken_ms` of what the avatar said."""
    times: Mapping[str, Histogram]
    """Each stage's (`live.stages`); `latency`: from a frame's first packet to the avatar's last;
    `first_sound`: from a request to its utterance's first sound."""


class Durations:
    """The latest durations of one kind."""

    def __init__(self) -> None:
        """Empty."""
        self._kept: deque[int] = deque(maxlen=_KEPT)
        self.histogram = Histogram()

    def add(self, ns: int) -> None:
        """One more sample."""
        self._kept.append(ns)
        self.histogram.add(ns)

    def __len__(self) -> int:
        """How many samples are kept."""
        return len(self._kept)

    def recent_ns(self) -> int:
        """The middle of the latest samples, a second's worth; 0 where there is none."""
        recent = list(self._kept)[-_RECENT:]
        return sorted(recent)[len(recent) // 2] if recent else 0

    def report(self) -> dict[str, float] | None:
        """p50, p95 and p99 in milliseconds; `None` where nothing was measured."""
        kept = list(self._kept)
        if not kept:
            return None
        p50, p95, p99 = np.percentile(kept, (50, 95, 99)) / MILLISECOND
        return {"p50": round(p50, 2), "p95": round(p95, 2), "p99": round(p99, 2)}


class Rate:
    """Events a second, over the last two seconds."""

    _WINDOW_NS = 2 * SECOND

    def __init__(self) -> None:
        """No event yet."""
        self._times: deque[int] = deque(maxlen=_KEPT)

    def add(self, now_ns: int) -> None:
        """One event."""
        self._times.append(now_ns)

    def per_second(self, now_ns: int) -> float:
        """The rate at `now_ns`."""
        times = list(self._times)
        recent = sum(now_ns - time < self._WINDOW_NS for time in times)
        if not recent:
            return 0.0
        if now_ns - times[0] >= self._WINDOW_NS:
            return round(recent * SECOND / self._WINDOW_NS, 1)
        # still beginning: intervals, not events, fill the time so far
        return round((recent - 1) * SECOND / max(now_ns - times[0], 1), 1)


class Counts:
    """Named counters that several threads add to."""

    def __init__(self) -> None:
        """All at zero."""
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def add(self, name: str, number: int = 1) -> None:
        """Counts `number` events."""
        with self._lock:
            self._counts[name] += number

    def __getitem__(self, name: str) -> int:
        """The count; 0 for what never happened."""
        return self._counts[name]

    def with_prefix(self, prefix: str) -> dict[str, int]:
        """The counters whose names begin with `prefix`, without it."""
        with self._lock:
            return {
                name.removeprefix(prefix): number
                for name, number in sorted(self._counts.items())
                if name.startswith(prefix)
            }
