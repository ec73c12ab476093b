"""Which piece of sound leaves next, and when: the peer's own voice, or one that we make.

Both stand on one RTP timeline. A piece to be heard at `pts` leaves at `pts` + delay, read off the
clock anew for every piece, so that lateness never adds up. Plain synchronous code: the track of
`live.egress` does the waiting.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np

from live import opus
from live.clock import MILLISECOND, VOICE_RATE, SessionClock, ns_from_ticks, ticks_from_ns
from live.measures import Counts
from live.opus import Piece

SLOT_NS = ns_from_ticks(opus.SLOT, VOICE_RATE)
_LONGEST_DELAY_NS = 400 * MILLISECOND
_DELAY_STEP_NS = 2 * MILLISECOND
"""By how much the voice's delay changes from one piece of 20 ms to the next: no click, no hurry."""
_LATEST_NS = 150 * MILLISECOND
"""By how much sound may be late before it is dropped: it would stay late for good otherwise."""
_MOST_SOUND = 50
"""Pieces of sound kept: a second."""
_ALONE_NS = 200 * MILLISECOND
"""Without the peer's voice for so long, silence is sent where there is a source: a viewer that
hears something at all keeps its sound in step with its picture, from the first word on."""
_OVERLAP_NS = 5 * MILLISECOND
"""By how much the peer's first piece after somebody else may be moved to fit."""
_EXACT = ticks_from_ns(2 * MILLISECOND, VOICE_RATE)
_LOOSE = ticks_from_ns(20 * MILLISECOND, VOICE_RATE)
_ZEROS: opus.Samples = np.zeros(opus.SLOT, np.int16)


class VoiceSource(Protocol):
    """A voice of ours; asked on the event loop, so it must not block."""

    def sound(self, pts_ns: int) -> opus.Samples | None:
        """The next 20 ms, `(960,)` int16 at 48 kHz mono, to be heard from `pts_ns` on.

        `None`: nothing to say now; the peer's own voice passes. Asked for one piece at a time, at
        the moment when it leaves, with times that only go up.
        """


class Outgoing(NamedTuple):
    """A packet to be sent now."""

    data: bytes
    ticks: int
    pts_ns: int
    captured_ns: int | None
    """When it came to us; `None`: it is our own."""
    begins: bool
    """Whether it begins a talk spurt: before it was nothing, or somebody else."""


class VoiceLine:
    """Pieces in, packets with their times out."""

    def __init__(
        self, clock: SessionClock, wanted_delay_ns: Callable[[], int], counts: Counts
    ) -> None:
        """`wanted_delay_ns`: what lies between a piece's time and its leaving, if it can be.

        Counts under `dropped.late_sound` the pieces that came up too late to be heard in time.
        """
        self.source: VoiceSource | None = None
        self._clock = clock
        self._wanted_delay_ns = wanted_delay_ns
        self._counts = counts
        self._delay_ns = 0
        self._pieces: deque[Piece] = deque()
        self._encoder: opus.Encoder | None = None
        self._asked_ns: int | None = None
        self._heard_ns: int | None = None
        self._last: Outgoing | None = None
        self._last_peer_ticks = 0
        self._end_ns = 0

    def put(self, piece: Piece) -> None:
        """Takes a piece of the peer's voice."""
        self._pieces.append(piece)
        self._heard_ns = piece.captured_ns  # silence of ours must not take its place
        if len(self._pieces) > _MOST_SOUND:
            self._drop()

    def clear(self) -> None:
        """Forgets what waits."""
        self._pieces.clear()

    def ticks_at(self, ns: int) -> int:
        """The tick that stands for a moment, as a sender report has to name it.

        The peer's sound keeps the peer's own rate, which differs from ours by some millionths; so
        it is what was sent last that says where the timeline is.
        """
        if self._last is None:
            return self._clock.ticks(ns, VOICE_RATE)
        return self._last.ticks + ticks_from_ns(ns - self._last.pts_ns, VOICE_RATE)

    def wake_ns(self, now: int) -> int | None:
        """When there is something to do next, if nothing comes before; `None`: never."""
        times = [self._pieces[0].pts_ns] if self._pieces else []
        if self.source is not None:
            times.append(self._slot_ns(now))
        return min(times) + self._delay_ns if times else None

    def turn(self, now: int) -> Outgoing | None:
        """What is to leave now; `None`: nothing yet."""
        sent = self._own(now) or self._peers(now)
        if sent is not None:
            self._delay_ns = next_delay(self._delay_ns, self._wanted_delay_ns())
            self._last = sent
        return sent

    def _own(self, now: int) -> Outgoing | None:
        if self.source is None:
            return None
        while (slot_ns := self._slot_ns(now)) + self._delay_ns <= now:
            self._asked_ns = slot_ns
            samples = self.source.sound(slot_ns + opus.AHEAD_NS)
            if samples is not None:
                return self._encoded(slot_ns, samples)
            if self._encoder is not None:  # what its look-ahead still holds
                last = self._encoded(slot_ns, _ZEROS)
                self._encoder = None
                return last
            if self._heard_ns is None or now - self._heard_ns > _ALONE_NS:
                return self._at(slot_ns, opus.SILENCE, begins=False)
        return None

    def _slot_ns(self, now: int) -> int:
        """The time of the next piece that we are to be asked for: where the last one ended."""
        if self._asked_ns is None:
            return max(now - self._delay_ns, self._end_ns)
        slot_ns = self._asked_ns + SLOT_NS
        if abs(self._end_ns - slot_ns) < SLOT_NS // 2:
            slot_ns = self._end_ns
        late_ns = now - self._delay_ns - slot_ns
        return slot_ns if late_ns <= _LATEST_NS else slot_ns + late_ns // SLOT_NS * SLOT_NS

    def _encoded(self, slot_ns: int, samples: opus.Samples) -> Outgoing:
        begins = self._encoder is None
        self._encoder = self._encoder or opus.Encoder()
        return self._at(slot_ns, self._encoder(samples), begins=begins)

    def _at(self, slot_ns: int, data: bytes, *, begins: bool) -> Outgoing:
        ticks = self._placed(slot_ns, opus.SLOT, _EXACT)
        self._note_end(slot_ns, ticks, opus.SLOT)
        return Outgoing(data, ticks, slot_ns, None, begins)

    def _peers(self, now: int) -> Outgoing | None:
        while self._pieces:
            piece = self._pieces[0]
            late_ns = now - piece.pts_ns - self._delay_ns
            if late_ns < 0:
                return None
            if self._end_ns - piece.pts_ns > (SLOT_NS // 2 if self._follows else _OVERLAP_NS):
                self._pieces.popleft()  # somebody else has spoken meanwhile
            elif late_ns > _LATEST_NS and len(self._pieces) > 1:
                self._drop()
            else:
                return self._passed(self._pieces.popleft())
        return None

    def _passed(self, piece: Piece) -> Outgoing:
        samples = opus.duration(piece.data) or opus.SLOT
        follows = self._follows
        step = piece.ticks - self._last_peer_ticks if follows else 0
        gap = piece.pts_ns - self._end_ns > SLOT_NS // 2
        ticks = self._placed(piece.pts_ns, step, _EXACT if gap else _LOOSE)
        self._last_peer_ticks = piece.ticks
        self._note_end(piece.pts_ns, ticks, samples)
        return Outgoing(
            piece.data, ticks, piece.pts_ns, piece.captured_ns, begins=gap or not follows
        )

    @property
    def _follows(self) -> bool:
        """Whether the peer was heard last."""
        return self._last is not None and self._last.captured_ns is not None

    def _note_end(self, pts_ns: int, ticks: int, samples: int) -> None:
        """Where the timeline goes on: at the end of a piece, by its ticks."""
        moved = ticks - self._clock.ticks(pts_ns, VOICE_RATE)
        self._end_ns = pts_ns + ns_from_ticks(samples + moved, VOICE_RATE)

    def _placed(self, pts_ns: int, step: int, tolerance: int) -> int:
        """The ticks of a piece: `step` after the last one's, or by its time where that is wrong.

        Even a single tick left out between two pieces would be concealed by a listener.
        """
        exact = self._clock.ticks(pts_ns, VOICE_RATE)
        if self._last is None:
            return exact
        following = self._last.ticks + step
        if step > 0 and abs(following - exact) <= tolerance:
            return following
        return max(exact, self._last.ticks + (opus.duration(self._last.data) or opus.SLOT))

    def _drop(self) -> None:
        self._pieces.popleft()
        self._counts.add("dropped.late_sound")


def next_delay(present_ns: int, wanted_ns: int) -> int:
    """The voice's delay, one step nearer to what is wanted and never beyond its bound."""
    wanted_ns = min(max(wanted_ns, 0), _LONGEST_DELAY_NS)
    step = min(max(wanted_ns - present_ns, -_DELAY_STEP_NS), _DELAY_STEP_NS)
    return present_ns + step
