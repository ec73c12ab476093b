"""RTP packets in any order in, whole frames in order out, each with its last packet."""

from __future__ import annotations

from aiortc.jitterbuffer import JitterBuffer, JitterFrame
from aiortc.rtp import RtpPacket
from aiortc.utils import uint16_add, uint16_gt

from live.clock import MILLISECOND, now_ns

_GIVE_UP_NS = 300 * MILLISECOND
"""How long a lost packet of video is waited for; a keyframe takes about as long to come."""
_VOICE_PATIENCE = 3
"""Newer packets of sound that a missing one is waited for: 60 ms, more than a reordering takes."""


class ArrivedFrame(JitterFrame):
    """An encoded frame, with when its first and its last packet came and its payload type."""

    def __init__(self, packets: list[RtpPacket], captured_ns: int) -> None:
        """`packets`: all of one frame, in order, depayloaded."""
        super().__init__(b"".join(p._data for p in packets), packets[0].timestamp)  # type: ignore[attr-defined]  # as aiortc does
        self.captured_ns = captured_ns
        self.whole_ns = now_ns()
        self.payload_type: int = packets[0].payload_type


class PromptJitterBuffer(JitterBuffer):
    """aiortc's buffer with another rule of release; frames are fetched with `pop`.

    A frame of video is complete with its marker bit, as RFC 7741 and RFC 6184 have it; where a
    sender sets none, the next frame's timestamp tells, as in aiortc. A packet of sound is a frame.
    Either way nothing is handed on over a gap.
    """

    def __init__(self, capacity: int, prefetch: int = 0, is_video: bool = False) -> None:
        """Takes aiortc's arguments; `prefetch` is what we do without."""
        super().__init__(capacity, 0, is_video)
        self._arrived_ns = [0] * capacity
        self._blocked_ns: int | None = None
        self._newest = 0

    def add(self, packet: RtpPacket) -> tuple[bool, None]:
        """Keeps a packet; says whether so much was lost that a keyframe is needed."""
        if self._origin is None or uint16_gt(packet.sequence_number, self._newest):
            self._newest = packet.sequence_number
        self._arrived_ns[packet.sequence_number % self.capacity] = now_ns()
        lost, _ = super().add(packet)
        return lost, None

    def pop(self) -> ArrivedFrame | None:
        """The next whole frame; `None` while there is none. Padding makes no frame."""
        while True:
            frame = self._take()
            if frame is None or frame.data:
                return frame

    def give_up(self, now: int) -> bool:
        """Drops what a missing packet holds up once it is overdue; says whether it did.

        For video, what follows is whole frames again, none decodable before the next keyframe.
        """
        if self._origin is None or not self._waits_for_head():
            self._blocked_ns = None
            return False
        if not self._is_video:
            overdue = uint16_add(self._newest, 1 - self.head) > _VOICE_PATIENCE
            return overdue and self._skip(after_marker=False)
        if self._blocked_ns is None:
            self._blocked_ns = now
        return now - self._blocked_ns > _GIVE_UP_NS and self._skip(after_marker=True)

    @property
    def head(self) -> int:
        """The sequence number that is to come next; what is before it is of no use any more."""
        return self._origin if self._origin is not None else 0

    def _remove_frame(self, sequence_number: int) -> None:
        """Frames leave by `pop`, as one packet may complete several."""

    def _take(self) -> ArrivedFrame | None:
        packets: list[RtpPacket] = []
        first_ns = 0
        for count in range(self.capacity if self._origin is not None else 0):
            position = (self.head + count) % self.capacity
            packet = self._packets[position]
            if packet is None:
                return None
            if packets and packet.timestamp != packets[0].timestamp:
                self.remove(count)
                return ArrivedFrame(packets, first_ns)
            first_ns = min(first_ns or self._arrived_ns[position], self._arrived_ns[position])
            packets.append(packet)
            if packet.marker or not self._is_video:
                self.remove(count + 1)
                return ArrivedFrame(packets, first_ns)
        return None

    def _waits_for_head(self) -> bool:
        return self._packets[self.head % self.capacity] is None and not uint16_gt(
            self.head, self._newest
        )

    def _skip(self, *, after_marker: bool) -> bool:
        """Moves on to a packet that surely begins a frame; says whether there is such a place."""
        for count in range(self.capacity):
            packet = self._packets[(self.head + count) % self.capacity]
            if packet is not None and (packet.marker or not after_marker):
                self.remove(count + 1 if after_marker else count)
                self._blocked_ns = None
                return True
        return False
