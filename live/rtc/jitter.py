"""RTP packets in any order in, whole frames in order out, each with its last packet."""

from __future__ import annotations

from collections.abc import Callable

from aiortc.jitterbuffer import JitterBuffer, JitterFrame
from aiortc.rtp import RtpPacket
from aiortc.utils import uint16_add, uint16_gt

from live.clock import now_ns

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
        self.broken = False
        """Set where packets were thrown away unasked; whoever mends it clears it."""
        self._arrived_ns = [0] * capacity
        self._newest = 0

    def add(self, packet: RtpPacket) -> tuple[bool, None]:
        """Keeps a packet; says whether so much was lost that a keyframe is needed."""
        now = now_ns()
        if self._origin is None or uint16_gt(packet.sequence_number, self._newest):
            self._newest = packet.sequence_number
        lost, _ = super().add(packet)
        if lost:
            self.broken = True
            self._newest = packet.sequence_number
        if self._at(packet.sequence_number) is packet:
            self._arrived_ns[packet.sequence_number % self.capacity] = now
        return lost, None

    def pop(self) -> ArrivedFrame | None:
        """The next whole frame; `None` while there is none. Padding makes no frame."""
        while True:
            frame = self._take()
            if frame is None or frame.data:
                return frame

    def pass_over_lost_sound(self) -> None:
        """Goes on with the next packet there is, where a missing one is overdue."""
        waiting = self._numbers()
        if len(waiting) > _VOICE_PATIENCE and self._at(self.head) is None:
            self._move_to(next(number for number in waiting if self._at(number) is not None))

    def skip(self) -> bool:
        """Moves on to a packet that surely begins a frame; says whether there is such a place.

        What follows is whole frames again, none decodable before the next keyframe.
        """
        for number in self._numbers():
            packet = self._at(number)
            if packet is not None and packet.marker:
                self._move_to(uint16_add(number, 1))
                return True
        return False

    def skip_to(self, begins_keyframe: Callable[[RtpPacket], bool]) -> bool:
        """Moves on to the newest keyframe that is there as a whole; says whether there is one."""
        found, candidate = None, None
        for number in self._numbers():
            packet = self._at(number)
            if packet is None:
                candidate = None
            elif begins_keyframe(packet):
                candidate = number
            if packet is not None and packet.marker:
                found, candidate = candidate if candidate is not None else found, None
        if found is not None:
            self._move_to(found)
        return found is not None

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

    def _at(self, number: int) -> RtpPacket | None:
        return self._packets[number % self.capacity]

    def _numbers(self) -> list[int]:
        """From the head to the newest packet; none where all has been handed on."""
        count = uint16_add(self._newest, 1 - self.head) if self._origin is not None else 0
        return [uint16_add(self.head, step) for step in range(count if count < 1 << 15 else 0)]

    def _move_to(self, number: int) -> None:
        self.remove(uint16_add(number, -self.head))
