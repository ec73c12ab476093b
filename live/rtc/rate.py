"""How many bits a second a sender may send: the viewer's estimate, and less while the path fills.

The viewer's estimate (REMB) follows delay. When it falls a queue stands already, and it falls to
what the path carries, with which the queue stands for ever; so for a moment less is sent than that.
What is seen here counts, too: a large part lost within half a second, or a round trip that has
grown by a queue's length. Loss that is not much is left to retransmission: on a radio path it says
nothing about the rate.
"""

from __future__ import annotations

import math

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
_AGAIN = 1.2
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
        """Takes the viewer's estimate; the first one has fallen if it is below what is sent."""
        before = self._path.rate(now) if self._estimate is None else self._estimate
        if bitrate < _FALL * before:
            self._fallen_ns = now
        self._estimate = bitrate

    def congested(self, now: int) -> bool:
        """Whether the path was too narrow a moment ago; then nothing is to be sent twice."""
        last_ns = max(self._cut_ns, self._fallen_ns)
        return last_ns > 0 and now - last_ns < _CALM_NS

    def has_room(self, now: int) -> bool:
        """Whether a packet may be sent again: in congestion, what is lost would be lost again."""
        bounds = [one for one in (self._estimate, self._bound) if one is not None]
        most = _AGAIN * min(bounds, default=math.inf)
        return not self.congested(now) or self._path.rate(now) < most

    def bitrate(self, now: int) -> int | None:
        """Bits a second for everything that is sent; `None`: nothing is known."""
        if self._bound is not None:
            self._bound *= 1 + _GROWTH_A_SECOND * (now - self._grown_ns) / SECOND
        self._grown_ns = now
        self._watch(now)
        since = (self._bound, self._cut_ns), (self._estimate, self._fallen_ns)
        bounds = [
            bound * (_DRAINING if now - last_ns < _DRAINING_NS else 1)
            for bound, last_ns in since
            if bound is not None
        ]
        return round(min(bounds)) if bounds else None

    def _watch(self, now: int) -> None:
        if now - self._cut_ns < _PAUSE_NS + self._path.round_trip_ns:
            return
        loss = self._path.loss(now, recent=True)
        if loss >= _OVERFLOW or self._path.queue_ns(self._cut_ns) >= _QUEUE_NS:
            arrived = (1 - loss) * self._path.rate(now)
            self._bound = max(_KEPT * arrived, (self._estimate or 0) / 2, _LEAST)
            self._cut_ns = now
