"""How many bits a second a sender may send: the viewer's estimate, and less while the path fills.

The viewer's estimate (REMB) follows delay. When it falls a queue stands already, and it falls to
what the path carries, with which the queue stands for ever; so for a moment less is sent than that.
What is seen here counts, too: a large part lost within half a second, or a round trip that has
grown by a queue's length. Loss that is not much is left to retransmission: on a radio path it says
nothing about the rate.
"""

from __future__ import annotations

from live.clock import MILLISECOND, SECOND
from live.rtc.path import Path

_OVERFLOW = 0.25
_QUEUE_NS = 120 * MILLISECOND
_KEPT = 0.8
"""Of what arrives, so that the queue empties."""
_LEAST = 100_000
_GROWTH_A_SECOND = 0.12
_PAUSE_NS = 600 * MILLISECOND
"""Between two cuts: the first one's effect has to be seen."""
_CALM_NS = 3 * SECOND
_FALL = 0.97
_DRAINING, _DRAINING_NS = 0.6, 600 * MILLISECOND


class SendingRate:
    """Of one sender of video."""

    def __init__(self, path: Path) -> None:
        """No bound is known."""
        self._path = path
        self._estimate: float | None = None
        self._bound: float | None = None
        self._cut_ns = self._fallen_ns = 0
        self._grown_ns = 0

    def estimated(self, bitrate: int, now: int) -> None:
        """Takes the viewer's estimate."""
        if self._estimate is not None and bitrate < _FALL * self._estimate:
            self._fallen_ns = now
        self._estimate = bitrate

    def congested(self, now: int) -> bool:
        """Whether the path was too narrow a moment ago; then nothing is to be sent twice."""
        last_ns = max(self._cut_ns, self._fallen_ns)
        return last_ns > 0 and now - last_ns < _CALM_NS

    def bitrate(self, now: int) -> int | None:
        """Bits a second for everything that is sent; `None`: nothing is known."""
        if self._bound is not None:
            self._bound *= 1 + _GROWTH_A_SECOND * (now - self._grown_ns) / SECOND
        self._grown_ns = now
        self._watch(now)
        bounds = [self._bound] if self._bound is not None else []
        if self._estimate is not None:
            draining = now - self._fallen_ns < _DRAINING_NS
            bounds.append(self._estimate * (_DRAINING if draining else 1))
        return round(min(bounds)) if bounds else None

    def _watch(self, now: int) -> None:
        if now - self._cut_ns < _PAUSE_NS + self._path.round_trip_ns:
            return
        loss = self._path.loss(now, recent=True)
        if loss >= _OVERFLOW or self._path.queue_ns(self._cut_ns) >= _QUEUE_NS:
            arrived = (1 - loss) * self._path.rate(now)
            self._bound = max(_KEPT * arrived, (self._estimate or 0) / 2, _LEAST)
            self._cut_ns = now
