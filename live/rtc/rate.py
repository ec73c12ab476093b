"""How many bits a second a sender may send: the viewer's estimate, and less while the path fills.

The viewer's estimate (REMB) follows delay, seconds late where a queue overflows at once. So what
is seen here counts, too: a large part lost within half a second, or a round trip that has grown by
a queue's length. Loss that is not much is left to retransmission: on a radio path it says nothing
about the rate.
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


class SendingRate:
    """Of one sender of video."""

    def __init__(self, path: Path) -> None:
        """No bound is known."""
        self._path = path
        self._estimate: float | None = None
        self._bound: float | None = None
        self._cut_ns = 0
        self._grown_ns = 0

    def estimated(self, bitrate: int) -> None:
        """Takes the viewer's estimate."""
        self._estimate = bitrate

    def congested(self, now: int) -> bool:
        """Whether the path was too narrow a moment ago; then nothing is to be sent twice."""
        return self._cut_ns > 0 and now - self._cut_ns < _CALM_NS

    def bitrate(self, now: int) -> int | None:
        """Bits a second for everything that is sent; `None`: nothing is known."""
        if self._bound is not None:
            self._bound *= 1 + _GROWTH_A_SECOND * (now - self._grown_ns) / SECOND
        self._grown_ns = now
        self._watch(now)
        bounds = [one for one in (self._estimate, self._bound) if one is not None]
        return round(min(bounds)) if bounds else None

    def _watch(self, now: int) -> None:
        if now - self._cut_ns < _PAUSE_NS + self._path.round_trip_ns:
            return
        loss = self._path.loss(now, recent=True)
        least_ns = self._path.least_round_trip_ns
        queue_ns = self._path.round_trip_ns - least_ns if least_ns else 0
        if loss >= _OVERFLOW or queue_ns >= _QUEUE_NS:
            self._bound = max(_KEPT * (1 - loss) * self._path.rate(now), _LEAST)
            self._cut_ns = now
