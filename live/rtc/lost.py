"""Sequence numbers in; out comes which are missing, and when each is to be asked for (again).

aiortc asks once for each gap and never by the clock, so that one lost answer stops the picture for
seconds. Here the first request waits only for as long as packets were seen to overtake each other,
and when an answer is overdue, by the round trip that answers were seen to take, it is asked for
until it comes.
"""

from __future__ import annotations

from dataclasses import dataclass

from aiortc.rtp import RtpPacket
from aiortc.utils import uint16_add, uint16_gt

from live.clock import MILLISECOND, SECOND, now_ns

MOST = 40
"""Packets missing at once that are still worth being asked for; past that a keyframe is cheaper."""

_FIRST_ROUND_TRIP_NS = 60 * MILLISECOND
_LONGEST_ROUND_TRIP_NS = SECOND
_MARGIN_NS = 8 * MILLISECOND
"""On top of a round trip: a peer sends its answers through a pacer, every 5 ms."""
_BACK_OFF = 1.3
_REPEATED_NS = 12 * MILLISECOND
"""Each request is made twice, as it may be lost, too; Chromium answers only one of them."""
_INSISTED = 4
"""How often it is made in each further round trip: a peer takes no request while it believes that
its last answer is on the way, for a time that only it knows, and is to hear the next one soon."""
_MOST_INSISTED = 16
"""Requests for one packet; the ones after that come once in a round trip."""
_QUEUE_NS = 30 * MILLISECOND
"""With a queue as long as that the peer takes both for new, and would fill it further."""
_TAIL_NS = 15 * MILLISECOND
"""After a packet that ends no frame; its frame's next one should have come by then."""
_TAIL_FOR_NS = 10 * SECOND
"""How long after a loss the ends of frames are watched."""
_LONGEST_LATENESS_NS = 40 * MILLISECOND
_SMOOTHING = 0.2
_LATENESS_KEPT = 0.995
"""From packet to packet: an overtaking of 20 ms is forgotten in some seconds."""


@dataclass(slots=True)
class _Lost:
    since_ns: int
    due_ns: int
    asked: int = 0
    first_asked_ns: int = 0


class LostPackets:
    """Stands where an aiortc receiver has its `NackGenerator`; asks for nothing by itself."""

    def __init__(self) -> None:
        """Nothing has come, nothing is missing."""
        self.max_seq: int | None = None
        self.round_trip_ns = _FIRST_ROUND_TRIP_NS
        """From a request to its answer, smoothed."""
        self.queue_ns = 0
        """By how much longer it takes at present, as the estimate of the sender's rate has it."""
        self.hopeless = False
        """Set where too much is missing at once; whoever asks for the keyframe clears it."""
        self._missing: dict[int, _Lost] = {}
        self._lateness_ns = 0.0
        self._lost_ns = 0
        self._tail_ns: int | None = None

    @property
    def answer_ns(self) -> int:
        """How long an answer takes now."""
        return self.round_trip_ns + self.queue_ns

    @property
    def missing(self) -> frozenset[int]:
        """Sequence numbers."""
        return frozenset(self._missing)

    @property
    def since_ns(self) -> int | None:
        """When the first of what is missing was missed; `None`: nothing is missing."""
        return min((lost.since_ns for lost in self._missing.values()), default=None)

    def add(self, packet: RtpPacket) -> bool:
        """Notes a packet; always false, so that aiortc does not ask by itself."""
        number, now = packet.sequence_number, now_ns()
        if self.max_seq is None:
            self.max_seq = number
        elif uint16_gt(number, self.max_seq):
            self._note_gap(number, now)
            self.max_seq = number
        elif (lost := self._missing.pop(number, None)) is not None:
            self._note_arrival(lost, now)
        self._lateness_ns *= _LATENESS_KEPT
        self._watch_tail(packet, now)
        return False

    def forget_before(self, number: int) -> None:
        """What is before `number` is of no use any more."""
        for one in [one for one in self._missing if uint16_gt(number, one)]:
            del self._missing[one]

    def due(self, now: int) -> list[int]:
        """What is to be asked for now, in order; it counts as asked for."""
        found = sorted(
            (one for one, lost in self._missing.items() if lost.due_ns <= now),
            key=lambda one: uint16_add(one, -(self.max_seq or 0)),
        )
        for one in found:
            lost = self._missing[one]
            lost.first_asked_ns = lost.first_asked_ns or now
            lost.due_ns = now + self._pause_ns(lost.asked)
            lost.asked += 1
        if self._tail_ns is not None and self._tail_ns <= now and self.max_seq is not None:
            self._tail_ns = None
            found.append(uint16_add(self.max_seq, 1))
        return found

    def next_ns(self) -> int | None:
        """When something is due next; `None`: nothing is missing."""
        times = [lost.due_ns for lost in self._missing.values()]
        if self._tail_ns is not None:
            times.append(self._tail_ns)
        return min(times, default=None)

    def _pause_ns(self, asked: int) -> int:
        """Between a request, so many having gone before it, and the next one."""
        if self.queue_ns >= _QUEUE_NS:
            wait_ns = (self.answer_ns + _MARGIN_NS) * _BACK_OFF ** (asked // 2)
        elif asked == 0:
            wait_ns = _REPEATED_NS
        elif asked == 1 or asked > _MOST_INSISTED:
            wait_ns = self.answer_ns + _MARGIN_NS - _REPEATED_NS
        else:
            wait_ns = self.answer_ns // _INSISTED
        return round(min(max(wait_ns, _REPEATED_NS), _LONGEST_ROUND_TRIP_NS))

    def _watch_tail(self, packet: RtpPacket, now: int) -> None:
        """A lost last packet of a frame would be missed only when the next frame comes."""
        if packet.sequence_number != self.max_seq:
            return
        lossy = self._lost_ns > 0 and now - self._lost_ns < _TAIL_FOR_NS
        watched = lossy and not packet.marker and self.queue_ns < _QUEUE_NS
        self._tail_ns = now + _TAIL_NS + round(self._lateness_ns) if watched else None

    def _note_gap(self, number: int, now: int) -> None:
        assert self.max_seq is not None
        gap = uint16_add(number, -self.max_seq) - 1
        if gap:
            self._lost_ns = now
        if len(self._missing) + gap > MOST:
            self._missing.clear()
            self.hopeless = True
            return
        due_ns = now + round(self._lateness_ns)
        for step in range(1, gap + 1):
            self._missing[uint16_add(self.max_seq, step)] = _Lost(now, due_ns)

    def _note_arrival(self, lost: _Lost, now: int) -> None:
        """An answer tells the round trip; what came unasked tells how far packets overtake."""
        took_ns = now - lost.first_asked_ns if lost.asked else 0
        if not lost.asked or took_ns < self.round_trip_ns // 4:
            late_ns = min(now - lost.since_ns, _LONGEST_LATENESS_NS)
            self._lateness_ns = max(self._lateness_ns, late_ns)
        elif lost.asked <= 2:
            took_ns = min(max(took_ns - self.queue_ns, 0), _LONGEST_ROUND_TRIP_NS)
            self.round_trip_ns += round(_SMOOTHING * (took_ns - self.round_trip_ns))
