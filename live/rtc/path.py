"""What a sender knows of the way to its viewer: packets in, loss, round trip and rate out."""

from __future__ import annotations

from collections import deque

from live.clock import MILLISECOND, SECOND

_WINDOW_NS = 3 * SECOND
_RECENT_NS = SECOND // 2
_LEAST_PACKETS = 40
_FIRST_ROUND_TRIP_NS = 100 * MILLISECOND


class Path:
    """Counts in pieces of a tenth of a second, over the last three seconds."""

    def __init__(self) -> None:
        """Nothing is known; the path is taken to be clean."""
        self.round_trip_ns = _FIRST_ROUND_TRIP_NS
        """By the viewer's last report."""
        self._least_round_trip_ns = 0
        self._measured_ns = 0
        self._pieces: deque[_Piece] = deque()

    def sent(self, octets: int, now: int) -> None:
        """A packet has left, for the first time or again."""
        piece = self._piece(now)
        piece.packets += 1
        piece.octets += octets

    def sent_again(self, octets: int, now: int) -> None:
        """A packet has left once more: it counts for the rate, not for the loss."""
        self._piece(now).octets += octets

    def lost(self, packets: int, gaps: int, now: int) -> None:
        """A viewer has missed packets that it had not missed before, in so many places."""
        piece = self._piece(now)
        piece.lost += packets
        piece.gaps += gaps

    def measured(self, round_trip_ns: int, now: int) -> None:
        """A report has come back."""
        self.round_trip_ns, self._measured_ns = round_trip_ns, now
        self._least_round_trip_ns = min(self._least_round_trip_ns or round_trip_ns, round_trip_ns)

    def queue_ns(self, since_ns: int) -> int:
        """By how much the round trip has grown, as far as it was measured after a moment."""
        if self._measured_ns <= since_ns + self.round_trip_ns:
            return 0
        return self.round_trip_ns - self._least_round_trip_ns

    def loss(self, now: int, *, recent: bool = False) -> float:
        """The share of packets that was lost, 0…1; 0 while there are too few to tell."""
        pieces = self._since(now - (_RECENT_NS if recent else _WINDOW_NS))
        least = _LEAST_PACKETS // 2 if recent else _LEAST_PACKETS
        return _share(sum(piece.lost for piece in pieces), pieces, least)

    def gaps(self, now: int) -> float:
        """As `loss`, but packets lost in a row count as one: how often something is lost."""
        pieces = self._since(now - _WINDOW_NS)
        return _share(sum(piece.gaps for piece in pieces), pieces, _LEAST_PACKETS)

    def rate(self, now: int) -> float:
        """Bits a second that left lately."""
        octets = sum(piece.octets for piece in self._since(now - _RECENT_NS))
        return 8 * octets * SECOND / _RECENT_NS

    def _since(self, start: int) -> list[_Piece]:
        return [piece for piece in self._pieces if piece.start_ns >= start]

    def _piece(self, now: int) -> _Piece:
        start = now - now % (100 * MILLISECOND)
        if not self._pieces or self._pieces[-1].start_ns < start:
            self._pieces.append(_Piece(start))
            while self._pieces[0].start_ns < now - _WINDOW_NS:
                self._pieces.popleft()
        return self._pieces[-1]


class _Piece:
    __slots__ = ("gaps", "lost", "octets", "packets", "start_ns")

    def __init__(self, start_ns: int) -> None:
        self.start_ns = start_ns
        self.packets = self.lost = self.gaps = self.octets = 0


def _share(lost: int, pieces: list[_Piece], least: int) -> float:
    packets = sum(piece.packets for piece in pieces)
    return min(lost / packets, 1.0) if packets >= least else 0.0
