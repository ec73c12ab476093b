"""Packets' times of sending and arrival in, the rate that a sender may have out (REMB).

aiortc follows the gradient of the delay by a Kalman filter, for which jitter is congestion: 50 ms
of it halve the rate until a camera sends 60 kbit/s. What matters is whether a queue stands: then
even the fastest packet of a fifth of a second is late, by the queue's length (as in CoDel, RFC
8289). Then the rate is cut to half of what arrives until the queue is empty, set to a little less
than what arrived, and grows again slowly. A call begins with a rate that most lines carry, which
doubles again and again while it is made use of and no queue begins. Where a cut does not shorten
the queue, or it is there again at once, there is none, but a path whose delay varies so much; that
is put up with.
"""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple

_HIGHEST = 3_500_000
_FIRST = 700_000
"""Bits a second."""
_DOUBLED_IN_MS = 350
_BEGINNING_MS = 3000
_ROOM = 2.0
"""Of what arrives: beyond that nothing is known of the path, and the rate does not grow."""
_LEAST = 120_000
"""A head of 512 × 512 at 30 pictures a second can still be made of it (40 dB and more); with fewer
pictures each is hardly better, so that their number stays."""
_STANDING_MS = 50.0
_EMPTY_MS = 25.0
_LOOK_MS, _LOOK_PACKETS = 100, 6
"""The fastest of at least so many: of one or two it would be chance."""
_RATE_MS, _RATE_PACKETS = 300, 10
_UPDATE_MS = 40
_BASE_S = 20
_REPORT_MS = 1000
_DRAIN_MS = 900
"""At most; by then half the rate has emptied a queue of 450 ms."""
_DRAINING, _DRAINED = 0.45, 0.85
_LESS = 0.95
"""Of what was taken for what the path carries: then it carries less."""
_PUT_UP_WITH = 1.3
_SOON_MS = 2500
"""After a cut the rate needs longer than that to fill a queue again."""
_GROWTH_UNKNOWN, _GROWTH_BELOW, _GROWTH_NEAR = 0.5, 0.25, 0.06
"""A second: where no queue has stood of late, below where one has, and close to that."""
_NEAR, _PAST = 0.85, 1.1
_STALL_MS, _AFTER_STALL_MS = 70, 150
"""A queue gives packet after packet; where nothing comes for so long somebody was busy."""
_REMEMBERED_MS = 20_000
_WRAP_MS = 64_000.0
_TICKS_PER_MS = (1 << 18) / 1000


class _Cut(NamedTuple):
    began_ms: int
    queue_ms: float
    arriving: float
    """Bits a second."""


class StandingQueueEstimator:
    """Stands where an aiortc receiver has its `RemoteBitrateEstimator`."""

    def __init__(self) -> None:
        """No packet has come."""
        self._bitrate = float(_FIRST)
        self._first_ms: int | None = None
        self._recent: deque[tuple[int, float, int]] = deque()
        """Arrival and relative delay in ms, octets."""
        self._base: deque[tuple[int, float]] = deque()
        """The least delay of each second, rising: the first is the least of all."""
        self._sent_ms = 0.0
        self._updated_ms = self._told_ms = 0
        self._standing_ms = _STANDING_MS
        self._cut: _Cut | None = None
        self._mended_ms = -_SOON_MS
        self._stalled_ms = -_AFTER_STALL_MS
        self._limit: tuple[int, float] | None = None
        """When a queue stood last, and what arrived then in bits a second."""
        self._streams: dict[int, None] = {}

    def add(
        self, arrival_time_ms: int, abs_send_time: int, payload_size: int, ssrc: int
    ) -> tuple[int, list[int]] | None:
        """Takes a packet; gives what is to be told the sender, and for which of its streams.

        `abs_send_time`: 24 bits, 2⁻¹⁸ s each.
        """
        now = arrival_time_ms
        self._streams[ssrc] = None
        self._note(now, now - self._unwrapped(abs_send_time / _TICKS_PER_MS), payload_size)
        if now - self._updated_ms < _UPDATE_MS:
            return None
        elapsed_ms, self._updated_ms = min(now - self._updated_ms, 1000), now
        before = self._bitrate
        self._follow(elapsed_ms, now)
        changed = abs(self._bitrate - before) > 0.05 * before
        if not changed and now - self._told_ms < _REPORT_MS:
            return None
        self._told_ms = now
        return round(self._bitrate), [*self._streams]

    def _follow(self, elapsed_ms: int, now: int) -> None:
        queue_ms = self.queue_ms
        if self._cut is not None:
            self._drain(self._cut, now)
        elif queue_ms < self._standing_ms:
            if self._is_beginning(now):
                self._begin(elapsed_ms, queue_ms)
            else:
                self._grow(elapsed_ms, now)
            self._standing_ms += (_STANDING_MS - self._standing_ms) * elapsed_ms / 20_000
        elif now - self._stalled_ms < _AFTER_STALL_MS:
            return  # one of the two machines was busy, which no rate changes
        elif now - self._mended_ms < _SOON_MS:
            self._put_up_with(queue_ms)
        else:
            self._cut = _Cut(now, queue_ms, min(self._bitrate, self._arriving(_RATE_MS)))
            lately = min(self._cut.arriving, self._arriving(_LOOK_MS))
            self._bitrate = max(_DRAINING * lately, _LEAST)

    def _is_beginning(self, now: int) -> bool:
        """Whether the path may still be found to carry more at once."""
        if self._first_ms is None:
            self._first_ms = now
        return now - self._first_ms < _BEGINNING_MS and self._limit is None

    def _begin(self, elapsed_ms: int, queue_ms: float) -> None:
        """Doubles the rate again and again while it is made use of and no queue begins."""
        if queue_ms < _EMPTY_MS:
            self._raise_to(self._bitrate * 2 ** (elapsed_ms / _DOUBLED_IN_MS))

    def _raise_to(self, bitrate: float) -> None:
        most = min(_ROOM * self._arriving(_RATE_MS), _HIGHEST)
        self._bitrate = max(self._bitrate, min(bitrate, most))

    @property
    def queue_ms(self) -> float:
        """How late the fastest of the latest packets was."""
        if not self._recent:
            return 0.0
        start, fastest = self._recent[-1][0] - _LOOK_MS, math.inf
        for count, (arrival, delay, _) in enumerate(reversed(self._recent)):
            if arrival < start and count >= _LOOK_PACKETS:
                break
            fastest = min(fastest, delay)
        return fastest - self._base[0][1]

    def _arriving(self, lately_ms: int) -> float:
        """Bits a second; where a queue stands, it is what the path carries."""
        octets, first_ms, last_ms = 0, 0, self._recent[-1][0]
        for count, (arrival, _, size) in enumerate(reversed(self._recent), 1):
            if arrival < last_ms - lately_ms and count > _RATE_PACKETS:
                break
            octets, first_ms = octets + size, arrival
        return 8000 * octets / max(last_ms - first_ms, lately_ms // 2)

    def _drain(self, cut: _Cut, now: int) -> None:
        if self.queue_ms > _EMPTY_MS and now - cut.began_ms < _DRAIN_MS:
            # While a queue stands, what arrives is what the path carries.
            stalled = now - self._stalled_ms < _RATE_MS + _AFTER_STALL_MS
            less = self._arriving(_RATE_MS) < _LESS * cut.arriving
            if less and not stalled and self.queue_ms >= _STANDING_MS:
                self._cut = cut._replace(began_ms=now, arriving=self._arriving(_RATE_MS))
                self._bitrate = max(min(_DRAINING * self._cut.arriving, self._bitrate), _LEAST)
            return
        if self.queue_ms > cut.queue_ms / 2:
            self._put_up_with(cut.queue_ms)
            kept = cut.arriving
        else:
            kept = _DRAINED * cut.arriving
            self._limit = now, cut.arriving
        self._bitrate, self._cut = max(kept, _LEAST), None
        self._mended_ms = now

    def _put_up_with(self, queue_ms: float) -> None:
        self._standing_ms = max(self._standing_ms, _PUT_UP_WITH * queue_ms)

    def _grow(self, elapsed_ms: int, now: int) -> None:
        """Slowly where the last queue began: each time that it is found out costs a queue."""
        growth = _GROWTH_UNKNOWN
        if self._limit is not None:
            since_ms, limit = self._limit
            growth = _GROWTH_BELOW if self._bitrate <= _NEAR * limit else _GROWTH_NEAR
            if now - since_ms > _REMEMBERED_MS or self._bitrate > _PAST * limit:
                self._limit = None
        self._raise_to(self._bitrate * (1 + growth * elapsed_ms / 1000))

    def _note(self, now: int, delay: float, octets: int) -> None:
        if self._recent and now - self._recent[-1][0] > _STALL_MS:
            self._stalled_ms = now
        self._recent.append((now, delay, octets))
        while self._recent[0][0] < now - _RATE_MS:
            self._recent.popleft()
        while self._base and self._base[-1][1] >= delay:
            self._base.pop()
        if not self._base or now - self._base[-1][0] >= 1000:
            self._base.append((now, delay))
        while self._base[0][0] < now - 1000 * _BASE_S and len(self._base) > 1:
            self._base.popleft()

    def _unwrapped(self, sent_ms: float) -> float:
        """Times of sending that only go on, from such as begin anew every 64 s."""
        step = (sent_ms - self._sent_ms + _WRAP_MS / 2) % _WRAP_MS - _WRAP_MS / 2
        self._sent_ms += step
        return self._sent_ms
