"""A datagram's size and time of arrival go in, the times at which it leaves the link come out.

One `Direction` of a link draws lots from generators seeded by whoever makes it, one for each
fault, by the datagram's place in the order of arrival: the same seed loses the same ones, whatever
else is switched on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

HEADERS = 28
"""Bytes of IPv4 and UDP that a datagram's payload travels with, which take their part of a rate."""

_MS = 1e-3


@dataclass(frozen=True, slots=True)
class Bursts:
    """Losses that come together: the bad state of a channel with two (Gilbert 1960, Elliott 1963).

    A stay in either state lasts a geometrically distributed number of datagrams.
    """

    every: float
    """Datagrams between two bursts, on average; ≥ 1."""
    length: float
    """Datagrams in a burst, on average; ≥ 1."""
    loss: float = 1.0
    """The share that is lost in a burst."""

    def __post_init__(self) -> None:
        """Raises `ValueError`."""
        if self.every < 1 or self.length < 1:
            raise ValueError(f"a burst takes at least one datagram, as does a pause: {self}")
        _check_share("Bursts.loss", self.loss)


@dataclass(frozen=True, slots=True)
class Faults:
    """What one direction does to what passes; by default nothing."""

    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    """Each datagram takes longer by up to as much, evenly distributed."""
    reorders: bool = False
    """Whether jitter lets one overtake another; else the earlier holds the later up."""
    loss: float = 0.0
    """The share that is lost, one independently of the other; outside of bursts, if there are."""
    bursts: Bursts | None = None
    duplicates: float = 0.0
    """The share that comes twice; the second takes its own jitter."""
    rate_kbits: float | None = None
    """Thousands of bits a second, UDP and IP headers included; `None`: no limit."""
    queue_ms: float = 300.0
    """How long a datagram may have to wait for the rate; the queue drops it if it would longer."""

    def __post_init__(self) -> None:
        """Raises `ValueError`."""
        for name in ("delay_ms", "jitter_ms", "queue_ms"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}; give 0 or more")
        for name in ("loss", "duplicates"):
            _check_share(name, getattr(self, name))
        if self.rate_kbits is not None and self.rate_kbits <= 0:
            raise ValueError(f"rate_kbits is {self.rate_kbits}; give more than 0, or None")


def _check_share(name: str, share: float) -> None:
    if not 0 <= share <= 1:
        raise ValueError(f"{name} is {share}; give a share from 0 to 1")


@dataclass(slots=True)
class Fates:
    """How many datagrams met with what."""

    came: int = 0
    lost: int = 0
    """At random, single or in bursts."""
    overflowed: int = 0
    """Dropped by the queue before the rate."""
    cut: int = 0
    """Lost in an outage."""
    duplicated: int = 0
    """Came twice."""


@dataclass(slots=True)
class Direction:
    """One direction of a link. Times are seconds on a clock that does not run backwards."""

    faults: Faults
    seed: int = 0
    fates: Fates = field(default_factory=Fates)
    _cut_until_s: float = 0.0
    _free_s: float = 0.0
    """When all that waits for the rate will have gone."""
    _last_s: float = 0.0
    """When the last one leaves, where the order is kept."""
    _in_burst: bool = False
    _lots: dict[str, Random] = field(default_factory=dict)

    def cut(self, until_s: float) -> None:
        """Loses whatever comes before then; what is on its way arrives."""
        self._cut_until_s = until_s

    def take(self, size: int, now_s: float) -> tuple[float, ...]:
        """When a datagram with `size` bytes of payload leaves: never, once, or twice."""
        self.fates.came += 1
        lost = self._is_lost()
        if now_s < self._cut_until_s:
            self.fates.cut += 1
            return ()
        if lost:
            self.fates.lost += 1
            return ()
        sent_s = self._through_queue(size, now_s)
        if sent_s is None:
            self.fates.overflowed += 1
            return ()
        if not self._drawn("duplicates", self.faults.duplicates):
            return (self._arrival(sent_s),)
        self.fates.duplicated += 1
        return (self._arrival(sent_s), self._arrival(sent_s))

    def _is_lost(self) -> bool:
        bursts = self.faults.bursts
        if bursts is None:
            self._in_burst = False
        else:
            over = 1 / (bursts.length if self._in_burst else bursts.every)
            self._in_burst ^= self._drawn("bursts", over)
        lost = self._drawn("loss", self.faults.loss)
        if bursts is not None and self._in_burst:
            return self._drawn("in burst", bursts.loss)
        return lost

    def _through_queue(self, size: int, now_s: float) -> float | None:
        if self.faults.rate_kbits is None:
            return now_s
        begins_s = max(self._free_s, now_s)
        if begins_s - now_s > self.faults.queue_ms * _MS:
            return None
        self._free_s = begins_s + (size + HEADERS) * 8 / (self.faults.rate_kbits * 1000)
        return self._free_s

    def _arrival(self, sent_s: float) -> float:
        faults = self.faults
        at_s = sent_s + faults.delay_ms * _MS
        if faults.jitter_ms:
            at_s += self._lot("jitter") * faults.jitter_ms * _MS
        if not faults.reorders:
            at_s = self._last_s = max(at_s, self._last_s)
        return at_s

    def _drawn(self, what: str, share: float) -> bool:
        return share > 0 and self._lot(what) < share

    def _lot(self, what: str) -> float:
        if what not in self._lots:
            self._lots[what] = Random(f"{self.seed} {what}")  # noqa: S311  (chance, no secret)
        return self._lots[what].random()
