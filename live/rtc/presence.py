"""Whether the other side is there: counts of its packets in, moments of its return out."""

from __future__ import annotations

from typing import Any

from live.clock import MILLISECOND, SECOND

_AWAY_NS = 400 * MILLISECOND
_TALKATIVE = 15
"""Packets a second; from who sends less, as one who only watches, silence says nothing."""


class Presence:
    """Of one peer; asked with every frame that goes out."""

    def __init__(self) -> None:
        """Nothing has come."""
        self._count = 0
        self._heard_ns = 0
        self._second: tuple[int, int] | None = None
        self._talkative = False

    def returns(self, transport: Any, now: int) -> bool:
        """Whether something came just now, after nothing had for a moment."""
        count = getattr(transport, "_RTCDtlsTransport__rx_packets", 0)
        if count == self._count:
            return False
        silent_ns, self._count, self._heard_ns = now - self._heard_ns, count, now
        returned = self._talkative and silent_ns > _AWAY_NS
        if self._second is None or returned:
            self._second = now, count
        elif now - self._second[0] >= SECOND:
            came = (count - self._second[1]) * SECOND / (now - self._second[0])
            self._talkative, self._second = came >= _TALKATIVE, (now, count)
        return returned
